//! Tokens of outside issuers that the guard takes as they are: `accept = "direct"`.

use super::outside::{with, wrong_tokens};
use crate::support::http::{Answer, Request};
use crate::support::issuer::{ISS, Published, SigningKey, Site, believing, claims, configure, set};
use crate::support::server::{Server, Setup};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lacre::internals::http::routes::{Access, ROUTES, RouteInfo};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DIRECT: &str = "accept = \"direct\"\n";

fn open_with(key: &SigningKey, lines: &str) -> (Site, Server) {
    let site = Site::new(set(&[key]));
    let server = believing(&format!("{}{DIRECT}{lines}", site.keys())).start();
    (site, server)
}

fn ask(server: &Server, target: &str, token: &str) -> Answer {
    server.send(&Request::get(target).bearer(token))
}

/// What an answer says but for its request's id.
fn told(answer: &Answer) -> (u16, Value, Option<&str>) {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    (answer.status, body, answer.header("www-authenticate"))
}

#[test]
fn the_guard_takes_the_token_itself_and_says_whose_it_is() {
    let key = SigningKey::new("k1");
    let (site, server) = open_with(&key, "roles_claim = \"roles\"\n");
    let said = with("248289761001", |claims| {
        claims["email"] = json!("ada@corp.example");
        claims["email_verified"] = json!(true);
        claims["roles"] = json!(["clerk", "admin"]);
    });
    let token = key.token(&said);
    let granted = ask(&server, "/headers", &token).expect(200);
    assert_eq!(granted.text(), "Access Granted");
    let user = ask(&server, "/open", &token).expect(200).json();
    let due = json!({"user": {
        "id": "248289761001", "issuer": ISS, "email": "ada@corp.example",
        "role": "clerk", "roles": ["clerk"], "permissions": [],
    }});
    assert_eq!(user, due);
    assert_eq!(site.asked(), 1);
    // No account and no session comes of it.
    for words in [
        &["users", "list", "--json"][..],
        &["keystore", "list", "--json"],
    ] {
        let listed: Value = serde_json::from_str(&server.operator(words)).unwrap();
        let listed = listed.get("sessions").unwrap_or(&listed);
        assert_eq!(listed, &json!([]), "{words:?}");
    }
    // Nor is it good for what a token of the other kind is: a session.
    let exchange = Request::post("/getToken").json(json!({"user_session": token}));
    server.send(&exchange).refused(401, "invalid_credentials");
    // Our own tokens stand beside it.
    server.sign_up("ada@example.com", "correct horse battery");
    let own = server.get_token("ada@example.com", "correct horse battery");
    let user = ask(&server, "/open", &own.auth).expect(200).json();
    assert_eq!(user["user"]["email"], "ada@example.com");
    assert!(user["user"].get("issuer").is_none(), "{user}");
}

/// Of every row: a token of the issuer lets into those that say so, and is noise to the others.
#[test]
fn a_direct_token_lets_in_where_the_table_says_so_and_nowhere_else() {
    let key = SigningKey::new("k1");
    let (_site, server) = open_with(&key, "roles_claim = \"roles\"\n");
    let said = with("ada", |claims| claims["roles"] = json!(["admin"]));
    let (token, noise) = (key.token(&said), "a.b.c");
    let (mut granted, mut refused) = (0, 0);
    for route in ROUTES.iter().filter(|route| route.access != Access::Open) {
        let call = |token: &str| {
            let target = route
                .pattern
                .replace("{id}", "nobody")
                .replace("{crt}", "x");
            let request = Request::new(route.method.as_str(), &target).json(json!({}));
            server.send(&request.bearer(token))
        };
        let name = |route: &RouteInfo| format!("{} {}", route.method, route.pattern);
        if route.direct {
            call(&token).expect(200);
            granted += 1;
        } else {
            let due = told(&call(noise).expect(401)).1;
            assert_eq!(told(&call(&token)).1, due, "{}", name(route));
            refused += 1;
        }
    }
    assert!(granted == 2 && refused >= 15, "{granted} {refused}");
}

#[test]
fn whatever_is_wrong_with_a_direct_token_is_the_answer_to_any_bad_token() {
    let (key, stranger) = (SigningKey::new("k1"), SigningKey::new("k1"));
    let (_site, mut server) = open_with(&key, "");
    ask(&server, "/headers", &key.token(&claims("ada"))).expect(200);
    let noise = ask(&server, "/headers", "a.b.c.d.e");
    noise.refused(401, "invalid_token");
    let mut codes = Vec::new();
    for (code, token) in wrong_tokens(&key, &stranger) {
        // What isn't of three parts is none of theirs.
        if token.matches('.').count() != 2 {
            continue;
        }
        for target in ["/headers", "/open"] {
            assert_eq!(told(&ask(&server, target, &token)), told(&noise), "{code}");
        }
        codes.push(code);
    }
    let misnamed = with("ada", |claims| {
        claims["iss"] = json!(ISS.trim_end_matches('/'));
    });
    let misnamed = ask(&server, "/headers", &key.token(&misnamed));
    assert_eq!(told(&misnamed), told(&noise));
    codes.push("outside_issuer_invalid");
    assert!(server.stop().success());
    let log = server.written();
    for code in codes {
        let line = format!("event=token_refused code={code}");
        assert!(log.contains(&line), "no {code}: {log}");
    }
    assert!(!log.contains("eyJhbGci"), "no token in the log");
}

#[test]
fn the_tokens_of_an_issuer_that_is_not_direct_are_noise_to_the_guard() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let mut server = believing(&site.keys()).start();
    let token = key.token(&claims("ada"));
    let noise = ask(&server, "/headers", "a.b.c");
    assert_eq!(told(&ask(&server, "/headers", &token)), told(&noise));
    assert_eq!(site.asked(), 0, "the guard doesn't even ask for its keys");
    assert!(server.stop().success());
    assert!(!server.written().contains("code=outside_"));
}

/// A browser sends a cookie with whatever another site makes it send, and no session guards it.
#[test]
fn a_direct_token_is_taken_from_every_place_but_a_cookie() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let setup = believing(&format!("{}{DIRECT}", site.keys()))
        .env("LACRE_TOKEN__LOCATIONS", "header,cookie,query");
    let server = setup.start();
    let token = key.token(&claims("ada"));
    ask(&server, "/headers", &token).expect(200);
    server
        .send(&Request::get(&format!("/headers?token={token}")))
        .expect(200);
    let cookie = format!("__Host-lacre_access={token}");
    let sent = Request::get("/headers").header("Cookie", &cookie);
    server.send(&sent).refused(401, "invalid_token");
}

/// The issuer is gone: who has a token by a key that is known goes on, another key is unknown.
#[test]
fn known_keys_go_on_while_the_issuer_is_away() {
    let (key, new) = (SigningKey::new("k1"), SigningKey::new("k2"));
    let (site, server) = open_with(&key, "");
    ask(&server, "/headers", &key.token(&claims("ada"))).expect(200);
    for away in [
        Published::Head("503 Away"),
        Published::Slow,
        Published::Endless,
    ] {
        site.publish(away);
        ask(&server, "/headers", &new.token(&claims("ada"))).refused(401, "invalid_token");
        ask(&server, "/headers", &key.token(&claims("eve"))).expect(200);
    }
}

#[test]
fn an_issuer_whose_keys_were_never_to_be_had_is_503_to_the_guard() {
    let key = SigningKey::new("k1");
    let site = Site::new(Published::Head("500 No"));
    let server = believing(&format!("{}{DIRECT}", site.keys())).start();
    for _ in 0..3 {
        let answer = ask(&server, "/headers", &key.token(&claims("ada")));
        answer.refused(503, "store_unavailable");
    }
    assert_eq!(site.asked(), 1, "once in 30 seconds");
    ask(&server, "/open", "a.b.c").refused(401, "invalid_token");
}

#[test]
fn an_issuer_that_is_direct_makes_no_accounts() {
    let setup = Setup::new();
    configure(
        &setup,
        &format!("pem_file = \"k\"\n{DIRECT}make_accounts = true\n"),
    );
    setup.start_refused().with(78, "config_issuer_unusable");
}

/// Names of keys that nobody has, as many as somebody likes: one reading of the keys, and nobody else is held up.
#[test]
fn a_storm_of_unknown_keys_asks_the_issuer_once_and_holds_up_nobody() {
    let key = SigningKey::new("k1");
    let (site, mut server) = open_with(&key, "");
    let good = key.token(&claims("ada"));
    ask(&server, "/headers", &good).expect(200);
    for (asked, away) in [
        Published::Slow,
        Published::Endless,
        Published::Head("302 Found\r\nLocation: /keys\r\nContent-Length: 0"),
        Published::Body("[".repeat(60_000)),
    ]
    .into_iter()
    .enumerate()
    {
        site.publish(away);
        let began = Instant::now();
        std::thread::scope(|scope| {
            for stranger in 0..32 {
                let (server, key) = (&server, &key);
                scope.spawn(move || {
                    for number in 0..8 {
                        let kid = format!("{asked}-{stranger}-{number}");
                        let header = json!({"alg": "RS256", "typ": "JWT", "kid": kid});
                        let token = key.token_with(&header, &claims("eve"));
                        ask(server, "/headers", &token).refused(401, "invalid_token");
                    }
                });
            }
            for _ in 0..50 {
                ask(&server, "/headers", &good).expect(200);
            }
        });
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
    }
    assert!(
        site.asked() <= 3,
        "the issuer was asked {} times",
        site.asked()
    );
    assert!(server.stop().success());
    assert!(
        !server.written().contains("eyJhbGci"),
        "no token in the log"
    );
}

/// The signature is by the secret that everybody knows: the public key, in each spelling of it.
#[test]
fn no_public_key_is_a_secret_to_the_guard() {
    let key = SigningKey::new("k1");
    let (_site, server) = open_with(&key, "");
    ask(&server, "/headers", &key.token(&claims("ada"))).expect(200);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let pem = String::from_utf8(key.public_pem()).unwrap();
    let secrets = [
        pem.clone(),
        pem.trim_end().to_owned(),
        key.jwk().to_string(),
        String::new(),
    ];
    for alg in ["HS256", "HS384", "HS512", "none", "NONE", "", "ES256"] {
        let header = json!({"alg": alg, "typ": "JWT", "kid": "k1"});
        let signed = format!("{}.{}", part(&header), part(&claims("ada")));
        for secret in &secrets {
            let hmac = PKey::hmac(secret.as_bytes());
            let mac = hmac.and_then(|hmac| {
                Signer::new(MessageDigest::sha256(), &hmac)?.sign_oneshot_to_vec(signed.as_bytes())
            });
            let mac = mac.unwrap_or_default();
            for signature in [URL_SAFE_NO_PAD.encode(&mac), String::new()] {
                for target in ["/headers", "/open"] {
                    let refused = ask(&server, target, &format!("{signed}.{signature}"));
                    refused.refused(401, "invalid_token");
                }
            }
        }
    }
}
