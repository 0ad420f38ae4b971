//! Misuse: status 2, a word about what is wrong, and nothing done.

use super::{lacre, run_with};
use crate::support::server::Setup;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn misuse_ends_with_status_2_and_touches_nothing() {
    let setup = Setup::new();
    for words in [
        "",
        "fly",
        "users",
        "users add",
        "users add not-an-e-mail",
        "users add ada@example.com --id client_x",
        "users add ada@example.com --password hunter2hunter2",
        "users set ada",
        "users set-password ada",
        "users show",
        "clients add",
        "keystore list --limit 0",
        "keystore list --limit -1",
        "keystore show a.b",
        "sessions revoke",
        "sessions revoke --dry-run",
        "sessions revoke abc --all",
        "sessions revoke --user a --all",
        "sessions revoke --except abcdefgh",
        "sessions revoke --all --except abcdefgh",
        "keystore list --used-within 0s",
        "keystore list --idle-for soon",
        "demo --url ftp://example.com",
        "config",
        "config show --fly",
    ] {
        let ran = lacre(&setup, words);
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (Some(2), ""),
            "{words}: {ran:?}"
        );
        assert!(
            ran.stderr.contains("Usage") || ran.stderr.contains("--help"),
            "{words}: {ran:?}"
        );
        assert!(!setup.data().exists(), "{words}");
    }
}

#[test]
fn help_is_an_answer_and_shows_an_example() {
    let setup = Setup::new();
    for words in [
        "users add",
        "keystore list",
        "sessions revoke",
        "demo",
        "config show",
    ] {
        let mut command = setup.lacre(words.split_whitespace());
        let ran = run_with(command.arg("--help"), b"").ok();
        assert!(ran.stdout.contains(&format!("lacre {words}")), "{ran:?}");
        assert!(ran.stdout.contains("Example"), "{ran:?}");
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn cargo_run_alone_starts_a_server_for_trying_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lacre"))
        .env_clear()
        .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .env("LACRE_LISTEN", "127.0.0.1:0")
        .env("LACRE_MANAGEMENT_LISTEN", "127.0.0.1:0")
        .env("LACRE_DATA_DIR", folder.path().join("data"))
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let last = lines
        .map(Result::unwrap)
        .find(|line| line.starts_with("listening on http://"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(last.is_some(), "it ended without listening");
}
