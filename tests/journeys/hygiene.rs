//! No secret in a log, at any level, whatever is sent where; and in nothing else that comes out of the
//! service, or stays of it.

mod cores;
mod everywhere;
mod spellings;

use crate::support::http::{Connection, Request, send_bytes};
use crate::support::server::{Setup, Token};
use serde_json::json;
use spellings::spellings;

const PASSWORD: &str = "Zanzibar-marmalade-4711";
const WRONG_PASSWORD: &str = "Kilimanjaro-biscuit-0815";
const OPERATORS_PASSWORD: &str = "Popocatepetl-teapot-1618";
const CLIENT_SECRET: &str = "Madagascar-gherkin-2342";

#[test]
#[allow(clippy::too_many_lines)] // one drive through all routes, in order
fn no_secret_reaches_the_log() {
    let mut server = Setup::new()
        .env("LACRE_LOG", "trace")
        .env("LACRE_LOG__REQUESTS", "all")
        .start();
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let by_form = [("email", "bea@example.com"), ("password", PASSWORD)];
    server
        .send(&Request::post("/signup").form(&by_form))
        .expect(201);
    let token = server.get_token("ada@example.com", PASSWORD);
    let ended = server.get_token("ada@example.com", PASSWORD);
    server
        .get_token_by_form("bea@example.com", PASSWORD)
        .expect(200);
    let renewed = Token::of(&server.refresh(&ended));
    let by_body = Request::post("/refresh").json(json!({"refresh": renewed.refresh}));
    server.send(&by_body).expect(200);
    server.revoke(&token.auth, &ended.crt).expect(204);
    for password in [PASSWORD, WRONG_PASSWORD] {
        let request = Request::post("/reauth").bearer(&token.auth);
        server.send(&request.json(json!({"password": password})));
        let request = Request::new("PUT", "/me/password").bearer(&token.auth);
        let body = json!({"current": WRONG_PASSWORD, "new": password});
        server.send(&request.json(body));
    }
    server.refresh(&ended).expect(401);

    // Log-ins that fail, and passwords in places where they don't belong.
    for user in ["ada@example.com", "nobody@example.com", PASSWORD] {
        server.try_get_token(user, WRONG_PASSWORD).expect(401);
    }
    for body in [
        json!({"email": "ada@example.com", "password": [PASSWORD]}),
        json!({"email": [PASSWORD], "password": {"a": PASSWORD}}),
        json!({"password": PASSWORD}),
        json!({"email": "ada@example.com", "password": PASSWORD, "label": [PASSWORD]}),
        json!({"email": format!("{PASSWORD}@"), "password": PASSWORD}),
    ] {
        for target in ["/getToken", "/login", "/signup"] {
            let answer = server.send(&Request::post(target).json(body.clone()));
            assert!((400..500).contains(&answer.status), "{answer:?}");
            assert!(!answer.text().contains(PASSWORD), "{answer:?}");
        }
    }
    let malformed = format!(r#"{{"email":"ada@example.com","password":"{PASSWORD}"#);
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ] {
        let request = Request::post("/getToken").header("Content-Type", kind);
        server.send(&request.body(malformed.clone()));
    }
    server.send(&Request::post(&format!("/login?password={PASSWORD}")));
    server.send(&Request::get(&format!("/{PASSWORD}")));
    let client = Request::post("/getToken").basic("nobody", CLIENT_SECRET);
    let body = json!({"id": ada.id, "user_session": "s"});
    server.send(&client.json(body)).expect(401);

    // What operators say through the admin socket, and what a back end proves.
    let shop = server.add_client("shop");
    server.client_token(&shop, &ada.id, "s").expect(200);
    let set = [
        "users",
        "set-password",
        "bea@example.com",
        "--password-stdin",
    ];
    server.operator_telling(&set, OPERATORS_PASSWORD);
    server.get_token("bea@example.com", OPERATORS_PASSWORD);

    // Every route with a good token, an ended one and a damaged one.
    let damaged = format!("{}AAAA", &token.auth[..token.auth.len() - 4]);
    let refresh = token.refresh.as_ref().unwrap();
    for auth in [&ended.auth, &damaged, refresh, &token.auth] {
        for (method, target) in [
            ("GET", "/me"),
            ("GET", "/headers"),
            ("GET", "/open"),
            ("GET", "/sessions"),
            ("GET", "/nowhere"),
            ("PUT", "/me"),
            ("DELETE", "/sessions/x"),
            ("DELETE", "/sessions?except=nobody"),
            ("DELETE", "/sessions?except=current"),
        ] {
            server.call(method, target, auth);
        }
        // In places where it doesn't belong.
        server.send(&Request::get(&format!("/me?token={auth}")));
        server.send(&Request::get(&format!("/{auth}")));
        server.send(&Request::get("/me").header("Cookie", &format!("__Host-lacre_access={auth}")));
        server.send(&Request::get("/me").header("Authorization", auth));
        server.send(&Request::get("/me").bearer(auth).bearer(auth));
        server.send(&Request::delete(&format!("/sessions/{auth}")).bearer(auth));
        server.send(
            &Request::post("/login")
                .bearer(auth)
                .json(json!({"refresh": auth})),
        );
    }
    // Heads that no parser takes.
    for line in [
        format!(
            "GET /me HTTP/1.1\r\nAuthorization Bearer {}\r\n\r\n",
            token.auth
        ),
        format!("{} /me HTTP/1.1\r\n\r\n", token.auth),
        format!(
            "GET /me HTTP/1.1\r\nAuthorization: Bearer {}\0\r\n\r\n",
            token.auth
        ),
    ] {
        let _ = send_bytes(server.public, line.as_bytes());
    }
    let mut cut_off = Connection::open(server.public).unwrap();
    let whole = Request::post("/login")
        .json(json!({"email": PASSWORD}))
        .bytes();
    cut_off.write(&whole[..whole.len() - 3]).unwrap();
    drop(cut_off);
    server.manage("/metrics").expect(200);
    server.call("DELETE", "/sessions", &token.auth).expect(200);

    let master_key = std::fs::read_to_string(server.data().join("master.key")).unwrap();
    let (_, master_key) = master_key.trim_end().split_once(':').unwrap();
    assert_eq!(server.stop().code(), Some(0));
    let log = server.written();
    assert!(log.contains(" TRACE "), "the log isn't at its noisiest");
    assert!(log.contains("event=token_refused"), "nothing happened");

    let mut secrets = vec![
        ("a password", PASSWORD.to_owned()),
        ("a wrong password", WRONG_PASSWORD.to_owned()),
        ("a password that was set", OPERATORS_PASSWORD.to_owned()),
        ("a client's secret", shop.secret.clone()),
        ("a wrong client's secret", CLIENT_SECRET.to_owned()),
        ("the master key", master_key.to_owned()),
    ];
    for auth in [
        &token.auth,
        &ended.auth,
        refresh,
        renewed.refresh.as_ref().unwrap(),
    ] {
        // Of the first segment only the handle and a public key are in it.
        for (name, part) in ["encrypted key", "IV", "ciphertext", "tag"]
            .into_iter()
            .zip(auth.split('.').skip(1))
        {
            secrets.push((name, part.to_owned()));
        }
    }
    for (name, secret) in secrets {
        for spelling in spellings(secret.as_bytes()) {
            if let Some(line) = log.lines().find(|line| line.contains(&spelling)) {
                panic!("{name} is in the log: {line}");
            }
        }
    }
}
