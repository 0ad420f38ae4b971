//! `lacre sessions revoke`: ends sessions at once.
//!
//! This room must never end more than was asked for.

use super::failure::Failure;
use super::keystore::{age, handle};
use super::out;
use super::place::Place;
use super::printable::printable;
use super::progress::Progress;
use super::prompt;
use super::way::{Absent, Way, unexpected};
use clap::{ArgGroup, Args, Subcommand};
use lacre::internals::ops::{Answer, Request, SessionsRequest, Step, Which};
use lacre::internals::token::Handle;
use serde_json::json;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// End one session, those of a user or of a client, or all
    #[command(
        after_help = "Examples:\n  lacre sessions revoke Zk3aPq9xW0mC7vTt1bN4sQe8rYu2iOp5lKj6hGf3dSA\n  lacre sessions revoke --user ada@example.com --dry-run\n  lacre sessions revoke --user ada@example.com --except Zk3aPq9x\n  lacre sessions revoke --client client_0123456789abcdef\n  lacre sessions revoke --older-than 30d --dry-run\n  lacre sessions revoke --all --yes\n\nA session that is gone already is no failure. --json prints {\"revoked\":n,\"dry_run\":…,\"sessions\":[…]}; with --all \"sessions\" is null."
    )]
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["handle", "user", "client", "older_than", "all"])))]
#[allow(clippy::struct_excessive_bools)] // flags of a command line
pub(crate) struct Revoke {
    /// The session's handle, or a beginning of 8 characters or more, as the log shows it
    #[arg(value_parser = handle, allow_hyphen_values = true)]
    handle: Option<Handle>,
    /// All sessions of this user: id or e-mail
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    user: Option<String>,
    /// With --user: not this one, named by its handle or a beginning of it
    #[arg(long, value_name = "HANDLE", requires = "user", conflicts_with_all = ["handle", "client", "older_than", "all"], value_parser = handle, allow_hyphen_values = true)]
    except: Option<Handle>,
    /// All sessions that this client asked for: its id
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// All sessions that began so long ago or earlier, such as 30d or 12h
    #[arg(long, value_name = "D", value_parser = age)]
    older_than: Option<Duration>,
    /// All sessions of everybody; asks on a terminal
    #[arg(long)]
    all: bool,
    /// Don't ask whether to end all sessions
    #[arg(long)]
    yes: bool,
    /// Say what would end, and end nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Revoke(revoke) => revoke.run(place),
        }
    }
}

impl Revoke {
    fn run(self, place: &Place) -> Result<(), Failure> {
        let dry_run = self.dry_run;
        if self.all && !dry_run && !self.yes && prompt::can_ask() {
            confirm(place)?;
        }
        let which = match (
            self.handle,
            self.user,
            self.client,
            self.older_than,
            self.all,
        ) {
            (Some(handle), None, None, None, false) => Which::Handle(handle.as_str().to_owned()),
            (None, Some(user), None, None, false) => match self.except {
                Some(keep) => Which::Others {
                    user,
                    keep: keep.as_str().to_owned(),
                },
                None => Which::User(user),
            },
            (None, None, Some(client), None, false) => Which::Client(client),
            (None, None, None, Some(age), false) => Which::OlderThan(age.as_secs()),
            (None, None, None, None, true) => Which::All,
            // The group above keeps this away; ending the wrong sessions is not to hang on it.
            _ => {
                return Err(Failure::usage(
                    "usage",
                    "one of HANDLE, --user, --client, --older-than and --all",
                ));
            }
        };
        let is_one = matches!(which, Which::Handle(_));
        let request = Request::Sessions(SessionsRequest::Revoke { which, dry_run });
        let mut progress = Progress::new();
        let answer = Way::with(place, Absent::Fail, |way| {
            let answer = way.ask_in_steps(request, |step| {
                if let Step::Progress { done, total } = step {
                    progress.bar("sessions ended", done, total);
                }
                Ok(())
            })?;
            Ok((answer, way.data_dir().display().to_string()))
        });
        progress.clear();
        let (answer, data_dir) = answer?;
        let Answer::Revoked {
            count,
            handles,
            receipt,
        } = answer
        else {
            return Err(unexpected());
        };
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        if self.json {
            let ended = json!({"revoked": count, "dry_run": dry_run, "sessions": handles, "data_dir": data_dir, "receipt": super::receipts::named(receipt.as_ref())});
            writeln!(stdout, "{}", out::json(&ended)?)?;
        } else {
            for handle in handles.iter().flatten() {
                writeln!(stdout, "{handle}")?;
            }
            let sessions = if count == 1 { "session" } else { "sessions" };
            let what = if dry_run { "would end" } else { "ended" };
            writeln!(
                stdout,
                "{count} {sessions} {what} in {}",
                printable(&data_dir)
            )?;
            match receipt {
                Some((seq, hash)) => writeln!(stdout, "receipt {seq} {hash}")?,
                None if is_one && !dry_run && count > 0 => writeln!(
                    stdout,
                    "receipt: not written yet, it follows; see lacre receipts status"
                )?,
                None => {}
            }
            if !dry_run && count > 0 {
                writeln!(stdout, "proof: {}", proof(handles.as_deref()))?;
            }
        }
        Ok(stdout.flush()?)
    }
}

/// The command that shows that what was ended has ended.
fn proof(handles: Option<&[String]>) -> String {
    match handles.and_then(<[String]>::first) {
        Some(handle) => format!("lacre receipts show {handle}"),
        None => "lacre keystore stats".to_owned(),
    }
}

/// Asks the person at the terminal, before anything is opened.
fn confirm(place: &Place) -> Result<(), Failure> {
    let data_dir = std::path::absolute(place.resolve(&[], false)?.data_dir)?;
    let data_dir = data_dir.display().to_string();
    let question = format!("End all sessions of everybody in {}?", printable(&data_dir));
    if prompt::agrees(&question)? {
        return Ok(());
    }
    Err(Failure::failed(
        "not_confirmed",
        "not confirmed: no session has ended",
    ))
}
