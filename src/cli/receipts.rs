//! `lacre receipts`: the signed log of ends, shown, exported and proven.
//!
//! A file is proven here, by the same steps that any auditor takes, whether it comes from the running server or
//! from somewhere else.
//!
//! This room must never call a log proven whose end is missing.

use super::failure::Failure;
use super::keystore::handle;
use super::out;
use super::place::Place;
use super::printable::printable;
use super::progress::Progress;
use super::way::{Absent, Way, unexpected};
use clap::Subcommand;
use lacre::internals::ops::{Answer, Receipt, ReceiptsRequest, Request, Step};
use lacre::internals::receipts::{Apart, Chain, Proven, PublicKey, ReceiptsError, together};
use lacre::internals::token::Handle;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The most bytes of a line that are read; a receipt has fewer.
const MAX_LINE: u64 = 1 << 16;
/// The most bytes of a file of keys.
const MAX_KEYS: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the receipts of a session
    #[command(
        after_help = "Example:\n  lacre receipts show Zk3aPq9xW0mC7vTt1bN4sQe8rYu2iOp5lKj6hGf3dSA\n\nA session has one receipt; one that a client names has one for each time that it ended."
    )]
    Show {
        /// The session's handle, or a beginning of 8 characters or more, as the log shows it
        #[arg(value_parser = handle, allow_hyphen_values = true)]
        handle: Handle,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Prove that no receipt is missing, changed or moved
    #[command(
        after_help = "Examples:\n  lacre receipts verify\n  lacre receipts verify receipts.jws --key receipts.jwks\n\nWithout FILE the deployment's own log is proven, up to the last receipt that it has written. With --key no deployment is needed: for an auditor. Several files of one log have to agree."
    )]
    Verify {
        /// Exports to prove
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The public keys to trust, as a JWK or a JWK Set [default: those of the deployment]
        #[arg(long, value_name = "FILE", requires = "files")]
        key: Option<PathBuf>,
        /// A receipt that is known: the files must have it, with this hash
        #[arg(long, value_name = "NUMBER:HASH", value_parser = known, requires = "files")]
        known: Vec<Known>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write all receipts and a signed head into a file, for an auditor
    #[command(
        after_help = "Example:\n  lacre receipts export receipts.jws\n\nThe file must not exist. `lacre receipts key` prints the public keys that prove it."
    )]
    Export {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show where the log stands: the number and the hash of the last receipt
    #[command(
        after_help = "Example:\n  lacre receipts status\n\nWho keeps number and hash, elsewhere, can tell later whether a file has lost its end: `receipts verify FILE --known NUMBER:HASH`."
    )]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the public keys of the receipts as a JWK Set
    #[command(
        after_help = "Example:\n  lacre receipts key > receipts.jwks\n\nThe first one signs; the others have signed."
    )]
    Key,
}

impl Command {
    pub(super) fn run(self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Show { handle, json } => show(place, &handle, json),
            Self::Verify { files, json, .. } if files.is_empty() => {
                let proven = Way::with(place, Absent::Fail, |way| {
                    let mut chain = Chain::new(&keys(way)?);
                    each_line(way, |line| {
                        chain.push(line)?;
                        Ok(())
                    })?;
                    Ok(chain.close()?)
                })?;
                say(&[(None, proven)], &[], json)
            }
            Self::Verify {
                files,
                key,
                known,
                json,
            } => {
                let trusted = match key {
                    Some(path) => keys_of(&path)?,
                    None => Way::with(place, Absent::Fail, keys)?,
                };
                verify(files, &trusted, &known, json)
            }
            Self::Export { file, json } => export(place, &file, json),
            Self::Status { json } => status(place, json),
            Self::Key => {
                let keys = Way::with(place, Absent::Fail, keys)?;
                let keys: Vec<_> = keys.iter().map(PublicKey::members).collect();
                writeln!(std::io::stdout(), "{}", out::json(&json!({"keys": keys}))?)?;
                Ok(())
            }
        }
    }
}

/// A receipt that somebody knows of.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    seq: u64,
    hash: String,
}

fn known(text: &str) -> Result<Known, String> {
    let (seq, hash) = text
        .split_once(':')
        .ok_or("a number, a colon, and the hash: as `receipts status` shows them")?;
    let seq = seq.parse().map_err(|_| "the number isn't one".to_owned())?;
    let hash = hash.to_owned();
    Ok(Known { seq, hash })
}

fn ask(way: &mut Way, request: ReceiptsRequest) -> Result<Answer, Failure> {
    way.ask(Request::Receipts(request))
}

fn keys(way: &mut Way) -> Result<Vec<PublicKey>, Failure> {
    let Answer::ReceiptKeys(keys) = ask(way, ReceiptsRequest::Keys)? else {
        return Err(unexpected());
    };
    let text = serde_json::to_vec(&json!({"keys": keys})).map_err(|_| unexpected())?;
    PublicKey::read_all(&text).ok_or_else(unexpected)
}

/// The keys in a file.
fn keys_of(path: &Path) -> Result<Vec<PublicKey>, Failure> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let read = file.take(MAX_KEYS).read_to_end(&mut text);
    read.map_err(|error| unreadable(path, &error))?;
    PublicKey::read_all(&text).ok_or_else(|| {
        Failure::failed(
            "receipts_key_invalid",
            format_args!("{}: no JWK of P-256, nor a set of them", path.display()),
        )
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(
        "input_unreadable",
        format_args!("{}: {error}", path.display()),
    )
}

/// Hands every line of the deployment's log on, the head last.
fn each_line(
    way: &mut Way,
    mut each: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let request = Request::Receipts(ReceiptsRequest::Export);
    let answer = way.ask_in_steps(request, |step| match step {
        Step::Page(Answer::ReceiptLines(lines)) => lines.iter().try_for_each(|line| each(line)),
        Step::Progress { done, total } => {
            progress.bar("receipts", done, total);
            Ok(())
        }
        Step::Page(_) => Err(unexpected()),
    });
    progress.clear();
    match answer? {
        Answer::ReceiptLines(lines) => lines.iter().try_for_each(|line| each(line)),
        _ => Err(unexpected()),
    }
}

fn verify(
    files: Vec<PathBuf>,
    trusted: &[PublicKey],
    known: &[Known],
    as_json: bool,
) -> Result<(), Failure> {
    let mut proven = Vec::new();
    let compares = files.len() > 1 || !known.is_empty();
    for path in files {
        let of_file = |error: ReceiptsError| {
            Failure::failed(error.code(), format_args!("{}: {error}", path.display()))
        };
        let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let mut reader = BufReader::new(file);
        let mut chain = Chain::new(trusted);
        if compares {
            chain = chain.comparable();
        }
        let mut line = Vec::new();
        while (&mut reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|error| unreadable(&path, &error))?
            > 0
        {
            line.pop_if(|last| *last == b'\n');
            chain
                .push(&String::from_utf8_lossy(&line))
                .map_err(of_file)?;
            line.clear();
        }
        let whole = chain.close().map_err(of_file)?;
        proven.push((Some(path), whole));
    }
    let (paths, all): (Vec<_>, Vec<_>) = proven.into_iter().unzip();
    for Known { seq, hash } in known {
        let mut found = all.iter().filter_map(|file| file.hash_of(*seq));
        if !found.any(|found| found == *hash) {
            return Err(ReceiptsError::Unknown { seq: *seq }.into());
        }
    }
    let apart = together(&all)?;
    let proven: Vec<_> = paths.into_iter().zip(all).collect();
    say(&proven, &apart, as_json)
}

fn say(
    proven: &[(Option<PathBuf>, Proven)],
    apart: &[Apart],
    as_json: bool,
) -> Result<(), Failure> {
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    if as_json {
        let all = proven.iter().map(|(path, proven)| {
            json!({
                "file": path.as_ref().map(|path| path.display().to_string()),
                "chain": proven.chain,
                "first": proven.first,
                "last": proven.last,
                "ends": proven.ends,
                "hash": proven.hash,
                "kid": proven.kid,
                "closed_at": out::time(proven.closed_at),
            })
        });
        writeln!(stdout, "{}", out::json(&all.collect::<Vec<_>>())?)?;
        return Ok(stdout.flush()?);
    }
    for (number, (path, proven)) in proven.iter().enumerate() {
        if number > 0 {
            writeln!(stdout)?;
        }
        let file = path
            .as_ref()
            .map(|path| printable(&path.display().to_string()).to_string());
        let fields = [
            ("proven", ends(proven.ends)),
            ("log", proven.chain.clone()),
            ("lines", format!("{} to {}", proven.first, proven.last)),
            ("last", format!("{}:{}", proven.last, proven.hash)),
            ("signed by", proven.kid.clone()),
            ("as of", out::time(proven.closed_at)),
        ];
        let file = file.map(|file| ("file", file));
        out::write_fields(&mut stdout, file.into_iter().chain(fields))?;
        if proven.first > 1 {
            let before = proven.first - 1;
            writeln!(
                stdout,
                "lines 1 to {before} are not in this file: they are in one of before"
            )?;
        }
    }
    for Apart {
        restored,
        other,
        seq,
    } in apart
    {
        let name = |place: &usize| {
            let path = proven.get(*place).and_then(|(path, _)| path.as_ref());
            path.map(|path| printable(&path.display().to_string()).to_string())
        };
        let (restored, other) = (name(restored), name(other));
        writeln!(
            stdout,
            "\n{} goes on from a backup at line {seq}; the lines of {} from there on were written by the deployment that was lost",
            restored.unwrap_or_default(),
            other.unwrap_or_default()
        )?;
    }
    Ok(stdout.flush()?)
}

fn ends(count: u64) -> String {
    match count {
        1 => "1 end of a session".to_owned(),
        _ => format!("{count} ends of sessions"),
    }
}

fn status(place: &Place, as_json: bool) -> Result<(), Failure> {
    let answer = Way::with(place, Absent::Fail, |way| ask(way, ReceiptsRequest::Status))?;
    let Answer::ReceiptsStatus(status) = answer else {
        return Err(unexpected());
    };
    let mut stdout = std::io::stdout().lock();
    if as_json {
        let failing = status.failing.map(|(code, _)| code);
        let head = status.head.map(|head| {
            json!({"log": head.chain, "receipt": head.seq, "hash": head.hash, "kid": head.kid})
        });
        let shown = json!({"last": head, "failing": failing});
        return Ok(writeln!(stdout, "{}", out::json(&shown)?)?);
    }
    let mut fields = Vec::new();
    if let Some(head) = status.head {
        fields.extend([
            ("log", head.chain),
            ("last", format!("{}:{}", head.seq, head.hash)),
            ("signed by", head.kid),
        ]);
    }
    let written = match status.failing {
        None => "yes".to_owned(),
        Some((code, why)) => format!("no ({code}): {why}"),
    };
    fields.push(("written", written));
    Ok(out::write_fields(&mut stdout, fields)?)
}

fn show(place: &Place, handle: &Handle, as_json: bool) -> Result<(), Failure> {
    let handle = handle.as_str().to_owned();
    let answer = Way::with(place, Absent::Fail, |way| {
        ask(way, ReceiptsRequest::Show { handle })
    })?;
    let Answer::Receipts(receipts) = answer else {
        return Err(unexpected());
    };
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    if as_json {
        let all: Vec<_> = receipts.iter().map(shown).collect();
        writeln!(stdout, "{}", out::json(&all)?)?;
        return Ok(stdout.flush()?);
    }
    for (number, receipt) in receipts.into_iter().enumerate() {
        if number > 0 {
            writeln!(stdout)?;
        }
        let fields = [
            ("receipt", receipt.seq.to_string()),
            ("log", receipt.chain),
            ("session", receipt.handle),
            ("ended", out::time(receipt.ended_at)),
            ("cause", receipt.cause),
            ("by", receipt.by),
            ("record", receipt.record),
            ("written", out::time(receipt.written_at)),
            ("signed by", receipt.kid),
            ("hash", receipt.hash),
        ];
        out::write_fields(&mut stdout, fields)?;
        writeln!(stdout, "\n{}", receipt.line)?;
    }
    Ok(stdout.flush()?)
}

fn shown(receipt: &Receipt) -> Value {
    json!({
        "receipt": receipt.seq,
        "log": receipt.chain,
        "handle": receipt.handle,
        "ended_at": out::time(receipt.ended_at),
        "cause": receipt.cause,
        "by": receipt.by,
        "record": receipt.record,
        "written_at": out::time(receipt.written_at),
        "kid": receipt.kid,
        "hash": receipt.hash,
        "jws": receipt.line,
    })
}

fn export(place: &Place, path: &Path, as_json: bool) -> Result<(), Failure> {
    let unwritable = |error: &std::io::Error| {
        Failure::failed("output_failed", format_args!("{}: {error}", path.display()))
    };
    let proven = Way::with(place, Absent::Fail, |way| {
        let mut chain = Chain::new(&keys(way)?);
        let file = File::options().write(true).create_new(true).open(path);
        let mut file = BufWriter::new(file.map_err(|error| unwritable(&error))?);
        // What doesn't verify is not handed to anybody.
        let written = each_line(way, |line| {
            chain.push(line)?;
            writeln!(file, "{line}").map_err(|error| unwritable(&error))
        })
        .and_then(|()| {
            file.flush().map_err(|error| unwritable(&error))?;
            let synced = file.get_ref().sync_all();
            synced.map_err(|error| unwritable(&error))?;
            Ok(chain.close()?)
        });
        written.inspect_err(|_| drop(std::fs::remove_file(path)))
    })?;
    say(&[(Some(path.to_owned()), proven)], &[], as_json)
}

/// A receipt as other commands name it.
pub(super) fn named(receipt: Option<&(u64, String)>) -> Value {
    receipt.map_or(
        Value::Null,
        |(seq, hash)| json!({"receipt": seq, "hash": hash}),
    )
}

impl From<ReceiptsError> for Failure {
    fn from(error: ReceiptsError) -> Self {
        Self::failed(error.code(), error)
    }
}
