//! Backups and restores: what comes back, what never does, and what is refused without a change.

mod drill;
mod known;
mod replaced;
mod untouched;

use super::{PASSWORD, Ran, add_user, lacre, log_in, run_with};
use crate::journeys::full_disk::Disk;
use crate::support::postgres::Schema;
use crate::support::server::{Server, Setup};
use crate::support::skipped::cannot_run_here;
use crate::support::snapshot::Snapshot;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// A file beside the data.
fn file(setup: &Setup, name: &str) -> PathBuf {
    setup.home().join(name)
}

/// A file that only its owner reads.
fn secret(setup: &Setup, name: &str, text: &str) -> PathBuf {
    let path = file(setup, name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

fn backup(setup: &Setup) -> PathBuf {
    let path = file(setup, "b");
    lacre(setup, "backup b --force").ok();
    path
}

/// Another machine: nothing of the first but its master key, where an operator has put it.
fn elsewhere(setup: &Setup) -> Setup {
    setup.clone().data_dir(file(setup, "elsewhere"))
}

fn master_key(setup: &Setup) -> String {
    setup.data().join("master.key").display().to_string()
}

fn restore(setup: &Setup, words: &str) -> Ran {
    lacre(setup, &format!("restore b {words}"))
}

fn sessions(restored: &Value) -> (u64, u64, u64) {
    let number = |name: &str| restored["sessions"][name].as_u64().unwrap();
    (number("in_backup"), number("live"), number("ended"))
}

/// The ids of the master keys and of the signing keys.
fn key_ids(setup: &Setup) -> [Vec<Value>; 2] {
    let status = lacre(setup, "keys status --json").ok().json();
    ["master", "signing"].map(|kind| {
        let keys = status[kind].as_array().unwrap();
        keys.iter().map(|key| key["id"].clone()).collect()
    })
}

#[test]
fn a_restore_beside_what_is_alive_brings_no_ended_session_back() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let (out, revoked, stays) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    let refreshed = log_in(&server, "ada@example.com");
    backup(&setup);
    server.call("POST", "/logout", &out.auth).expect(204);
    lacre(&setup, &format!("sessions revoke {}", revoked.crt)).ok();
    let newer = server.refresh(&refreshed).expect(200).json();
    restore(&setup, "--replace").failed(69, "restore_server_running");
    assert!(server.stop().success());
    let told = restore(&setup, "--replace --json").ok().json();
    assert_eq!(sessions(&told), (4, 2, 2));
    let named = told["sessions"]["ended_handles"].as_array().unwrap();
    for ended in [&out, &revoked] {
        assert!(named.contains(&Value::from(ended.crt.as_str())), "{told}");
    }
    server.restart();
    server.accepts(&stays.auth);
    server.accepts(newer["auth"].as_str().unwrap());
    for token in [&out, &revoked, &refreshed] {
        server.refuses(&token.auth);
    }
    server.refresh(&out).expect(401);
}

#[test]
fn on_another_machine_keys_and_accounts_come_back_and_every_session_has_ended() {
    let setup = Setup::new();
    let mut server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let client = lacre(&setup, "clients add billing --json").ok().json();
    lacre(
        &setup,
        "users link ada@example.com --issuer https://corp.example/ --subject 7",
    )
    .ok();
    let token = log_in(&server, "ada@example.com");
    backup(&setup);
    let keys = key_ids(&setup);
    // The machine is lost after a refresh, of which the backup knows nothing.
    let newer = server.refresh(&token).expect(200).json();
    server.kill9();
    let there = elsewhere(&setup);
    restore(&there, "").failed(1, "backup_needs_master_key");
    let told = restore(&there, &format!("--json --key-file {}", master_key(&setup)));
    assert_eq!(sessions(&told.ok().json()), (1, 0, 1));
    assert_eq!(key_ids(&there), keys);
    let server = there.start();
    server.refuses(&token.auth);
    server.refuses(newer["auth"].as_str().unwrap());
    for refresh in [
        token.refresh.as_deref().unwrap(),
        newer["refresh"].as_str().unwrap(),
    ] {
        server.call("POST", "/refresh", refresh).expect(401);
    }
    server.accepts(&log_in(&server, "ada@example.com").auth);
    let shown = lacre(&there, "users show ada@example.com --json")
        .ok()
        .json();
    assert_eq!(shown["id"], id.as_str());
    assert_eq!(shown["links"][0]["subject"], "7");
    let clients = lacre(&there, "clients list --json").ok().json();
    assert_eq!(clients[0]["id"], client["id"]);
}

#[test]
fn a_backup_at_rest_keeps_its_sessions_where_the_operator_says_so() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    backup(&setup);
    assert!(server.stop().success());
    let there = elsewhere(&setup);
    let keep = format!("--keep-sessions --json --key-file {}", master_key(&setup));
    restore(&there, &keep).failed(1, "backup_not_at_rest");
    assert!(!there.data().exists());
    backup(&setup);
    restore(&setup, "--replace --keep-sessions").failed(1, "restore_keystore_there");
    let told = restore(&there, &keep).ok().json();
    assert_eq!(sessions(&told), (1, 1, 0));
    let server = there.start();
    server.accepts(&token.auth);
    server.refresh(&token).expect(200);
}

#[test]
fn a_passphrase_is_all_that_a_backup_under_one_needs() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    log_in(&server, "ada@example.com");
    let pass = secret(&setup, "pass", "a long passphrase\n");
    let other = secret(&setup, "other", "another passphrase\n");
    let short = secret(&setup, "short", "short\n");
    let with = |path: &PathBuf| format!("--passphrase-file {}", path.display());
    lacre(&setup, &format!("backup b {}", with(&short))).failed(2, "passphrase_unusable");
    lacre(&setup, &format!("backup b {}", with(&pass))).ok();
    let there = elsewhere(&setup);
    restore(&there, "").failed(1, "backup_needs_passphrase");
    restore(&there, &with(&other)).failed(1, "backup_key_wrong");
    assert!(!there.data().exists());
    restore(&there, &with(&pass)).ok();
    let server = there.start();
    server.accepts(&log_in(&server, "ada@example.com").auth);
}

#[test]
fn what_would_lose_something_is_refused_and_changes_nothing() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    for _ in 0..3 {
        log_in(&server, "ada@example.com");
    }
    let path = backup(&setup);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    lacre(&setup, "backup b").failed(1, "backup_exists");
    lacre(&setup, "backup missing/b").failed(1, "backup_unwritable");
    assert!(server.stop().success());
    let before = Snapshot::of(setup.data());
    let whole = std::fs::read(&path).unwrap();
    let is_refused = |words: &str, code: &str| {
        lacre(&setup, words).failed(1, code);
        let lock = setup.data().join("lock");
        Snapshot::of(setup.data())
            .without(&lock)
            .is_still(&before.clone().without(&lock));
    };
    is_refused("restore missing --replace", "backup_unreadable");
    for place in [0, 40, 150, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        std::fs::write(&path, changed).unwrap();
        lacre(&setup, "restore b --replace").code_begins("backup_");
        std::fs::write(&path, &whole[..place]).unwrap();
        lacre(&setup, "restore b --replace").code_begins("backup_");
        lacre(&setup, "keystore import b").code_begins("backup_");
    }
    std::fs::write(&path, &whole).unwrap();
    is_refused("restore master.key --replace", "backup_unreadable");
    let left = std::fs::read_dir(setup.home()).unwrap().count();
    assert_eq!(left, 2, "no file of a backup that failed is left");
    lacre(&setup, "keystore verify").ok();
}

impl Ran {
    #[track_caller]
    fn code_begins(self, beginning: &str) {
        assert_eq!(self.status, Some(1), "{self:?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(&format!(" ({beginning}")), "{self:?}");
    }
}

#[test]
fn an_export_of_sessions_makes_a_missing_keystore_and_no_deployment() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let (ended, stays) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    lacre(&setup, "keystore export running").ok();
    lacre(&setup, &format!("sessions revoke {}", ended.crt)).ok();
    assert!(server.stop().success());
    lacre(&setup, "keystore export b").ok();
    restore(&setup, "--replace").failed(1, "backup_sessions_only");
    let told = lacre(&setup, "keystore import running --json").ok().json();
    assert_eq!(sessions(&told), (2, 1, 1));
    assert_eq!(told["accounts"], Value::Null);
    let there = elsewhere(&setup);
    let with_key = format!("keystore import b --key-file {}", master_key(&setup));
    lacre(&there, &with_key).failed(1, "restore_other_deployment");
    lacre(&setup, "keystore import b --keep-sessions").failed(1, "restore_keystore_there");
    std::fs::remove_dir_all(setup.data().join("keystore")).unwrap();
    lacre(&setup, "keystore import running --keep-sessions").failed(1, "backup_not_at_rest");
    let told = lacre(&setup, "keystore import b --keep-sessions --json")
        .ok()
        .json();
    assert_eq!(sessions(&told), (1, 1, 0));
    server.restart();
    server.accepts(&stays.auth);
    server.refuses(&ended.auth);
    assert!(server.stop().success());
    std::fs::remove_dir_all(setup.data().join("keystore")).unwrap();
    let told = lacre(&setup, "keystore import b --json").ok().json();
    assert_eq!(sessions(&told), (1, 0, 1));
}

#[test]
fn the_master_keys_of_the_environment_open_a_backup_as_well() {
    let key = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let setup = Setup::new().env("LACRE_MASTER_KEY", key);
    add_user(&setup, "ada@example.com");
    backup(&setup);
    let there = elsewhere(&setup);
    restore(&there, "").ok();
    assert!(!there.data().join("master.key").exists(), "none is written");
    lacre(&there, "users show ada@example.com").ok();
    // Another key opens nothing, and leaves nothing behind.
    let wrong = setup.clone().data_dir(file(&setup, "wrong"));
    let wrong = wrong.env("LACRE_MASTER_KEY", &key.replace("AAEC", "AAED"));
    restore(&wrong, "").failed(1, "backup_key_wrong");
    assert!(!wrong.data().exists());
}
