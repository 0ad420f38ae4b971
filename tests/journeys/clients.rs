//! Trusted back ends: they ask for the sessions of users whom they have authenticated themselves.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::{Client, Server, Token};
use lacre::internals::token::RESERVED_CLAIMS;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _, Executor as _};

const CHALLENGE: &str = r#"Basic realm="lacre", charset="UTF-8""#;

/// The words of the first service for a user who can't log in.
fn incorrect_user(answer: &Answer) {
    let problem = answer.refused(401, "invalid_credentials");
    assert_eq!(problem["detail"], "Incorrect user");
}

#[test]
fn a_back_end_asks_for_its_users_sessions() {
    let server = Server::start();
    let shop = server.add_client("shop");
    let ada = server.sign_up("ada@example.com", PASSWORD);

    let answer = server.client_token(&shop, &ada.id, "basket-1").expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    let token = Token::of(&answer);
    let me = server.call("GET", "/me", &token.auth).expect(200).json();
    assert_eq!(me["id"], ada.id);
    // The user has proven nothing to this service.
    assert_eq!(me["session"]["fresh"], false);

    let form = [("id", &*ada.id), ("user_session", "basket-2")];
    let request = Request::post("/getToken").basic(&shop.id, &shop.secret);
    let by_form = Token::of(&server.send(&request.form(&form)));
    assert_ne!(by_form.crt, token.crt);
    server.accepts(&by_form.auth);
    let by_login = Request::post("/login").basic(&shop.id, &shop.secret);
    let body = json!({"id": ada.id, "user_session": "basket-3"});
    server.send(&by_login.json(body)).expect(200);
}

#[test]
fn asking_again_replaces_the_key_and_the_earlier_token_stops_opening() {
    let mut server = Server::start();
    let shop = server.add_client("shop");
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let bea = server.sign_up("bea@example.com", PASSWORD);
    let ask =
        |server: &Server, id: &str, name: &str| Token::of(&server.client_token(&shop, id, name));
    let first = ask(&server, &ada.id, "one");
    let other_name = ask(&server, &ada.id, "two");
    let other_user = ask(&server, &bea.id, "one");
    assert_ne!(other_user.crt, first.crt);

    let second = ask(&server, &ada.id, "one");
    assert_eq!(second.crt, first.crt);
    server.refuses(&first.auth);
    server.refresh(&first).refused(401, "invalid_token");
    server.kill9();
    server.restart();
    server.refuses(&first.auth);
    for lives in [&second, &other_name, &other_user] {
        server.accepts(&lives.auth);
    }
    assert_eq!(server.sessions(&second.auth).len(), 2);
    assert_eq!(server.sessions(&other_user.auth).len(), 1);
    // The name is the session's own after the restart as well.
    let third = ask(&server, &ada.id, "one");
    assert_eq!(third.crt, first.crt);
    server.refuses(&second.auth);
}

#[test]
fn a_back_end_gives_claims_that_survive_refresh() {
    let mut server = Server::start();
    let shop = server.add_client("shop");
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let given = json!({"tenant": "t-7", "plan": {"name": "gold", "seats": 3}, "beta": true});
    let ask = |server: &Server, name: &str, claims: Value| {
        let body = json!({"id": ada.id, "user_session": name, "claims": claims});
        let request = Request::post("/getToken").basic(&shop.id, &shop.secret);
        server.send(&request.json(body))
    };
    let shown = |server: &Server, token: &str| {
        let me = server.call("GET", "/me", token).expect(200).json();
        me["session"]["claims"].clone()
    };
    let first = Token::of(&ask(&server, "one", given.clone()));
    assert_eq!(shown(&server, &first.auth), given);
    // The record has none of it: the refresh token brings it along, also after a crash.
    server.kill9();
    server.restart();
    let mut token = first;
    for _ in 0..2 {
        token = Token::of(&server.refresh(&token));
        assert_eq!(shown(&server, &token.auth), given);
    }
    let proof = Request::post("/reauth").bearer(&token.auth);
    let fresh = Token::of(&server.send(&proof.json(json!({"password": PASSWORD}))));
    assert_eq!(shown(&server, &fresh.auth), given);

    // Asking again for the session gives it the claims of this time.
    let again = Token::of(&ask(&server, "one", json!({"tenant": "t-8"})));
    assert_eq!(again.crt, token.crt);
    assert_eq!(shown(&server, &again.auth), json!({"tenant": "t-8"}));
    for none in [json!({}), Value::Null] {
        let token = Token::of(&ask(&server, "two", none));
        assert_eq!(shown(&server, &token.auth), Value::Null);
    }
    let log = server.written();
    assert!(!log.contains("t-7") && !log.contains("gold"), "{log}");
}

#[test]
fn claims_have_a_name_of_their_own_and_a_size() {
    let server = Server::start();
    let shop = server.add_client("shop");
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let ask = |secret: &str, claims: Value| {
        let body = json!({"id": ada.id, "user_session": "s", "claims": claims});
        let request = Request::post("/getToken").basic(&shop.id, secret);
        server.send(&request.json(body))
    };
    let lives = Token::of(&ask(&shop.secret, json!({"tenant": "t-7"})));
    for name in RESERVED_CLAIMS {
        let answer = ask(&shop.secret, json!({"tenant": "t", name: "forged"}));
        let problem = answer.refused(422, "claims_invalid");
        assert_eq!(problem["field"], format!("claims.{name}"));
        assert!(!answer.text().contains("forged"), "{problem}");
    }
    // `{"note":"…"}` of so many bytes.
    let note = |bytes: usize| json!({"note": "x".repeat(bytes - r#"{"note":""}"#.len())});
    let long = ask(&shop.secret, note(1025)).refused(422, "claims_invalid");
    assert_eq!(long["field"], "claims");
    for wrong in [json!("text"), json!(["a"]), json!(7), json!(true)] {
        let problem = ask(&shop.secret, wrong).refused(400, "body_wrong_type");
        assert_eq!(problem["field"], "claims");
    }
    // Nothing of it has touched the session that is there.
    server.accepts(&lives.auth);
    // Who isn't a back end learns nothing of what it may give, and gives nothing.
    ask("wrong", json!({"sub": "x"})).refused(401, "invalid_client");
    for claims in [
        json!({"tenant": "t"}),
        json!({"roles": ["admin"]}),
        json!({}),
    ] {
        let body = json!({"email": ada.email, "password": PASSWORD, "claims": claims});
        let problem = server
            .send(&Request::post("/getToken").json(body))
            .refused(400, "invalid_request");
        assert_eq!(problem["field"], "claims");
    }
    let form = [("id", &*ada.id), ("user_session", "s"), ("claims", "{}")];
    let form = Request::post("/getToken")
        .basic(&shop.id, &shop.secret)
        .form(&form);
    server.send(&form).refused(400, "body_wrong_type");
    let most = Token::of(&ask(&shop.secret, note(1024)));
    server.accepts(&most.auth);
    server.refuses(&lives.auth);
}

#[test]
fn an_unknown_user_is_told_in_the_words_of_the_first_service() {
    let server = Server::start();
    let shop = server.add_client("shop");
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let token = Token::of(&server.client_token(&shop, &ada.id, "s"));
    for unknown in [
        "AAAAAAAAAAAAAAAAAAAAAA",
        "",
        "no such",
        "ada@example.com",
        "a/../b",
    ] {
        incorrect_user(&server.client_token(&shop, unknown, "s"));
    }
    server.operator(&["users", "disable", &ada.id]);
    server.refuses(&token.auth);
    incorrect_user(&server.client_token(&shop, &ada.id, "s"));
    server.operator(&["users", "enable", &ada.id]);
    server.refuses(&token.auth);
    server.client_token(&shop, &ada.id, "s").expect(200);
}

#[test]
fn a_back_end_that_proves_nothing_learns_nothing() {
    let server = Server::start();
    let shop = server.add_client("shop");
    let gone = server.add_client("gone");
    server.operator(&["clients", "delete", &gone.id]);
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let with = |id: &str, secret: &str| Client {
        id: id.to_owned(),
        secret: secret.to_owned(),
    };
    let unknown_user = "AAAAAAAAAAAAAAAAAAAAAA";
    let answers = [
        server.client_token(&with(&shop.id, "wrong"), &ada.id, "s"),
        server.client_token(&with(&shop.id, ""), &ada.id, "s"),
        server.client_token(&with("nobody", &shop.secret), &ada.id, "s"),
        server.client_token(&with(&shop.id, "wrong"), unknown_user, "s"),
        server.client_token(&gone, &ada.id, "s"),
        // A user is no back end (RFC 9700 §4.15).
        server.client_token(&with(&ada.id, PASSWORD), &ada.id, "s"),
        server.client_token(&with(&ada.email, PASSWORD), &ada.id, "s"),
    ];
    for answer in &answers {
        assert_eq!(answer.without_id(), answers[0].without_id());
    }
    answers[0].refused(401, "invalid_client");
    assert_eq!(answers[0].header("www-authenticate"), Some(CHALLENGE));

    // And a back end is no user.
    server
        .try_get_token(&shop.id, &shop.secret)
        .refused(401, "invalid_credentials");
    for missing in ["id", "user_session"] {
        let mut body = json!({"id": ada.id, "user_session": "s"});
        body.as_object_mut().unwrap().remove(missing);
        let request = Request::post("/getToken").basic(&shop.id, &shop.secret);
        let problem = server
            .send(&request.json(body))
            .refused(400, "body_missing_member");
        assert_eq!(problem["field"], missing);
    }
    for bad in ["", "a\nb", &"x".repeat(4097)] {
        let problem = server
            .client_token(&shop, &ada.id, bad)
            .refused(400, "body_wrong_type");
        assert_eq!(problem["field"], "user_session");
    }
    server.client_token(&shop, &ada.id, "s").expect(200);
}

#[test]
fn a_number_among_the_claims_is_kept_exactly_or_refused() {
    let server = Server::start();
    let shop = server.add_client("shop");
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let ask = |number: &str| {
        let id = &ada.id;
        let body = format!(
            r#"{{"id":"{id}","user_session":"s","claims":{{"n":[{number}]}},"unknown":0.12345678901234567890}}"#
        );
        let request = Request::post("/getToken").basic(&shop.id, &shop.secret);
        server.send(
            &request
                .header("Content-Type", "application/json")
                .body(body),
        )
    };
    for kept in [
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "1e22",
        "9007199254740993",
    ] {
        let mut token = Token::of(&ask(kept));
        for _ in 0..2 {
            let me = server.call("GET", "/me", &token.auth).expect(200);
            let due: Value = serde_json::from_str(kept).unwrap();
            assert_eq!(me.json()["session"]["claims"]["n"][0], due, "{kept}");
            token = Token::of(&server.refresh(&token));
        }
    }
    for altered in [
        "18446744073709551616",
        "-9223372036854775809",
        "340282366920938463463374607431768211456",
        "0.12345678901234567890",
        "1e-400",
    ] {
        let problem = ask(altered).refused(422, "claims_invalid");
        assert_eq!(problem["field"], "claims", "{altered}");
    }
    // No float holds it at all.
    ask("1e400").refused(400, "body_malformed");
}

/// Beside the running server, as somebody who has the file would.
fn commit(server: &Server, statement: &'static str) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite:{}", server.data().join("accounts.sqlite").display());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        let done = connection.execute(statement).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
        connection.close().await.unwrap();
    });
}

#[test]
fn whatever_is_committed_to_the_accounts_counts_at_the_next_request() {
    let server = Server::start();
    let shop = server.add_client("shop");
    let desk = server.add_client("desk");
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let ask = |client: &Client| server.client_token(client, &ada.id, "s");
    for _ in 0..5 {
        for _ in 0..3 {
            ask(&shop).expect(200);
        }
        let token = Token::of(&ask(&shop));
        commit(
            &server,
            "UPDATE accounts SET active = 0, revision = revision + 1",
        );
        incorrect_user(&ask(&shop));
        server.refresh(&token).refused(401, "invalid_token");
        server
            .try_get_token("ada@example.com", PASSWORD)
            .refused(401, "invalid_credentials");
        commit(
            &server,
            "UPDATE accounts SET active = 1, revision = revision + 1",
        );
        ask(&shop).expect(200);
        server.get_token("ada@example.com", PASSWORD);
    }
    // The one has the secret of the other, then neither is there.
    let secret = "UPDATE clients SET secret_sha256 = \
         (SELECT secret_sha256 FROM clients WHERE name = 'desk') WHERE name = 'shop'";
    commit(&server, secret);
    ask(&shop).refused(401, "invalid_client");
    let id = shop.id.clone();
    ask(&Client {
        id,
        secret: desk.secret.clone(),
    })
    .expect(200);
    commit(&server, "DELETE FROM clients WHERE name = 'desk'");
    ask(&desk).refused(401, "invalid_client");
}
