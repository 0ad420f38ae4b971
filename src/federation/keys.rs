//! The public keys of one issuer, checked, each for the algorithms that it may be used with.
//!
//! A set with something in it that no issuer should publish (a shared secret, a private key, a weak
//! RSA key, one name twice) is refused whole: which of its other keys are right is then anybody's
//! guess. A key that is merely not for us (of another type, for encryption) is passed over, as
//! RFC 7517 §5 says.
//!
//! This room must never let a key be used with an algorithm that isn't configured for its issuer.

mod jwk;
mod pem;

use super::error::KeysError;
use super::issuer::Algorithm;
use super::status::PublicKeyInfo;
use josekit::jws::{ES256, EdDSA, JwsVerifier, PS256, RS256};
use openssl::bn::BigNumRef;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::sha::sha256;
use std::fmt;

/// More than any issuer has.
const MAX_KEYS: usize = 64;

/// RFC 7518 §3.3; more would make a verification slow.
const RSA_BITS: std::ops::RangeInclusive<i32> = 2048..=8192;
/// More than any exponent in use, and what OpenSSL takes with large moduli.
const MAX_EXPONENT_BITS: i32 = 64;

/// The keys of one issuer; never none.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Whether a token has to say which key it is signed with.
    named: bool,
}

struct Key {
    info: PublicKeyInfo,
    verifiers: Vec<(Algorithm, Box<dyn JwsVerifier>)>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 §5). Keys without a name in it are passed over.
    pub(super) fn from_jwks(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeysError> {
        let mut keys: Vec<Key> = Vec::new();
        for entry in jwk::entries(text, MAX_KEYS)? {
            let Some(key) = jwk::public(&entry)? else {
                continue;
            };
            let algorithms = algorithms.iter().copied();
            let allowed: Vec<_> = algorithms
                .filter(|alg| key.algorithm.as_deref().is_none_or(|own| own == alg.name()))
                .collect();
            keys.extend(Key::new(Some(key.kid), &key.key, &allowed)?);
        }
        Self::new(keys, true)
    }

    /// Reads one or several public keys as PEM. Such keys have no names: which one a token is signed
    /// with is tried.
    pub(super) fn from_pem(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        for key in pem::keys(text, MAX_KEYS)? {
            keys.extend(Key::new(None, &key, algorithms)?);
        }
        Self::new(keys, false)
    }

    fn new(keys: Vec<Key>, named: bool) -> Result<Self, KeysError> {
        if keys.is_empty() {
            return Err(KeysError::NoKey);
        }
        Ok(Self { keys, named })
    }

    /// What may be shown of the keys, in their order.
    pub(super) fn infos(&self) -> impl Iterator<Item = &PublicKeyInfo> {
        self.keys.iter().map(|key| &key.info)
    }

    /// Whether a token has to say which key it is signed with.
    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    /// Whether there is a key of this name; keys without names are there for every token.
    pub(super) fn has(&self, kid: Option<&str>) -> bool {
        !self.named || self.keys.iter().any(|key| key.info.kid.as_deref() == kid)
    }

    /// The keys that a token with this `kid` and this algorithm can be signed with.
    pub(super) fn find<'k>(
        &'k self,
        kid: Option<&'k str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'k dyn JwsVerifier> {
        let named = self.named;
        let of_name = move |key: &&Key| !named || key.info.kid.as_deref() == kid;
        let keys = self.keys.iter().filter(of_name);
        let verifiers = keys.flat_map(|key| &key.verifiers);
        verifiers
            .filter(move |(own, _)| *own == algorithm)
            .map(|(_, verifier)| &**verifier)
    }
}

impl Key {
    /// A key with its verifiers; `None` where it is for none of the algorithms.
    fn new(
        kid: Option<String>,
        key: &PKey<Public>,
        algorithms: &[Algorithm],
    ) -> Result<Option<Self>, KeysError> {
        let fits = suitable(key)?;
        let der = key.public_key_to_der().map_err(|_| KeysError::BadKey)?;
        let mut verifiers = Vec::new();
        for &algorithm in algorithms.iter().filter(|alg| fits.contains(alg)) {
            let verifier = verifier(algorithm, &der).ok_or(KeysError::BadKey)?;
            verifiers.push((algorithm, verifier));
        }
        if verifiers.is_empty() {
            return Ok(None);
        }
        let info = PublicKeyInfo {
            kid,
            kty: kty(key),
            bits: key.bits(),
            sha256: hexadecimal(&sha256(&der)),
            algorithms: verifiers.iter().map(|(algorithm, _)| *algorithm).collect(),
        };
        Ok(Some(Self { info, verifiers }))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    digits.fold(String::new(), |text, digits| text + &digits)
}

fn kty(key: &PKey<Public>) -> &'static str {
    match key.id() {
        Id::RSA => "RSA",
        Id::EC => "EC",
        _ => "OKP",
    }
}

/// The algorithms that a key of this type can be used with.
fn suitable(key: &PKey<Public>) -> Result<&'static [Algorithm], KeysError> {
    match key.id() {
        Id::RSA => {
            let rsa = key.rsa().map_err(|_| KeysError::BadKey)?;
            let good = RSA_BITS.contains(&rsa.n().num_bits())
                && rsa.n().is_bit_set(0)
                && is_exponent(rsa.e());
            if good {
                Ok(&[Algorithm::Rs256, Algorithm::Ps256])
            } else {
                Err(KeysError::WeakRsa)
            }
        }
        Id::EC => {
            let ec = key.ec_key().map_err(|_| KeysError::BadKey)?;
            if ec.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
                return Ok(&[]);
            }
            // On the curve, and not its infinity.
            ec.check_key().map_err(|_| KeysError::BadKey)?;
            Ok(&[Algorithm::Es256])
        }
        Id::ED25519 => Ok(&[Algorithm::EdDsa]),
        _ => Ok(&[]),
    }
}

/// With an exponent of 1 every text is its own signature.
fn is_exponent(e: &BigNumRef) -> bool {
    (2..=MAX_EXPONENT_BITS).contains(&e.num_bits()) && e.is_bit_set(0)
}

fn verifier(algorithm: Algorithm, der: &[u8]) -> Option<Box<dyn JwsVerifier>> {
    Some(match algorithm {
        Algorithm::Rs256 => Box::new(RS256.verifier_from_der(der).ok()?),
        Algorithm::Ps256 => Box::new(PS256.verifier_from_der(der).ok()?),
        Algorithm::Es256 => Box::new(ES256.verifier_from_der(der).ok()?),
        Algorithm::EdDsa => Box::new(EdDSA.verifier_from_der(der).ok()?),
    })
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.info.kid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
