//! Disks that fail: each call on each file with each error, beside requests and at a start.
//!
//! What was answered holds when the disk is well again and after a kill, whatever failed in between; what couldn't
//! be done is 503; nobody is let in who has no right, and nobody is told that a good token is bad. `make faults` runs
//! all of them; without `LACRE_TEST_FULL` some.

use super::PASSWORD;
use super::lost_accounts::lack_changes;
use crate::support::http::{Answer, Request};
use crate::support::preload::Faults;
use crate::support::server::{Server, Setup, Token};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const IO: &str = "5";
const NO_SPACE: &str = "28";
const READ_ONLY: &str = "30";

/// The files of a deployment, by a part of their paths.
const FILES: [&str; 6] = [
    "/keystore/db",
    "/keystore/mark",
    "/accounts.sqlite",
    "/clock",
    "/epoch",
    "/data/",
];

#[allow(clippy::disallowed_methods)] // the tests' own switch, no setting of the program
fn full() -> bool {
    std::env::var_os("LACRE_TEST_FULL").is_some()
}

/// What fails, how and where: all of it, or a part of it that a usual run has time for.
fn faults() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut all = Vec::new();
    for file in FILES {
        for how in [IO, NO_SPACE, READ_ONLY, "short"] {
            all.push(("write", how, file));
        }
        all.push(("sync", IO, file));
        all.push(("read", IO, file));
        all.push(("read", "short", file));
        all.push(("open", IO, file));
        all.push(("open", READ_ONLY, file));
    }
    if full() {
        return all;
    }
    let some = [
        ("write", IO, "/keystore/db"),
        ("write", "short", "/keystore/db"),
        ("sync", IO, "/keystore/db"),
        ("write", NO_SPACE, "/accounts.sqlite"),
        ("write", READ_ONLY, "/epoch"),
        ("write", IO, "/data/"),
        ("read", IO, "/data/"),
    ];
    all.retain(|fault| some.contains(fault));
    assert_eq!(all.len(), some.len());
    all
}

fn setup() -> (Setup, Faults) {
    let setup = Setup::new().env("LACRE_SESSION__MAX_PER_USER", "1000");
    let file = setup.home().join("epoch").display().to_string();
    Faults::of(setup.env("LACRE_KEYSTORE__EPOCH_FILE", &file))
}

/// What was answered so far.
struct Ledger {
    live: Vec<Token>,
    ended: Vec<Token>,
    /// Nobody knows of these.
    open: Vec<Token>,
    refused: u32,
}

impl Ledger {
    fn begun(server: &Server) -> Self {
        let tokens: Vec<_> = (0..6)
            .map(|_| server.get_token("ada@example.com", PASSWORD))
            .collect();
        let mut ledger = Self {
            live: tokens,
            ended: Vec::new(),
            open: Vec::new(),
            refused: 0,
        };
        ledger.end_one(server);
        assert_eq!(ledger.refused, 0);
        ledger
    }

    /// 503, and never anything that says yes or that the token is bad.
    fn refuse(&mut self, answer: &Answer) {
        answer.refused(503, "store_unavailable");
        self.refused += 1;
    }

    fn log_in(&mut self, server: &Server) {
        let answer = server.try_get_token("ada@example.com", PASSWORD);
        if answer.status == 200 {
            self.live.push(Token::of(&answer));
        } else {
            self.refuse(&answer);
        }
    }

    fn end_one(&mut self, server: &Server) {
        let token = self.live.remove(0);
        let answer = server.call("POST", "/logout", &token.auth);
        if answer.status == 204 {
            self.ended.push(token);
        } else {
            self.refuse(&answer);
            self.open.push(token);
        }
    }

    /// While something fails: good tokens are good or the store can't be reached, ended ones are never good.
    fn look(&self, server: &Server, good: &[u16]) {
        for token in &self.live {
            let answer = server.call("GET", "/me", &token.auth);
            assert!(good.contains(&answer.status), "{answer:?}");
        }
        for token in &self.ended {
            let answer = server.call("GET", "/me", &token.auth);
            assert!([401, 503].contains(&answer.status), "{answer:?}");
        }
        for token in &self.open {
            let answer = server.call("GET", "/me", &token.auth);
            assert!([200, 401, 503].contains(&answer.status), "{answer:?}");
        }
        server
            .call("GET", "/me", "noise")
            .refused(401, "invalid_token");
    }

    /// When all is well.
    fn holds(&self, server: &Server, what: &str) {
        for token in &self.live {
            let answer = server.call("GET", "/me", &token.auth);
            assert_eq!(answer.status, 200, "{what}: a session is lost: {answer:?}");
        }
        for token in &self.ended {
            let answer = server.call("GET", "/me", &token.auth);
            assert_eq!(
                answer.status, 401,
                "{what}: an ended session is back: {answer:?}"
            );
        }
    }
}

fn ready_again(server: &Server, what: &str) {
    let begun = Instant::now();
    while server.manage("/readyz").status != 200 {
        assert!(
            begun.elapsed() < Duration::from_secs(70),
            "{what}: not ready again"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_disk_that_fails_under_a_server_loses_nothing_that_was_answered() {
    let (setup, faults) = setup();
    let mut server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    let mut refused = BTreeSet::new();
    for (call, how, part) in self::faults() {
        let what = format!("{call} {how} {part}");
        let mut ledger = Ledger::begun(&server);
        faults.begin(call, how, part);
        for _ in 0..2 {
            ledger.log_in(&server);
            ledger.end_one(&server);
            ledger.look(&server, &[200, 503]);
        }
        server.is_well();
        if ledger.refused > 0 {
            refused.insert(what.clone());
            if part.contains("keystore") {
                assert_eq!(server.manage("/readyz").status, 503, "{what}");
            }
        }
        faults.end();
        ready_again(&server, &what);
        ledger.holds(&server, &what);
        // It takes changes again, by itself.
        let token = server.get_token("ada@example.com", PASSWORD);
        ledger.live.push(token);
        ledger.end_one(&server);
        server.kill9();
        server.restart();
        ledger.holds(&server, &what);
        lacre_ends_all(&setup);
    }
    println!("refused: {refused:#?}");
    for what in [
        "write 5 /keystore/db",
        "sync 5 /keystore/db",
        "write 30 /epoch",
    ] {
        assert!(
            refused.contains(what),
            "nothing was refused under {what}: {refused:?}"
        );
    }
}

/// So that no session of one fault is looked at in the next.
fn lacre_ends_all(setup: &Setup) {
    let mut command = setup.lacre(["sessions", "revoke", "--all", "--yes"]);
    assert!(command.output().unwrap().status.success());
}

#[test]
fn a_start_on_a_disk_that_fails_is_refused_with_a_code_and_loses_nothing() {
    let (setup, faults) = setup();
    let mut server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    let ledger = Ledger::begun(&server);
    let mut refused = BTreeSet::new();
    for (call, how, part) in self::faults() {
        let what = format!("{call} {how} {part}");
        server.kill9();
        faults.begin(call, how, part);
        let ran = setup.lacre(["keystore", "stats"]).output().unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        if !ran.status.success() {
            let status = ran.status.code();
            assert!(
                matches!(status, Some(69 | 78 | 1)),
                "{what}: {status:?} {stderr}"
            );
            let last = stderr.lines().last().unwrap_or_default();
            assert!(
                last.ends_with(')') && last.contains(" ("),
                "{what}: no code: {stderr}"
            );
            assert!(!stderr.contains("panicked"), "{what}: {stderr}");
            refused.insert(what.clone());
        }
        faults.end();
        server.restart();
        ledger.holds(&server, &what);
    }
    println!("refused: {refused:#?}");
    assert!(refused.contains("read 5 /data/"), "{refused:?}");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_flipped_bit_in_any_file_lets_nobody_in_and_logs_nobody_out_unnoticed() {
    let (setup, _) = setup();
    let mut server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    let ledger = Ledger::begun(&server);
    // A kill leaves what a stop would have tidied away.
    server.kill9();
    let whole = setup.home().join("whole");
    copy(setup.data(), &whole);
    let epoch = setup.home().join("epoch");
    let noted = std::fs::read(&epoch).unwrap();
    let flips = if full() { 40 } else { 2 };
    let (mut refused, mut taken, mut incomplete) = (0, 0, 0);
    let mut paths = files(setup.data());
    paths.push(epoch.clone());
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        if bytes.is_empty() {
            continue;
        }
        for flip in 0..flips.min(bytes.len()) {
            // Spread over the file, the first and the last byte among them.
            let place = (bytes.len() - 1) * flip / (flips - 1).max(1);
            let place = place.min(bytes.len() - 1);
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (flip % 8);
            std::fs::write(&path, flipped).unwrap();
            let what = format!("{}, byte {place}", path.display());
            let ran = setup.lacre(["keystore", "verify"]).output().unwrap();
            let stderr = String::from_utf8(ran.stderr).unwrap();
            assert!(!stderr.contains("stack backtrace"), "{what}: {stderr}");
            if ran.status.success() {
                taken += 1;
                server.restart();
                ledger.holds(&server, &what);
                server.kill9();
            } else {
                refused += 1;
                let last = stderr.lines().last().unwrap_or_default();
                assert!(last.ends_with(')'), "{what}: no code: {stderr}");
                if last.ends_with("(accounts_incomplete)") {
                    incomplete += 1;
                    assert!(lack_changes(&setup), "{what}");
                }
            }
            std::fs::remove_dir_all(setup.data()).unwrap();
            copy(&whole, setup.data());
            std::fs::write(&epoch, &noted).unwrap();
        }
    }
    println!(
        "{refused} refused, {incomplete} for the accounts, and {taken} taken as if nothing were"
    );
    assert!(refused > incomplete && incomplete > 0 && taken > 0);
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_directory_that_goes_while_it_is_used_takes_no_changes() {
    let (setup, _) = setup();
    let mut server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    let mut ledger = Ledger::begun(&server);
    std::fs::remove_dir_all(setup.data()).unwrap();
    for _ in 0..3 {
        let answer = server.try_get_token("ada@example.com", PASSWORD);
        ledger.refuse(&answer);
        let answer = server.call("POST", "/logout", &ledger.live[0].auth);
        ledger.refuse(&answer);
    }
    let sign_up = serde_json::json!({"email": "bea@example.com", "password": PASSWORD});
    let answer = server.send(&Request::post("/signup").json(sign_up));
    answer.refused(503, "store_unavailable");
    ledger.look(&server, &[200, 503]);
    assert_eq!(server.manage("/readyz").status, 503);
    server.is_well();
    server.stop();
    // A start makes another deployment, in which nobody of before is let in.
    server.restart();
    for token in ledger.live.iter().chain(&ledger.ended) {
        server.refuses(&token.auth);
    }
}
