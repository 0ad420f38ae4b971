//! Refusals that must not tell anything: the same bytes whatever the cause.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::Server;
use serde_json::json;

/// Demands that all of these are one answer but for date and request id.
fn all_alike(answers: &[(&str, Answer)]) {
    let (_, first) = &answers[0];
    for (cause, answer) in answers {
        assert_eq!(answer.without_id(), first.without_id(), "{cause}");
        assert_ne!(answer.status, 200, "{cause}");
    }
}

#[test]
fn a_failed_log_in_says_nothing_about_the_account() {
    let server = Server::start();
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let by_json = |member: &str, user: &str, password: &str| {
        let body = json!({member: user, "password": password});
        server.send(&Request::post("/getToken").json(body))
    };
    let too_long = "x".repeat(5000);
    server.sign_up("dee@example.com", PASSWORD);
    let dee = server.get_token("dee@example.com", PASSWORD);
    server.operator(&["users", "disable", "dee@example.com"]);
    server.refuses(&dee.auth);
    let answers = [
        (
            "wrong password",
            by_json("email", &ada.email, "wrong password"),
        ),
        (
            "unknown e-mail",
            by_json("email", "eve@example.com", "wrong password"),
        ),
        (
            "wrong password by id",
            by_json("id", &ada.id, "wrong password"),
        ),
        (
            "unknown id",
            by_json("id", "AAAAAAAAAAAAAAAAAAAAAA", "wrong password"),
        ),
        (
            "no such form of name",
            by_json("email", "no address", "wrong password"),
        ),
        ("empty name", by_json("email", "", "wrong password")),
        ("empty password", by_json("email", &ada.email, "")),
        (
            "a disabled account",
            by_json("email", "dee@example.com", PASSWORD),
        ),
        (
            "a disabled account and a wrong password",
            by_json("email", "dee@example.com", "wrong password"),
        ),
        (
            "too long a password",
            by_json("email", &ada.email, &too_long),
        ),
        (
            "too long a password of nobody",
            by_json("email", "eve@example.com", &too_long),
        ),
        (
            "case of the password",
            by_json("email", &ada.email, &PASSWORD.to_uppercase()),
        ),
        (
            "wrong password by form",
            server.get_token_by_form(&ada.email, "wrong password"),
        ),
        (
            "unknown e-mail by form",
            server.get_token_by_form("eve@example.com", PASSWORD),
        ),
    ];
    answers[0].1.refused(401, "invalid_credentials");
    all_alike(&answers);
    server.get_token(&ada.email, PASSWORD);
    server.operator(&["users", "enable", "dee@example.com"]);
    server.get_token("dee@example.com", PASSWORD);
}

#[test]
fn a_refused_token_says_nothing_about_its_fault() {
    let server = Server::start();
    let elsewhere = Server::start();
    for server in [&server, &elsewhere] {
        server.sign_up("ada@example.com", PASSWORD);
    }
    let live = server.get_token("ada@example.com", PASSWORD);
    let ended = server.get_token("ada@example.com", PASSWORD);
    server.call("POST", "/logout", &ended.auth).expect(204);
    let foreign = elsewhere.get_token("ada@example.com", PASSWORD);
    // The last character of a 32-byte tag has spare bits; the one before it has none.
    let mut flipped = live.auth.clone().into_bytes();
    let place = flipped.len() - 2;
    flipped[place] = if flipped[place] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let long = "A".repeat(8193);
    let causes = [
        ("ended", &*ended.auth),
        ("of another deployment", &foreign.auth),
        ("a flipped bit", &flipped),
        ("noise", "noise"),
        ("dots", "...."),
        ("too long", &long),
        ("a handle", &live.crt),
        ("a JWT", "eyJhbGciOiJub25lIn0.e30."),
        ("not visible", "a b"),
    ];
    for (method, target) in [
        ("GET", "/me"),
        ("GET", "/headers"),
        ("GET", "/open"),
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", "/sessions?except=current"),
        ("POST", "/logout"),
    ] {
        let answers = causes.map(|(cause, token)| (cause, server.call(method, target, token)));
        answers[0].1.refused(401, "invalid_token");
        all_alike(&answers);
    }
    server.accepts(&live.auth);
}
