//! `lacre keystore`: the operator's window into the keystore.
//!
//! This room must never hide a record that doesn't open.

use super::accept::Accept;
use super::backup::Backup;
use super::failure::Failure;
use super::migrate::Migrate;
use super::out::{self, Table};
use super::place::Place;
use super::progress::Progress;
use super::restore::Restore;
use super::way::{Absent, Way, unexpected};
use clap::{Args, Subcommand};
use lacre::clock::{Clock as _, SystemClock};
use lacre::internals::archive::Holds;
use lacre::internals::config;
use lacre::internals::ops::{
    Answer, Damaged, DigestFound, KeystoreRequest, LastUse, Request, Session, Sessions, Step,
};
use lacre::internals::token::Handle;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List live sessions, the newest first
    #[command(
        after_help = "Examples:\n  lacre keystore list --user ada@example.com\n  lacre keystore list --address 203.0.113.0/24 --used-within 1h\n  lacre keystore list --limit 100 --json    # goes on with --after and the \"next\" of the answer\n\nWithout --limit all are listed. ADDRESS is that of the last use. A session is named by the beginning of its handle, which every command takes. --json prints {\"sessions\":[…],\"damaged\":[…],\"next\":…}."
    )]
    List(List),
    /// Show one live session
    #[command(
        after_help = "Examples:\n  lacre keystore show Zk3aPq9x\n  lacre keystore show Zk3aPq9xW0mC7vTt1bN4sQe8rYu2iOp5lKj6hGf3dSA --json"
    )]
    Show {
        /// The session's handle, or a beginning of 8 characters or more, as the log shows it
        #[arg(value_parser = handle, allow_hyphen_values = true)]
        handle: Handle,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the sessions into an encrypted file, without accounts and signing keys
    #[command(
        after_help = "Examples:\n  lacre keystore export /backup/sessions.lacre\n  lacre keystore export /backup/sessions.lacre --passphrase-file /root/lacre.passphrase\n\nWorks while the server runs. `lacre backup` has the sessions as well."
    )]
    Export(Backup),
    /// Compare an export with the keystore, or make a keystore of it that is missing
    #[command(
        after_help = "Examples:\n  lacre keystore import /backup/sessions.lacre\n  lacre keystore import /backup/sessions.lacre --keep-sessions\n\nNo server may run. Takes a backup as well. No session that has ended since is brought back: where the keystore is there, it stays as it is. Where it is missing, sessions come back with --keep-sessions alone."
    )]
    Import(Restore),
    /// Say how many records there are and how much room they take
    #[command(after_help = "Example:\n  lacre keystore stats --json")]
    Stats {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Open every record, name those that don't open, and look whether all are there
    #[command(
        after_help = "Examples:\n  lacre keystore verify\n  lacre keystore verify --json\n\nThe exit status is 1 if a record doesn't open; such a session can still be ended by its handle. It is 1 as well if records are missing or are of an earlier time, which the digest of all tells (store_incomplete). --json prints {\"damaged\":[{\"handle\":…,\"code\":…}],\"records\":n,\"digest_agrees\":…}."
    )]
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Go on with a keystore that no start takes: ends all sessions in it
    #[command(
        after_help = "Examples:\n  lacre keystore accept --dry-run\n  lacre keystore accept --yes\n  lacre keystore accept --keep-sessions\n\nFor store_older, epoch_missing, epoch_foreign, epoch_unset, store_incomplete and, where the files can be read, store_corrupt; and on Redis for store_emptied. No server may run. Which of the sessions have ended is not known then, so all of them end and are named, and users log in again. --keep-sessions says that none has ended since, as when the directory was moved to another machine. On a terminal it asks first, unless --yes. --json prints {\"refused\":CODE or null,\"records\":n,\"ended\":n,\"sessions\":[…],\"dry_run\":…,\"data_dir\":…}."
    )]
    Accept(Accept),
    /// Move all sessions to another store while the server serves: a directory, a database, or Redis
    #[command(
        after_help = "Examples:\n  lacre keystore migrate --to 'postgres://lacre@db.example/lacre?sslmode=verify-full' --dry-run\n  lacre keystore migrate --to-file /root/target-url\n  lacre keystore migrate --to redis+cluster://redis-1.internal,redis-2.internal\n  lacre keystore migrate --to sled:/var/lib/lacre-back --json\n\nNobody is logged out. At the end the store of before refuses everything, for good, and a server on it doesn't start again: start servers that use the new one. Run the same command again where it was cut off."
    )]
    Migrate(Migrate),
    /// Bring the keystore down to the room that it needs
    #[command(
        after_help = "Examples:\n  lacre keystore compact\n  lacre keystore compact --json\n\nEverything is copied into a fresh store, which then takes the place of the one before: as much room as the copy takes must be free. Beside a running server log-ins and ends wait meanwhile, and at the end reads are answered 503 for a moment. Whatever cuts it off, nothing is lost. --json prints {\"before\":n,\"after\":n}, in bytes."
    )]
    Compact {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only the sessions of this user: id or e-mail
    #[arg(long, value_name = "USER", allow_hyphen_values = true)]
    user: Option<String>,
    /// Only those used last, or begun, from this address, or from a network such as 10.0.0.0/8
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Only those used so long ago or less, such as 15m
    #[arg(long, value_name = "D", value_parser = age)]
    used_within: Option<Duration>,
    /// Only those that nobody has used for so long, such as 30d
    #[arg(long, value_name = "D", value_parser = age)]
    idle_for: Option<Duration>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Begin behind this place: the "next" of the listing before
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    after: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A session handle of the command line, also as it is copied out of the log, where it is cut off.
pub(super) fn handle(text: &str) -> Result<Handle, String> {
    Handle::parse(text.strip_suffix('…').unwrap_or(text))
        .map_err(|_| "1 to 128 characters of A-Z a-z 0-9 _ -".to_owned())
}

/// A duration as the configuration writes them, of a second at least.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let duration = config::duration(text).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "a duration such as 30d, 12h or 1h30m".to_owned())
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::List(list) => Way::with(place, Absent::Fail, |way| list.write(way)),
            Self::Show { handle, json } => show(place, &handle, json),
            Self::Export(export) => export.run(place, Holds::Sessions),
            Self::Import(import) => import.run(place, Holds::Sessions, false),
            Self::Stats { json } => stats(place, json),
            Self::Verify { json } => verify(place, json),
            Self::Accept(accept) => accept.run(place),
            Self::Migrate(migrate) => migrate.run(place),
            Self::Compact { json } => compact(place, json),
        }
    }
}

impl List {
    fn write(self, way: &mut Way) -> Result<(), Failure> {
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        let mut listing = Listing::new(self.json);
        let request = Request::Keystore(KeystoreRequest::List {
            user: self.user,
            last_use: LastUse {
                address: self.address,
                within: self.used_within.map(|time| time.as_secs()),
                idle: self.idle_for.map(|time| time.as_secs()),
            },
            after: self.after,
            limit: self.limit.map(|limit| limit as usize),
        });
        let mut write = |page| match page {
            Answer::Sessions(page) => listing.page(&mut stdout, page),
            _ => Err(unexpected()),
        };
        let last = way.ask_in_steps(request, |step| match step {
            Step::Page(page) => write(page).map(drop),
            Step::Progress { .. } => Ok(()),
        })?;
        let after = write(last)?;
        listing.end(&mut stdout, after.as_deref())?;
        Ok(stdout.flush()?)
    }
}

/// A listing that is written while it is read.
struct Listing {
    as_json: bool,
    table: Table<6>,
    now: u64,
    before: &'static str,
    damaged: Vec<Damaged>,
}

impl Listing {
    fn new(as_json: bool) -> Self {
        Self {
            as_json,
            // Ids of users are long, and addresses where they are IPv6.
            table: Table::new(["SESSION", "USER", "AGE", "LAST USE", "ADDRESS", "LABEL"])
                .narrowing(&[(5, 5), (1, 9), (4, 15)]),
            now: SystemClock::default().now(),
            before: "{\"sessions\":[",
            damaged: Vec::new(),
        }
    }

    /// Writes a page, and says where the next one begins.
    fn page(&mut self, out: &mut impl Write, page: Sessions) -> Result<Option<String>, Failure> {
        self.damaged.extend(page.damaged);
        if self.as_json {
            for session in &page.sessions {
                write!(out, "{}{}", self.before, out::json(&shown(session))?)?;
                self.before = ",";
            }
        } else {
            let rows = page
                .sessions
                .into_iter()
                .map(|session| row(session, self.now));
            self.table.write(out, rows)?;
        }
        Ok(page.next)
    }

    fn end(self, out: &mut impl Write, next: Option<&str>) -> Result<(), Failure> {
        if self.as_json {
            let opening = if self.before == "," { "" } else { self.before };
            let damaged: Vec<Value> = self
                .damaged
                .iter()
                .map(|record| json!({"handle": record.handle, "code": record.code}))
                .collect();
            let (damaged, next) = (out::json(&damaged)?, out::json(&next)?);
            writeln!(out, "{opening}],\"damaged\":{damaged},\"next\":{next}}}")?;
            return Ok(());
        }
        let mut stderr = std::io::stderr();
        for record in self.damaged {
            let _ = writeln!(
                stderr,
                "lacre: {} does not open ({})",
                record.handle, record.code
            );
        }
        if let Some(next) = next {
            let _ = writeln!(stderr, "lacre: there are more: --after {next}");
        }
        Ok(())
    }
}

fn show(place: &Place, handle: &Handle, as_json: bool) -> Result<(), Failure> {
    let handle = handle.as_str().to_owned();
    let request = Request::Keystore(KeystoreRequest::Show { handle });
    let answer = Way::with(place, Absent::Fail, |way| way.ask(request))?;
    let Answer::Session(session) = answer else {
        return Err(unexpected());
    };
    let mut stdout = std::io::stdout().lock();
    if as_json {
        writeln!(stdout, "{}", out::json(&shown(&session))?)?;
        return Ok(());
    }
    let fields = [
        ("handle", session.handle),
        ("user", session.user),
        ("created", out::time(session.created_at)),
        ("last used", out::time(session.last_seen_at)),
        (
            "last used from",
            out::optional(session.last_seen_address.as_deref()),
        ),
        ("expires", out::time(session.expires_at)),
        ("ends", out::time(session.ends_at)),
        ("generation", session.generation.to_string()),
        ("begun from", out::optional(session.address.as_deref())),
        ("label", out::optional(session.label.as_deref())),
        ("client", out::optional(session.client.as_deref())),
        ("user agent", out::optional(session.user_agent.as_deref())),
    ];
    Ok(out::write_fields(&mut stdout, fields)?)
}

fn stats(place: &Place, as_json: bool) -> Result<(), Failure> {
    let answer = Way::with(place, Absent::Fail, |way| {
        way.ask(Request::Keystore(KeystoreRequest::Stats))
    })?;
    let Answer::Stats {
        records,
        bytes_on_disk,
    } = answer
    else {
        return Err(unexpected());
    };
    let mut stdout = std::io::stdout().lock();
    if as_json {
        let stats = json!({"records": records, "bytes_on_disk": bytes_on_disk});
        writeln!(stdout, "{}", out::json(&stats)?)?;
        return Ok(());
    }
    let fields = [
        ("records", records.to_string()),
        ("bytes on disk", bytes_on_disk.to_string()),
    ];
    Ok(out::write_fields(&mut stdout, fields)?)
}

pub(super) fn shown(session: &Session) -> Value {
    json!({
        "handle": session.handle,
        "user": session.user,
        "created_at": out::time(session.created_at),
        "last_seen_at": out::time(session.last_seen_at),
        "expires_at": out::time(session.expires_at),
        "ends_at": out::time(session.ends_at),
        "generation": session.generation,
        "address": session.address,
        "last_seen_address": session.last_seen_address,
        "user_agent": session.user_agent,
        "label": session.label,
        "client": session.client,
    })
}

fn row(session: Session, now: u64) -> [String; 6] {
    [
        out::beginning(&session.handle),
        session.user,
        out::age(now, session.created_at),
        out::age(now, session.last_seen_at),
        out::optional(session.last_seen_address.as_deref()),
        out::optional(session.label.as_deref()),
    ]
}

fn verify(place: &Place, as_json: bool) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let (mut stdout, mut verified) = (std::io::stdout().lock(), Verified::new(as_json));
    let last = Way::with(place, Absent::Fail, |way| {
        way.ask_in_steps(Request::Keystore(KeystoreRequest::Verify), |step| {
            match step {
                Step::Progress { done, total } => progress.bar("records", done, total),
                Step::Page(page) => {
                    progress.clear();
                    verified.page(&mut stdout, page)?;
                }
            }
            Ok(())
        })
    });
    progress.clear();
    verified.page(&mut stdout, last?)?;
    verified.end(&mut stdout)
}

fn compact(place: &Place, as_json: bool) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let answer = Way::with(place, Absent::Fail, |way| {
        way.ask_in_steps(Request::Keystore(KeystoreRequest::Compact), |step| {
            if let Step::Progress { done, total } = step {
                progress.bar("records", done, total);
            }
            Ok(())
        })
    });
    progress.clear();
    let Answer::Compacted { before, after } = answer? else {
        return Err(unexpected());
    };
    let mut stdout = std::io::stdout().lock();
    if as_json {
        let bytes = json!({"before": before, "after": after});
        writeln!(stdout, "{}", out::json(&bytes)?)?;
        return Ok(());
    }
    let fields = [
        ("bytes before", before.to_string()),
        ("bytes now", after.to_string()),
    ];
    Ok(out::write_fields(&mut stdout, fields)?)
}

/// What a verification found, written while it is found.
struct Verified {
    as_json: bool,
    before: &'static str,
    records: u64,
    damaged: u64,
    digest: Option<DigestFound>,
}

impl Verified {
    fn new(as_json: bool) -> Self {
        Self {
            as_json,
            before: "{\"damaged\":[",
            records: 0,
            damaged: 0,
            digest: None,
        }
    }

    fn page(&mut self, out: &mut impl Write, page: Answer) -> Result<(), Failure> {
        let Answer::Verified {
            records,
            count,
            damaged,
            digest,
        } = page
        else {
            return Err(unexpected());
        };
        (self.records, self.damaged, self.digest) = (records, count, digest);
        for Damaged { handle, code } in damaged {
            if self.as_json {
                let record = out::json(&json!({"handle": handle, "code": code}))?;
                write!(out, "{}{record}", self.before)?;
                self.before = ",";
            } else {
                writeln!(out, "{handle}  {code}")?;
            }
        }
        Ok(())
    }

    fn end(self, out: &mut impl Write) -> Result<(), Failure> {
        let Self {
            records,
            damaged,
            digest,
            ..
        } = self;
        let agrees = digest.map(|digest| digest.agrees);
        if self.as_json {
            let opening = if self.before == "," { "" } else { self.before };
            let agrees = json!(agrees);
            writeln!(
                out,
                "{opening}],\"records\":{records},\"digest_agrees\":{agrees}}}"
            )?;
        } else {
            let open = records.saturating_sub(damaged);
            let digest = match agrees {
                Some(true) => "; the digest of all agrees",
                Some(false) => "; the digest of all doesn't agree",
                None => "",
            };
            writeln!(
                out,
                "{}: {open} open, {damaged} damaged{digest}",
                plural(records)
            )?;
        }
        out.flush()?;
        if let Some(expected) = digest.and_then(|digest| digest.expected) {
            return Err(Failure::failed(
                "store_incomplete",
                format_args!(
                    "{records} records are there and {expected} were durable, or some are of an earlier time: ended \
                     sessions may be among them. Stop the server, and put the files back as they were, or go on \
                     by `lacre keystore accept`, which ends all sessions"
                ),
            ));
        }
        if damaged == 0 {
            return Ok(());
        }
        Err(Failure::failed(
            "records_damaged",
            format_args!(
                "{} damaged: put them back from a backup, or end their sessions with \
                 `lacre sessions revoke HANDLE`",
                if damaged == 1 {
                    "1 record is".to_owned()
                } else {
                    format!("{damaged} records are")
                }
            ),
        ))
    }
}

fn plural(records: u64) -> String {
    format!("{records} record{}", if records == 1 { "" } else { "s" })
}
