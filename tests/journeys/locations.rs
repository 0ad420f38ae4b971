//! The places where a token may stand, each alone, two at once, and where they aren't enabled.

use super::PASSWORD;
use crate::support::http::Request;
use crate::support::server::{Server, Setup};
use serde_json::json;

const PLACES: [&str; 4] = ["header", "cookie", "query", "json"];

fn start(locations: &str) -> Server {
    let server = Setup::new()
        .env("LACRE_TOKEN__LOCATIONS", locations)
        .start();
    server.sign_up("ada@example.com", PASSWORD);
    server
}

/// `GET target` with the token in each of these places.
fn carrying(target: &str, token: &str, places: &[&str]) -> Request {
    let has = |place| places.contains(&place);
    let mut request = if has("query") {
        Request::get(&format!("{target}?token={token}"))
    } else {
        Request::get(target)
    };
    if has("header") {
        request = request.bearer(token);
    }
    if has("cookie") {
        request = request.header("Cookie", &format!("__Host-lacre_access={token}"));
    }
    if has("json") {
        request = request.json(json!({"token": token}));
    }
    request
}

#[test]
fn a_token_stands_in_any_enabled_place_and_in_one_only() {
    let server = start("header,cookie,query,json");
    let token = server.get_token("ada@example.com", PASSWORD).auth;
    for (at, place) in PLACES.into_iter().enumerate() {
        for target in ["/headers", "/open", "/me"] {
            server.send(&carrying(target, &token, &[place])).expect(200);
        }
        server
            .send(&carrying("/open", "noise", &[place]))
            .refused(401, "invalid_token");
        for other in &PLACES[at + 1..] {
            println!("{place} and {other}");
            for target in ["/headers", "/open"] {
                let both = server.send(&carrying(target, &token, &[place, other]));
                both.refused(400, "invalid_request");
                let challenge = both.header("www-authenticate").unwrap();
                assert!(
                    challenge.contains(r#"error="invalid_request""#),
                    "{challenge}"
                );
            }
        }
    }
    let anonymous = server.send(&Request::get("/open")).expect(200);
    assert_eq!(anonymous.json(), json!({"user": null}));
}

#[test]
fn a_token_in_a_place_that_is_not_enabled_is_ignored() {
    for enabled in PLACES {
        let server = start(enabled);
        let token = server.get_token("ada@example.com", PASSWORD).auth;
        for place in PLACES {
            let answer = server.send(&carrying("/headers", &token, &[place]));
            if place == enabled {
                answer.expect(200);
            } else {
                answer.refused(401, "no_credentials");
            }
        }
        server
            .send(&carrying("/headers", &token, &PLACES))
            .expect(200);
    }
}

#[test]
fn a_place_twice_is_two_tokens() {
    let server = start("header,cookie,query,json");
    let token = server.get_token("ada@example.com", PASSWORD).auth;
    let cookie = format!("__Host-lacre_access={token}");
    for request in [
        Request::get("/headers").bearer(&token).bearer(&token),
        Request::get("/headers").header("Cookie", &format!("{cookie}; {cookie}")),
        Request::get("/headers")
            .header("Cookie", &cookie)
            .header("Cookie", &cookie),
        Request::get(&format!("/headers?token={token}&token={token}")),
    ] {
        server.send(&request).refused(400, "invalid_request");
    }
    let twice = format!(r#"{{"token":"{token}","token":"{token}"}}"#);
    let twice = Request::get("/headers")
        .header("Content-Type", "application/json")
        .body(twice);
    server.send(&twice).refused(400, "body_malformed");
}

#[test]
fn the_handler_gets_the_body_that_the_guard_has_read() {
    let server = start("json");
    let token = server.get_token("ada@example.com", PASSWORD);
    let proof = json!({"token": token.auth, "password": PASSWORD});
    let proven = server
        .send(&Request::post("/reauth").json(proof))
        .expect(200)
        .json();
    let auth = proven["auth"].as_str().unwrap();
    let wrong = json!({"token": auth, "password": "wrong horse battery"});
    server
        .send(&Request::post("/reauth").json(wrong))
        .refused(401, "invalid_credentials");
    // Other media types are not looked into.
    let text = Request::post("/logout").header("Content-Type", "text/plain");
    server
        .send(&text.body(json!({ "token": auth }).to_string()))
        .refused(401, "no_credentials");
    let number = Request::post("/logout").json(json!({"token": 7}));
    server.send(&number).refused(400, "body_wrong_type");
    server
        .send(&Request::post("/logout").json(json!({ "token": auth })))
        .expect(204);
}

#[test]
fn a_token_in_the_query_leaves_the_other_parameters_alone() {
    let server = start("query");
    let first = server.get_token("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    let target = format!("/sessions?except=current&token={}", token.auth);
    let ended = server.send(&Request::delete(&target)).expect(200);
    assert_eq!(ended.json(), json!({"revoked": 1}));
    let list = |auth: &str| server.send(&Request::get(&format!("/sessions?token={auth}")));
    list(&token.auth).expect(200);
    list(&first.auth).refused(401, "invalid_token");
}

#[test]
fn a_refresh_token_never_stands_in_a_query() {
    let server = start("header,query");
    let token = server.get_token("ada@example.com", PASSWORD);
    let refresh = token.refresh.as_deref().unwrap();
    server
        .send(&Request::post(&format!("/refresh?token={refresh}")))
        .refused(401, "no_credentials");
    server.refresh(&token).expect(200);
}
