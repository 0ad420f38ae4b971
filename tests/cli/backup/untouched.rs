//! What a backup or a restore must not touch, since it would be refused afterwards, and what a restore has to tell
//! of clients and links.

use super::*;
use crate::support::server::{Client, Token};
use serde_json::json;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// What is in the directory, but for the lock, which every command takes.
fn data(setup: &Setup) -> Snapshot {
    Snapshot::of(setup.data()).without(&setup.data().join("lock"))
}

#[test]
fn a_backup_takes_the_place_of_a_file_alone() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    let (target, link) = (file(&setup, "target"), file(&setup, "link"));
    std::fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    pipe(&file(&setup, "pipe"));
    for name in ["link", "pipe"] {
        for words in ["", " --force"] {
            lacre(&setup, &format!("backup {name}{words}")).failed(1, "backup_exists");
            lacre(&setup, &format!("keystore export {name}{words}")).failed(1, "backup_exists");
        }
    }
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    assert!(link.symlink_metadata().unwrap().is_symlink());
    let kind = file(&setup, "pipe").symlink_metadata().unwrap().file_type();
    assert!(kind.is_fifo());
    lacre(&setup, "backup target --force").ok();
}

#[test]
fn a_pipe_is_no_backup_and_nothing_is_moved_for_it() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    let backed_up = std::fs::read(backup(&setup)).unwrap();
    let there = elsewhere(&setup);
    add_user(&there, "bob@example.com");
    let before = data(&there);
    let words = format!(
        "restore /dev/stdin --replace --key-file {}",
        master_key(&setup)
    );
    super::super::lacre_with(&there, &words, &backed_up).failed(1, "backup_unreadable");
    // Nobody writes into this one: it must not be waited for.
    pipe(&file(&setup, "pipe"));
    lacre(&there, "restore pipe --replace").failed(1, "backup_unreadable");
    data(&there).is_still(&before);
    lacre(&there, "users show bob@example.com").ok();
}

#[test]
fn what_cannot_be_restored_here_is_refused_before_anything_is_moved() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    backup(&setup);
    let own_key = file(&setup, "own.key");
    let there = elsewhere(&setup).env("LACRE_MASTER_KEY_FILE", own_key.to_str().unwrap());
    add_user(&there, "bob@example.com");
    let (before, key) = (data(&there), std::fs::read(&own_key).unwrap());
    let words = format!("--replace --key-file {}", master_key(&setup));
    restore(&there, &words).failed(78, "restore_master_key_other");
    data(&there).is_still(&before);
    let in_memory = there.clone().env("LACRE_KEYSTORE__ENGINE", "memory");
    restore(&in_memory, &format!("{words} --keep-sessions")).failed(1, "restore_not_kept");
    data(&there).is_still(&before);
    assert_eq!(std::fs::read(&own_key).unwrap(), key);
    lacre(&there, "users show bob@example.com").ok();
}

/// A process that is killed between the ends and the accounts is followed by one that knows the same.
#[test]
fn where_the_accounts_are_lost_the_sessions_end_before_others_are_there() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    backup(&setup);
    assert!(server.stop().success());
    let nowhere = setup
        .clone()
        .env("LACRE_ACCOUNTS__URL", "sqlite:/nowhere/at/all.sqlite");
    restore(&nowhere, "--replace").failed(69, "accounts_unavailable");
    server.restart();
    server.refuses(&token.auth);
    lacre(&setup, &format!("receipts show {}", token.crt)).ok();
    drop(server);
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(setup.data().join(format!("accounts.sqlite{ending}")));
    }
    let told = restore(&setup, "--replace").ok();
    assert!(
        told.stderr
            .contains("action=all_sessions_revoked by=operator"),
        "{told:?}"
    );
    assert!(
        told.stdout
            .contains("repeat the changes that the audit log has")
            && !told.stdout.contains("deleted since"),
        "what isn't compared isn't told: {told:?}"
    );
}

#[test]
fn clients_and_links_that_come_back_are_named_and_those_that_go_end_their_sessions() {
    let setup = Setup::new();
    let mut server = setup.start();
    let ada = add_user(&setup, "ada@example.com");
    let link = |verb: &str, more: &str| {
        let words = format!("users {verb} ada@example.com --issuer https://corp.example/ {more}");
        lacre(&setup, &words).ok();
    };
    let gone: Client = server.add_client("billing");
    let stays = server.add_vouching("shop");
    link("link", "--subject 7");
    let kept = server.vouched(&stays, json!({"id": "zoe"}));
    backup(&setup);
    lacre(&setup, &format!("clients delete {}", gone.id)).ok();
    link("unlink", "");
    let late = server.add_vouching("late");
    let lost = server.vouched(&late, json!({"id": "zoe"}));
    let asked = server.add_client("asks");
    let asked_for = Token::of(&server.client_token(&asked, &ada, "tab").expect(200));
    assert!(server.stop().success());
    let told = restore(&setup, "--replace").ok().stdout;
    for said in [
        format!(
            "1 of the clients had been deleted since, or are new here, and are there again with their secrets: {} (billing)",
            gone.id
        ),
        "2 of the clients were made since, and are gone with their sessions: ".to_owned(),
        "1 have links to subjects of outside issuers again that had been removed: ada@example.com"
            .to_owned(),
    ] {
        assert!(told.contains(&said), "{said}: {told}");
    }
    server.restart();
    server.refuses(&lost.auth);
    server.refuses(&asked_for.auth);
    server.call("GET", "/sessions", &kept.auth).expect(200);
    let again = restore(&setup, "--replace --json");
    again.failed(69, "restore_server_running");
}
