//! Tokens that issuers sign here with keys of their own: by OpenSSL, not by the code that verifies.

mod claims;
mod forgery;
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
