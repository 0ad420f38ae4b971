//! What the document doesn't have fails the test that was answered so.

use super::Described;
use crate::support::http::{self, Answer, Request};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::panic::catch_unwind;

/// A listener that answers whatever comes with these bytes.
fn liar(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut asks, _) = listener.accept().unwrap();
        let _ = asks.read(&mut [0; 4096]).unwrap();
        asks.write_all(answer.as_bytes()).unwrap();
    });
    address
}

fn answer(status: u16, fields: &[&str], body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    let line = format!("HTTP/1.1 {status} .");
    let head = [&[line.as_str()], fields, &[&length, "", body]].concat();
    head.join("\r\n")
}

const ID: &str = "X-Request-Id: 1";
const JSON: &str = "Content-Type: application/json";
const PROBLEM: &str = "Content-Type: application/problem+json";

fn problem(status: u16, code: &str) -> Value {
    json!({
        "type": format!("urn:lacre:error:{code}"), "title": "T", "detail": "D", "status": status,
        "code": code, "request_id": "1",
    })
}

fn refusal(status: u16, code: &str, fields: &[&str]) -> String {
    let fields = [&[ID, PROBLEM], fields].concat();
    answer(status, &fields, &problem(status, code).to_string())
}

fn sessions(change: impl FnOnce(&mut Value)) -> String {
    let mut session = json!({
        "crt": "c", "created_at": "2026-11-28T12:00:00Z", "last_seen_at": "2026-11-28T12:00:00Z",
        "expires_at": "2026-11-28T12:00:00Z", "ip": null, "user_agent": null, "label": null,
        "current": true,
    });
    change(&mut session);
    answer(200, &[ID, JSON], &json!([session]).to_string())
}

/// What the client makes of this answer of a described listener: the answer, or why it panics.
fn told(request: &Request, answer: String) -> Result<Answer, String> {
    let address = liar(answer);
    let _described = Described::listener(address);
    catch_unwind(|| http::send(address, request)).map_err(|panic| *panic.downcast().unwrap())
}

#[test]
fn an_answer_that_the_document_has_passes() {
    for (target, answer) in [
        ("/sessions", sessions(|_| ())),
        (
            "/me?a=b",
            refusal(401, "no_credentials", &["WWW-Authenticate: Bearer"]),
        ),
        (
            "/me",
            refusal(503, "store_unavailable", &["Retry-After: 1"]),
        ),
        ("/nowhere", refusal(404, "not_found", &[])),
        (
            "/logout",
            refusal(405, "method_not_allowed", &["Allow: POST"]),
        ),
        // The parser's, below every route.
        ("/me", answer(400, &["Connection: close"], "")),
    ] {
        let came = told(&Request::get(target), answer.clone());
        came.unwrap_or_else(|why| panic!("{target}: {answer}\n{why}"));
    }
}

#[test]
fn an_answer_that_the_document_does_not_have_fails_with_its_reason() {
    let without = |name: &'static str| {
        sessions(move |session| {
            session.as_object_mut().unwrap().remove(name);
        })
    };
    let with = |name: &'static str, value: Value| sessions(move |session| session[name] = value);
    let nobody = json!({"user": null}).to_string();
    for (target, answer, why) in [
        ("/sessions", answer(206, &[ID, JSON], "[]"), "no status 206"),
        (
            "/sessions",
            refusal(409, "own_account", &[]),
            "no status 409",
        ),
        (
            "/sessions",
            answer(200, &[JSON], "[]"),
            "`X-Request-Id` is missing",
        ),
        (
            "/sessions",
            answer(200, &[ID, "Content-Type: text/html"], "[]"),
            "no content type text/html",
        ),
        ("/sessions", answer(200, &[ID], "[]"), "no content type"),
        ("/sessions", answer(200, &[ID, JSON], "["), "no JSON"),
        (
            "/sessions",
            answer(200, &[ID, JSON], "{}"),
            "is not of type \"array\"",
        ),
        (
            "/sessions",
            answer(200, &[ID, JSON, "Location: /"], "[]"),
            "a header `location`",
        ),
        (
            "/sessions",
            without("crt"),
            "\"crt\" is a required property",
        ),
        ("/sessions", with("key", json!("k")), "'key' was unexpected"),
        (
            "/sessions",
            with("current", json!("yes")),
            "(at `/0/current`)",
        ),
        (
            "/sessions",
            with("created_at", json!("today")),
            "is not a \"date-time\"",
        ),
        (
            "/sessions",
            refusal(401, "csrf_failed", &[]),
            "(at `/code`)",
        ),
        (
            "/sessions",
            refusal(503, "store_unavailable", &[]),
            "`Retry-After` is missing",
        ),
        (
            "/sessions",
            refusal(503, "store_unavailable", &["Retry-After: soon"]),
            "does not match",
        ),
        // Not the parser's: it has an id.
        (
            "/sessions",
            answer(400, &[ID, "Connection: close"], ""),
            "no content type",
        ),
        (
            "/headers",
            answer(200, &[ID, "Content-Type: text/plain"], "Denied"),
            "the body",
        ),
        (
            "/nowhere",
            answer(200, &[ID, JSON], &nobody),
            "no such route",
        ),
        (
            "/nowhere",
            answer(404, &[ID, "Content-Type: text/html"], "<p>"),
            "no content type text/html",
        ),
    ] {
        let said = told(&Request::get(target), answer.clone()).expect_err(&answer);
        assert!(said.contains(why), "{why} is not in: {said}");
        assert!(said.contains(&format!("to GET {target}: ")), "{said}");
    }
    let body = answer(204, &[ID, "Set-Cookie: other=1"], "");
    let said = told(&Request::post("/logout"), body).unwrap_err();
    assert!(said.contains("the header `Set-Cookie`"), "{said}");
}

/// Answers on a connection are held to what was asked there, in that order; half a head asks nothing.
#[test]
fn what_was_asked_is_known_from_the_bytes_that_were_sent() {
    let of = |text: &str| super::Asked::of(text.as_bytes()).map(|asked| asked.target);
    assert_eq!(
        of("GET /me?a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap(),
        "/me?a"
    );
    for none in [
        "GET /me HTTP/1.1",
        "GET /me HTTP/1.0\r\n",
        "get / HTTP/1.1\r\n",
        "{\"a\":\r\n",
        "GET x HTTP/1.1\r\n",
    ] {
        assert_eq!(of(none), None, "{none}");
    }
}

/// The gateway, the management listener and the dialects have no place in the document.
#[test]
fn what_another_listener_answers_is_not_looked_at() {
    let address = liar(answer(418, &[], ""));
    assert_eq!(http::send(address, &Request::get("/me")).status, 418);
}
