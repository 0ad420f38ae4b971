//! What the log says and where: a line for each request, JSON, the audit as a stream of its own, and what the
//! supervisor is told.

mod stream;
mod supervisor;

use super::PASSWORD;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Setup, Token};
use crate::support::vectors;
use serde_json::{Value, json};
use std::path::Path;

const EMAIL: &str = "ada@example.com";

fn id_of(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

/// The members of the request's line, of a log in JSON.
fn line_of(written: &str, id: &str) -> Option<Value> {
    let lines = written.lines().filter(|line| line.contains(id));
    let mut lines = lines
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")))
        .filter(|line| line["target"] == "lacre::request");
    let line = lines.next();
    assert_eq!(lines.next(), None, "{id} has two lines");
    line
}

/// A server whose log is JSON, and a user.
fn start(requests: &str) -> Server {
    let server = Setup::new()
        .arg("--log-format")
        .arg("json")
        .env("LACRE_LOG__REQUESTS", requests)
        .gateway("[service.shop]\n")
        .start();
    server.sign_up(EMAIL, PASSWORD);
    server
}

#[test]
fn each_request_has_one_line_that_says_who_asked_and_what_was_answered() {
    let mut server = start("all");
    let token = server.get_token(EMAIL, PASSWORD);
    let secret = "Zanzibar-marmalade-4711";
    let mut due = Vec::new();
    let user = server.call("GET", "/me", &token.auth).expect(200).json()["id"].clone();
    let beginning = format!("{}…", &token.crt[..8]);
    for (request, members) in [
        (
            Request::get("/me").bearer(&token.auth),
            json!({"method": "GET", "route": "/me", "status": 200, "user": user, "session": beginning}),
        ),
        (
            Request::get("/me").bearer("noise"),
            json!({"method": "GET", "route": "/me", "status": 401, "code": "invalid_token"}),
        ),
        (
            Request::get("/me"),
            json!({"method": "GET", "route": "/me", "status": 401, "code": "no_credentials"}),
        ),
        (
            Request::delete(&format!("/sessions/{secret}?a={secret}")).bearer(&token.auth),
            json!({"method": "DELETE", "route": "/sessions/{crt}", "status": 404, "code": "not_found",
                "user": user, "session": beginning}),
        ),
        (
            Request::get(&format!("/{secret}")),
            json!({"method": "GET", "route": "unmatched", "status": 404, "code": "not_found"}),
        ),
        (
            Request::new("BREW", "/open"),
            json!({"method": "other", "route": "/open", "status": 405, "code": "method_not_allowed"}),
        ),
        (
            Request::get(&format!("/open?{}", "a".repeat(20_000))),
            json!({"method": "GET", "route": "/open", "status": 414, "code": "uri_too_long"}),
        ),
    ] {
        let answer = server.send(&request);
        assert_eq!(answer.status, members["status"], "{answer:?}");
        due.push((id_of(&answer), members));
    }
    let asked = server.ask(&Request::get("/authz/shop").bearer(&token.auth));
    let asked = asked.expect(200);
    due.push((
        id_of(&asked),
        json!({"method": "GET", "route": "/authz/shop", "status": 200, "user": user, "session": beginning}),
    ));
    let probed = id_of(&server.manage("/readyz").expect(200));
    assert_eq!(server.stop().code(), Some(0));
    let written = server.written();
    for (id, mut members) in due {
        let mut line = line_of(&written, &id).unwrap_or_else(|| panic!("{members}: no line"));
        let line = line.as_object_mut().unwrap();
        let took = line.remove("took_ms").unwrap();
        assert!(took.as_f64().is_some_and(|took| took > 0.0), "{took}");
        assert!(
            line.remove("time")
                .unwrap()
                .as_str()
                .unwrap()
                .ends_with('Z')
        );
        let route = members["route"].clone();
        for (name, value) in [
            ("target", "lacre::request"),
            ("level", "INFO"),
            ("request_id", &id),
            ("address", "127.0.0.1"),
        ] {
            members[name] = json!(value);
        }
        assert_eq!(Value::Object(line.clone()), members, "{route}");
    }
    assert_eq!(line_of(&written, &probed), None, "monitors are no traffic");
    assert!(!written.contains(secret), "{written}");
    // Audit events, the start and the end are objects as well.
    assert!(
        written.contains(r#""event":"session_started","user":""#),
        "{written}"
    );
    assert!(
        written.contains(r#""msg":"lacre starts","version":""#),
        "{written}"
    );
}

#[test]
fn whoever_logs_in_or_refreshes_is_named_and_whoever_fails_is_not() {
    let mut server = start("all");
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let begun = server.send(&Request::post("/getToken").json(body));
    let token = Token::of(&begun);
    let renewed = server.refresh(&token).expect(200);
    let failed = server
        .try_get_token(EMAIL, "wrong horse battery")
        .expect(401);
    let me = server.call("GET", "/me", renewed.json()["auth"].as_str().unwrap());
    let user = me.expect(200).json()["id"].clone();
    server.stop();
    let written = server.written();
    for answer in [&begun, &renewed] {
        let line = line_of(&written, &id_of(answer)).unwrap();
        assert_eq!(line["user"], user, "{line}");
        assert_eq!(line["session"], format!("{}…", &token.crt[..8]));
    }
    let line = line_of(&written, &id_of(&failed)).unwrap();
    assert!(
        line.get("user").is_none() && line.get("session").is_none(),
        "{line}"
    );
}

#[test]
fn a_line_is_written_for_the_requests_that_are_asked_for_and_by_default_for_none() {
    for (requests, lines) in [("off", [false, false]), ("refused", [false, true])] {
        let mut server = start(requests);
        let good = id_of(&server.send(&Request::get("/open")).expect(200));
        let bad = id_of(&server.send(&Request::get("/nowhere")).expect(404));
        server.stop();
        let written = server.written();
        let there = [good, bad].map(|id| line_of(&written, &id).is_some());
        assert_eq!(there, lines, "{requests}");
    }
    let mut server = Setup::new().start();
    server.send(&Request::get("/nowhere")).expect(404);
    server.stop();
    assert!(!server.written().contains("lacre::request"));
}

/// Every token of the corpus of attacks, in every place where a request has one.
#[test]
fn no_part_of_a_hostile_token_is_in_a_line() {
    let mut server = Setup::new()
        .env("LACRE_LOG__REQUESTS", "all")
        .env("LACRE_LOG", "debug")
        .env("LACRE_TOKEN__LOCATIONS", "header,cookie,query,json")
        .start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut parts = Vec::new();
    let mut sent = 0;
    for (_, file) in vectors::files(&folder) {
        let mut connection = Connection::open(server.public).unwrap();
        for case in file["tests"].as_array().unwrap() {
            // Some are no text.
            let Some(token) = case["token"].as_str() else {
                continue;
            };
            let is_field = token.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_field || token.len() > 8000 {
                continue;
            }
            let request = match sent % 4 {
                0 => Request::get("/me").header("Cookie", &format!("__Host-lacre_access={token}")),
                1 if token
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) =>
                {
                    Request::get(&format!("/me?token={token}"))
                }
                2 => Request::post("/logout").json(json!({"token": token})),
                _ => Request::get("/headers").bearer(token),
            };
            let answer = connection.send(&request).unwrap();
            assert!(answer.status >= 400, "{}: {answer:?}", case["name"]);
            sent += 1;
            // The header is the same for many tokens and says nothing; names in it may be short.
            let secret = |part: &&str| part.len() >= 16;
            parts.extend(token.split('.').filter(secret).map(str::to_owned));
        }
    }
    assert!(sent > 300, "only {sent}");
    server.stop();
    let written = server.written();
    let lines = written.matches(" lacre::request ").count();
    assert_eq!(lines, sent, "one line each");
    for part in parts {
        assert!(!written.contains(&part[..16]), "{part}");
    }
}
