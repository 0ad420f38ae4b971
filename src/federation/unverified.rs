//! A compact JWS (RFC 7515 §7.1) of which nothing is proven yet.
//!
//! This room must never give out a claim before the signature is verified, but for the issuer whose
//! keys are to verify it.

use super::error::FederationError;
use super::issuer::{Algorithm, Issuer};
use super::keys::KeySet;
use crate::token::{base64url, json};
use serde_json::{Map, Value};

/// The longest token that is read. Those of the large issuers have up to some four thousand bytes.
const MAX_LENGTH: usize = 8192;
const MAX_KID: usize = 255;

/// Header members that name or carry a key, or that change what is signed: whoever honours them lets
/// the sender choose by what it is verified (RFC 8725 §3.10, threat: outside-header-keys).
const REFUSED: [&str; 9] = [
    "jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty",
];

/// What a token's `typ` may be (RFC 7519 §5.1, RFC 9068 §2.1): one that says of itself that it is
/// something else, such as a log-out token, is no proof of who somebody is (RFC 8725 §3.11).
const TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// A token, parsed.
pub(super) struct Unverified<'t> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    issuer: String,
    /// Header and claims as they are signed.
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Unverified<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, FederationError> {
        if token.len() > MAX_LENGTH {
            return Err(FederationError::TooLong);
        }
        let malformed = || FederationError::Malformed;
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        // A third dot is no character of base64url, in whichever part it stands.
        let object = |part: &str| json::object(&base64url::decode(part.as_bytes())?);
        let header = object(header).ok_or_else(malformed)?;
        let claims = object(claims).ok_or_else(malformed)?;
        let signature = base64url::decode(signature.as_bytes()).ok_or_else(malformed)?;
        let issuer = match claims.get("iss") {
            Some(Value::String(issuer)) => issuer.clone(),
            _ => return Err(FederationError::IssuerUnknown),
        };
        let kid_is_text = header.get("kid").is_none_or(
            |kid| matches!(kid, Value::String(kid) if (1..=MAX_KID).contains(&kid.len())),
        );
        if !kid_is_text {
            return Err(malformed());
        }
        Ok(Self {
            header,
            claims,
            issuer,
            signed,
            signature,
        })
    }

    /// The issuer that it says it is of.
    pub(super) fn claimed_issuer(&self) -> &str {
        &self.issuer
    }

    /// The name of the key that it says it is signed with.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// Checks the header; the algorithm, which is one of those configured for the issuer.
    pub(super) fn algorithm(&self, issuer: &Issuer) -> Result<Algorithm, FederationError> {
        if REFUSED.iter().any(|name| self.header.contains_key(*name)) {
            return Err(FederationError::HeaderRefused);
        }
        let is_known_type = match self.header.get("typ") {
            None => true,
            Some(Value::String(typ)) => TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known)),
            Some(_) => false,
        };
        if !is_known_type {
            return Err(FederationError::HeaderRefused);
        }
        let name = self.header.get("alg").and_then(Value::as_str);
        let mut configured = issuer.algorithms.iter().copied();
        configured
            .find(|algorithm| Some(algorithm.name()) == name)
            .ok_or(FederationError::AlgorithmRefused)
    }

    /// Verifies the signature; the claims, which the issuer has signed.
    pub(super) fn verify(
        self,
        keys: &KeySet,
        algorithm: Algorithm,
    ) -> Result<Map<String, Value>, FederationError> {
        self.check_signature(keys, algorithm)?;
        Ok(self.claims)
    }

    /// Verifies the signature.
    pub(super) fn check_signature(
        &self,
        keys: &KeySet,
        algorithm: Algorithm,
    ) -> Result<(), FederationError> {
        let kid = self.kid();
        if keys.is_named() && kid.is_none() {
            return Err(FederationError::KidMissing);
        }
        let signed = self.signed.as_bytes();
        let mut fitting = keys.find(kid, algorithm).peekable();
        if fitting.peek().is_none() {
            return Err(FederationError::KeyUnknown);
        }
        if fitting.any(|verifier| verifier.verify(signed, &self.signature).is_ok()) {
            Ok(())
        } else {
            Err(FederationError::Signature)
        }
    }
}
