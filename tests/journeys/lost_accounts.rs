//! A deployment whose accounts are gone: neither a start nor a command makes new ones beside its keys,
//! and a first start that was cut off anywhere is no such deployment.

use super::PASSWORD;
use crate::cli::lacre;
use crate::support::postgres::Schema;
use crate::support::preload::killed_at;
use crate::support::server::Setup;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a command on the directory says, which must refuse.
fn command_refused(setup: &Setup, arguments: &[&str], code: &str) {
    let output = setup.lacre(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{arguments:?}: {said}");
    assert!(
        said.trim_end().ends_with(&format!("({code})")),
        "{arguments:?}: {said}"
    );
}

fn remove(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn no_command_makes_accounts_where_those_of_before_are_missing() {
    let mut server = Setup::new().start();
    let setup = server.setup().clone();
    server.sign_up("ada@example.com", PASSWORD);
    server.stop();
    let file = setup.data().join("accounts.sqlite");
    let kept = std::fs::read(&file).unwrap();
    remove(&file);
    for arguments in [
        &["users", "list"][..],
        &["clients", "add", "shop"],
        &["keystore", "stats"],
        &["sessions", "revoke", "--user", "ada@example.com"],
    ] {
        command_refused(&setup, arguments, "accounts_missing");
        assert!(!file.exists(), "{arguments:?}");
    }
    std::fs::write(&file, kept).unwrap();
    server.restart();
    server.get_token("ada@example.com", PASSWORD);
}

/// What the refusal says to do where there is no backup.
#[test]
fn who_begins_without_the_accounts_ends_all_sessions() {
    let mut server = Setup::new().start();
    let setup = server.setup().clone();
    server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    server.kill9();
    for name in ["", "-wal", "-shm"] {
        remove(&setup.data().join(format!("accounts.sqlite{name}")));
    }
    let refused = setup.start_refused().with(78, "accounts_missing");
    let refused = refused.saying("remove `keyring` and `keystore`");
    refused.saying(&setup.data().to_string_lossy());
    for name in ["keyring", "keystore"] {
        remove(&setup.data().join(name));
    }
    server.restart();
    server.refuses(&token.auth);
    server
        .try_get_token("ada@example.com", PASSWORD)
        .refused(401, "invalid_credentials");
    server.stop();
    server.restart();
}

#[test]
fn accounts_in_an_empty_or_another_postgresql_are_refused_as_well() {
    let (Some(own), Some(other)) = (Schema::new(), Schema::new()) else {
        return;
    };
    let with = |schema: &Schema| Setup::new().env("LACRE_ACCOUNTS__URL", schema.url());
    let mut server = with(&own).start();
    server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    server.stop();
    server.restart();
    server.accepts(&token.auth);
    server.stop();
    let on = |schema: &Schema| with(schema).data_dir(server.data());

    on(&other).start_refused().with(78, "accounts_missing");
    with(&other).start().stop();
    on(&other).start_refused().with(78, "accounts_foreign");
    let again = on(&own).start();
    again.accepts(&token.auth);
    again.get_token("ada@example.com", PASSWORD);
}

/// The process is killed at each call that changes a file, one after the other: what it leaves is taken
/// by the next start, which makes the deployment whole.
#[test]
fn a_first_start_that_is_killed_anywhere_is_gone_on_with() {
    let next = AtomicUsize::new(1);
    let whole = AtomicUsize::new(usize::MAX);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > whole.load(Ordering::Relaxed) {
                        break;
                    }
                    if survives(at) {
                        whole.fetch_min(at, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let calls = whole.into_inner() - 1;
    println!("killed {calls} times");
    assert!(calls > 20, "only {calls} calls that change a file");
}

/// Whether a first start comes to its end that is to be killed at this call; the next start must.
fn survives(at: usize) -> bool {
    let setup = Setup::new();
    let dying = killed_at(setup.clone(), at);
    let made = dying.lacre(["clients", "add", "shop"]).output().unwrap();
    let again = setup.lacre(["clients", "add", "again"]).output().unwrap();
    assert!(again.status.success(), "killed at {at}: {again:?}");
    made.status.success()
}

/// Whether `lacre doctor` misses changes of the accounts; then no start is made either.
pub(super) fn lack_changes(setup: &Setup) -> bool {
    let lack = lacre(setup, "doctor")
        .stdout
        .contains("accounts_incomplete");
    if lack {
        setup.start_refused().with(78, "accounts_incomplete");
    }
    lack
}

/// `SQLite` would go on with what is whole, with the password of before.
#[test]
fn accounts_whose_log_was_damaged_are_refused_until_they_are_restored() {
    let setup = Setup::new();
    let mut server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    let backup = setup.home().join("b").display().to_string();
    lacre(&setup, &format!("backup {backup}")).ok();
    lacre(&setup, "users disable ada@example.com").ok();
    server.kill9();
    let restore = format!("restore {backup} --replace");
    let log = setup.data().join("accounts.sqlite-wal");
    let whole = std::fs::read(&log).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for spoilt in [Some(flipped), None] {
        match &spoilt {
            Some(bytes) => std::fs::write(&log, bytes).unwrap(),
            None => std::fs::remove_file(&log).unwrap(),
        }
        for _ in 0..2 {
            assert!(lack_changes(&setup));
            lacre(&setup, "users list").failed(78, "accounts_incomplete");
            lacre(&setup, &restore).failed(78, "accounts_incomplete");
        }
        assert_eq!(std::fs::read(&log).ok(), spoilt);
    }
    std::fs::write(&log, whole).unwrap();
    server.restart();
    let answer = server.try_get_token("ada@example.com", PASSWORD);
    answer.refused(401, "invalid_credentials");
    server.kill9();

    // As docs/operating.md has it.
    std::fs::remove_file(&log).unwrap();
    assert!(lack_changes(&setup));
    for name in ["accounts.sqlite", "accounts.sqlite-shm"] {
        std::fs::rename(setup.data().join(name), setup.home().join(name)).unwrap();
    }
    lacre(&setup, &restore).ok();
    server.restart();
    assert_eq!(
        server.try_get_token("ada@example.com", PASSWORD).status,
        200
    );
}
