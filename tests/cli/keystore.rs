//! `lacre keystore`: the operator's window.

use super::{add_user, handles, lacre, log_in};
use crate::support::http::Request;
use crate::support::robbed::Robbed;
use crate::support::server::{Server, Setup};
use lacre_keystore::{Change, DigestKey, Engine as _, KeyRange, SledEngine, SledOptions};
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
    let start = &handle[..8];
    for (words, named) in [
        ("keystore list", format!("{start}…")),
        ("keystore list --json", handle.to_owned()),
        (&format!("keystore show {start}"), handle.to_owned()),
        (&format!("keystore show {handle}"), handle.to_owned()),
    ] {
        let text = lacre(&setup, words).ok().stdout;
        let agent = words == "keystore list" || text.contains("Evil/1.0");
        assert!(text.contains(&named) && agent, "{text}");
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(words != "keystore list" || longest <= Some(80), "{text}");
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
        "last_seen_address",
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

/// Flips a bit of a session's record that is new, in the way a disk might.
fn with_a_damaged_record(setup: &Setup) {
    let options = SledOptions {
        digest_key: DigestKey::derived(&Robbed::of(setup).handle_secret),
        ..SledOptions::default()
    };
    let records = || {
        let engine = SledEngine::open_with(setup.data().join("keystore"), &options).unwrap();
        let found = engine.scan(&KeyRange::ALL, 100).unwrap();
        (engine, found)
    };
    let (_, before) = records();
    let mut server = setup.start();
    log_in(&server, "ada@example.com");
    server.stop();
    let (engine, mut found) = records();
    found.retain(|(key, _)| !before.iter().any(|(known, _)| known == key));
    let [(key, sealed)] = &found[..] else {
        panic!("one session is new");
    };
    let mut new = sealed.clone();
    *new.last_mut().unwrap() ^= 1;
    let change = Change {
        key: *key,
        expected: Some(sealed.clone()),
        new: Some(new),
    };
    assert!(engine.apply(&[change]).unwrap());
    engine.persist().unwrap();
}

#[test]
fn a_verification_names_the_damaged_records_beside_a_server_and_without() {
    let (setup, mut server, made) = with_sessions(3);
    assert_eq!(
        lacre(&setup, "keystore verify").ok().stdout,
        "3 records: 3 open, 0 damaged; the digest of all agrees\n"
    );
    let whole = lacre(&setup, "keystore verify --json").ok();
    assert_eq!(
        whole.json(),
        json!({"damaged": [], "records": 3, "digest_agrees": true})
    );
    assert_eq!(whole.stderr, "", "no progress in a pipe");
    server.stop();
    with_a_damaged_record(&setup);
    let mut last = None;
    for alone in [true, false] {
        let _server = (!alone).then(|| setup.start());
        let ran = lacre(&setup, "keystore verify --json");
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("(records_damaged)"), "{ran:?}");
        let found = ran.json();
        assert_eq!(found["records"], 4);
        let damaged = found["damaged"].as_array().unwrap();
        assert_eq!(damaged.len(), 1);
        assert_eq!(damaged[0]["code"], "record_damaged");
        let handle = damaged[0]["handle"].as_str().unwrap().to_owned();
        assert!(!made.contains(&handle));
        let shown = lacre(&setup, "keystore verify");
        assert_eq!(
            shown.stdout,
            format!(
                "{handle}  record_damaged\n4 records: 3 open, 1 damaged; the digest of all agrees\n"
            )
        );
        last = Some(handle);
    }
    // What it names can be ended, by its beginning as well.
    let handle = last.unwrap();
    lacre(&setup, &format!("sessions revoke {}", &handle[..8])).ok();
    lacre(&setup, "keystore verify").ok();
}

#[test]
fn a_compaction_logs_nobody_out_beside_a_server_and_without() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let kept = log_in(&server, "ada@example.com");
    let ended = log_in(&server, "ada@example.com");
    lacre(&setup, &format!("sessions revoke {}", ended.crt)).ok();
    let ran = lacre(&setup, "keystore compact --json").ok();
    assert_eq!(ran.stderr, "", "no progress in a pipe");
    let bytes = ran.json();
    assert!(bytes["before"].as_u64() > Some(0) && bytes["after"].as_u64() > Some(0));
    server.accepts(&kept.auth);
    server.refuses(&ended.auth);
    let later = log_in(&server, "ada@example.com");
    server.stop();
    let ran = lacre(&setup, "keystore compact").ok();
    assert!(ran.stdout.contains("bytes before") && ran.stdout.contains("bytes now"));
    let server = setup.start();
    server.accepts(&kept.auth);
    server.accepts(&later.auth);
    server.refuses(&ended.auth);
    lacre(&setup, "keystore verify").ok();
}

#[test]
fn the_newest_is_listed_first_with_the_address_of_its_last_use() {
    let setup = Setup::new().env("LACRE_TRUSTED_PROXIES", "127.0.0.1");
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let begin = |from: &str| {
        let body = json!({"email": "ada@example.com", "password": super::PASSWORD});
        let request = Request::post("/getToken").header("X-Forwarded-For", from);
        crate::support::server::Token::of(&server.send(&request.json(body)).expect(200))
    };
    let first = begin("198.51.100.1");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = begin("2001:db8:85a3:8d3:1319:8a2e:370:7348");
    let request = Request::post("/refresh").header("X-Forwarded-For", "203.0.113.9");
    server
        .send(&request.bearer(first.refresh.as_ref().unwrap()))
        .expect(200);
    let listed = crate::support::wait::until("the address is written", || {
        let listed = lacre(&setup, "keystore list --json").ok().json();
        let address = listed["sessions"][1]["last_seen_address"].clone();
        (address == "203.0.113.9").then_some(listed)
    });
    assert_eq!(handles(&listed), [second.crt.clone(), first.crt]);
    assert_eq!(listed["sessions"][1]["address"], "198.51.100.1");
    let table = lacre(&setup, "keystore list").ok().stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("SESSION    USER"), "{table}");
    assert!(lines[1].starts_with(&second.crt[..8]), "{table}");
    assert!(
        lines[1].contains("2001:db8:85a3:8d3:1319:8a2e:370:7348"),
        "{table}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{table}"
    );
}
