//! Tokens with something wrong.

use super::*;

/// Tokens with one thing wrong, each with the code that the log has for it.
pub(in crate::journeys) fn wrong_tokens(
    key: &SigningKey,
    stranger: &SigningKey,
) -> Vec<(&'static str, String)> {
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
        ("outside_issuer_unknown", {
            let of_nobody = |claims: &mut Value| claims["iss"] = json!("https://evil.example/");
            stranger.token(&with("ada", of_nobody))
        }),
        (
            "outside_issuer_invalid",
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
