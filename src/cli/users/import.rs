//! `lacre users import`: accounts of another system, a line of JSON each.
//!
//! This room must never print a line of the file: it holds hashes.

use super::super::failure::Failure;
use super::super::out;
use super::super::place::Place;
use super::super::printable::printable;
use super::super::progress::Progress;
use super::super::way::{Absent, Way, unexpected};
use super::lines::{Input, Line, Lines};
use clap::Args;
use futures_util::StreamExt as _;
use lacre::internals::http::server::stop_signals;
use lacre::internals::ops::{Answer, RefusedUser, Request, UsersRequest};
use serde_json::json;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::sync::oneshot;

/// As a shell says of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    file: OsString,
    /// Say what would be refused, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Print {"imported":…,"refused":[{"line":…,"code":…,"field":…,"reason":…}],…}
    #[arg(long)]
    json: bool,
}

/// A line that made no account.
struct Refused {
    line: u64,
    why: RefusedUser,
}

/// What became of the lines so far.
#[derive(Default)]
struct Outcome {
    imported: u64,
    refused: u64,
}

impl Import {
    /// In a thread of its own: an import that is interrupted (SIGINT, SIGTERM) ends between two batches, when
    /// the audit events of all that was made are written, and says how far it came.
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        let (input, length) = self.open()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let _guard = runtime.enter();
        let mut stops = stop_signals()?;
        let (outcome, place) = (Arc::new(Mutex::new(Outcome::default())), place.clone());
        let (tell, told) = oneshot::channel();
        let shared = Arc::clone(&outcome);
        thread::spawn(move || tell.send(self.import(&place, input, length, &shared)));
        runtime.block_on(async {
            tokio::select! {
                ended = told => ended.unwrap_or_else(|_| Err(Failure::failed(
                    "import_failed", "the import broke off",
                ))),
                _ = stops.next() => Err(interrupted(&outcome)),
            }
        })
    }

    fn import(
        &self,
        place: &Place,
        input: Input,
        length: Option<u64>,
        outcome: &Mutex<Outcome>,
    ) -> Result<(), Failure> {
        let mut progress = Progress::new();
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        let absent = if self.dry_run {
            Absent::Fail
        } else {
            Absent::Make
        };
        let data_dir = Way::with(place, absent, |way| {
            let mut lines = Lines::new(input);
            let mut before = "";
            while let Some(batch) = lines.batch()? {
                let mut outcome = locked(outcome);
                let refused = self.send(way, batch, &mut outcome)?;
                progress.clear();
                for refused in refused {
                    write!(stdout, "{}", if self.json { before } else { "" })?;
                    if self.json && before.is_empty() {
                        write!(stdout, "{{\"refused\":[")?;
                    }
                    before = ",";
                    refused.write(&mut stdout, self.json)?;
                }
                stdout.flush()?;
                progress.show(Shown {
                    accounts: outcome.imported + outcome.refused,
                    read: lines.read,
                    length,
                });
            }
            Ok(way.data_dir().display().to_string())
        });
        progress.clear();
        let outcome = locked(outcome);
        let data_dir = data_dir.inspect_err(|_| outcome.note(self.dry_run))?;
        outcome.write(&mut stdout, self, &data_dir)?;
        stdout.flush()?;
        outcome.verdict()
    }

    /// What is read, and how long it is where that is known.
    fn open(&self) -> Result<(Input, Option<u64>), Failure> {
        if self.file == "-" {
            return Ok((Box::new(BufReader::new(std::io::stdin())), None));
        }
        let name = self.file.display();
        let unreadable =
            |error| Failure::failed("input_unreadable", format_args!("{name}: {error}"));
        let file = File::open(&self.file).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if about.is_dir() {
            return Err(Failure::failed(
                "input_unreadable",
                format_args!("{name}: is a directory"),
            ));
        }
        let length = about.is_file().then_some(about.len());
        Ok((Box::new(BufReader::new(file)), length))
    }

    /// Sends the accounts of some lines; the refused ones, in the order of their lines.
    fn send(
        &self,
        way: &mut Way,
        batch: Vec<Line>,
        outcome: &mut Outcome,
    ) -> Result<Vec<Refused>, Failure> {
        let mut refused = Vec::new();
        let (mut numbers, mut users) = (Vec::new(), Vec::new());
        for Line { number: line, user } in batch {
            match user {
                Ok(user) => {
                    numbers.push(line);
                    users.push(user);
                }
                Err(why) => refused.push(Refused { line, why }),
            }
        }
        let sent = users.len();
        let dry_run = self.dry_run;
        let request = Request::Users(UsersRequest::Import { users, dry_run });
        let Answer::Imported(not_made) = way.ask(request)? else {
            return Err(unexpected());
        };
        let made = sent.checked_sub(not_made.len()).ok_or_else(unexpected)?;
        for why in not_made {
            let line = *numbers.get(why.index).ok_or_else(unexpected)?;
            refused.push(Refused { line, why });
        }
        refused.sort_by_key(|refused| refused.line);
        outcome.imported += made as u64;
        outcome.refused += refused.len() as u64;
        Ok(refused)
    }
}

impl Refused {
    fn write(&self, out: &mut impl Write, as_json: bool) -> Result<(), Failure> {
        let Self { line, why } = self;
        if as_json {
            let shown = json!({
                "line": line, "code": why.code, "field": why.field, "reason": why.reason,
            });
            return Ok(write!(out, "{}", out::json(&shown)?)?);
        }
        let reason = printable(&why.reason);
        Ok(writeln!(out, "line {line}: {reason} ({})", why.code)?)
    }
}

impl Outcome {
    fn write(&self, out: &mut impl Write, import: &Import, place: &str) -> Result<(), Failure> {
        let Self { imported, refused } = self;
        if import.json {
            let opening = if *refused == 0 { "{\"refused\":[" } else { "" };
            let rest = json!({
                "imported": imported, "dry_run": import.dry_run, "data_dir": place,
            });
            let rest = out::json(&rest)?;
            return Ok(writeln!(out, "{opening}],{}", &rest[1..])?);
        }
        let accounts = if *imported == 1 {
            "account"
        } else {
            "accounts"
        };
        let what = if import.dry_run {
            "would be imported"
        } else {
            "imported"
        };
        let place = printable(place);
        Ok(writeln!(
            out,
            "{imported} {accounts} {what}, {refused} refused, in {place}"
        )?)
    }

    /// An import that was cut off says what stands.
    fn note(&self, dry_run: bool) {
        if self.imported > 0 && !dry_run {
            super::note(&format!(
                "{} accounts were imported before this; imported again, they are refused as account_exists",
                self.imported
            ));
        }
    }

    fn verdict(&self) -> Result<(), Failure> {
        match self.refused {
            0 => Ok(()),
            refused => Err(Failure::failed(
                "users_refused",
                format_args!(
                    "{refused} of {} accounts were refused",
                    refused + self.imported
                ),
            )),
        }
    }
}

fn locked(outcome: &Mutex<Outcome>) -> MutexGuard<'_, Outcome> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the batch under way, and lets no other begin.
fn interrupted(outcome: &Mutex<Outcome>) -> Failure {
    let outcome = std::mem::ManuallyDrop::new(locked(outcome));
    let text = format!(
        "interrupted: {} accounts were imported and {} refused before this",
        outcome.imported, outcome.refused
    );
    Failure::new(INTERRUPTED, "interrupted", text)
}

/// How far it is, for a terminal.
struct Shown {
    accounts: u64,
    read: u64,
    length: Option<u64>,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.length {
            Some(length) if length > 0 => {
                let percent = (self.read * 100 / length).min(100);
                let full = usize::try_from(percent / 5).unwrap_or_default();
                write!(
                    f,
                    "[{:20}] {percent:3} %  {} accounts",
                    "#".repeat(full),
                    self.accounts
                )
            }
            _ => write!(f, "{} accounts", self.accounts),
        }
    }
}
