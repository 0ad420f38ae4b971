//! `POST /oauth2/introspect`: each MUST of RFC 7662, and what else a client asks for.

use super::super::PASSWORD;
use super::{oauth_error, start, start_as};
use crate::support::http::{Answer, Request};
use crate::support::server::{Client, Server, Setup, Token};
use serde_json::{Value, json};

const INTROSPECT: &str = "/oauth2/introspect";

fn form(fields: &[(&str, &str)]) -> Request {
    Request::post(INTROSPECT).form(fields)
}

fn asked(server: &Server, client: &Client, token: &str) -> Answer {
    server.ask(&form(&[("token", token)]).basic(&client.id, &client.secret))
}

/// What is said of a token that is active.
fn active(server: &Server, client: &Client, token: &str) -> Value {
    let said = asked(server, client, token).expect(200).json();
    assert_eq!(said["active"], true, "{said}");
    said
}

/// Demands the one answer for a token that isn't active: nothing but that.
fn inactive(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text(), r#"{"active":false}"#);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("www-authenticate"), None);
}

fn with_client(services: &str) -> (Server, Token, Client) {
    let (server, token) = start(services);
    let client = server.add_client("api");
    (server, token, client)
}

/// §2.2: `active` is required, dates are numbers, `scope` is one string, and the answer is JSON.
#[test]
fn a_live_token_is_told_with_all_that_is_known_of_it() {
    let (server, token, client) = with_client("");
    let me = server.call("GET", "/me", &token.auth).json();
    let answer = asked(&server, &client, &token.auth).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let said = answer.json();
    let (exp, iat) = (said["exp"].as_u64().unwrap(), said["iat"].as_u64().unwrap());
    assert_eq!(exp - iat, 900);
    assert_eq!(
        said,
        json!({
            "active": true, "scope": "read", "client_id": "lacre", "username": "ada@example.com",
            "token_type": "Bearer", "exp": exp, "iat": iat, "sub": me["id"], "aud": "lacre",
            "iss": crate::support::server::ISSUER, "jti": said["jti"], "sid": token.crt,
            "roles": ["user", "clerk"], "fresh": true,
        })
    );
    assert!(!said["jti"].as_str().unwrap().is_empty());
}

/// §2.1: the endpoint MUST require some form of authorization; §2.2: an error of the protected
/// resource's own credentials is that of RFC 6749 §5.2.
#[test]
fn the_caller_has_to_be_authenticated() {
    let (mut server, token, client) = with_client("");
    let token = ("token", token.auth.as_str());
    for request in [
        form(&[token]),
        form(&[token]).basic(&client.id, "wrong"),
        form(&[token]).basic("client_AAAAAAAAAAAAAAAA", &client.secret),
        form(&[token]).basic("", ""),
        form(&[token]).header("Authorization", "Basic nonsense"),
        form(&[token]).bearer(token.1),
        form(&[token, ("client_id", &client.id)]),
        form(&[token, ("client_id", &client.id), ("client_secret", "")]),
        form(&[token, ("client_id", &client.id), ("client_secret", "wrong")]),
        form(&[token, ("client_secret", &client.secret)]),
    ] {
        let answer = server.ask(&request);
        oauth_error(&answer, 401, "invalid_client");
        let challenge = r#"Basic realm="lacre", charset="UTF-8""#;
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
    let deleted = server.add_client("other");
    server.operator(&["clients", "delete", &deleted.id]);
    oauth_error(&asked(&server, &deleted, token.1), 401, "invalid_client");
    assert!(server.stop().success());
    assert!(server.written().contains("event=login_failed"));
}

/// RFC 6749 §2.3.1: both ways of a client, the id and secret of Basic are encoded as a form's, and
/// no more than one way at once.
#[test]
fn a_client_proves_itself_in_one_of_two_ways() {
    let (server, token, client) = with_client("");
    let token = ("token", token.auth.as_str());
    let (id, secret) = (
        ("client_id", &*client.id),
        ("client_secret", &*client.secret),
    );
    // As oauth4webapi does it.
    let encoded = |text: &str| text.replace('_', "%5F").replace('-', "%2D");
    for request in [
        form(&[token]).basic(&client.id, &client.secret),
        form(&[token, id, secret]),
        form(&[secret, id, token]),
        form(&[token, id]).basic(&client.id, &client.secret),
        form(&[token]).basic(&encoded(&client.id), &encoded(&client.secret)),
    ] {
        assert_eq!(
            server.ask(&request).expect(200).json()["active"],
            true,
            "{request:?}"
        );
    }
    for request in [
        form(&[token, id, secret]).basic(&client.id, &client.secret),
        form(&[token, ("client_id", "another")]).basic(&client.id, &client.secret),
        form(&[token])
            .basic(&client.id, &client.secret)
            .basic(&client.id, &client.secret),
    ] {
        oauth_error(&server.ask(&request), 400, "invalid_request");
    }
}

/// §2.2: "If the token is not active, does not exist on this server, or the protected resource is not
/// allowed to introspect this particular token" the answer is not an error, and SHOULD say nothing more.
#[test]
fn whatever_is_not_active_is_told_in_one_way() {
    let (server, token, client) = with_client("[service.wiki]\njwt = true");
    let jwt = super::ask(&server, "wiki", &token.auth);
    let jwt = jwt
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap()
        .to_owned();
    let ended = server.get_token("ada@example.com", PASSWORD);
    server.call("POST", "/logout", &ended.auth).expect(204);
    let superseded = server.get_token("ada@example.com", PASSWORD);
    server.refresh(&superseded).expect(200);
    let mut changed = token.auth.clone().into_bytes();
    let last = changed.len() - 2;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    for none in [
        token.refresh.as_deref().unwrap(),
        &ended.auth,
        &superseded.auth,
        std::str::from_utf8(&changed).unwrap(),
        &jwt,
        "nonsense",
        "é",
        " ",
        "a.b.c.d.e",
    ] {
        inactive(&asked(&server, &client, none));
    }
    let log = server.written();
    assert!(!log.contains(&token.auth) && !log.contains(&jwt) && !log.contains(&client.secret));
}

/// §4: every check that makes a token good is made, and made now.
#[test]
fn an_end_holds_from_the_next_question_on() {
    let (server, token, client) = with_client("");
    active(&server, &client, &token.auth);
    server.call("POST", "/logout", &token.auth).expect(204);
    inactive(&asked(&server, &client, &token.auth));
    let token = server.get_token("ada@example.com", PASSWORD);
    active(&server, &client, &token.auth);
    server.operator(&["users", "set", "ada@example.com", "--role", "guest"]);
    inactive(&asked(&server, &client, &token.auth));
    let token = server.get_token("ada@example.com", PASSWORD);
    assert_eq!(
        active(&server, &client, &token.auth)["roles"],
        json!(["guest"])
    );
    server.operator(&["users", "disable", "ada@example.com"]);
    inactive(&asked(&server, &client, &token.auth));
}

#[test]
fn an_expired_token_is_not_active() {
    let setup = Setup::new().env("LACRE_TOKEN__ACCESS_TTL", "1s");
    let (server, token) = start_as(setup, "");
    let client = server.add_client("api");
    crate::support::wait::until("the token has expired", || {
        let told = asked(&server, &client, &token.auth);
        (told.text() == r#"{"active":false}"#).then_some(())
    });
}

/// §2.1: a hint is optional, and the search goes on over all kinds where it is wrong; an unknown one MAY be
/// ignored.
#[test]
fn a_hint_changes_nothing() {
    let (server, token, client) = with_client("");
    for hint in ["access_token", "refresh_token", "pop", "", "é"] {
        let request = form(&[
            ("token", &token.auth),
            ("token_type_hint", hint),
            ("more", "x"),
        ]);
        let answer = server.ask(&request.basic(&client.id, &client.secret));
        assert_eq!(answer.expect(200).json()["active"], true, "{hint}");
        let refresh = token.refresh.as_deref().unwrap();
        let request = form(&[("token", refresh), ("token_type_hint", hint)]);
        inactive(&server.ask(&request.basic(&client.id, &client.secret)));
    }
}

/// §2.1: POST with a form, `token` is required; RFC 6749 §3.1: no parameter more than once, and one without a
/// value counts as left out.
#[test]
fn a_malformed_question_is_an_invalid_request() {
    let (server, token, client) = with_client("");
    let by = |request: Request| server.ask(&request.basic(&client.id, &client.secret));
    let encoded =
        Request::post(INTROSPECT).header("Content-Type", "application/x-www-form-urlencoded");
    let long = "a".repeat(9 * 1024);
    for request in [
        form(&[]),
        form(&[("token", "")]),
        form(&[("token_type_hint", "access_token")]),
        form(&[("token", &token.auth), ("token", &token.auth)]),
        form(&[("token", "a"), ("client_id", "b"), ("client_id", "b")]),
        form(&[("token", &long)]),
        form(&[("token", "a"), ("padding", &"b".repeat(70_000))]),
        encoded.clone().body(format!("token={}&%zz=1", token.auth)),
        encoded.body(&b"token=\xff"[..]),
        Request::post(INTROSPECT).json(json!({"token": token.auth})),
        Request::post(INTROSPECT).body(format!("token={}", token.auth)),
        Request::post(&format!("{INTROSPECT}?token={}", token.auth)),
    ] {
        oauth_error(&by(request), 400, "invalid_request");
    }
    for method in ["GET", "PUT", "HEAD"] {
        let request = Request::new(method, &format!("{INTROSPECT}?token={}", token.auth));
        assert_eq!(by(request).status, 405, "{method}");
    }
    assert!(!server.written().contains(&token.auth));
}

/// §4: guessing is bounded, as where a client asks for a token.
#[test]
fn wrong_secrets_count_as_failed_log_ins_do() {
    let setup = Setup::new().env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "3/1h");
    let (server, token) = start_as(setup, "");
    let client = server.add_client("api");
    for _ in 0..3 {
        let wrong = Client {
            secret: "wrong".to_owned(),
            ..client.clone()
        };
        oauth_error(&asked(&server, &wrong, &token.auth), 401, "invalid_client");
    }
    let answer = asked(&server, &client, &token.auth);
    oauth_error(&answer, 429, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
    let body = json!({"id": "x", "user_session": "s"});
    let request = Request::post("/getToken").basic(&client.id, &client.secret);
    server
        .send(&request.json(body))
        .refused(429, "rate_limited");
}

/// §2.2: the same question is answered in the same way, and never from memory: good answers don't count as
/// failures.
#[test]
fn a_client_may_ask_as_often_as_it_likes() {
    let setup = Setup::new().env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "3/1h");
    let (server, token) = start_as(setup, "");
    let client = server.add_client("api");
    for _ in 0..10 {
        active(&server, &client, &token.auth);
    }
}

/// Contract of this service: who asks for some services sees as active only what one of them would let in, under
/// that one's audience.
#[test]
fn a_client_bound_to_services_sees_what_one_of_them_would_let_in() {
    let (server, token) = start(
        "[service.clerks]\nroles = [\"clerk\"]\naudience = \"https://clerks.test\"\n\
         [service.auditors]\nroles = [\"auditor\"]",
    );
    let bound_to = |services: &[&str]| {
        let mut words = vec!["clients", "add", "api", "--json"];
        words.extend(services.iter().flat_map(|name| ["--service", name]));
        let made: Value = serde_json::from_str(&server.operator(&words)).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Client {
            id: text("id"),
            secret: text("secret"),
        }
    };
    let told = active(&server, &bound_to(&["clerks"]), &token.auth);
    assert_eq!(told["aud"], "https://clerks.test");
    let told = active(&server, &bound_to(&["auditors", "clerks"]), &token.auth);
    assert_eq!(told["aud"], "https://clerks.test");
    inactive(&asked(&server, &bound_to(&["auditors"]), &token.auth));
    inactive(&asked(&server, &bound_to(&["unknown"]), &token.auth));
    assert_eq!(active(&server, &bound_to(&[]), &token.auth)["aud"], "lacre");
}
