//! Backups and restores: what comes back, what never does, and what is refused without a change.

mod drill;
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

/// With a little room, where the accounts find the disk full; with none, where the first file does.
#[test]
fn a_restore_on_a_disk_that_is_full_says_so_and_goes_on_with_room() {
    let setup = Setup::new();
    let place = setup.home().join("disk");
    let Some(disk) = Disk::mount(&place) else {
        return cannot_run_here(
            "no tmpfs can be mounted",
            "run as root, outside of a container",
        );
    };
    add_user(&setup, "ada@example.com");
    backup(&setup);
    let key = master_key(&setup);
    let there = setup.clone().data_dir(place.join("data"));
    let again = |setup: &Setup| restore(setup, &format!("--key-file {key}"));
    for room in [0, 64, 160] {
        disk.fill();
        let ballast = std::fs::OpenOptions::new().write(true).open(disk.ballast());
        let (ballast, size) = (ballast.unwrap(), disk.ballast().metadata().unwrap().len());
        ballast.set_len(size - room * 1024).unwrap();
        let refused = again(&there);
        assert!(
            matches!(refused.status, Some(69 | 78)),
            "{room}: {refused:?}"
        );
        let said = refused.stderr.to_lowercase();
        assert!(
            said.contains("is full") || said.contains("no space"),
            "{room}: {said}"
        );
    }
    std::fs::remove_file(disk.ballast()).unwrap();
    again(&there).ok();
    let server = there.start();
    log_in(&server, "ada@example.com");
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
fn a_directory_with_something_in_it_is_replaced_only_when_said_and_kept_aside() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    backup(&setup);
    let there = elsewhere(&setup);
    add_user(&there, "bob@example.com");
    let with_key = format!("--key-file {}", master_key(&setup));
    let before = lacre(&there, "users list --json").ok().json();
    restore(&there, &with_key).failed(1, "restore_not_empty");
    assert_eq!(lacre(&there, "users list --json").ok().json(), before);
    let told = restore(&there, &format!("{with_key} --replace --json"))
        .ok()
        .json();
    let aside = PathBuf::from(told["aside"].as_str().unwrap());
    for name in ["keyring", "keystore", "master.key"] {
        assert!(aside.join(name).exists(), "{name}");
    }
    let users = lacre(&there, "users list --json").ok().json();
    assert_eq!(users[0]["email"], "ada@example.com");
    assert_eq!(users.as_array().unwrap().len(), 1);
}

#[test]
fn what_the_accounts_have_lost_is_told_and_who_was_disabled_stays_so() {
    let setup = Setup::new();
    let mut server = setup.start();
    for name in ["closed", "password", "rights", "deleted", "same"] {
        add_user(&setup, &format!("{name}@example.com"));
    }
    backup(&setup);
    lacre(&setup, "users disable closed@example.com").ok();
    let words = [
        "users",
        "set-password",
        "password@example.com",
        "--password-stdin",
    ];
    run_with(&mut setup.lacre(words), b"quite another password").ok();
    lacre(&setup, "users set rights@example.com --role editor").ok();
    lacre(&setup, "users delete deleted@example.com").ok();
    add_user(&setup, "new@example.com");
    let gone = log_in(&server, "new@example.com");
    let same = log_in(&server, "same@example.com");
    let other = server.get_token("password@example.com", "quite another password");
    assert!(server.stop().success());
    let restored = restore(&setup, "--replace").ok();
    let told = restored.stdout;
    for said in [
        "1 had been deleted since, or are new here, and are there again: deleted@example.com",
        "1 were made since, and are gone with their sessions: new@example.com",
        "1 were disabled since, and stay so: closed@example.com",
        "1 have their password of then again; their sessions ended: password@example.com",
        "1 have their roles and permissions of then again: rights@example.com",
    ] {
        assert!(told.contains(said), "{told}");
    }
    server.restart();
    server.refuses(&gone.auth);
    server.refuses(&other.auth);
    server.accepts(&same.auth);
    server.accepts(&log_in(&server, "password@example.com").auth);
    server
        .try_get_token("closed@example.com", PASSWORD)
        .expect(401);
    for cause in ["account_closed", "password_changed"] {
        let event = format!("cause={cause} by=lacre");
        assert!(restored.stderr.contains(&event), "{}", restored.stderr);
    }
}

#[test]
fn where_the_accounts_are_lost_they_come_back_and_all_sessions_end() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    backup(&setup);
    assert!(server.stop().success());
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(setup.data().join(format!("accounts.sqlite{ending}")));
    }
    let told = restore(&setup, "--replace --json").ok().json();
    assert_eq!(told["sessions"]["all_ended"], true);
    server.restart();
    server.refuses(&token.auth);
    server.accepts(&log_in(&server, "ada@example.com").auth);
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
fn a_restore_that_is_killed_is_undone_or_run_again() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    drop(server);
    backup(&setup);
    let key = master_key(&setup);
    let (mut refused, mut done) = (0, 0);
    for round in 0..12 {
        let there = setup
            .clone()
            .data_dir(file(&setup, &format!("there{round}")));
        let mut restoring = there.lacre(["restore", "b", "--keep-sessions", "--key-file", &key]);
        let mut child = restoring.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let looked = lacre(&there, "keystore list --json");
        match looked.status {
            Some(0) if super::handles(&looked.json()) == [token.crt.as_str()] => {
                done += 1;
                continue;
            }
            Some(0) => panic!("a deployment that nobody asked for: {looked:?}"),
            _ if looked.stderr.contains("(restore_unfinished)") => refused += 1,
            _ => assert!(looked.stderr.contains("(deployment_missing)"), "{looked:?}"),
        }
        let again = format!("--keep-sessions --json --key-file {key}");
        let told = restore(&there, &again).ok().json();
        assert_eq!(sessions(&told), (1, 1, 0));
        lacre(&there, "users show ada@example.com").ok();
    }
    eprintln!("refused after {refused}, done in {done} of 12");
}

#[test]
fn an_unfinished_restore_keeps_a_server_from_starting() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    backup(&setup);
    secret(&setup, "data/restoring", "");
    setup.start_refused().with(78, "restore_unfinished");
    lacre(&setup, "users list").failed(78, "restore_unfinished");
    restore(&setup, "").ok();
    lacre(&setup, "users list").ok();
}

#[test]
fn a_full_disk_leaves_the_backup_of_before() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    let path = backup(&setup);
    let before = std::fs::read(&path).unwrap();
    let full = setup
        .clone()
        .through(&["sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
    for number in 0..8 {
        add_user(&setup, &format!("u{number}@example.com"));
    }
    let server = setup.start();
    let ran = lacre(&full, "backup b --force");
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("(backup_unwritable)"), "{ran:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(setup.home()).unwrap().count(), 2);
    drop(server);
}

#[test]
fn accounts_in_postgresql_are_backed_up_and_restored_too() {
    let (Some(first), Some(second)) = (Schema::new(), Schema::new()) else {
        return;
    };
    let setup = Setup::new();
    let at = |schema: &Schema| setup.clone().env("LACRE_ACCOUNTS__URL", schema.url());
    let server = at(&first).start();
    add_user(&at(&first), "ada@example.com");
    lacre(&at(&first), "backup b").ok();
    drop(server);
    restore(&at(&first), "").failed(1, "restore_not_empty");
    add_user(&at(&first), "new@example.com");
    let told = restore(&at(&first), "--replace --json").ok().json();
    assert_eq!(told["accounts"]["gone"]["emails"][0], "new@example.com");
    let there = elsewhere(&at(&second));
    restore(&there, &format!("--key-file {}", master_key(&setup))).ok();
    let server = there.start();
    server.accepts(&log_in(&server, "ada@example.com").auth);
}

#[test]
fn who_takes_a_backup_and_who_restores_one_is_in_the_audit_log() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    backup(&setup);
    lacre(&setup, "keystore export sessions").ok();
    for action in ["backup_taken", "sessions_exported"] {
        let event = format!("event=operator_acted action={action} by=operator");
        assert!(server.written().contains(&event), "{}", server.written());
    }
    drop(server);
    let restored = restore(&setup, "--replace").ok().stderr;
    assert!(
        restored.contains("action=backup_restored by=operator"),
        "{restored}"
    );
    let imported = lacre(&setup, "keystore import sessions").ok().stderr;
    assert!(
        imported.contains("action=sessions_imported by=operator"),
        "{imported}"
    );
}

/// What a thief of the file sees.
#[test]
fn nothing_of_a_deployment_can_be_read_in_its_backup() {
    let setup = Setup::new();
    let server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    let content = std::fs::read(backup(&setup)).unwrap();
    let master = std::fs::read_to_string(setup.data().join("master.key")).unwrap();
    let key = master.trim().split_once(':').unwrap().1;
    for text in [
        key,
        "ada@example.com",
        &id,
        &token.crt,
        "argon2",
        "accounts",
    ] {
        assert!(
            memchr::memmem::find(&content, text.as_bytes()).is_none(),
            "{text}"
        );
    }
}

#[test]
fn a_restored_deployment_goes_on_with_its_receipts_and_says_so_in_a_line() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let end = |setup: &Setup, server: &Server| {
        let token = log_in(server, "ada@example.com");
        lacre(setup, &format!("sessions revoke {}", token.crt)).ok();
        token.crt
    };
    let first = end(&setup, &server);
    log_in(&server, "ada@example.com");
    let keys = file(&setup, "receipts.jwks");
    std::fs::write(&keys, lacre(&setup, "receipts key").ok().stdout).unwrap();
    backup(&setup);
    // Of this one the backup knows nothing.
    end(&setup, &server);
    let export = |setup: &Setup, name: &str| {
        let path = file(setup, name);
        lacre(setup, &format!("receipts export {}", path.display())).ok();
        path
    };
    let lost = export(&setup, "lost");
    let there = elsewhere(&setup);
    let told = restore(&there, &format!("--key-file {}", master_key(&setup))).ok();
    assert!(
        told.stdout
            .contains("receipts: a new file goes on with line 3;"),
        "{told:?}"
    );
    let mut elsewhere = there.start();
    end(&there, &elsewhere);
    lacre(&there, &format!("receipts show {first}")).failed(1, "receipt_unknown");
    let after = export(&there, "after");
    let words = format!(
        "receipts verify {} {} --key {}",
        lost.display(),
        after.display(),
        keys.display()
    );
    let said = lacre(&Setup::new(), &words).ok().stdout;
    let apart = format!("{} goes on from a backup at line 3;", after.display());
    assert!(said.contains(&apart), "{said}");
    assert!(said.contains("lines      3 to 5\n"), "{said}");
    assert!(elsewhere.stop().success());

    // In the directory itself, whose keystore is lost: the file that is there knows more than the backup.
    assert!(server.stop().success());
    std::fs::remove_dir_all(setup.data().join("keystore")).unwrap();
    let told = restore(&setup, "--replace").ok();
    assert!(
        told.stdout
            .contains("receipts: line 4 of the file that is here"),
        "{told:?}"
    );
    server.restart();
    end(&setup, &server);
    let proven = lacre(&setup, "receipts verify --json").ok().json();
    assert_eq!(
        (&proven[0]["first"], &proven[0]["ends"]),
        (&json!(1), &json!(3))
    );
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
