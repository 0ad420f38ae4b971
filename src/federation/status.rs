//! What operators see of the issuers and of the keys that are in use.
//!
//! This room must never have more of a key than what anybody may know who reads the published set.

use super::error::KeysError;
use super::issuer::{Accept, Algorithm};
use std::time::Duration;

/// An issuer, and the keys of it that tokens are verified with now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStatus {
    /// The issuer's name in the configuration.
    pub name: String,
    /// `iss` of its tokens.
    pub issuer: String,
    /// What its tokens are good for.
    pub accept: Accept,
    /// Where its keys are: the address, or the file's path.
    pub source: String,
    /// How long ago the keys were read; nothing where they never were.
    pub read_ago: Option<Duration>,
    /// Why the last reading failed, if it did.
    pub failing: Option<KeysError>,
    /// The keys that were read last.
    pub keys: Vec<PublicKeyInfo>,
}

/// A public key of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyInfo {
    /// Its name in the set; keys of a PEM have none.
    pub kid: Option<String>,
    /// Its type (RFC 7518 §6.1): `RSA`, `EC` or `OKP`.
    pub kty: &'static str,
    /// The bits of its modulus, or of its curve.
    pub bits: u32,
    /// SHA-256 of its `SubjectPublicKeyInfo`, in hexadecimal.
    pub sha256: String,
    /// The configured algorithms that it is used with.
    pub algorithms: Vec<Algorithm>,
}
