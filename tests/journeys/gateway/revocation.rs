//! `POST /oauth2/revoke`: each MUST of RFC 7009.

use super::super::PASSWORD;
use super::{oauth_error, start};
use crate::support::http::{Answer, Request};
use crate::support::server::{Client, Server, Token};
use serde_json::json;

const REVOKE: &str = "/oauth2/revoke";

fn form(fields: &[(&str, &str)]) -> Request {
    Request::post(REVOKE).form(fields)
}

fn revoke(server: &Server, client: &Client, token: &str) -> Answer {
    server.ask(&form(&[("token", token)]).basic(&client.id, &client.secret))
}

/// Demands the one answer for every token.
fn done(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, &b""[..]),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

fn with_client() -> (Server, Token, Client) {
    let (server, token) = start("[service.wiki]");
    let client = server.add_client("api");
    (server, token, client)
}

/// §2: refresh tokens MUST be revocable, access tokens SHOULD be; the end holds at once, and for the tokens of the
/// same grant too.
#[test]
fn either_token_ends_the_session_before_the_answer() {
    let (server, token, client) = with_client();
    server.accepts(&token.auth);
    done(&revoke(&server, &client, &token.auth));
    server.refuses(&token.auth);
    server.refresh(&token).refused(401, "invalid_token");
    let token = server.get_token("ada@example.com", PASSWORD);
    done(&revoke(&server, &client, token.refresh.as_deref().unwrap()));
    server.refuses(&token.auth);
    server.refresh(&token).refused(401, "invalid_token");
    assert_eq!(super::ask(&server, "wiki", &token.auth).status, 401);
}

/// Whoever reads the log sees which client it was.
#[test]
fn an_end_is_in_the_log_with_the_client_and_its_cause() {
    let (mut server, token, client) = with_client();
    done(&revoke(&server, &client, &token.auth));
    assert!(server.stop().success());
    let log = server.written();
    let line = log
        .lines()
        .find(|line| line.contains("cause=revoked_by_client"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("event=session_ended"), "{line}");
    assert!(
        line.contains(&format!("by=client client={}", client.id)),
        "{line}"
    );
    assert!(!log.contains(&token.auth) && !log.contains(&client.secret));
}

/// §2.2: 200 for an invalid token as well, and nothing else ends.
#[test]
fn a_token_that_is_not_known_is_done_already() {
    let (server, token, client) = with_client();
    let other = server.get_token("ada@example.com", PASSWORD);
    for none in ["nonsense", "a.b.c.d.e", " ", &token.auth[1..]] {
        done(&revoke(&server, &client, none));
    }
    for _ in 0..2 {
        done(&revoke(&server, &client, &other.auth));
    }
    server.accepts(&token.auth);
}

/// §2.1: a hint is optional, and the search MUST go on over all kinds where it is wrong.
#[test]
fn a_hint_changes_nothing() {
    let (server, _, client) = with_client();
    for hint in ["access_token", "refresh_token", "unknown", ""] {
        for refresh in [false, true] {
            let token = server.get_token("ada@example.com", PASSWORD);
            let text = if refresh {
                token.refresh.clone().unwrap()
            } else {
                token.auth.clone()
            };
            let request = form(&[("token", &text), ("token_type_hint", hint)]);
            done(&server.ask(&request.basic(&client.id, &client.secret)));
            server.refuses(&token.auth);
        }
    }
}

/// §2.1: the client is authenticated first, and nothing ends otherwise.
#[test]
fn only_a_client_that_proves_itself_ends_anything() {
    let (server, token, client) = with_client();
    let sent = ("token", token.auth.as_str());
    for request in [
        form(&[sent]),
        form(&[sent]).basic(&client.id, "wrong"),
        form(&[sent, ("client_id", &client.id), ("client_secret", "wrong")]),
        form(&[sent]).bearer(&token.auth),
    ] {
        oauth_error(&server.ask(&request), 401, "invalid_client");
    }
    for request in [
        form(&[]),
        form(&[("token", "")]),
        form(&[sent, sent]),
        Request::post(REVOKE).json(json!({"token": token.auth})),
        Request::post(&format!("{REVOKE}?token={}", token.auth)),
    ] {
        let request = request.basic(&client.id, &client.secret);
        oauth_error(&server.ask(&request), 400, "invalid_request");
    }
    server.accepts(&token.auth);
    let posted = [
        sent,
        ("client_id", &client.id),
        ("client_secret", &client.secret),
    ];
    done(&server.ask(&form(&posted)));
    server.refuses(&token.auth);
}
