//! `lacre keys`: the keys that a deployment goes by.
//!
//! This room must never print a key.

use super::failure::Failure;
use super::out::{self, Table};
use super::place::Place;
use super::printable::printable;
use super::progress::Progress;
use super::way::{Absent, Way, unexpected};
use clap::{Args, Subcommand};
use lacre::internals::ops::{
    Answer, IssuerKey, IssuerKeys, Keys, KeysRequest, MasterKey, Request, Rotated, SigningKey, Step,
};
use serde_json::{Value, json};
use std::io::{BufWriter, Write};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show which master keys, signing keys and keys of outside issuers are in use
    #[command(
        after_help = "Example:\n  lacre keys status --json\n\nShows ids, types and sizes, and no key. The keys of an issuer at an address are those of the running server; without one they are not fetched."
    )]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put new keys in the place of the master key and the signing key; nobody is logged out
    #[command(
        after_help = "Example:\n  lacre keys rotate\n  lacre keys rotate --master --keep-earlier\n\nEverything is sealed anew under the new master key, and then the earlier one is removed: a backup of before needs it, so keep a copy with the backup, or take a new one. Earlier signing keys are accepted until what they signed has expired. Killed in the middle, it goes on when the server starts, or with the same command."
    )]
    Rotate(Rotate),
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub(crate) struct Rotate {
    /// The master key alone
    #[arg(long)]
    master: bool,
    /// The signing key alone
    #[arg(long)]
    signing: bool,
    /// Leave the earlier master keys where they lie, which nothing needs any more
    #[arg(long)]
    keep_earlier: bool,
    /// Accept the earlier signing keys no more: everybody has to log in again
    #[arg(long)]
    drop_earlier: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Status { json } => status(place, json),
            Self::Rotate(rotate) => rotate.run(place),
        }
    }
}

impl Rotate {
    fn run(self, place: &Place) -> Result<(), Failure> {
        let both = self.master == self.signing;
        // Whoever wants the earlier keys dropped must not believe that they were.
        let unmeant = [
            (
                self.drop_earlier && self.master && !both,
                "--drop-earlier",
                "signing",
            ),
            (
                self.keep_earlier && self.signing && !both,
                "--keep-earlier",
                "master",
            ),
        ];
        if let Some((_, flag, kind)) = unmeant.into_iter().find(|(is_so, ..)| *is_so) {
            return Err(Failure::usage(
                "flags_contradict",
                format_args!(
                    "{flag} is of the {kind} keys, which are not to be rotated: nothing was changed"
                ),
            ));
        }
        let request = Request::Keys(KeysRequest::Rotate {
            master: both || self.master,
            signing: both || self.signing,
            keep_earlier: self.keep_earlier,
            drop_earlier: self.drop_earlier,
        });
        let mut progress = Progress::new();
        let answer = Way::with(place, Absent::Fail, |way| {
            way.ask_in_steps(request, |step| {
                if let Step::Progress { done, total } = step {
                    progress.bar("sealed anew", done, total);
                }
                Ok(())
            })
        });
        progress.clear();
        let Answer::Rotated(rotated) = answer? else {
            return Err(unexpected());
        };
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        if self.json {
            writeln!(stdout, "{}", out::json(&done(&rotated))?)?;
        } else {
            write_done(&mut stdout, &rotated)?;
        }
        Ok(stdout.flush()?)
    }
}

fn done(rotated: &Rotated) -> Value {
    let master = rotated.master.map(|id| {
        json!({
            "id": id,
            "made": rotated.made,
            "rewrapped": rotated.rewrapped,
            "removed": rotated.removed,
            "unneeded": rotated.unneeded,
        })
    });
    let signing = rotated.signing.as_ref().map(|id| {
        json!({
            "id": id,
            "accepted": rotated.accepted,
            "accepted_until": rotated.accepted_until.map(out::time),
            "forwards_at": rotated.forwards_at.map(out::time),
        })
    });
    json!({"master": master, "signing": signing})
}

fn write_done(out: &mut impl Write, rotated: &Rotated) -> Result<(), Failure> {
    if let Some(id) = rotated.master {
        let made = if rotated.made {
            "is new and seals"
        } else {
            "seals"
        };
        let anew = rotated.rewrapped;
        writeln!(
            out,
            "master key {id} {made}; {anew} records and notes were sealed anew"
        )?;
        let lie = rotated.master_keys_lie.as_deref().unwrap_or_default();
        let lie = printable(lie);
        for id in &rotated.removed {
            writeln!(out, "master key {id} is removed from {lie}")?;
        }
        for id in &rotated.unneeded {
            writeln!(
                out,
                "nothing needs master key {id} any more; it is still in {lie}"
            )?;
        }
    }
    if let Some(id) = &rotated.signing {
        writeln!(out, "signing key {id} is new and signs")?;
        let until = rotated.accepted_until.map(out::time);
        for id in &rotated.accepted {
            let until = out::optional(until.as_deref());
            writeln!(
                out,
                "signing key {id} is accepted until {until} at the latest"
            )?;
        }
    }
    writeln!(out, "proof: lacre keys status")?;
    Ok(())
}

fn status(place: &Place, as_json: bool) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let answer = Way::with(place, Absent::Fail, |way| {
        way.ask_in_steps(Request::Keys(KeysRequest::Status), |step| {
            if let Step::Progress { done, total } = step {
                progress.bar("records", done, total);
            }
            Ok(())
        })
    });
    progress.clear();
    let Answer::Keys(keys) = answer? else {
        return Err(unexpected());
    };
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    if as_json {
        writeln!(stdout, "{}", out::json(&shown(&keys))?)?;
    } else {
        write(&mut stdout, keys)?;
    }
    Ok(stdout.flush()?)
}

fn shown(keys: &Keys) -> Value {
    let master = |(place, key): (usize, &MasterKey)| {
        json!({
            "id": key.id,
            "current": place == 0,
            "since": key.since.map(out::time),
            "records": key.records,
            "notes": key.notes,
            "retiring": key.retiring,
        })
    };
    let signing = |(place, key): (usize, &SigningKey)| {
        json!({
            "id": key.id,
            "current": place == 0,
            "since": key.since.map(out::time),
            "accepted_until": key.accepted_until.map(out::time),
            "forwards": key.forwards,
        })
    };
    let rewrapping = keys.rewrapping;
    json!({
        "master_keys_lie": keys.master_keys_lie,
        "master": keys.master.iter().enumerate().map(master).collect::<Vec<_>>(),
        "signing": keys.signing.iter().enumerate().map(signing).collect::<Vec<_>>(),
        "rewrapping": rewrapping.map(|(done, total)| json!({"done": done, "total": total})),
        "issuers": keys.issuers.iter().map(issuer).collect::<Vec<_>>(),
    })
}

fn issuer(issuer: &IssuerKeys) -> Value {
    let key = |key: &IssuerKey| {
        json!({
            "kid": key.kid,
            "kty": key.kty,
            "bits": key.bits,
            "sha256": key.sha256,
            "algorithms": key.algorithms,
        })
    };
    json!({
        "name": issuer.name,
        "issuer": issuer.issuer,
        "accept": issuer.accept,
        "source": issuer.source,
        "read_at": issuer.read_at.map(out::time),
        "failing": issuer.failing,
        "keys": issuer.keys.iter().map(key).collect::<Vec<_>>(),
    })
}

fn write(out: &mut impl Write, keys: Keys) -> Result<(), Failure> {
    let since = |since: Option<u64>| out::optional(since.map(out::time).as_deref());
    let masters = keys.master.iter().enumerate().map(|(place, key)| {
        let of = format!("{} records, {} notes", key.records, key.notes);
        let does = match (place, key.retiring, key.records + key.notes) {
            (0, ..) => format!("seals; {of}"),
            (_, true, _) => format!("goes when nothing needs it; {of}"),
            (_, false, 0) => "nothing needs it".to_owned(),
            (_, false, _) => format!("opens what it sealed; {of}"),
        };
        [
            "master".to_owned(),
            key.id.to_string(),
            since(key.since),
            does,
        ]
    });
    let signers = keys.signing.iter().enumerate().map(|(place, key)| {
        let mut does = match key.accepted_until {
            _ if place == 0 => "signs".to_owned(),
            Some(until) => format!("accepted until {}", out::time(until)),
            None => "accepted".to_owned(),
        };
        if key.forwards && keys.signing.len() > 1 {
            does.push_str("; signs forwarded JWTs");
        }
        ["signing".to_owned(), key.id.clone(), since(key.since), does]
    });
    Table::new(["KEY", "ID", "SINCE", "USE"]).write(out, masters.chain(signers))?;
    writeln!(
        out,
        "master keys lie in {}",
        printable(&keys.master_keys_lie)
    )?;
    if let Some((done, total)) = keys.rewrapping {
        writeln!(out, "being sealed anew: {done} of {total}")?;
    }
    for issuer in keys.issuers {
        writeln!(out)?;
        let read = match issuer.read_at {
            Some(at) => out::time(at),
            None => "not read by this process".to_owned(),
        };
        let fields = [
            ("issuer", format!("{} ({})", issuer.name, issuer.issuer)),
            ("accept", issuer.accept),
            ("source", issuer.source),
            ("read", read),
        ];
        let failing = issuer.failing.map(|code| ("failing", code));
        out::write_fields(out, fields.into_iter().chain(failing))?;
        let rows = issuer.keys.into_iter().map(|key| {
            let kid = out::optional(key.kid.as_deref());
            let algorithms = out::words(&key.algorithms);
            [kid, key.kty, key.bits.to_string(), algorithms, key.sha256]
        });
        Table::new(["KID", "TYPE", "BITS", "ALGORITHMS", "SHA-256"]).write(out, rows)?;
    }
    Ok(())
}
