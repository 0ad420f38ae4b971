//! `/authz/{service}`: may this request go on, and whose is it?

mod listener;
mod services;
mod told;

use super::super::PASSWORD;
use super::{ask, start, start_as};
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Setup, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

const IDENTITY: [&str; 4] = [
    "remote-user",
    "remote-email",
    "remote-name",
    "remote-groups",
];

/// Demands a 200 that every proxy understands.
fn lets_in(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, &b""[..]),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("www-authenticate"), None);
    is_small(answer);
}

/// Demands a denial that every proxy understands.
fn denies(answer: &Answer, status: u16, challenge: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(challenge),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // HEAD has no body.
    if !answer.body.is_empty() {
        assert_eq!(answer.json()["status"], status);
    }
    for name in IDENTITY {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
    is_small(answer);
}

const NO_TOKEN: &str = r#"Bearer realm="lacre""#;
const BAD_TOKEN: &str = r#"Bearer realm="lacre", error="invalid_token""#;
const NOT_ENOUGH: &str = r#"Bearer realm="lacre", error="insufficient_scope""#;

/// nginx fails where all fields together have more than 4 kB.
fn is_small(answer: &Answer) {
    let fields = answer.headers.iter();
    let bytes: usize = fields
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    assert!(bytes < 4000, "{bytes}: {answer:?}");
}

#[test]
fn a_good_token_is_let_in_and_the_service_is_told_whose_it_is() {
    let (server, token) = start("[service.wiki]");
    let me = server.call("GET", "/me", &token.auth).json();
    let answer = ask(&server, "wiki", &token.auth);
    lets_in(&answer);
    assert_eq!(answer.header("remote-user"), me["id"].as_str());
    assert_eq!(answer.header("remote-email"), Some("ada@example.com"));
    assert_eq!(
        answer.header("remote-name"),
        Some(""),
        "sent, though there is nothing to say"
    );
    assert_eq!(answer.header("remote-groups"), Some("user,clerk"));
    assert_eq!(answer.header("authorization"), None);
}

#[test]
fn whoever_has_no_good_token_is_denied_with_one_challenge() {
    let (server, token) = start("[service.wiki]");
    denies(&server.ask(&Request::get("/authz/wiki")), 401, NO_TOKEN);
    denies(&ask(&server, "wiki", "nonsense"), 401, BAD_TOKEN);
    denies(
        &ask(&server, "wiki", token.refresh.as_deref().unwrap()),
        401,
        BAD_TOKEN,
    );
    // 400 elsewhere, of which nginx would make a 500.
    let two = Request::get("/authz/wiki")
        .bearer(&token.auth)
        .bearer(&token.auth);
    denies(&server.ask(&two), 401, BAD_TOKEN);
    for empty in ["Bearer", "Bearer "] {
        let request = Request::get("/authz/wiki").header("Authorization", empty);
        denies(&server.ask(&request), 401, BAD_TOKEN);
    }
    let basic = Request::get("/authz/wiki").basic("ada", "secret");
    denies(&server.ask(&basic), 401, NO_TOKEN);
    assert!(!server.written().contains(&token.auth));
}

#[test]
fn an_end_holds_from_the_next_request_on() {
    let (server, token) = start("[service.wiki]");
    lets_in(&ask(&server, "wiki", &token.auth));
    server.call("POST", "/logout", &token.auth).expect(204);
    denies(&ask(&server, "wiki", &token.auth), 401, BAD_TOKEN);
    let again = server.get_token("ada@example.com", PASSWORD);
    lets_in(&ask(&server, "wiki", &again.auth));
    server.operator(&["users", "disable", "ada@example.com"]);
    denies(&ask(&server, "wiki", &again.auth), 401, BAD_TOKEN);
}

#[test]
fn the_clients_path_query_method_and_body_decide_nothing() {
    let (server, token) = start("[service.wiki]\n[service.admin]\nroles = [\"admin\"]");
    let long = format!("/authz/wiki?{}", "q".repeat(40_000));
    let targets = [
        "/authz/wiki/",
        "/authz/wiki/deep/er?token=x&a=b",
        "/authz/wiki/../admin",
        "/authz/wiki/%2e%2e/admin",
        "/authz/wiki//authz/admin",
        "/authz/wiki?token=not-looked-at",
        "/authz/wiki/%00%ff",
        &long,
    ];
    for target in targets {
        let request = Request::get(target).bearer(&token.auth);
        lets_in(&server.ask(&request));
        denies(&server.ask(&Request::get(target)), 401, NO_TOKEN);
    }
    for target in [
        "/authz/admin/../wiki",
        "/authz/admin?x=/authz/wiki",
        "/authz/admin/wiki",
    ] {
        let answer = server.ask(&Request::get(target).bearer(&token.auth));
        denies(&answer, 403, NOT_ENOUGH);
    }
    for method in [
        "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "FETCH",
    ] {
        let mut request = Request::new(method, "/authz/wiki").bearer(&token.auth);
        if method == "POST" {
            request = request
                .body("token=x")
                .header("Content-Type", "application/json");
        }
        lets_in(&server.ask(&request));
        let refused = server.ask(&Request::new(method, "/authz/wiki"));
        assert_eq!(refused.status, 401, "{method}");
    }
    let many = Request::get("/authz/wiki").header("X-Large", &"a".repeat(60_000));
    lets_in(&server.ask(&many.bearer(&token.auth)));
}

#[test]
fn a_handshake_and_an_expectation_mean_nothing_here() {
    let (server, token) = start("[service.wiki]");
    let handshake = Request::get("/authz/wiki")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    lets_in(&server.ask(&handshake.clone().bearer(&token.auth)));
    denies(&server.ask(&handshake), 401, NO_TOKEN);
    let mut connection = Connection::open(server.gateway()).unwrap();
    for _ in 0..3 {
        lets_in(
            &connection
                .send(&Request::get("/authz/wiki").bearer(&token.auth))
                .unwrap(),
        );
    }
}
