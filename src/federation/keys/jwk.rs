//! JSON Web Keys of an issuer (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! josekit's own reader takes members twice and coordinates of any length; so the set is read by our
//! strict JSON, and the numbers in their one spelling.
//!
//! This room must never take a key whose numbers two readers could read differently.

use super::super::error::KeysError;
use crate::token::{base64url, json};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The longest name of a key.
const MAX_KID: usize = 255;

/// The members that private keys have (RFC 7518 §6.2.2, §6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A key that signatures may be verified with.
pub(super) struct PublicKey {
    pub(super) kid: String,
    /// The one algorithm that it is for, where the set says so.
    pub(super) algorithm: Option<String>,
    pub(super) key: PKey<Public>,
}

/// The keys of a set as they stand there, no two of one name.
pub(super) fn entries(text: &[u8], most: usize) -> Result<Vec<Map<String, Value>>, KeysError> {
    let mut set = json::object(text).ok_or(KeysError::NoSet)?;
    let Some(Value::Array(keys)) = set.remove("keys") else {
        return Err(KeysError::NoSet);
    };
    if keys.len() > most {
        return Err(KeysError::TooManyKeys);
    }
    let mut names = BTreeSet::new();
    let mut entries = Vec::with_capacity(keys.len());
    for key in keys {
        let Value::Object(key) = key else {
            return Err(KeysError::NoSet);
        };
        if let Some(kid) = key.get("kid")
            && !names.insert(kid.to_string())
        {
            return Err(KeysError::KidTwice);
        }
        entries.push(key);
    }
    Ok(entries)
}

/// The key, if signatures may be verified with it; `None` where it is for something else. What no
/// issuer should publish is an error, whatever it is for.
pub(super) fn public(entry: &Map<String, Value>) -> Result<Option<PublicKey>, KeysError> {
    if text(entry, "kty") == Some("oct") {
        return Err(KeysError::Symmetric);
    }
    if PRIVATE.iter().any(|name| entry.contains_key(*name)) {
        return Err(KeysError::Private);
    }
    if !is_for_signatures(entry) {
        return Ok(None);
    }
    let Some(kid) = text(entry, "kid").filter(|kid| (1..=MAX_KID).contains(&kid.len())) else {
        return Ok(None);
    };
    let key = match (text(entry, "kty"), text(entry, "crv")) {
        (Some("RSA"), _) => rsa(entry),
        (Some("EC"), Some("P-256")) => ec(entry),
        (Some("OKP"), Some("Ed25519")) => ed25519(entry),
        _ => return Ok(None),
    };
    Ok(Some(PublicKey {
        kid: kid.to_owned(),
        algorithm: text(entry, "alg").map(str::to_owned),
        key: key.ok_or(KeysError::BadKey)?,
    }))
}

/// `use` and `key_ops` (RFC 7517 §4.2, §4.3), where they are there.
fn is_for_signatures(entry: &Map<String, Value>) -> bool {
    let by_use = entry.get("use").is_none_or(|it| it == "sig");
    let by_operations = match entry.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|it| it == "verify"),
        Some(_) => false,
    };
    let by_algorithm = entry.get("alg").is_none_or(Value::is_string);
    by_use && by_operations && by_algorithm
}

fn rsa(entry: &Map<String, Value>) -> Option<PKey<Public>> {
    let number = |name| {
        let bytes = bytes(entry, name)?;
        // RFC 7518 §2: the least number of octets.
        let whole = bytes.first().is_some_and(|first| *first != 0);
        whole.then(|| BigNum::from_slice(&bytes).ok()).flatten()
    };
    let key = Rsa::from_public_components(number("n")?, number("e")?).ok()?;
    PKey::from_rsa(key).ok()
}

fn ec(entry: &Map<String, Value>) -> Option<PKey<Public>> {
    let coordinate = |name| {
        let bytes: [u8; 32] = base64url::decode_array(text(entry, name)?.as_bytes())?;
        BigNum::from_slice(&bytes).ok()
    };
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).ok()?;
    let (x, y) = (coordinate("x")?, coordinate("y")?);
    let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y).ok()?;
    PKey::from_ec_key(key).ok()
}

fn ed25519(entry: &Map<String, Value>) -> Option<PKey<Public>> {
    let point: [u8; 32] = base64url::decode_array(text(entry, "x")?.as_bytes())?;
    PKey::public_key_from_raw_bytes(&point, Id::ED25519).ok()
}

fn bytes(entry: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    base64url::decode(text(entry, name)?.as_bytes())
}

fn text<'e>(entry: &'e Map<String, Value>, name: &str) -> Option<&'e str> {
    entry.get(name).and_then(Value::as_str)
}
