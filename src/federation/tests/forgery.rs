//! Tokens that the issuer hasn't made, or not so.

use super::*;

#[tokio::test]
async fn no_algorithm_is_none_and_no_public_key_is_a_secret() {
    let corp = Corp::new();
    let body = encode(&claims());
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256", "rs256", "RS384", "RS256 ",
    ] {
        let signed = format!("{}.{body}", encode(&header(alg, "rsa")));
        // Stripped of its signature, and with MACs by the public key in every form of a file.
        let mut tokens = vec![format!("{signed}.")];
        for secret in corp.rsa().public_forms() {
            tokens.push(format!("{signed}.{}", signing::hmac(&secret, &signed)));
        }
        for token in tokens {
            let error = corp.verify(&token).await.unwrap_err();
            assert_eq!(error, FederationError::AlgorithmRefused, "{alg}");
        }
    }
    for alg in [json!(["RS256"]), json!(null), json!(1)] {
        let mut header = header("RS256", "rsa");
        header["alg"] = alg;
        let error = corp.verify(&corp.rsa().token(&header, &claims())).await;
        assert_eq!(error.unwrap_err(), FederationError::AlgorithmRefused);
    }
    // An algorithm that is right for another key of the same set.
    let token = corp.rsa().token(&header("RS256", "ec"), &claims());
    let error = corp.verify(&token).await.unwrap_err();
    assert_eq!(error, FederationError::KeyUnknown);
}

#[tokio::test]
async fn a_header_that_brings_a_key_or_an_address_is_refused() {
    let corp = Corp::new();
    let stranger = KeyPair::rsa("rsa", 2048);
    for (name, value) in [
        ("jwk", stranger.jwk()),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("secevent+jwt")),
        ("typ", json!(1)),
    ] {
        for key in [&stranger, corp.rsa()] {
            let mut header = header("RS256", "rsa");
            header[name] = value.clone();
            let error = corp
                .verify(&key.token(&header, &claims()))
                .await
                .unwrap_err();
            assert_eq!(error, FederationError::HeaderRefused, "{name}");
        }
    }
    for typ in ["jwt", "at+jwt", "application/at+JWT"] {
        let mut header = header("RS256", "rsa");
        header["typ"] = json!(typ);
        header["x5t"] = json!("a thumbprint names no key");
        assert!(
            corp.verify(&corp.rsa().token(&header, &claims()))
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_key_of_the_same_name_that_is_anothers_does_not_verify() {
    let corp = Corp::new();
    let stranger = KeyPair::rsa("rsa", 2048);
    let token = stranger.token(&header("RS256", "rsa"), &claims());
    let error = corp.verify(&token).await.unwrap_err();
    assert_eq!(error, FederationError::Signature);
    for kid in ["other", "RSA", "rsa ", "../rsa"] {
        let token = corp.rsa().token(&header("RS256", kid), &claims());
        let error = corp.verify(&token).await.unwrap_err();
        assert_eq!(error, FederationError::KeyUnknown, "{kid}");
    }
    let nameless = json!({"alg": "RS256", "typ": "JWT"});
    let error = corp.verify(&corp.rsa().token(&nameless, &claims())).await;
    assert_eq!(error.unwrap_err(), FederationError::KidMissing);
}

/// The token of one issuer says that it is of the other, whose audience is the same.
#[tokio::test]
async fn the_key_of_one_issuer_signs_for_no_other() {
    let (one, mut other) = (Corp::new(), Corp::with(vec![KeyPair::rsa("other", 2048)]));
    other.issuer.issuer = "https://other.example/".to_owned();
    other.issuer.name = "other".to_owned();
    let both = vec![one.issuer.clone(), other.issuer.clone()];
    let federation = Federation::open(both, 0).await.unwrap();
    let of_other = with(|claims| claims["iss"] = json!("https://other.example/"));
    for kid in ["rsa", "other"] {
        let token = one.rsa().token(&header("RS256", kid), &of_other);
        let error = federation.verify(&token, USE, NOW).await.unwrap_err();
        let expected = match kid {
            "rsa" => FederationError::KeyUnknown,
            _ => FederationError::Signature,
        };
        assert_eq!(error, expected);
        let token = other.rsa().token(&header("RS256", kid), &claims());
        assert!(federation.verify(&token, USE, NOW).await.is_err());
    }
    let token = other.rsa().token(&header("RS256", "other"), &of_other);
    let identity = federation.verify(&token, USE, NOW).await.unwrap();
    assert_eq!(
        (&*identity.issuer_name, &*identity.subject),
        ("other", "ada")
    );
}

#[tokio::test]
async fn another_spelling_of_a_token_is_no_token() {
    let corp = Corp::new();
    let good = corp.rsa().token(&header("RS256", "rsa"), &claims());
    let parts: Vec<_> = good.split('.').collect();
    let twice = signing::encode_text(r#"{"alg":"RS256","kid":"rsa","alg":"none"}"#);
    let sub_twice = format!(
        r#"{{"iss":"{ISSUER}","aud":"lacre","sub":"ada","exp":{},"sub":"admin"}}"#,
        NOW + 600
    );
    let sub_twice = signing::encode_text(&sub_twice);
    let behind = signing::encode_text(&format!("{} {{}}", claims()));
    let mut bad: Vec<String> = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}."),
        format!("{good}.{}", parts[2]),
        format!(".{good}"),
        format!("{good}="),
        format!("{good}=="),
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good} "),
        format!("\"{good}\""),
        format!("Bearer {good}"),
        good.replacen('.', ". ", 1),
        corp.rsa().sign_parts("RS256", &twice, parts[1]),
        corp.rsa().sign_parts("RS256", parts[0], &sub_twice),
        corp.rsa().sign_parts("RS256", parts[0], &behind),
        corp.rsa()
            .sign_parts("RS256", parts[0], &signing::encode_text("[]")),
        corp.rsa()
            .sign_parts("RS256", parts[0], &signing::encode_text("\"x\"")),
        corp.rsa().sign_parts("RS256", parts[0], ""),
        corp.rsa()
            .sign_parts("RS256", parts[0], &format!("{}=", parts[1])),
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string(),
        "ü.ü.ü".to_owned(),
    ];
    // The same bytes with spare bits set in the last character.
    let last = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    let spare = &alphabet[at + 1..=at + 1];
    bad.push(format!("{}{spare}", &good[..good.len() - 1]));
    for token in bad {
        let error = corp.verify(&token).await.unwrap_err();
        assert_eq!(error, FederationError::Malformed, "{token}");
    }
    let long = "x".repeat(9000);
    let claims = with(|claims| claims["more"] = json!(long));
    let error = corp
        .verify(&corp.rsa().token(&header("RS256", "rsa"), &claims))
        .await;
    assert_eq!(error.unwrap_err(), FederationError::TooLong);
    let long_kid = "k".repeat(256);
    let token = corp
        .rsa()
        .token(&header("RS256", &long_kid), &claims_only());
    assert_eq!(
        corp.verify(&token).await.unwrap_err(),
        FederationError::Malformed
    );
}

fn claims_only() -> Value {
    claims()
}

#[tokio::test]
async fn no_changed_character_of_a_token_passes() {
    let corp = Corp::new();
    let federation = corp.open().await;
    for (alg, key) in [("RS256", 0), ("PS256", 0), ("ES256", 1), ("EdDSA", 2)] {
        let key = &corp.keys[key];
        let good = key.token(&header(alg, key.kid), &claims());
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                federation.verify(&text, USE, NOW).await.is_err(),
                "{alg} {at}"
            );
        }
    }
}

#[tokio::test]
async fn signatures_of_zeros_and_of_another_form_are_refused() {
    let corp = Corp::new();
    let good = corp.keys[1].token(&header("ES256", "ec"), &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let raw = crate::token::base64url::decode(signature.as_bytes()).unwrap();
    let der = signing::der_of(&raw);
    let twisted: Vec<u8> = raw[32..].iter().chain(&raw[..32]).copied().collect();
    for bytes in [
        vec![0; 64],
        vec![0; 63],
        vec![0xff; 64],
        Vec::new(),
        raw[..63].to_vec(),
        [raw.as_slice(), &[0]].concat(),
        der,
        twisted,
    ] {
        let token = format!("{signed}.{}", crate::token::base64url::encode(&bytes));
        let error = corp.verify(&token).await.unwrap_err();
        assert_eq!(error, FederationError::Signature, "{bytes:?}");
    }
}
