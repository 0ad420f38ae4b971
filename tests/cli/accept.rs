//! A data directory that was put back as a whole: it is refused, and gone on with when its sessions have ended.

use super::{add_user, lacre, log_in};
use crate::support::server::Setup;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// With a file outside of the data directory that says how far the keystore has come.
fn noted() -> Setup {
    let setup = Setup::new();
    let file = epoch(&setup).display().to_string();
    setup.env("LACRE_KEYSTORE__EPOCH_FILE", &file)
}

fn epoch(setup: &Setup) -> PathBuf {
    setup.home().join("epoch")
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_whole_directory_of_before_is_refused_and_its_sessions_end_before_it_is_gone_on_with() {
    let setup = noted();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let stolen = log_in(&server, "ada@example.com");
    let other = log_in(&server, "ada@example.com");
    lacre(&setup, "keystore accept").failed(69, "accept_server_running");
    assert!(server.stop().success());
    let before = setup.home().join("before");
    copy(setup.data(), &before);
    server.restart();
    lacre(&setup, &format!("sessions revoke {}", stolen.crt)).ok();
    // A kill, and not even a moment for anything to be brought to the disk.
    server.kill9();
    assert_eq!(
        lacre(&setup, "keystore accept --json").ok().json()["refused"],
        json!(null),
        "what was killed is no earlier one"
    );
    server.restart();
    server.refuses(&stolen.auth);
    server.accepts(&other.auth);
    server.kill9();
    let now = setup.home().join("now");
    copy(setup.data(), &now);

    copy(&before, setup.data());
    let refused = setup.start_refused().with(78, "store_older");
    refused
        .saying(epoch(&setup).to_str().unwrap())
        .saying("lacre keystore accept");
    for words in [
        "keystore stats",
        "users list",
        "sessions revoke --all --yes",
    ] {
        lacre(&setup, words).failed(78, "store_older");
    }
    let dry = lacre(&setup, "keystore accept --dry-run --json")
        .ok()
        .json();
    assert_eq!(dry["refused"], "store_older");
    assert_eq!((&dry["records"], &dry["ended"]), (&json!(2), &json!(2)));
    setup.start_refused().with(78, "store_older");
    let ran = lacre(&setup, "keystore accept --json").ok();
    let said = ran.json();
    assert_eq!(said["ended"], 2);
    let named = said["sessions"].as_array().unwrap();
    for token in [&stolen, &other] {
        assert!(named.contains(&json!(token.crt)), "{said}");
    }
    assert!(
        ran.stderr.contains("action=keystore_accepted by=operator"),
        "{ran:?}"
    );
    server.restart();
    for token in [&stolen, &other] {
        server.refuses(&token.auth);
        assert_eq!(server.refresh(token).status, 401);
    }
    let told = lacre(&setup, &format!("token explain {} --json", other.crt)).ok();
    assert_eq!(told.json()["end"]["cause"], "revoked_by_admin", "{told:?}");
    let new = log_in(&server, "ada@example.com");
    server.accepts(&new.auth);
    assert!(server.stop().success());
    // The way back is closed as well: what came after the copy isn't of this line.
    copy(&now, setup.data());
    setup.start_refused().with(78, "epoch_foreign");
}

#[test]
fn a_directory_that_was_moved_without_its_epoch_keeps_its_sessions_where_the_operator_says_so() {
    let setup = noted();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    assert!(server.stop().success());
    std::fs::remove_file(epoch(&setup)).unwrap();
    setup.start_refused().with(78, "epoch_missing");
    let kept = lacre(&setup, "keystore accept --keep-sessions").ok();
    assert!(
        kept.stdout.starts_with("1 session stay") && kept.stdout.contains("(epoch_missing)"),
        "{kept:?}"
    );
    assert!(kept.stderr.contains("action=keystore_kept"), "{kept:?}");
    server.restart();
    server.accepts(&token.auth);
    assert!(server.stop().success());
    let nothing = lacre(&setup, "keystore accept").ok();
    assert!(
        nothing.stdout.ends_with("nothing was changed\n"),
        "{nothing:?}"
    );
    server.restart();
    server.accepts(&token.auth);
    // While it runs the file is made again by the next change.
    std::fs::remove_file(epoch(&setup)).unwrap();
    log_in(&server, "ada@example.com");
    server.kill9();
    server.restart();
    server.accepts(&token.auth);
}

#[test]
fn a_restore_that_keeps_sessions_begins_a_line_of_its_own() {
    let setup = noted();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    assert!(server.stop().success());
    lacre(&setup, "backup b").ok();
    let before = setup.home().join("before");
    copy(setup.data(), &before);
    std::fs::remove_dir_all(setup.data()).unwrap();
    let key = before.join("master.key").display().to_string();
    lacre(
        &setup,
        &format!("restore b --key-file {key} --keep-sessions"),
    )
    .ok();
    server.restart();
    server.accepts(&token.auth);
    assert!(server.stop().success());
    copy(&before, setup.data());
    setup.start_refused().with(78, "epoch_foreign");
    // Another one that keeps none needs nobody's word.
    std::fs::remove_dir_all(setup.data()).unwrap();
    lacre(&setup, &format!("restore b --key-file {key}")).ok();
    server.restart();
    server.refuses(&token.auth);
}

#[test]
fn a_file_in_the_data_directory_or_in_no_directory_is_refused() {
    let setup = Setup::new();
    let inside = setup.data().join("epoch").display().to_string();
    for file in [inside.as_str(), "data/../data/epoch", "absent/epoch", "."] {
        let setup = setup.clone().env("LACRE_KEYSTORE__EPOCH_FILE", file);
        setup.start_refused().with(78, "config_path_unusable");
    }
    assert!(!setup.data().exists());
}
