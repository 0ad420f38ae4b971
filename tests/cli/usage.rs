//! Misuse: status 2, a word about what is wrong, and nothing done.

use super::{lacre, run_with};
use crate::support::server::Setup;

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
