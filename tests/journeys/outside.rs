//! Tokens of an outside issuer for sessions of ours, over HTTP and beside the commands.

use crate::support::http::{Answer, Request};
use crate::support::https::Https;
use crate::support::issuer::{ISS, Published, SigningKey, Site, believing, claims, configure, set};
use crate::support::server::{Server, Setup, Token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MAKE: &str = "make_accounts = true\n";

fn exchange(server: &Server, token: &str) -> Answer {
    server.send(&Request::post("/getToken").json(json!({"user_session": token})))
}

fn session(server: &Server, token: &str) -> Token {
    Token::of(&exchange(server, token))
}

fn me(server: &Server, token: &Token) -> Answer {
    server.send(&Request::get("/me").bearer(&token.auth))
}

pub(super) fn with(subject: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims(subject);
    change(&mut claims);
    claims
}

#[test]
fn a_subject_gets_an_account_at_first_sight_and_the_same_one_ever_after() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    let said = with("248289761001", |claims| {
        claims["email"] = json!("ada@corp.example");
        claims["email_verified"] = json!(true);
        claims["name"] = json!("Ada");
    });
    let token = session(&server, &key.token(&said));
    let shown = me(&server, &token).expect(200).json();
    assert_eq!(shown["email"], "ada@corp.example");
    assert_eq!(
        (&shown["name"], &shown["roles"]),
        (&json!("Ada"), &json!(["user"]))
    );
    assert_eq!(shown["session"]["fresh"], false);
    let id = shown["id"].as_str().unwrap();

    let refresh = token.refresh.as_deref().unwrap();
    let renewed = server
        .send(&Request::post("/refresh").bearer(refresh))
        .expect(200);
    let renewed = Token::of(&renewed);
    assert_eq!(me(&server, &renewed).expect(200).json()["id"], id);

    let later = with("248289761001", |claims| {
        claims["exp"] = json!(4_000_000_001_u64);
    });
    let again = session(&server, &key.token(&later));
    assert_eq!(me(&server, &again).expect(200).json()["id"], id);
    let users: Value =
        serde_json::from_str(&server.operator(&["users", "list", "--json"])).unwrap();
    assert_eq!(users.as_array().unwrap().len(), 1);
    assert_eq!(site.asked(), 1);

    let shown = server.operator(&["users", "show", id, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["links"][0]["issuer"], ISS);
    assert_eq!(shown["links"][0]["subject"], "248289761001");
    let table = server.operator(&["users", "show", id]);
    assert!(
        table.contains("248289761001 at https://corp.example/"),
        "{table}"
    );

    server
        .send(&Request::post("/logout").bearer(&again.auth))
        .expect(204);
    me(&server, &again).expect(401);
    assert!(server.stop().success());
    let log = server.written();
    for part in [
        "change=created",
        "change=linked",
        "by=issuer issuer=corp",
        "event=session_started",
    ] {
        assert!(log.contains(part), "no {part}: {log}");
    }
    assert!(!log.contains("eyJ"), "no token in the log");
}

/// One outside token is one session at most: whoever exchanges a stolen copy is noticed.
#[test]
fn a_token_that_is_exchanged_again_replaces_its_session() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let server = believing(&format!("{}{MAKE}", site.keys())).start();
    let text = key.token(&claims("ada"));
    let (first, second) = (session(&server, &text), session(&server, &text));
    me(&server, &first).expect(401);
    me(&server, &second).expect(200);
    let other = session(
        &server,
        &key.token(&with("ada", |claims| claims["jti"] = json!("2"))),
    );
    me(&server, &second).expect(200);
    me(&server, &other).expect(200);
}

/// Tokens with one thing wrong, each with the code that the log has for it.
pub(super) fn wrong_tokens(key: &SigningKey, stranger: &SigningKey) -> Vec<(&'static str, String)> {
    let good = key.token(&claims("ada"));
    let header = |change: &dyn Fn(&mut Value)| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "k1"});
        change(&mut header);
        header
    };
    let own = |change: &dyn Fn(&mut Value)| key.token_with(&header(change), &claims("ada"));
    let saying = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims("ada");
        change(&mut claims);
        key.token(&claims)
    };
    vec![
        (
            "outside_algorithm_refused",
            own(&|header| header["alg"] = json!("none")),
        ),
        (
            "outside_algorithm_refused",
            own(&|header| header["alg"] = json!("HS256")),
        ),
        (
            "outside_key_unknown",
            own(&|header| header["kid"] = json!("k2")),
        ),
        (
            "outside_kid_missing",
            own(&|header| drop(header.as_object_mut().unwrap().remove("kid"))),
        ),
        ("outside_header_refused", {
            let header = header(&|header| header["jwk"] = stranger.jwk());
            stranger.token_with(&header, &claims("ada"))
        }),
        (
            "outside_header_refused",
            own(&|header| header["jku"] = json!("http://127.0.0.1:1/")),
        ),
        (
            "outside_header_refused",
            own(&|header| header["x5u"] = json!("http://127.0.0.1:1/")),
        ),
        (
            "outside_header_refused",
            own(&|header| header["crit"] = json!(["exp"])),
        ),
        ("outside_signature_invalid", stranger.token(&claims("ada"))),
        (
            "outside_issuer_unknown",
            saying(&|claims| claims["iss"] = json!("https://evil.example/")),
        ),
        (
            "outside_audience_invalid",
            saying(&|claims| claims["aud"] = json!("other")),
        ),
        (
            "outside_token_expired",
            saying(&|claims| claims["exp"] = json!(1_000_000_000)),
        ),
        (
            "outside_token_not_yet_valid",
            saying(&|claims| claims["nbf"] = json!(3_999_999_999_u64)),
        ),
        (
            "outside_claims_invalid",
            saying(&|claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ),
        (
            "outside_claims_invalid",
            saying(&|claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
        ),
        ("outside_token_malformed", format!("{good}x")),
        ("outside_token_malformed", "no token".to_owned()),
        ("outside_token_too_long", "x".repeat(9000)),
    ]
}

#[test]
fn whatever_is_wrong_with_an_outside_token_is_one_answer() {
    let (key, stranger) = (SigningKey::new("k1"), SigningKey::new("k1"));
    let site = Site::new(set(&[&key]));
    let setup = believing(&format!("{}{MAKE}", site.keys()))
        .env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "off")
        .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "off");
    let mut server = setup.start();
    session(&server, &key.token(&claims("ada")));
    let tokens = wrong_tokens(&key, &stranger);
    let body = json!({"email": "ada@example.com", "password": "wrong horse battery"});
    let wrong = server
        .send(&Request::post("/getToken").json(body))
        .expect(401);
    for (code, token) in &tokens {
        let answer = exchange(&server, token);
        answer.refused(401, "invalid_credentials");
        let plain = |answer: &Answer| {
            let mut body = answer.json();
            drop(body.as_object_mut().unwrap().remove("request_id"));
            body
        };
        assert_eq!(plain(&answer), plain(&wrong), "{code}");
        assert_eq!(
            answer.headers.len(),
            wrong.headers.len(),
            "{code}: {answer:?}"
        );
    }
    assert!(server.stop().success());
    let log = server.written();
    for (code, _) in tokens {
        assert!(log.contains(&format!("code={code}")), "no {code}: {log}");
    }
}

#[test]
fn without_an_issuer_a_user_session_alone_is_a_missing_member_as_before() {
    let server = Server::start();
    let key = SigningKey::new("k1");
    let answer = exchange(&server, &key.token(&claims("ada")));
    answer.refused(400, "body_missing_member");
}

#[test]
fn a_subject_that_nobody_linked_is_refused_until_an_operator_links_it() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let server = believing(&site.keys()).start();
    let ada = server.sign_up("ada@example.com", "correct horse battery");
    let said = with("7", |claims| {
        claims["email"] = json!("ada@example.com");
        claims["email_verified"] = json!(true);
    });
    let text = key.token(&said);
    exchange(&server, &text).refused(401, "invalid_credentials");
    server.operator(&[
        "users",
        "link",
        "ada@example.com",
        "--issuer",
        "corp",
        "--subject",
        "7",
    ]);
    let token = session(&server, &text);
    assert_eq!(me(&server, &token).expect(200).json()["id"], ada.id);

    let other = server.sign_up("eve@example.com", "correct horse battery");
    let link = [
        "users",
        "link",
        &other.id,
        "--issuer",
        "corp",
        "--subject",
        "7",
    ];
    let refused = server.setup().lacre(link).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("link_exists"),
        "{refused:?}"
    );
    let unknown = [
        "users",
        "link",
        &other.id,
        "--issuer",
        "crop",
        "--subject",
        "8",
    ];
    let refused = server.setup().lacre(unknown).output().unwrap();
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("issuer_unknown"),
        "{refused:?}"
    );
}

/// Whoever can have an address verified by an issuer doesn't own the account that has it here.
#[test]
fn the_address_of_another_account_gives_nobody_that_account() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    server.sign_up("admin@example.com", "correct horse battery");
    let said = |verified: bool| {
        with("eve", |claims| {
            claims["email"] = json!("Admin@Example.com");
            claims["email_verified"] = json!(verified);
        })
    };
    exchange(&server, &key.token(&said(true))).refused(401, "invalid_credentials");
    let token = session(&server, &key.token(&said(false)));
    let shown = me(&server, &token).expect(200).json();
    let address = shown["email"].as_str().unwrap();
    assert!(address.ends_with("@corp.invalid"), "{shown}");
    assert!(server.stop().success());
    assert!(server.written().contains("code=outside_email_taken"));
}

#[test]
fn unlinking_ends_the_sessions_begun_through_the_link_and_no_others() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let mut server = believing(&site.keys()).start();
    let ada = server.sign_up("ada@example.com", "correct horse battery");
    server.operator(&[
        "users",
        "link",
        &ada.id,
        "--issuer",
        "corp",
        "--subject",
        "7",
    ]);
    let own = server.get_token("ada@example.com", "correct horse battery");
    let text = key.token(&claims("7"));
    let outside = session(&server, &text);
    let listed = server.operator(&["keystore", "list", "--json"]);
    assert!(listed.contains("issuer:https://corp.example/"), "{listed}");

    let said = server.operator(&["users", "unlink", "ada@example.com", "--issuer", "corp"]);
    assert!(said.contains("is unlinked; 1 session ended"), "{said}");
    me(&server, &outside).expect(401);
    let refresh = Request::post("/refresh").bearer(outside.refresh.as_deref().unwrap());
    server.send(&refresh).expect(401);
    exchange(&server, &text).refused(401, "invalid_credentials");
    me(&server, &own).expect(200);
    // By the iss itself, and what is gone already is done.
    let said = server.operator(&["users", "unlink", &ada.id, "--issuer", ISS]);
    assert!(said.contains("0 sessions ended"), "{said}");
    assert!(server.stop().success());
    let log = server.written();
    assert!(
        log.contains("cause=unlinked") && log.contains("change=unlinked"),
        "{log}"
    );
    // Without a server the command does the same.
    let setup = server.setup().clone();
    let show = setup
        .lacre(["users", "show", &ada.id, "--json"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&show.stdout).contains("\"links\":[]"),
        "{show:?}"
    );
}

#[test]
fn a_disabled_or_deleted_account_is_refused_like_a_wrong_password() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let server = believing(&format!("{}{MAKE}", site.keys())).start();
    let text = key.token(&claims("7"));
    let token = session(&server, &text);
    let id = me(&server, &token).expect(200).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    server.operator(&["users", "disable", &id]);
    me(&server, &token).expect(401);
    exchange(&server, &text).refused(401, "invalid_credentials");
    server.operator(&["users", "enable", &id]);
    let token = session(&server, &text);
    server.operator(&["users", "delete", &id]);
    me(&server, &token).expect(401);
    // The issuer may have its accounts made: the next one is another.
    let next = session(&server, &text);
    assert_ne!(me(&server, &next).expect(200).json()["id"], id.as_str());
}

#[test]
fn roles_follow_each_token_and_administrators_are_made_here_alone() {
    let key = SigningKey::new("k1");
    let site = Site::new(set(&[&key]));
    let lines = format!("{}{MAKE}roles_claim = \"/realm/roles\"\n", site.keys());
    let server = believing(&lines).start();
    let saying = |roles: Value, n: u64| {
        key.token(&with("7", |claims| {
            claims["realm"] = json!({ "roles": roles });
            claims["exp"] = json!(4_000_000_000 + n);
        }))
    };
    let first = session(
        &server,
        &saying(json!(["clerk", "admin", "Domain Users"]), 1),
    );
    let shown = me(&server, &first).expect(200).json();
    assert_eq!(shown["roles"], json!(["clerk"]));
    server
        .send(&Request::get("/admin/users").bearer(&first.auth))
        .refused(403, "insufficient_scope");
    let second = session(&server, &saying(json!(["auditor"]), 2));
    me(&server, &first).expect(401); // its rights are those of before
    let id = shown["id"].as_str().unwrap();
    server.operator(&["users", "set", id, "--role", "admin", "--role", "auditor"]);
    me(&server, &second).expect(401);
    let third = session(&server, &saying(json!(["clerk"]), 3));
    let shown = me(&server, &third).expect(200).json();
    assert_eq!(shown["roles"], json!(["admin", "clerk"]));
}

#[test]
fn guessing_at_outside_tokens_is_counted_for_the_address() {
    let (key, stranger) = (SigningKey::new("k1"), SigningKey::new("k1"));
    let site = Site::new(set(&[&key]));
    let setup =
        believing(&format!("{}{MAKE}", site.keys())).env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "3/1h");
    let server = setup.start();
    session(&server, &key.token(&claims("known")));
    for n in 0..3 {
        session(&server, &key.token(&claims("known"))); // what is good isn't counted
        let forged = stranger.token(&claims(&format!("s{n}")));
        exchange(&server, &forged).refused(401, "invalid_credentials");
    }
    let answer = exchange(&server, &key.token(&claims("new")));
    answer.refused(429, "rate_limited");
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn an_issuer_that_was_never_reached_is_503_and_not_a_refusal() {
    let key = SigningKey::new("k1");
    let site = Site::new(Published::Head("500 No"));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    for _ in 0..3 {
        let answer = exchange(&server, &key.token(&claims("ada")));
        answer.refused(503, "store_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(site.asked(), 1, "once in 30 seconds");
    server.sign_up("ada@example.com", "correct horse battery");
    server.get_token("ada@example.com", "correct horse battery");
    assert!(server.stop().success());
    let log = server.written();
    assert_eq!(log.matches("code=keys_status").count(), 1, "{log}");
}

/// Over HTTPS by a name, as in earnest: the certificate has to be trusted, and the name must not lead
/// inside the network unless that is named.
#[test]
fn keys_are_fetched_over_https_from_whom_the_certificate_is_trusted() {
    let key = SigningKey::new("k1");
    let Published::Body(keys) = set(&[&key]) else {
        unreachable!("a set is a body")
    };
    let site = Https::serving(&keys);
    let url = format!("jwks_url = \"https://localhost:{}/jwks\"\n", site.port);
    let named = "networks = [\"127.0.0.0/8\", \"::1\"]\n";
    let trust = |setup: Setup| {
        let path = setup.home().join("authority.pem");
        std::fs::write(&path, site.authority()).unwrap();
        setup.env("SSL_CERT_FILE", path.to_str().unwrap())
    };
    let server = trust(believing(&format!("{url}{named}{MAKE}"))).start();
    session(&server, &key.token(&claims("ada")));

    for (setup, code) in [
        (
            believing(&format!("{url}{named}{MAKE}")),
            "keys_unreachable",
        ),
        (
            trust(believing(&format!("{url}{MAKE}"))),
            "keys_address_refused",
        ),
    ] {
        let mut server = setup.start();
        exchange(&server, &key.token(&claims("ada"))).refused(503, "store_unavailable");
        assert!(server.stop().success());
        let log = server.written();
        assert!(log.contains(&format!("code={code}")), "no {code}: {log}");
    }
}

/// Keys in a file: no network, and read again when a token names a new one.
#[test]
fn keys_may_be_in_a_file_and_a_bad_one_stops_the_start() {
    let key = SigningKey::new("k1");
    let setup = Setup::new();
    std::fs::write(setup.home().join("corp.pem"), key.public_pem()).unwrap();
    configure(&setup, "pem_file = \"corp.pem\"\nmake_accounts = true");
    let mut server = setup.start();
    session(&server, &key.token(&claims("ada")));
    // As PyJWT signs where nobody names a key.
    let header = json!({"alg": "RS256", "typ": "JWT"});
    session(&server, &key.token_with(&header, &claims("bob")));
    assert!(server.stop().success());

    let weak = SigningKey::with_bits("k1", 1024);
    std::fs::write(setup.home().join("corp.pem"), weak.public_pem()).unwrap();
    setup.start_refused().with(78, "keys_weak_rsa");
    std::fs::remove_file(setup.home().join("corp.pem")).unwrap();
    setup.start_refused().with(78, "keys_file_unreadable");
    configure(&setup, "jwks_url = \"http://corp.example/jwks\"");
    setup.start_refused().with(78, "config_issuer_unusable");
}

/// A set that never comes to its end leaves the keys of before, and a key that has been rotated in is
/// found. What is waited for is the half minute between two fetches.
#[test]
fn keys_are_rotated_while_a_broken_set_holds_up_nobody() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let site = Site::new(set(&[&old]));
    let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
    session(&server, &old.token(&claims("ada")));

    site.publish(Published::Slow);
    std::thread::sleep(Duration::from_secs(31));
    let began = Instant::now();
    exchange(&server, &new.token(&claims("ada"))).refused(401, "invalid_credentials");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let began = Instant::now();
    session(&server, &old.token(&claims("ada")));
    exchange(&server, &new.token(&claims("ada"))).refused(401, "invalid_credentials");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(site.asked(), 2);

    site.publish(set(&[&new]));
    std::thread::sleep(Duration::from_secs(31));
    session(&server, &new.token(&claims("ada")));
    exchange(&server, &old.token(&claims("ada"))).refused(401, "invalid_credentials");
    assert_eq!(site.asked(), 3);
    assert!(server.stop().success());
    let log = server.written();
    assert_eq!(log.matches("code=keys_timeout").count(), 1, "{log}");
    assert!(log.contains("can be read again"), "{log}");
}

/// Fifty megabytes, a redirect, two keys of one name: a server that finds one of them at its start has no
/// keys, and says which fault it is.
#[test]
fn each_bad_set_is_named_in_the_log_and_gives_nobody_a_session() {
    let key = SigningKey::new("k1");
    let weak = SigningKey::with_bits("k2", 1024);
    let secret = r#"{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}"#;
    for (published, code) in [
        (Published::Endless, "keys_too_large"),
        (Published::Body(String::new()), "keys_no_set"),
        (Published::Body("<html>".to_owned()), "keys_no_set"),
        (set(&[]), "keys_none_usable"),
        (set(&[&key, &key]), "keys_kid_twice"),
        (set(&[&key, &weak]), "keys_weak_rsa"),
        (Published::Body(secret.to_owned()), "keys_symmetric"),
        (
            Published::Head("302 Found\r\nLocation: /other"),
            "keys_status",
        ),
        (Published::Head("502 Bad Gateway"), "keys_status"),
    ] {
        let site = Site::new(published);
        let mut server = believing(&format!("{}{MAKE}", site.keys())).start();
        let answer = exchange(&server, &key.token(&claims("ada")));
        answer.refused(503, "store_unavailable");
        assert_eq!(site.asked(), 1, "{code}: no redirect is followed");
        assert!(server.stop().success());
        let log = server.written();
        assert!(log.contains(&format!("code={code}")), "no {code}: {log}");
    }
}
