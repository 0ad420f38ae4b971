//! `lacre keystore migrate`: all sessions into another store.
//!
//! Who has the store in use to itself moves the sessions: a running server, or this command. Out of a database, which
//! nobody has to itself, this command moves them whether or not nodes are at work.
//!
//! This room must never print the password of a store.

use super::failure::{self, Failure};
use super::out;
use super::place::Place;
use super::printable::printable;
use super::progress::Progress;
use super::way::{Absent, Way, unexpected};
use clap::Args;
use lacre::clock::SystemClock;
use lacre::internals::config::{Config, Engine};
use lacre::internals::deployment::data_dir::read_secret;
use lacre::internals::deployment::{
    Heard, MoveError, MovedAll, Target, Waiting, finish, move_from_database, move_from_redis,
};
use lacre::internals::entropy;
use lacre::internals::ops::{AdminError, Answer, KeystoreRequest, Request, Secret, Step};
use lacre::internals::telemetry;
use serde_json::json;
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Where to.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "to_file",
        help = "The store to move to: postgres://USER:PASSWORD@HOST/DATABASE, redis://USER:PASSWORD@HOST, redis+cluster://HOST,HOST, or sled:DIRECTORY"
    )]
    to: Option<String>,
    /// A file whose first line is that URL, where it has a password that a list of processes would show
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    to_file: Option<PathBuf>,
    /// Look whether it could be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        let config = place.resolve(&[], false)?;
        let target = Target::parse(&self.url()?).map_err(failed)?.absolute()?;
        if !self.dry_run {
            telemetry::leads_somewhere().map_err(Failure::log_closed)?;
            telemetry::audit_is_kept().map_err(Failure::log_closed)?;
        }
        let mut shown = Shown(Progress::new());
        let moved = match config.keystore.engine {
            Engine::Postgres | Engine::Redis => self.out_of_nodes(&config, &target, &mut shown),
            Engine::Sled | Engine::Memory => {
                self.out_of_directory(place, &config, &target, &mut shown)
            }
        };
        shown.0.clear();
        self.say(&target, &moved?)
    }

    fn url(&self) -> Result<String, Failure> {
        match (&self.to, &self.to_file) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => url_in(path),
            (None, None) => Err(failed(MoveError::NoTarget)),
        }
    }

    fn out_of_nodes(
        &self,
        config: &Config,
        target: &Target,
        shown: &mut Shown,
    ) -> Result<MovedAll, Failure> {
        let runtime = runtime()?;
        let parts = (Arc::new(SystemClock::default()) as _, entropy::system());
        let moved = async {
            if config.keystore.engine == Engine::Redis {
                move_from_redis(config, target, self.dry_run, parts, shown).await
            } else {
                move_from_database(config, target, self.dry_run, parts, shown).await
            }
        };
        runtime.block_on(moved).map_err(failed)
    }

    fn out_of_directory(
        &self,
        place: &Place,
        config: &Config,
        target: &Target,
        shown: &mut Shown,
    ) -> Result<MovedAll, Failure> {
        let request = Request::Keystore(KeystoreRequest::Migrate {
            to: Secret::new(target.expose()),
            dry_run: self.dry_run,
        });
        let answer = Way::with(place, Absent::Fail, |way| {
            way.ask_in_steps(request, |step| {
                match step {
                    Step::Progress { done, total } => shown.0.bar("sessions", done, total),
                    Step::Page(Answer::Moving {
                        interrupted: Some(why),
                        ..
                    }) => shown.interrupted(&why),
                    Step::Page(Answer::Moving {
                        walk,
                        written,
                        removed,
                        ..
                    }) => shown.walked(walk, written, removed),
                    Step::Page(_) => return Err(unexpected()),
                }
                Ok(())
            })
        });
        match answer {
            Ok(Answer::Moved {
                sessions,
                accounts,
                held_ms,
            }) => Ok(MovedAll {
                sessions,
                accounts,
                held: Duration::from_millis(held_ms),
            }),
            Ok(_) => Err(unexpected()),
            // The sessions had left when it was cut off, and no server is there.
            Err(error) if error.is("store_moved") => {
                runtime()?.block_on(finish(config, target)).map_err(failed)
            }
            Err(error) => Err(error),
        }
    }

    fn say(&self, target: &Target, moved: &MovedAll) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let held = u64::try_from(moved.held.as_millis()).unwrap_or(u64::MAX);
        if self.json {
            let said = json!({
                "to": target.to_string(),
                "engine": target.engine(),
                "sessions": moved.sessions,
                "accounts": moved.accounts,
                "held_ms": held,
                "dry_run": self.dry_run,
            });
            return Ok(writeln!(stdout, "{}", out::json(&said)?)?);
        }
        let to = target.to_string();
        let to = printable(&to);
        match moved.sessions {
            Some(count) if self.dry_run => {
                let count = out::count(count, "session", "sessions");
                writeln!(
                    stdout,
                    "{count} would be moved to {to}; nothing was changed"
                )?;
                return Ok(());
            }
            Some(count) => {
                let count = out::count(count, "session", "sessions");
                writeln!(
                    stdout,
                    "moved to {to}: {count}; changes were refused for {held} ms"
                )?;
            }
            None => writeln!(stdout, "the sessions are in {to}")?,
        }
        if let Some(count) = moved.accounts {
            let count = out::count(count, "account", "accounts");
            writeln!(stdout, "into the same database: {count}")?;
        }
        let settings = match target {
            Target::Postgres(_) => {
                "keystore.engine = \"postgres\", and keystore.url to that database; accounts.url as well where the \
                 accounts were in a file"
            }
            Target::Redis(_) => {
                "keystore.engine = \"redis\", and keystore.url to those servers; accounts.url stays"
            }
            Target::Directory(_) => {
                "keystore.engine = \"sled\" and data_dir to that directory; accounts.url stays"
            }
        };
        writeln!(
            stdout,
            "the servers of before refuse everything now: stop them, set {settings}, and start again"
        )?;
        Ok(())
    }
}

/// What is told while it goes on: a bar on a terminal, and a line for each walk.
struct Shown(Progress);

impl Shown {
    fn walked(&mut self, number: usize, written: u64, removed: u64) {
        self.0.clear();
        let line = match number {
            0 => "changes are refused now, for the last walk".to_owned(),
            1 => format!("walk 1: {written} sessions copied, {removed} removed"),
            _ => format!("walk {number}: {written} had changed since, {removed} had ended"),
        };
        let _ = writeln!(std::io::stderr(), "lacre: {line}");
    }
}

impl Shown {
    fn interrupted(&mut self, why: &str) {
        self.0.clear();
        let why = printable(why);
        let _ = writeln!(std::io::stderr(), "lacre: interrupted, and going on: {why}");
    }
}

impl Waiting for Shown {
    fn walking(&mut self, done: u64, total: u64) -> bool {
        self.0.bar("sessions", done, total);
        true
    }

    fn heard(&mut self, step: Heard) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        match step {
            Heard::Walked { number, round } => self.walked(number, round.written, round.removed),
            Heard::Held => self.walked(0, 0, 0),
            Heard::Interrupted(why) => self.interrupted(&why),
        }
        Box::pin(std::future::ready(true))
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime)
}

fn failed(error: MoveError) -> Failure {
    if matches!(error, MoveError::NoTarget) {
        return Failure::usage(error.code(), error);
    }
    AdminError::from(error).into()
}

fn url_in(path: &Path) -> Result<String, Failure> {
    let text =
        read_secret(path).map_err(|error| Failure::new(failure::CONFIG, error.code(), error))?;
    let text = text
        .as_deref()
        .and_then(|text| std::str::from_utf8(text).ok());
    let line = text.and_then(|text| text.lines().next());
    line.map(str::to_owned)
        .ok_or_else(|| failed(MoveError::NoTarget))
}
