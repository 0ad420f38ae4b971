//! What a client says of its users, and who hears it.

use super::{lives, shop, told};
use crate::journeys::PASSWORD;
use crate::support::http::Request;
use crate::support::server::{Server, Token};
use lacre::internals::token::RESERVED_CLAIMS;
use serde_json::{Value, json};

#[test]
fn a_refresh_keeps_what_the_client_said() {
    let (mut server, shop) = shop();
    let body = json!({
        "id": "ada", "email": "ada@shop.example", "name": "Ada", "roles": ["buyer", "vip"],
        "permissions": ["read", "write"], "claims": {"cart": {"items": 3}}, "fresh": true,
    });
    let answer = server.by(&shop, "POST", "/getToken", body).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut token = Token::of(&answer);
    let said = told(&server, &shop, &token.auth);
    assert_eq!(
        said,
        json!({
            "active": true, "scope": "read write", "client_id": shop.id, "username": "ada@shop.example",
            "token_type": "Bearer", "exp": said["exp"], "iat": said["iat"], "sub": "ada", "aud": "lacre",
            "iss": crate::support::server::ISSUER, "jti": said["jti"], "sid": token.crt,
            "roles": ["buyer", "vip"], "fresh": true, "cart": {"items": 3}, "name": "Ada",
        })
    );
    for round in 0..3 {
        if round == 1 {
            server.kill9();
            server.restart();
        }
        token = Token::of(&server.refresh(&token));
        let again = told(&server, &shop, &token.auth);
        for name in [
            "scope",
            "client_id",
            "username",
            "sub",
            "roles",
            "cart",
            "name",
        ] {
            assert_eq!(again[name], said[name], "{name}");
        }
        // The password was proven for the token before.
        assert_eq!(again["fresh"], false);
    }
}

#[test]
fn a_user_needs_nothing_but_an_id() {
    let (server, shop) = shop();
    let token = server.vouched(&shop, json!({"id": "ada"}));
    let said = told(&server, &shop, &token.auth);
    assert_eq!(
        (&said["sub"], &said["username"], &said["fresh"]),
        (&json!("ada"), &json!("ada"), &json!(false))
    );
    assert_eq!((&said["roles"], &said["scope"]), (&json!([]), &json!("")));
    // Of each request a session of its own, but where it is named.
    let second = server.vouched(&shop, json!({"id": "ada"}));
    assert_ne!(second.crt, token.crt);
    let named = |claim: u8| {
        let body = json!({"id": "ada", "user_session": "basket", "claims": {"n": claim}});
        server.vouched(&shop, body)
    };
    let (first, again) = (named(1), named(2));
    assert_eq!(first.crt, again.crt);
    server.refuses(&first.auth);
    assert_eq!(told(&server, &shop, &again.auth)["n"], 2);
    lives(&server, &shop, &second);
}

/// A claim that stood under a name of lacre's own would be taken for lacre's word.
#[test]
fn what_a_client_says_is_told_to_that_client_alone_and_never_as_lacres_word() {
    let (server, shop) = shop();
    let desk = server.add_vouching("desk");
    let api = server.add_client("api");
    for name in RESERVED_CLAIMS {
        let body = json!({"id": "ada", "claims": {name: "forged"}});
        server
            .by(&shop, "POST", "/getToken", body)
            .refused(422, "claims_invalid");
    }
    let claims = json!({
        "active": false, "scope": "admin", "username": "root", "token_type": "none", "cnf": {"jkt": "x"},
        "act": {"sub": "root"}, "plan": "gold",
    });
    let token = server.vouched(&shop, json!({"id": "ada", "claims": claims}));
    let said = told(&server, &shop, &token.auth);
    assert_eq!(
        (&said["plan"], &said["active"]),
        (&json!("gold"), &json!(true))
    );
    assert_eq!(
        (&said["scope"], &said["username"]),
        (&json!(""), &json!("ada"))
    );
    assert_eq!(said["token_type"], "Bearer");
    assert!(
        said.get("cnf").is_none() && said.get("act").is_none(),
        "{said}"
    );
    for other in [&desk, &api] {
        assert!(told(&server, other, &token.auth).is_null());
    }
    // One whose service lets them in sees who it is, and none of the claims.
    let bound = server.add_client_with("watch", &["--service", "shop"]);
    let seen = told(&server, &bound, &token.auth);
    assert_eq!(
        (&seen["sub"], &seen["client_id"]),
        (&json!("ada"), &json!(shop.id))
    );
    assert!(seen.get("plan").is_none(), "{seen}");
    // Nor are an account's claims members of the answer: another client has said them.
    let account = server.sign_up("ada@example.com", PASSWORD);
    let body = json!({"id": account.id, "user_session": "s", "claims": {"plan": "iron"}});
    let on_behalf = server.vouched(&api, body);
    assert!(told(&server, &api, &on_behalf.auth).get("plan").is_none());
}

#[test]
fn what_is_said_anew_ends_access_and_comes_with_the_next_refresh() {
    let (mut server, shop) = shop();
    let body = json!({"id": "ada", "email": "a@b.example", "name": "Ada", "roles": ["buyer"], "claims": {"n": 1}});
    let mut tokens = [(); 2].map(|()| server.vouched(&shop, body.clone()));
    let other = server.vouched(&shop, json!({"id": "bea", "roles": ["buyer"]}));
    let put = |server: &Server, body: Value| server.by(&shop, "PUT", "/client/users/ada", body);
    let changed = put(&server, json!({"roles": ["vip"], "permissions": ["read"]})).expect(200);
    assert_eq!(changed.json(), json!({"changed": 2}));
    server.kill9();
    server.restart();
    for token in &mut tokens {
        server.refuses(&token.auth);
        *token = Token::of(&server.refresh(token));
        let said = told(&server, &shop, &token.auth);
        assert_eq!(
            (&said["roles"], &said["scope"]),
            (&json!(["vip"]), &json!("read"))
        );
        // What isn't named stays.
        assert_eq!(
            (&said["username"], &said["name"]),
            (&json!("a@b.example"), &json!("Ada"))
        );
        assert_eq!(said["n"], 1);
    }
    lives(&server, &shop, &other);
    // Nothing is left of rights that are taken away, also within the grace of a refresh.
    put(
        &server,
        json!({"roles": [], "permissions": [], "email": "", "name": ""}),
    )
    .expect(200);
    let again = Token::of(&server.refresh(&tokens[0]));
    let said = told(&server, &shop, &again.auth);
    assert_eq!((&said["roles"], &said["scope"]), (&json!([]), &json!("")));
    assert_eq!((&said["username"], said.get("name")), (&json!("ada"), None));
    // Who has no session is nobody here.
    let nobody = server.by(
        &shop,
        "PUT",
        "/client/users/carl",
        json!({"roles": ["vip"]}),
    );
    assert_eq!(nobody.expect(200).json(), json!({"changed": 0}));
    for nothing in [json!({}), json!({"roles": null}), json!({"fresh": true})] {
        put(&server, nothing).refused(400, "body_missing_member");
    }
}

#[test]
fn what_cannot_be_said_is_named() {
    let (server, shop) = shop();
    let lives_on = server.vouched(&shop, json!({"id": "ada"}));
    let many: Vec<String> = (0..257).map(|n| format!("p{n:06}")).collect();
    let long: Vec<String> = (0..40).map(|n| format!("{n:064}")).collect();
    for (field, value) in [
        ("roles", json!(["a b"])),
        ("roles", json!([""])),
        ("roles", json!(["a\nb"])),
        ("permissions", json!(["a\"b"])),
        ("permissions", json!(many)),
        ("email", json!("a\r\nb")),
        ("email", json!("x".repeat(255))),
        ("name", json!("a\u{0}b")),
        ("name", json!("x".repeat(201))),
    ] {
        let mut body = json!({"id": "ada"});
        body[field] = value.clone();
        let begun = server.by(&shop, "POST", "/getToken", body);
        assert_eq!(
            begun.refused(422, "user_invalid")["field"],
            field,
            "{value}"
        );
        let put = server.by(&shop, "PUT", "/client/users/ada", json!({field: value}));
        assert_eq!(put.refused(422, "user_invalid")["field"], field);
    }
    for (field, value) in [
        ("roles", json!("admin")),
        ("roles", json!([1])),
        ("fresh", json!("yes")),
        ("email", json!(["a"])),
        ("id", json!(7)),
    ] {
        let mut body = json!({"id": "ada"});
        body[field] = value;
        let begun = server.by(&shop, "POST", "/getToken", body);
        assert_eq!(begun.refused(400, "body_wrong_type")["field"], field);
    }
    let both = json!({"id": "ada", "name": "Ada", "claims": {"name": "Bea"}});
    let both = server.by(&shop, "POST", "/getToken", both);
    assert_eq!(both.refused(422, "claims_invalid")["field"], "claims.name");
    // Each of it fits, and all of it doesn't.
    let too_much =
        json!({"id": "ada", "name": "é".repeat(200), "permissions": long[..28].to_vec()});
    let refused = server.by(&shop, "POST", "/getToken", too_much);
    let refused = refused.refused(422, "user_invalid");
    assert!(
        refused["detail"].as_str().unwrap().contains("1792"),
        "{refused}"
    );
    lives(&server, &shop, &lives_on);
}

/// What lacre doesn't act on is refused, or it would be missed only when the token is used.
#[test]
fn a_client_without_users_of_its_own_says_nothing_of_accounts() {
    let (server, _shop) = shop();
    let api = server.add_client("api");
    let ada = server.sign_up("ada@example.com", PASSWORD);
    for (name, value) in [
        ("roles", json!(["admin"])),
        ("permissions", json!([])),
        ("email", json!("x@y.example")),
        ("name", json!("x")),
        ("fresh", json!(true)),
    ] {
        let mut body = json!({"id": ada.id, "user_session": "s"});
        body[name] = value;
        let refused = server.by(&api, "POST", "/getToken", body);
        assert_eq!(refused.refused(400, "invalid_request")["field"], name);
    }
    for (method, path) in [
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", "/sessions/x"),
    ] {
        let target = format!("/client/users/{}{path}", ada.id);
        let refused = server.by(&api, method, &target, Value::Null);
        refused.refused(403, "no_own_users");
    }
    let target = format!("/client/users/{}", ada.id);
    let refused = server.by(&api, "PUT", &target, json!({"roles": ["admin"]}));
    refused.refused(403, "no_own_users");
    server.client_token(&api, &ada.id, "s").expect(200);
}

#[test]
fn without_a_clients_credentials_nobody_asks_about_its_users() {
    let (server, shop) = shop();
    let token = server.vouched(&shop, json!({"id": "ada"}));
    for (method, path) in [
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", "/sessions/x"),
        ("PUT", ""),
    ] {
        let request = || Request::new(method, &format!("/client/users/ada{path}")).json(json!({}));
        for wrong in [
            request(),
            request().bearer(&token.auth),
            request().basic(&shop.id, "wrong"),
            request().basic("ada", "ada"),
            request().header("Authorization", "Basic nonsense"),
        ] {
            server.send(&wrong).refused(401, "invalid_client");
        }
    }
    lives(&server, &shop, &token);
}
