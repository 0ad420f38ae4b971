//! `lacre keys`: the keys that a deployment goes by.
//!
//! This room must never print a key.

use super::failure::Failure;
use super::out::{self, Table};
use super::place::Place;
use super::way::{Absent, Way, unexpected};
use clap::Subcommand;
use lacre::internals::ops::{Answer, IssuerKey, IssuerKeys, Keys, KeysRequest, Request};
use serde::Serialize;
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
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Status { json } => status(place, json),
        }
    }
}

fn status(place: &Place, as_json: bool) -> Result<(), Failure> {
    let answer = Way::with(place, Absent::Fail, |way| {
        way.ask(Request::Keys(KeysRequest::Status))
    })?;
    let Answer::Keys(keys) = answer else {
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
    json!({
        "master": own(&keys.master),
        "signing": own(&keys.signing),
        "issuers": keys.issuers.iter().map(issuer).collect::<Vec<_>>(),
    })
}

/// Ids, of which the first one is for what is made now and the others for what was made before.
fn own<I: Serialize>(ids: &[I]) -> Vec<Value> {
    let ids = ids.iter().enumerate();
    ids.map(|(place, id)| json!({"id": id, "current": place == 0}))
        .collect()
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
    let master = rows("master", keys.master, ["seals", "opens what it sealed"]);
    let signing = rows(
        "signing",
        keys.signing,
        ["signs", "verifies what it signed"],
    );
    Table::new(["KEY", "ID", "USE"]).write(out, master.chain(signing))?;
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

/// Rows of keys of ours: what the first one does, and what the others still do.
fn rows<I: ToString>(
    what: &'static str,
    ids: Vec<I>,
    [now, before]: [&'static str; 2],
) -> impl Iterator<Item = [String; 3]> {
    let ids = ids.into_iter().enumerate();
    ids.map(move |(place, id)| {
        let does = if place == 0 { now } else { before };
        [what.to_owned(), id.to_string(), does.to_owned()]
    })
}
