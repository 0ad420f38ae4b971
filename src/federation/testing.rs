//! An issuer for the tests of other rooms, with its keys in a file.

use super::tests::signing::{KeyPair, set};
use super::{Issuer, KeySource, tests::issuer};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An issuer that signs.
pub(crate) struct Signing {
    pub(crate) issuer: Issuer,
    key: Vec<KeyPair>,
    _dir: TempDir,
}

impl Signing {
    pub(crate) fn new(make_accounts: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        let key = vec![KeyPair::ec("ec")];
        std::fs::write(&path, set(&key)).unwrap();
        let issuer = Issuer {
            keys: KeySource::SetFile(path),
            make_accounts,
            ..issuer()
        };
        Self {
            issuer,
            key,
            _dir: dir,
        }
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": "ec", "typ": "JWT"});
        self.key[0].token(&header, claims)
    }
}

/// Claims of a good token that ends then.
pub(crate) fn claims(subject: &str, expires_at: u64) -> Value {
    let issuer = issuer();
    json!({
        "iss": issuer.issuer, "aud": issuer.audience, "sub": subject, "exp": expires_at,
    })
}
