//! The story of the contract, route by route: 401, sign-up, token, 200, log-out, 401.

use super::PASSWORD;
use crate::support::http::{Answer, Request, send};
use crate::support::server::{Server, Token};
use serde_json::{Value, json};

/// What every answer has to carry.
fn standing_headers(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-request-id").unwrap().len(), 22);
    for absent in ["server", "set-cookie", "x-powered-by"] {
        assert_eq!(answer.header(absent), None);
    }
}

/// The names of an object's members, sorted.
fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(|k| &**k).collect();
    names.sort_unstable();
    names
}

/// Whether this is a time of the last minute, in UTC.
fn is_recent(time: &Value) -> bool {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    let ago = jiff::Timestamp::now().duration_since(time).as_secs();
    (0..60).contains(&ago)
}

#[test]
fn the_whole_story() {
    let server = Server::start();

    let stranger = server.send(&Request::get("/me"));
    stranger.refused(401, "no_credentials");
    assert_eq!(
        stranger.header("www-authenticate"),
        Some(r#"Bearer realm="lacre""#)
    );
    standing_headers(&stranger);

    let body = json!({"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada"});
    let signed_up = server
        .send(&Request::post("/signup").json(body))
        .expect(201);
    standing_headers(&signed_up);
    let account = signed_up.json();
    let id = account["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "email": account["email"], "name": "Ada", "role": "user", "roles": ["user"],
        "permissions": [], "active": true,
    });
    assert_eq!(account, expected);

    let logged_in = server
        .try_get_token("ada@example.com", PASSWORD)
        .expect(200);
    standing_headers(&logged_in);
    assert_eq!(logged_in.header("content-type"), Some("application/json"));
    let token = token_answer(&logged_in);

    let me = server.call("GET", "/me", &token.auth).expect(200);
    standing_headers(&me);
    let me = me.json();
    let session = &me["session"];
    assert_eq!(
        members(session),
        ["created_at", "crt", "expires_at", "fresh"]
    );
    assert_eq!(session["crt"], token.crt);
    assert_eq!(session["fresh"], true);
    assert!(is_recent(&session["created_at"]), "{me}");
    let mut expected = account.clone();
    expected["session"] = session.clone();
    assert_eq!(me, expected);

    let headers = server.call("GET", "/headers", &token.auth).expect(200);
    standing_headers(&headers);
    assert_eq!(headers.text(), "Access Granted");

    let logged_out = server.call("POST", "/logout", &token.auth).expect(204);
    standing_headers(&logged_out);
    assert_eq!(logged_out.body, b"");

    let after = server.call("GET", "/me", &token.auth);
    after.refused(401, "invalid_token");
    assert_eq!(
        after.header("www-authenticate"),
        Some(r#"Bearer realm="lacre", error="invalid_token""#)
    );
    standing_headers(&after);
}

/// Looks at every member of the answer to a log-in.
fn token_answer(answer: &Answer) -> Token {
    let body = answer.json();
    let required = ["auth", "crt", "expires_in", "token_type"];
    let names = members(&body);
    assert!(required.iter().all(|name| names.contains(name)), "{body}");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    let token = Token::of(answer);
    assert_eq!(token.auth.split('.').count(), 5, "a JWE");
    assert!(
        token
            .crt
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    );
    token
}

#[test]
fn log_in_takes_json_and_forms_under_both_names() {
    let server = Server::start();
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let mut tokens = Vec::new();
    for target in ["/getToken", "/login"] {
        for (member, value) in [("email", &ada.email), ("id", &ada.id)] {
            let json = Request::post(target).json(json!({member: value, "password": PASSWORD}));
            let form = Request::post(target).form(&[(member, value), ("password", PASSWORD)]);
            for request in [json, form] {
                let answer = server.send(&request).expect(200);
                standing_headers(&answer);
                tokens.push(token_answer(&answer));
            }
        }
    }
    for token in &tokens {
        let me = server.call("GET", "/me", &token.auth).expect(200).json();
        assert_eq!(
            (&me["id"], &me["session"]["crt"]),
            (&json!(ada.id), &json!(token.crt))
        );
    }
    assert_eq!(server.sessions(&tokens[0].auth).len(), tokens.len());
}

#[test]
fn sign_up_takes_a_form_and_says_what_is_wrong() {
    let server = Server::start();
    let form = [("email", "ada@example.com"), ("password", PASSWORD)];
    let account = server
        .send(&Request::post("/signup").form(&form))
        .expect(201)
        .json();
    assert_eq!(account["email"], "ada@example.com");
    assert_eq!(account["name"], Value::Null);

    for taken in ["ada@example.com", "ADA@EXAMPLE.COM"] {
        let form = [("email", taken), ("password", PASSWORD)];
        let again = server.send(&Request::post("/signup").form(&form));
        again.refused(409, "account_exists");
        standing_headers(&again);
    }
    let long = "x".repeat(129);
    for (email, password, field) in [
        ("not an address", PASSWORD, "email"),
        ("", PASSWORD, "email"),
        ("bea@example.com", "short", "password"),
        ("bea@example.com", "password", "password"),
        ("bea@example.com", &long, "password"),
    ] {
        let body = json!({"email": email, "password": password});
        let refused = server.send(&Request::post("/signup").json(body));
        let problem = refused.refused(422, "account_invalid");
        assert_eq!(problem["field"], field, "{email} {password}");
        assert!(problem["detail"].as_str().unwrap().contains(field));
    }
    // Eight characters and 128 are the ends of what is accepted.
    server.sign_up("bea@example.com", "tr0ub4d&");
    server.sign_up("cay@example.com", &long[1..]);
}

#[test]
fn strangers_sign_up_only_where_it_is_open() {
    let server = crate::support::server::Setup::new().without_dev().start();
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let closed = server.send(&Request::post("/signup").json(body));
    closed.refused(403, "signup_closed");
}

#[test]
fn the_optional_guard_lets_strangers_in_and_bad_tokens_out() {
    let server = Server::start();
    let ada = server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);

    let stranger = server.send(&Request::get("/open")).expect(200);
    standing_headers(&stranger);
    assert_eq!(stranger.json(), json!({"user": null}));

    let known = server.call("GET", "/open", &token.auth).expect(200).json();
    assert_eq!(known["user"]["id"], ada.id);
    assert_eq!(known["user"]["email"], ada.email);

    server
        .call("GET", "/open", "noise")
        .refused(401, "invalid_token");
    server.call("POST", "/logout", &token.auth).expect(204);
    server
        .call("GET", "/open", &token.auth)
        .refused(401, "invalid_token");
}

#[test]
fn operators_have_a_listener_of_their_own() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);

    let alive = server.manage("/livez").expect(200);
    assert_eq!(alive.text(), "ok\n");
    let ready = server.manage("/readyz").expect(200);
    let up = json!({
        "ready": true, "draining": false, "stores": {"accounts": "up", "keystore": "up", "receipts": "up"},
    });
    assert_eq!(ready.json(), up);
    let metrics = server.manage("/metrics").expect(200);
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let line = r#"lacre_http_requests_total{route="/signup",method="POST",status="201"} 1"#;
    assert!(metrics.text().lines().any(|found| found == line));

    // Neither listener answers for the other.
    for target in ["/livez", "/readyz", "/metrics"] {
        server.send(&Request::get(target)).refused(404, "not_found");
    }
    let elsewhere = send(server.management, &Request::post("/getToken"));
    elsewhere.refused(404, "not_found");
}

/// The domain in letters and as DNS has it, the password composed and decomposed: one account.
#[test]
fn two_spellings_of_a_domain_and_of_a_password_are_one_account() {
    let server = Server::start();
    let (composed, decomposed) = ("correct h\u{f6}rse", "correct ho\u{308}rse");
    let made = server.sign_up("ada@b\u{fc}cher.example", decomposed);
    assert_eq!(made.email, "ada@b\u{fc}cher.example");
    for email in [
        "ada@b\u{fc}cher.example",
        "ADA@B\u{dc}CHER.example",
        "ada@xn--bcher-kva.example",
    ] {
        for password in [composed, decomposed] {
            server.get_token(email, password);
        }
    }
    let again = json!({"email": "ada@xn--bcher-kva.example", "password": composed});
    let again = server.send(&Request::post("/signup").json(again));
    again.refused(409, "account_exists");
}
