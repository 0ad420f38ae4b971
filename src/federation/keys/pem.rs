//! Public keys as PEM: `SubjectPublicKeyInfo` (RFC 7468 §13), and PKCS#1 as `ssh-keygen -e -m PEM` and
//! `openssl rsa -RSAPublicKey_out` write it.
//!
//! This room must never take a private key for a public one: who may read this file could sign.

use super::super::error::KeysError;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The keys, in their order.
pub(super) fn keys(text: &[u8], most: usize) -> Result<Vec<PKey<Public>>, KeysError> {
    let text = std::str::from_utf8(text).map_err(|_| KeysError::NoPem)?;
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let block = &rest[at..];
        let (label, _) = block[BEGIN.len()..]
            .split_once(DASHES)
            .ok_or(KeysError::NoPem)?;
        if label.ends_with("PRIVATE KEY") {
            return Err(KeysError::Private);
        }
        let end = format!("-----END {label}-----");
        let length = block.find(&end).ok_or(KeysError::NoPem)? + end.len();
        let whole = &block.as_bytes()[..length];
        keys.push(match label {
            "PUBLIC KEY" => PKey::public_key_from_pem(whole).map_err(|_| KeysError::BadKey)?,
            "RSA PUBLIC KEY" => Rsa::public_key_from_pem_pkcs1(whole)
                .and_then(PKey::from_rsa)
                .map_err(|_| KeysError::BadKey)?,
            _ => return Err(KeysError::NoPem),
        });
        if keys.len() > most {
            return Err(KeysError::TooManyKeys);
        }
        rest = &block[length..];
    }
    if keys.is_empty() {
        return Err(KeysError::NoPem);
    }
    Ok(keys)
}
