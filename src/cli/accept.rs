//! `lacre keystore accept`: going on with a keystore that no start takes.
//!
//! This room must never end a session without saying how many and which.

use super::failure::{self, Failure};
use super::out;
use super::place::Place;
use super::printable::printable;
use super::prompt;
use clap::Args;
use lacre::clock::SystemClock;
use lacre::internals::config::Config;
use lacre::internals::deployment::{AcceptedKeystore, Accepting, OpenError, accept};
use lacre::internals::entropy;
use lacre::internals::telemetry;
use serde_json::json;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

/// How many sessions are named to a person; `--json` names more.
const NAMED: usize = 20;

/// What becomes of the sessions.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // flags of a command line
pub(crate) struct Accept {
    /// End no session: say so only if none has ended since, for instance of a directory that was moved
    #[arg(long)]
    keep_sessions: bool,
    /// Say what would end, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Accept {
    pub(super) fn run(&self, place: &Place) -> Result<(), Failure> {
        let config = place.resolve(&[], false)?;
        if self.dry_run {
            let found = act(&config, Accepting::DryRun)?;
            return self.say(&config, found.as_ref());
        }
        telemetry::leads_somewhere().map_err(Failure::log_closed)?;
        telemetry::audit_is_kept().map_err(Failure::log_closed)?;
        if !self.yes && prompt::can_ask() {
            let Some(found) = act(&config, Accepting::DryRun)? else {
                return self.say(&config, None);
            };
            self.confirm(&found)?;
        }
        let wanted = if self.keep_sessions {
            Accepting::KeepSessions
        } else {
            Accepting::EndAll
        };
        let found = act(&config, wanted)?;
        self.say(&config, found.as_ref())
    }

    fn confirm(&self, found: &AcceptedKeystore) -> Result<(), Failure> {
        let _ = writeln!(
            std::io::stderr(),
            "lacre: {} ({})",
            printable(&found.refusal.to_string()),
            found.refusal.code()
        );
        let question = if self.keep_sessions {
            format!(
                "Go on with the {} sessions in it, none of which has ended since?",
                found.records
            )
        } else {
            format!("End all {} sessions in it?", found.records)
        };
        if prompt::agrees(&question)? {
            return Ok(());
        }
        Err(Failure::failed(
            "not_confirmed",
            "not confirmed: nothing was changed",
        ))
    }

    fn say(&self, config: &Config, found: Option<&AcceptedKeystore>) -> Result<(), Failure> {
        let data_dir = std::path::absolute(&config.data_dir)?.display().to_string();
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        let ended = match found {
            Some(found) if !self.keep_sessions => found.records,
            _ => 0,
        };
        if self.json {
            let said = json!({
                "refused": found.map(|found| found.refusal.code()),
                "records": found.map(|found| found.records),
                "ended": ended,
                "sessions": found.filter(|_| ended > 0).map(|found| {
                    found.named.iter().map(lacre::Handle::as_str).collect::<Vec<_>>()
                }).unwrap_or_default(),
                "dry_run": self.dry_run,
                "data_dir": data_dir,
            });
            writeln!(stdout, "{}", out::json(&said)?)?;
            return Ok(stdout.flush()?);
        }
        let Some(found) = found else {
            writeln!(
                stdout,
                "the keystore in {} is taken as it is: nothing was changed",
                printable(&data_dir)
            )?;
            return Ok(stdout.flush()?);
        };
        for handle in found.named.iter().take(if ended > 0 { NAMED } else { 0 }) {
            writeln!(stdout, "{}", handle.as_str())?;
        }
        if ended > NAMED as u64 {
            writeln!(
                stdout,
                "and {} more; --json names them",
                ended - NAMED as u64
            )?;
        }
        let sessions = if found.records == 1 {
            "session"
        } else {
            "sessions"
        };
        let what = match (self.keep_sessions, self.dry_run) {
            (true, true) => "would stay",
            (true, false) => "stay",
            (false, true) => "would end",
            (false, false) => "ended",
        };
        writeln!(
            stdout,
            "{} {sessions} {what} in {} ({})",
            found.records,
            printable(&data_dir),
            found.refusal.code()
        )?;
        if !self.dry_run {
            writeln!(
                stdout,
                "accounts and keys are those that are there: if they are of before as well, repeat the changes that \
                 the audit log has from later on, and look at `lacre keys status`"
            )?;
        }
        Ok(stdout.flush()?)
    }
}

fn act(config: &Config, wanted: Accepting) -> Result<Option<AcceptedKeystore>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let parts = (Arc::new(SystemClock::default()) as _, entropy::system());
    let accepted = runtime.block_on(accept(config, wanted, parts));
    accepted.map_err(|error| match error {
        OpenError::DataDir(ref held) if held.code() == "data_dir_held" => Failure::new(
            failure::UNAVAILABLE,
            "accept_server_running",
            format_args!(
                "{error}; nothing was changed: what a server has open was taken by its start"
            ),
        ),
        error => error.into(),
    })
}
