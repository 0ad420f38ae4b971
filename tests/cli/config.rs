//! `lacre config`: what a server would be started with.

use super::{lacre, run_with};
use crate::support::server::Setup;
use serde_json::{Value, json};
use std::fs;

fn setting<'a>(shown: &'a Value, key: &str) -> &'a Value {
    let all = shown.as_array().unwrap();
    all.iter().find(|setting| setting["key"] == key).unwrap()
}

#[test]
fn each_value_is_shown_with_its_source_and_no_secret() {
    let setup = Setup::new()
        .env("LACRE_TOKEN__ACCESS_TTL", "5m")
        .env("LACRE_ACCOUNTS__URL", "postgres://lacre:hunter2@db/lacre");
    fs::write(
        setup.home().join("lacre.toml"),
        "[session]\nmax_per_user = 7\n",
    )
    .unwrap();
    let ran = lacre(&setup, "config show --json").ok();
    let shown = ran.json();
    assert_eq!(
        setting(&shown, "token.access_ttl"),
        &json!({
            "key": "token.access_ttl", "value": "5m",
            "source": "environment LACRE_TOKEN__ACCESS_TTL",
        })
    );
    assert_eq!(
        setting(&shown, "session.max_per_user")["source"],
        "file lacre.toml"
    );
    assert_eq!(setting(&shown, "data_dir")["source"], "flag --data-dir");
    assert_eq!(setting(&shown, "accounts.url")["value"], "********");
    let table = lacre(&setup, "config show").ok();
    assert!(table.stdout.contains("max_per_user"));
    for ran in [ran, table] {
        assert!(!format!("{ran:?}").contains("hunter2"));
    }
    assert!(!setup.data().exists(), "showing opens nothing");
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let setup = Setup::new().env("LACRE_TOKEN__ACESS_TTL", "5m");
    fs::write(setup.home().join("lacre.toml"), "signup = \"ajar\"\n").unwrap();
    for words in ["config check", "config show", "users list"] {
        let ran = lacre(&setup, words);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(78), ""), "{words}");
        for part in ["ajar", "did you mean", "config_"] {
            assert!(ran.stderr.contains(part), "no {part}: {ran:?}");
        }
    }
}

#[test]
fn a_good_configuration_is_said_to_be_good() {
    let setup = Setup::new();
    let file = setup.home().join("other.toml");
    fs::write(&file, "signup = \"open\"\n").unwrap();
    let mut command = setup.lacre(["config", "check"]);
    let good = run_with(command.arg("--config").arg(&file), b"").ok();
    assert_eq!(good.stdout, "the configuration is good\n");
    let mut command = setup.lacre(["config", "check"]);
    let absent = setup.home().join("absent.toml");
    run_with(command.arg("--config").arg(absent), b"").failed(78, "config_file_unreadable");
    // Neither does what has no end.
    let mut command = setup.lacre(["config", "check"]);
    let endless = command.args(["--config", "/dev/zero"]);
    run_with(endless, b"").failed(78, "config_file_unreadable");
    let mut command = setup.lacre(["config", "check"]);
    let endless = command.env("LACRE_ACCOUNTS__URL_FILE", "/dev/zero");
    run_with(endless, b"").failed(78, "config_file_unreadable");
}

#[test]
fn the_check_refuses_what_the_start_would_and_says_the_same() {
    for (name, value, code) in [
        (
            "LACRE_MANAGEMENT_LISTEN",
            "127.0.0.1:4711",
            "config_same_address",
        ),
        ("LACRE_SESSION__ABSOLUTE_TTL", "1m", "config_lifetimes"),
        (
            "LACRE_MASTER_KEY_FILE",
            "absent/master.key",
            "config_path_unusable",
        ),
        ("LACRE_LOG", "lacre=loud", "config_bad_log_filter"),
        ("LACRE_HASHING__QUEUE", "0", "config_bad_value"),
        ("LACRE_SERVER__WORKERS", "513", "config_bad_value"),
    ] {
        let setup = Setup::new()
            .env("LACRE_LISTEN", "127.0.0.1:4711")
            .env(name, value);
        let check = lacre(&setup, "config check").failed(78, code);
        let serve = lacre(&setup, "serve").failed(78, code);
        let said = |stderr: &str| stderr.lines().last().unwrap().to_owned();
        assert_eq!(said(&check.stderr), said(&serve.stderr));
        assert!(check.stderr.contains(value), "{check:?}");
        assert!(!setup.data().exists(), "nothing is opened");
    }
}
