//! `lacre keystore`: the operator's window.

use super::{add_user, handles, lacre, log_in};
use crate::support::http::Request;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn with_sessions(count: usize) -> (Setup, Server, BTreeSet<String>) {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let made = (0..count)
        .map(|_| log_in(&server, "ada@example.com").crt)
        .collect();
    (setup, server, made)
}

#[test]
fn a_listing_goes_on_where_the_one_before_ended() {
    let (setup, server, made) = with_sessions(7);
    let mut everything = Vec::new();
    let mut after = String::new();
    loop {
        let page = lacre(&setup, &format!("keystore list --limit 3 --json {after}"))
            .ok()
            .json();
        assert!(handles(&page).len() <= 3);
        everything.extend(handles(&page));
        match page["next"].as_str() {
            Some(next) => after = format!("--after {next}"),
            None => break,
        }
        // The cursor holds also when the session that it names is gone.
        let gone = everything.last().unwrap().clone();
        lacre(&setup, &format!("sessions revoke {gone}")).ok();
    }
    assert_eq!(everything.len(), 7, "each once");
    assert_eq!(everything.into_iter().collect::<BTreeSet<_>>(), made);
    drop(server);
}

#[test]
fn without_a_limit_everything_is_listed() {
    // More than fits into one answer of the admin socket.
    let setup = Setup::new().env("LACRE_SESSION__MAX_PER_USER", "1000");
    let server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let client = lacre(&setup, "clients add many --json").ok().json();
    let client = crate::support::server::Client {
        id: client["id"].as_str().unwrap().to_owned(),
        secret: client["secret"].as_str().unwrap().to_owned(),
    };
    for number in 0..205 {
        server
            .client_token(&client, &id, &number.to_string())
            .expect(200);
    }
    let all = lacre(&setup, "keystore list --json").ok().json();
    assert_eq!(
        handles(&all).into_iter().collect::<BTreeSet<_>>().len(),
        205
    );
    assert_eq!(all["next"], Value::Null);
    let of_user = lacre(
        &setup,
        "keystore list --json --user ada@example.com --limit 204",
    )
    .ok();
    assert_eq!(handles(&of_user.json()).len(), 204);
    assert_eq!(
        lacre(&setup, "keystore list").ok().stdout.lines().count(),
        206
    );
}

#[test]
fn a_session_is_shown_as_it_is_and_strangers_texts_do_nothing() {
    let setup = Setup::new();
    let server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let body = json!({
        "email": "ada@example.com", "password": super::PASSWORD, "label": "lap\u{202e}top",
    });
    let request = Request::post("/getToken").header("User-Agent", "Evil/1.0");
    let answer = server.send(&request.json(body)).expect(200).json();
    let handle = answer["crt"].as_str().unwrap();
    let shown = lacre(&setup, &format!("keystore show {handle} --json")).ok();
    let session = shown.json();
    assert_eq!(session["user"], id.as_str());
    assert_eq!(session["generation"], 1);
    assert_eq!(session["address"], "127.0.0.1");
    for words in [
        "keystore list",
        "keystore list --json",
        &format!("keystore show {handle}"),
    ] {
        let text = lacre(&setup, words).ok().stdout;
        assert!(text.contains(handle) && text.contains("Evil/1.0"), "{text}");
        for evil in ['\u{9b}', '\u{202e}', '\u{1b}', '\r'] {
            assert!(!text.contains(evil), "{words}: {text:?}");
        }
    }
}

#[test]
fn the_window_shows_no_key_and_no_token() {
    let (setup, server, made) = with_sessions(2);
    let token = log_in(&server, "ada@example.com");
    let one = made.first().unwrap();
    let mut shown = String::new();
    for words in [
        "keystore list",
        "keystore list --json",
        "keystore stats --json",
    ] {
        shown += &lacre(&setup, words).ok().stdout;
    }
    shown += &lacre(&setup, &format!("keystore show {one} --json"))
        .ok()
        .stdout;
    let members: Value = serde_json::from_str(shown.lines().last().unwrap()).unwrap();
    let names: BTreeSet<&str> = members.as_object().unwrap().keys().map(|k| &**k).collect();
    let known = [
        "address",
        "client",
        "created_at",
        "ends_at",
        "expires_at",
        "generation",
        "handle",
        "label",
        "last_seen_at",
        "user",
        "user_agent",
    ];
    assert_eq!(names, BTreeSet::from(known));
    for part in token.auth.split('.').filter(|part| part.len() > 20) {
        assert!(!shown.contains(part));
    }
}

#[test]
fn a_session_that_is_gone_is_not_shown() {
    let (setup, _server, made) = with_sessions(1);
    let one = made.first().unwrap();
    lacre(&setup, &format!("sessions revoke {one}")).ok();
    lacre(&setup, &format!("keystore show {one}")).failed(1, "session_unknown");
    lacre(&setup, "keystore show -abcdefg").failed(1, "session_unknown");
    lacre(&setup, "keystore show -abc").failed(1, "handle_short");
    let empty = lacre(&setup, "keystore list --json").ok().json();
    assert_eq!(empty, json!({"sessions": [], "damaged": [], "next": null}));
    assert_eq!(
        lacre(&setup, "keystore stats --json").ok().json()["records"],
        0
    );
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let (setup, _server, _) = with_sessions(1);
    for words in [
        "keystore list",
        "keystore list --json",
        "users list",
        "config show",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = setup.lacre(words.split_whitespace());
        let output = command.stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(0), ""),
            "{words}"
        );
    }
    let full = std::fs::File::options().write(true).open("/dev/full");
    if let Ok(full) = full {
        let mut command = setup.lacre(["keystore", "list"]);
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "a full disk is one");
    }
}
