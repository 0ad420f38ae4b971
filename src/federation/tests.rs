//! Tokens that issuers sign here with keys of their own: by OpenSSL, not by the code that verifies.

pub(super) mod signing;

use super::*;
use serde_json::{Value, json};
use signing::{KeyPair, encode};
use std::path::PathBuf;

pub(super) const NOW: u64 = 1_800_000_000;
const USE: Accept = Accept::Exchange;
const ISSUER: &str = "https://issuer.example/";

/// An issuer of RS256 tokens whose keys are nowhere.
pub(super) fn issuer() -> Issuer {
    Issuer {
        name: "corp".to_owned(),
        issuer: ISSUER.to_owned(),
        audience: "lacre".to_owned(),
        algorithms: Algorithm::ALL.to_vec(),
        keys: KeySource::SetFile(PathBuf::new()),
        accept: USE,
        make_accounts: false,
        subject_claim: "sub".to_owned(),
        roles_claim: None,
    }
}

/// An issuer, its keys, and a place for them.
struct Corp {
    dir: tempfile::TempDir,
    issuer: Issuer,
    keys: Vec<KeyPair>,
}

impl Corp {
    /// With a key for each algorithm, called `rsa`, `ec` and `ed`.
    fn new() -> Self {
        let keys = vec![
            KeyPair::rsa("rsa", 2048),
            KeyPair::ec("ec"),
            KeyPair::ed("ed"),
        ];
        Self::with(keys)
    }

    fn with(keys: Vec<KeyPair>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        std::fs::write(&path, signing::set(&keys)).unwrap();
        let keys_at = KeySource::SetFile(path);
        let issuer = Issuer {
            keys: keys_at,
            ..issuer()
        };
        Self { dir, issuer, keys }
    }

    async fn open(&self) -> Federation {
        Federation::open(vec![self.issuer.clone()], 0)
            .await
            .unwrap()
    }

    async fn verify(&self, token: &str) -> Result<Identity, FederationError> {
        self.open().await.verify(token, USE, NOW).await
    }

    fn rsa(&self) -> &KeyPair {
        &self.keys[0]
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "lacre", "sub": "ada", "exp": NOW + 600, "iat": NOW - 1,
        "nbf": NOW - 1, "email": "ada@example.org", "email_verified": true, "name": "Ada",
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims();
    change(&mut claims);
    claims
}

fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid, "typ": "JWT"})
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_whose_its_issuer_says() {
    let corp = Corp::new();
    let federation = corp.open().await;
    for (alg, key) in [("RS256", 0), ("PS256", 0), ("ES256", 1), ("EdDSA", 2)] {
        let key = &corp.keys[key];
        let token = key.token(&header(alg, key.kid), &claims());
        let identity = federation.verify(&token, USE, NOW).await.unwrap();
        assert_eq!(
            (&*identity.issuer_name, &*identity.issuer),
            ("corp", ISSUER)
        );
        assert_eq!((&*identity.subject, identity.roles), ("ada", None), "{alg}");
        assert_eq!(identity.email.as_deref(), Some("ada@example.org"));
        assert_eq!(identity.name.as_deref(), Some("Ada"));
    }
}

#[tokio::test]
async fn only_the_configured_algorithms_are_taken() {
    let mut corp = Corp::new();
    corp.issuer.algorithms = vec![Algorithm::Es256];
    for (alg, key) in [("RS256", 0), ("PS256", 0), ("EdDSA", 2)] {
        let key = &corp.keys[key];
        let token = key.token(&header(alg, key.kid), &claims());
        let error = corp.verify(&token).await.unwrap_err();
        assert_eq!(error, FederationError::AlgorithmRefused, "{alg}");
    }
    let token = corp.keys[1].token(&header("ES256", "ec"), &claims());
    assert!(corp.verify(&token).await.is_ok());
}

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

/// A token that was given for a session is no key to the guard, nor the other way round.
#[tokio::test]
async fn a_token_is_good_for_what_its_issuer_is_configured_for_alone() {
    let mut corp = Corp::new();
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims());
    let other = with(|claims| claims["iss"] = json!("https://elsewhere.example/"));
    let misnamed = corp.rsa().token(&header("RS256", "rsa"), &other);
    for (configured, other) in [
        (Accept::Exchange, Accept::Direct),
        (Accept::Direct, Accept::Exchange),
    ] {
        corp.issuer.accept = configured;
        let federation = corp.open().await;
        assert!(federation.accepts(configured) && !federation.accepts(other));
        assert!(federation.verify(&token, configured, NOW).await.is_ok());
        let refused =
            async |token, accept| federation.verify(token, accept, NOW).await.unwrap_err();
        assert_eq!(refused(&token, other).await, FederationError::NotAccepted);
        assert_eq!(
            refused(&misnamed, configured).await,
            FederationError::Issuer
        );
        assert_eq!(
            refused(&misnamed, other).await,
            FederationError::IssuerUnknown
        );
    }
}

#[tokio::test]
async fn an_issuer_is_found_by_its_exact_name_only() {
    let corp = Corp::new();
    for iss in [
        json!("https://issuer.example"),
        json!("https://ISSUER.example/"),
        json!("https://issuer.example//"),
        json!("corp"),
        json!(["https://issuer.example/"]),
        json!(null),
    ] {
        let claims = with(|claims| claims["iss"] = iss.clone());
        let error = corp
            .verify(&corp.rsa().token(&header("RS256", "rsa"), &claims))
            .await;
        // The key is the issuer's: it has signed another name than it is configured with.
        let due = if iss.is_string() {
            FederationError::Issuer
        } else {
            FederationError::IssuerUnknown
        };
        assert_eq!(error.unwrap_err(), due, "{iss}");
    }
    let elsewhere = with(|claims| claims["iss"] = json!("https://elsewhere.example/"));
    let stranger = KeyPair::rsa("rsa", 2048).token(&header("RS256", "rsa"), &elsewhere);
    let error = corp.verify(&stranger).await.unwrap_err();
    assert_eq!(error, FederationError::IssuerUnknown);
    assert!(Federation::default().is_empty());
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims());
    let error = Federation::default()
        .verify(&token, USE, NOW)
        .await
        .unwrap_err();
    assert_eq!(error, FederationError::IssuerUnknown);
}

#[tokio::test]
async fn a_claim_that_is_wrong_missing_or_of_another_type_is_refused() {
    use FederationError::{Audience, Claims, Expired, NotYetValid};
    let corp = Corp::new();
    let federation = corp.open().await;
    let absent = Value::Null;
    for (name, value, expected) in [
        ("aud", json!("lacre2"), Audience),
        ("aud", json!("Lacre"), Audience),
        ("aud", json!("lacr"), Audience),
        ("aud", json!([]), Audience),
        ("aud", json!(["other"]), Audience),
        ("aud", json!(["lacre", 1]), Claims),
        ("aud", json!({"lacre": true}), Claims),
        ("aud", absent.clone(), Claims),
        ("exp", absent.clone(), Claims),
        ("exp", json!((NOW + 600).to_string()), Claims),
        ("exp", json!(-1), Claims),
        ("exp", json!(1e300), Claims),
        ("exp", json!([NOW + 600]), Claims),
        ("exp", json!(true), Claims),
        ("exp", json!(NOW), Expired),
        ("exp", json!(NOW - 1), Expired),
        ("exp", json!(0), Expired),
        ("exp", json!(1_800_000_000.9), Expired),
        ("nbf", json!(NOW + 1), NotYetValid),
        ("nbf", json!(1_800_000_000.1), NotYetValid),
        ("nbf", json!("0"), Claims),
        ("nbf", json!(-5), Claims),
        ("iat", json!(NOW + 1), NotYetValid),
        ("iat", json!(u64::MAX), NotYetValid),
        ("iat", json!({}), Claims),
        ("sub", absent.clone(), Claims),
        ("sub", json!(""), Claims),
        ("sub", json!(7), Claims),
        ("sub", json!("a\nb"), Claims),
        ("sub", json!("\u{0}"), Claims),
        ("sub", json!("x".repeat(256)), Claims),
    ] {
        let claims = with(|claims| {
            let claims = claims.as_object_mut().unwrap();
            match &value {
                Value::Null => drop(claims.remove(name)),
                value => drop(claims.insert(name.to_owned(), value.clone())),
            }
        });
        let token = corp.rsa().token(&header("RS256", "rsa"), &claims);
        let error = federation.verify(&token, USE, NOW).await.unwrap_err();
        assert_eq!(error, expected, "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(["other", "lacre"])),
        ("exp", json!(NOW + 1)),
        ("exp", json!(1_800_000_001.5)),
        ("nbf", json!(NOW)),
        ("iat", json!(NOW)),
        ("sub", json!("auth0|5f7c8ec7c33c6c004bbafe82")),
    ] {
        let claims = with(|claims| claims[name] = value.clone());
        let token = corp.rsa().token(&header("RS256", "rsa"), &claims);
        assert!(
            federation.verify(&token, USE, NOW).await.is_ok(),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn clocks_may_differ_by_the_leeway_and_no_more() {
    let corp = Corp::new();
    let federation = Federation::open(vec![corp.issuer.clone()], 5)
        .await
        .unwrap();
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims());
    for (now, good) in [
        (NOW - 6, true),
        (NOW - 7, false),
        (NOW + 604, true),
        (NOW + 605, false),
    ] {
        let verified = federation.verify(&token, USE, now).await;
        assert_eq!(verified.is_ok(), good, "{now}");
    }
}

/// An error about a claim concerns only tokens that the issuer has made: who forges one learns
/// nothing about the claims that would do.
#[tokio::test]
async fn the_signature_comes_before_the_claims() {
    let corp = Corp::new();
    let stranger = KeyPair::rsa("rsa", 2048);
    for (name, value) in [
        ("aud", json!("other")),
        ("exp", json!(0)),
        ("sub", json!(1)),
    ] {
        let claims = with(|claims| claims[name] = value);
        let token = stranger.token(&header("RS256", "rsa"), &claims);
        let error = corp.verify(&token).await.unwrap_err();
        assert_eq!(error, FederationError::Signature, "{name}");
    }
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

#[tokio::test]
async fn roles_are_what_the_named_claim_says() {
    let mut corp = Corp::new();
    let claims = with(|claims| {
        claims["roles"] = json!(["clerk", "auditor"]);
        claims["scope"] = json!("read  write");
        claims["https://issuer.example/roles"] = json!(["spaced name", "x"]);
        claims["realm_access"] = json!({"roles": ["inner"], "a/b": "slash"});
        claims["number"] = json!(1);
        claims["mixed"] = json!(["a", 1]);
        claims["nothing"] = json!(null);
        claims["many"] = json!(vec!["r"; 257]);
    });
    let token = corp.rsa().token(&header("RS256", "rsa"), &claims);
    for (claim, expected) in [
        ("roles", Some(vec!["clerk", "auditor"])),
        ("scope", Some(vec!["read", "write"])),
        (
            "https://issuer.example/roles",
            Some(vec!["spaced name", "x"]),
        ),
        ("/realm_access/roles", Some(vec!["inner"])),
        ("/realm_access/a~1b", Some(vec!["slash"])),
        ("/roles", Some(vec!["clerk", "auditor"])),
        ("absent", Some(vec![])),
        ("/absent/inner", Some(vec![])),
        ("nothing", Some(vec![])),
        ("number", None),
        ("mixed", None),
        ("many", None),
    ] {
        corp.issuer.roles_claim = Some(claim.to_owned());
        let verified = corp.verify(&token).await;
        match expected {
            Some(roles) => assert_eq!(verified.unwrap().roles.unwrap(), roles, "{claim}"),
            None => assert_eq!(verified.unwrap_err(), FederationError::Claims, "{claim}"),
        }
    }
}

#[tokio::test]
async fn another_claim_can_say_who_it_is_and_an_unverified_e_mail_says_nothing() {
    let mut corp = Corp::new();
    corp.issuer.subject_claim = "oid".to_owned();
    let token = |claims: &Value| corp.rsa().token(&header("RS256", "rsa"), claims);
    let without = corp.verify(&token(&claims())).await.unwrap_err();
    assert_eq!(without, FederationError::Claims);
    for verified in [json!(false), json!("true"), json!(1), json!(null)] {
        let claims = with(|claims| {
            claims["oid"] = json!("7");
            claims["email_verified"] = verified;
        });
        let identity = corp.verify(&token(&claims)).await.unwrap();
        assert_eq!((&*identity.subject, identity.email), ("7", None));
    }
}

#[tokio::test]
async fn a_bad_file_of_keys_stops_the_start() {
    let corp = Corp::new();
    let path = corp.dir.path().join("jwks.json");
    for (text, expected) in [
        ("", KeysError::NoSet),
        ("{\"keys\":[]}", KeysError::NoKey),
        (
            "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}",
            KeysError::Symmetric,
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let opened = Federation::open(vec![corp.issuer.clone()], 0).await;
        assert_eq!(opened.unwrap_err(), expected, "{text}");
    }
}

/// What `ssh-keygen -t rsa -m PEM` and `openssl rsa` made, and a token that OpenSSL signed with it.
#[tokio::test]
async fn keys_that_ssh_keygen_and_openssl_made_are_taken() {
    let token = include_str!("keys/made/token.txt").trim();
    let dir = tempfile::tempdir().unwrap();
    for pem in [
        include_str!("keys/made/spki.pem"),
        include_str!("keys/made/pkcs1.pem"),
    ] {
        let path = dir.path().join("key.pem");
        std::fs::write(&path, pem).unwrap();
        let issuer = Issuer {
            keys: KeySource::PemFile(path),
            ..issuer()
        };
        let federation = Federation::open(vec![issuer], 0).await.unwrap();
        let identity = federation.verify(token, USE, NOW).await.unwrap();
        assert_eq!(identity.subject, "ada");
        // Keys of a PEM have no names, so a token may give its own any.
        let stranger = KeyPair::rsa("rsa", 2048).token(&header("RS256", "rsa"), &claims());
        let error = federation.verify(&stranger, USE, NOW).await.unwrap_err();
        assert_eq!(error, FederationError::Signature);
    }
}

#[test]
fn every_error_has_a_code_of_its_own() {
    use FederationError as E;
    let codes = [
        E::TooLong,
        E::Malformed,
        E::HeaderRefused,
        E::IssuerUnknown,
        E::Issuer,
        E::NotAccepted,
        E::AlgorithmRefused,
        E::KidMissing,
        E::KeyUnknown,
        E::KeysUnavailable,
        E::Signature,
        E::Claims,
        E::Audience,
        E::Expired,
        E::NotYetValid,
    ];
    let mut names: Vec<_> = codes.into_iter().map(E::code).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), codes.len());
}
