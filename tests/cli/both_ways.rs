//! A command says and does the same beside a running server and without one.

use super::{Ran, add_user, lacre, lacre_with, log_in};
use crate::support::server::Setup;
use serde_json::Value;

/// All that only looks; `HANDLE` and `USER` stand for a session and an account that exist.
const LOOKS: &[&str] = &[
    "users list",
    "users list --json",
    "users show USER",
    "users show ada@example.com --json",
    "users show nobody@example.com",
    "users unlink nobody@example.com --issuer https://corp.example/",
    "users unlink USER --issuer corp",
    "clients list",
    "clients list --json",
    "keystore list",
    "keystore list --json",
    "keystore list --user ada@example.com --limit 1 --json",
    "keystore list --user nobody@example.com",
    "keystore list --address 127.0.0.0/8 --used-within 1h --json",
    "keystore list --address 203.0.113.7",
    "keystore list --address 127.0.0.1/8",
    "keystore list --idle-for 30d",
    "keystore list --after short",
    "keystore list --after 1.short",
    "keystore show HANDLE",
    "keystore show HANDLE --json",
    "keystore show abc",
    "keys status",
    "keys status --json",
    "receipts show HANDLE",
    "receipts key",
    "receipts status",
    "receipts verify nowhere",
    "keystore verify",
    "keystore verify --json",
    "sessions revoke HANDLE --dry-run",
    "sessions revoke --user USER --dry-run --json",
    "sessions revoke --user USER --except HANDLE --dry-run --json",
    "sessions revoke --user bob@example.com --except HANDLE --dry-run",
    "sessions revoke --all --dry-run",
    "config show --json",
    "config check",
];

#[test]
fn looking_shows_the_same() {
    let setup = Setup::new();
    let mut server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    lacre(&setup, "users add bob@example.com --role admin").ok();
    lacre(&setup, "clients add billing").ok();
    let token = log_in(&server, "ada@example.com");
    log_in(&server, "ada@example.com");
    let look = |words: &str| {
        let words = words.replace("HANDLE", &token.crt).replace("USER", &id);
        lacre(&setup, &words)
    };
    let beside: Vec<Ran> = LOOKS.iter().map(|words| look(words)).collect();
    assert!(server.stop().success());
    assert!(!setup.data().join("admin.sock").exists());
    for (words, beside) in LOOKS.iter().zip(beside) {
        assert_eq!(look(words), beside, "{words}");
        if words.ends_with("--json") && beside.status == Some(0) {
            beside.json();
        }
    }
}

/// All that changes something, in an order that makes sense; the second is standard input.
const CHANGES: &[(&str, &str)] = &[
    (
        "users add ada@example.com --id ada --json --password-stdin",
        "correct horse battery",
    ),
    ("users add ada@example.com", ""),
    (
        "users add bob@example.com --id bob --role admin --permission a:b",
        "",
    ),
    ("users add no@example.com --password-stdin", "short"),
    ("users set ada --name Ada --role editor --json", ""),
    ("users set ada --role 'bad", ""),
    (
        "users set-password bob@example.com --password-stdin",
        "another correct horse",
    ),
    ("users disable ada@example.com --json", ""),
    ("users disable nobody", ""),
    ("users enable ada", ""),
    // The last administrator stays, for an operator too.
    ("users delete bob", ""),
    ("users set ada --role admin", ""),
    ("users delete bob", ""),
    ("users delete bob", ""),
    (
        "users link ada --issuer https://corp.example/ --subject 7 --json",
        "",
    ),
    ("users link ada --issuer corp --subject 7", ""),
    ("users show ada --json", ""),
    ("users unlink ada --issuer https://corp.example/ --json", ""),
    ("clients add billing --json", ""),
    ("clients delete client_0123456789abcdef", ""),
    ("clients delete billing", ""),
    ("sessions revoke --user ada", ""),
    ("sessions revoke --all --json", ""),
    ("users list --json", ""),
];

/// What a run says, but for the times, the random ids and the secrets.
fn said(setup: &Setup) -> Vec<(Option<i32>, String)> {
    let run = |(words, input): &(&str, &str)| {
        let ran = lacre_with(setup, words, input.as_bytes());
        let text = match serde_json::from_str::<Value>(&ran.stdout) {
            Ok(json) => without_chance(json).to_string(),
            Err(_) => ran.stdout,
        };
        // Each has a deployment of its own, and says which.
        let text = text.replace(setup.data().to_str().unwrap(), "DATA");
        (ran.status, format!("{words}: {text}"))
    };
    CHANGES.iter().map(run).collect()
}

fn without_chance(mut json: Value) -> Value {
    match &mut json {
        Value::Array(all) => all
            .iter_mut()
            .for_each(|one| *one = without_chance(one.take())),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let random = value
                    .as_str()
                    .is_some_and(|text| text.starts_with("client_"));
                if random || ["created_at", "updated_at", "secret"].contains(&name.as_str()) {
                    *value = "*".into();
                } else {
                    *value = without_chance(value.take());
                }
            }
        }
        _ => {}
    }
    json
}

#[test]
fn changing_does_and_says_the_same() {
    let (alone, beside) = (Setup::new(), Setup::new());
    let _server = beside.start();
    let alone = said(&alone);
    assert_eq!(alone, said(&beside));
    assert_eq!(
        alone
            .iter()
            .filter(|(status, _)| *status == Some(0))
            .count(),
        15,
        "{alone:#?}"
    );
    assert!(
        alone
            .iter()
            .all(|(status, _)| matches!(status, Some(0 | 1))),
        "{alone:#?}"
    );
}
