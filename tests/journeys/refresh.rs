//! A session renewed: refresh, proving the password again, changing it, and what that ends.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup, Token};
use serde_json::{Value, json};

const EMAIL: &str = "ada@example.com";
const NEW_PASSWORD: &str = "wrong horse, right staple";

/// A server on which spent refresh tokens are theft at once.
fn without_grace() -> Server {
    let server = Setup::new().env("LACRE_REFRESH__GRACE", "0s").start();
    server.sign_up(EMAIL, PASSWORD);
    server
}

fn with_grace() -> Server {
    let server = Setup::new().env("LACRE_REFRESH__GRACE", "5m").start();
    server.sign_up(EMAIL, PASSWORD);
    server
}

fn is_fresh(server: &Server, token: &str) -> Value {
    server.call("GET", "/me", token).expect(200).json()["session"]["fresh"].clone()
}

#[test]
fn a_refresh_renews_the_session_and_ends_its_earlier_access_token() {
    let server = with_grace();
    let first = server.get_token(EMAIL, PASSWORD);
    assert_eq!(is_fresh(&server, &first.auth), true);

    let answer = server.refresh(&first).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body["refresh_expires_in"], 30 * 24 * 3600);
    let second = Token::of(&answer);
    assert_eq!(second.crt, first.crt);
    assert_ne!(second.refresh, first.refresh);
    server.refuses(&first.auth);
    assert_eq!(is_fresh(&server, &second.auth), false);
    assert_eq!(server.sessions(&second.auth).len(), 1);

    // As a member of the body as well.
    let request = Request::post("/refresh").json(json!({"refresh": second.refresh}));
    let third = Token::of(&server.send(&request));
    server.refuses(&second.auth);
    server.accepts(&third.auth);
}

#[test]
fn an_answer_that_got_lost_can_be_asked_for_again() {
    let server = with_grace();
    let first = server.get_token(EMAIL, PASSWORD);
    let lost = Token::of(&server.refresh(&first));
    let again = Token::of(&server.refresh(&first));
    // The same generation: neither pair ends the other.
    server.accepts(&lost.auth);
    server.accepts(&again.auth);
    server.refuses(&first.auth);
    let next = Token::of(&server.refresh(&again));
    server.refuses(&lost.auth);
    server.refuses(&again.auth);
    server.accepts(&next.auth);
    // Two generations back is no lost answer.
    server.refresh(&first).refused(401, "invalid_token");
    server.refuses(&next.auth);
}

#[test]
fn many_refreshes_at_once_are_one() {
    let server = with_grace();
    let first = server.get_token(EMAIL, PASSWORD);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| server.refresh(&first)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for answer in &answers {
        server.accepts(&Token::of(answer).auth);
    }
    server.refuses(&first.auth);
}

#[test]
fn a_spent_refresh_token_is_theft_and_ends_the_session() {
    let mut server = without_grace();
    let other = server.get_token(EMAIL, PASSWORD);
    let stolen = server.get_token(EMAIL, PASSWORD);
    let owner = Token::of(&server.refresh(&stolen));
    server.accepts(&owner.auth);

    server.refresh(&stolen).refused(401, "invalid_token");
    server.refuses(&owner.auth);
    server.refresh(&owner).refused(401, "invalid_token");
    // Nothing else of the user ends, and the end holds.
    server.accepts(&other.auth);
    server.kill9();
    let log = server.written();
    assert!(log.contains("cause=refresh_reused"), "{log}");
    server.restart();
    server.refuses(&owner.auth);
    server.refresh(&owner).refused(401, "invalid_token");
    server.accepts(&other.auth);
}

#[test]
fn a_refresh_survives_a_kill() {
    let mut server = with_grace();
    let first = server.get_token(EMAIL, PASSWORD);
    let second = Token::of(&server.refresh(&first));
    server.kill9();
    server.restart();
    server.refuses(&first.auth);
    server.accepts(&second.auth);
    let third = Token::of(&server.refresh(&second));
    server.accepts(&third.auth);
}

#[test]
fn each_kind_of_token_is_good_for_its_own_routes() {
    let server = with_grace();
    let token = server.get_token(EMAIL, PASSWORD);
    let refresh = token.refresh.as_deref().unwrap();
    for (method, target) in [
        ("GET", "/me"),
        ("GET", "/headers"),
        ("GET", "/open"),
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("POST", "/reauth"),
        ("PUT", "/me/password"),
    ] {
        server
            .call(method, target, refresh)
            .refused(401, "invalid_token");
    }
    server
        .call("POST", "/refresh", &token.auth)
        .refused(401, "invalid_token");
    // None of these harmed it. Log-out takes either kind, and ends both.
    server.accepts(&token.auth);
    server.call("POST", "/logout", refresh).expect(204);
    server.refuses(&token.auth);
    server.refresh(&token).refused(401, "invalid_token");
}

#[test]
fn a_refused_refresh_says_nothing_about_its_cause() {
    let server = without_grace();
    let live = server.get_token(EMAIL, PASSWORD);
    let ended = server.get_token(EMAIL, PASSWORD);
    server.revoke(&live.auth, &ended.crt).expect(204);
    let spent = server.get_token(EMAIL, PASSWORD);
    server.refresh(&spent).expect(200);
    let send = |text: &str| server.call("POST", "/refresh", text);
    let answers = [
        send("noise"),
        send(&live.auth),
        server.refresh(&ended),
        server.refresh(&spent),
        server.send(&Request::post("/refresh").json(json!({"refresh": "noise"}))),
        server.send(&Request::post("/refresh").json(json!({"refresh": "a b"}))),
        server.send(&Request::post("/refresh").json(json!({"refresh": ""}))),
    ];
    for answer in &answers {
        assert_eq!(answer.without_id(), answers[0].without_id());
    }
    answers[0].refused(401, "invalid_token");

    let none = server.send(&Request::post("/refresh"));
    none.refused(401, "no_credentials");
    let refresh = live.refresh.as_deref().unwrap();
    let two = Request::post("/refresh")
        .bearer(refresh)
        .json(json!({"refresh": refresh}));
    server.send(&two).refused(400, "invalid_request");
    let number = Request::post("/refresh").json(json!({"refresh": 1}));
    server.send(&number).refused(400, "body_wrong_type");
    server.refresh(&live).expect(200);
}

#[test]
fn the_password_is_proven_again_before_it_is_changed() {
    let server = with_grace();
    let other = server.get_token(EMAIL, PASSWORD);
    let first = server.get_token(EMAIL, PASSWORD);
    let stale = Token::of(&server.refresh(&first));
    let change = |token: &str, current: &str, new: &str| {
        let body = json!({"current": current, "new": new});
        let request = Request::new("PUT", "/me/password").bearer(token);
        server.send(&request.json(body))
    };
    let reauth = |token: &str, password: &str| {
        let request = Request::post("/reauth").bearer(token);
        server.send(&request.json(json!({"password": password})))
    };

    let refused = change(&stale.auth, PASSWORD, NEW_PASSWORD);
    let problem = refused.refused(403, "insufficient_scope");
    assert!(
        problem["missing"].to_string().contains("fresh"),
        "{problem}"
    );
    assert_eq!(
        refused.header("www-authenticate"),
        Some(r#"Bearer realm="lacre", error="insufficient_scope""#)
    );

    reauth(&stale.auth, "wrong password").refused(401, "invalid_credentials");
    let answer = reauth(&stale.auth, PASSWORD).expect(200);
    let fresh = Token::of(&answer);
    assert_eq!(fresh.crt, stale.crt);
    assert_eq!(is_fresh(&server, &fresh.auth), true);

    change(&fresh.auth, "wrong password", NEW_PASSWORD).refused(401, "invalid_credentials");
    let weak = change(&fresh.auth, PASSWORD, "12345678");
    assert_eq!(weak.refused(422, "account_invalid")["field"], "new");
    server.accepts(&other.auth);

    change(&fresh.auth, PASSWORD, NEW_PASSWORD).expect(204);
    server.accepts(&fresh.auth);
    server.refuses(&other.auth);
    server.refresh(&other).refused(401, "invalid_token");
    server
        .try_get_token(EMAIL, PASSWORD)
        .refused(401, "invalid_credentials");
    server.get_token(EMAIL, NEW_PASSWORD);
}

#[test]
fn bodies_of_reauth_and_password_are_read_strictly() {
    let server = with_grace();
    let token = server.get_token(EMAIL, PASSWORD);
    for (method, target, names) in [
        ("POST", "/reauth", &["password"][..]),
        ("PUT", "/me/password", &["current", "new"]),
    ] {
        let request = || Request::new(method, target).bearer(&token.auth);
        let full: Value = names.iter().map(|name| (*name, json!(PASSWORD))).collect();
        for name in names {
            let mut absent = full.clone();
            absent.as_object_mut().unwrap().remove(*name);
            let answer = server.send(&request().json(absent));
            assert_eq!(answer.refused(400, "body_missing_member")["field"], *name);
            let mut wrong = full.clone();
            wrong[name] = json!(["x"]);
            let answer = server.send(&request().json(wrong));
            assert_eq!(answer.refused(400, "body_wrong_type")["field"], *name);
        }
        let form = request().form(&[("password", PASSWORD)]);
        server.send(&form).refused(415, "unsupported_media_type");
        let nobody = Request::new(method, target).json(full);
        server.send(&nobody).refused(401, "no_credentials");
    }
    server.accepts(&token.auth);
    server.get_token(EMAIL, PASSWORD);
}
