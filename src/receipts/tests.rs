//! A log as its auditor gets it, whole and in every way that it may not be.

mod file;
mod proven;

use super::log::{Head, Log, Start};
use super::*;
use crate::token::SigningKey;
use josekit::jws::{self, ES256};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::path::PathBuf;
use tempfile::TempDir;

fn keys(seeds: &[u64]) -> Vec<SigningKey> {
    let key = |seed: &u64| SigningKey::generate(&mut StdRng::seed_from_u64(*seed)).unwrap();
    seeds.iter().map(key).collect()
}

fn all(keys: &[SigningKey]) -> Vec<&SigningKey> {
    keys.iter().collect()
}

fn publics(seeds: &[u64]) -> Vec<PublicKey> {
    keys(seeds).iter().map(PublicKey::of).collect()
}

fn ended(number: u64) -> Event {
    Event::End(Ended {
        sid: format!("handle-{number}"),
        ended_at: 1000 + number,
        cause: "logout".to_owned(),
        by: "owner".to_owned(),
        record: "hash".to_owned(),
        note: number,
    })
}

struct Bench {
    temp: TempDir,
}

impl Bench {
    fn new() -> Self {
        let temp = TempDir::new().unwrap();
        Self { temp }
    }

    fn path(&self) -> PathBuf {
        self.temp.path().join("receipts")
    }

    fn open(&self, start: &Start<'_>, keys: &[SigningKey]) -> Result<Log, ReceiptsError> {
        Log::open(
            &self.path(),
            start,
            &all(keys),
            5,
            || "chain".to_owned(),
            |_| (),
        )
    }

    /// A log of so many ends, and the lines of its export.
    fn written(&self, ends: u64, keys: &[SigningKey]) -> (Log, Vec<String>) {
        let mut log = self.open(&Start::End, keys).unwrap();
        for number in 0..ends {
            log.append(vec![ended(number)], 1000 + number, &keys[0])
                .unwrap();
        }
        let lines = self.export(&log, keys);
        (log, lines)
    }

    fn export(&self, log: &Log, keys: &[SigningKey]) -> Vec<String> {
        let lines = Lines::at(&self.path(), 0, log.length()).unwrap();
        let mut lines: Vec<_> = lines.collect::<Result<_, _>>().unwrap();
        lines.push(log.closing(2000, &all(keys)).unwrap().text().to_owned());
        lines
    }
}

fn prove(lines: &[String], trusted: &[PublicKey]) -> Result<Proven, ReceiptsError> {
    let mut chain = Chain::new(trusted);
    for line in lines {
        chain.push(line)?;
    }
    chain.close()
}

fn code(lines: &[String], trusted: &[PublicKey]) -> &'static str {
    prove(lines, trusted).unwrap_err().code()
}

#[test]
fn a_session_is_found_among_many_with_its_time_and_without() {
    let keys = keys(&[1]);
    let bench = Bench::new();
    let mut log = bench.open(&Start::End, &keys).unwrap();
    for hundred in 0..10 {
        let events = (0..100).map(|it| ended(hundred * 100 + it)).collect();
        log.append(events, 1000 + hundred * 100, &keys[0]).unwrap();
    }
    assert!(
        log.length() > 4 << 16,
        "so that halving has something to do"
    );
    let all = |sid: &str| find(&bench.path(), log.length(), sid).unwrap();
    let one = |number: u64, at, note| {
        let sid = format!("handle-{number}");
        find_end(&bench.path(), log.length(), &sid, (at, note)).unwrap()
    };
    for number in [0, 1, 99, 100, 550, 998, 999] {
        let found = all(&format!("handle-{number}"));
        assert_eq!((found.len(), found[0].entry.seq), (1, number + 2));
        let end = one(number, 1000 + number, number).unwrap();
        assert_eq!(end.entry.seq, number + 2);
        assert_eq!(one(number, 1000 + number, number + 1), None);
        assert_eq!(one(number, 1001 + number, number), None);
    }
    assert_eq!(all("handle-1000"), []);
    assert_eq!(all("handle-"), []);
    // The clock was set back: an end of later stands before the lines of its time.
    log.append(vec![ended(5000)], 20, &keys[0]).unwrap();
    log.append(vec![ended(1)], 30, &keys[0]).unwrap();
    let end = find_end(&bench.path(), log.length(), "handle-5000", (6000, 5000));
    assert_eq!(end.unwrap().unwrap().entry.seq, 1002);
    assert_eq!(
        find(&bench.path(), log.length(), "handle-1").unwrap().len(),
        2
    );
}

#[test]
fn a_receipt_has_these_members_and_no_others() {
    let bench = Bench::new();
    let (_, lines) = bench.written(1, &keys(&[1]));
    let line = Line::parse(&lines[1]).unwrap();
    let members = serde_json::to_value(&line.entry).unwrap();
    let names: Vec<_> = members.as_object().unwrap().keys().collect();
    let mut expected = [
        "chain", "seq", "prev", "iat", "event", "sid", "ended_at", "cause", "by", "record", "note",
    ];
    expected.sort_unstable();
    let mut names: Vec<_> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, expected);
    // A member more, rightly signed, is not read over.
    let mut more = members;
    more["user"] = "ada".into();
    let text = keys(&[1])[0].sign_as("lacre-receipt+jwt", more.to_string().as_bytes());
    assert_eq!(Line::parse(&text.unwrap()), None);
    let text = keys(&[1])[0].sign_as("at+jwt", b"{}");
    assert_eq!(Line::parse(&text.unwrap()), None);
}
