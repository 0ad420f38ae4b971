//! The inner signature: ES256 over compact JWS, and the keys that make and check it (RFC 7515,
//! RFC 7518 §3.4).
//!
//! ECDH-ES does not authenticate the sender: whoever knows a session's public half could seal a
//! token for it (threat: public-key-sealing, CVE-2026-29000). Therefore the signature is never optional and there is
//! no way through this room without it.
//!
//! This room must never take a key, an algorithm or an address from a token.

use super::error::KeyError;
use super::handle::is_name;
use super::wiped::Wiped;
use super::{Claims, TokenError, TokenKind, base64url, json};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
};
use josekit::jwk::Jwk;
use p256::SecretKey;
use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rand::CryptoRng;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use zeroize::{Zeroize as _, Zeroizing};

const ALG: &str = "ES256";
/// Characters of a 64-byte signature in base64url.
const SIGNATURE_TEXT_LENGTH: usize = 86;
/// The most characters that a signing key's `kid` may have.
const MAX_KEY_ID_LENGTH: usize = 64;

/// The deployment's ES256 signing key.
pub struct SigningKey {
    id: Box<str>,
    // In one place of the heap: moving a key must not leave copies of it behind.
    scalar: Box<Zeroizing<[u8; 32]>>,
    point: [u8; 65],
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// Makes a new key from the given randomness; its id is its RFC 7638 thumbprint.
    pub fn generate(rng: &mut impl CryptoRng) -> Result<Self, KeyError> {
        Self::from_secret(&SecretKey::generate_from_rng(rng), None)
    }

    /// Takes a scalar of 1..n-1; the id is the RFC 7638 thumbprint.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, KeyError> {
        Self::from_secret(&SecretKey::from_slice(scalar).map_err(|_| KeyError)?, None)
    }

    /// Takes a private EC JWK of P-256 (RFC 7518 §6.2.2); its `kid`, where it has one, is the id.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        Self::from_secret(&super::jwk::private_key(jwk)?, jwk.key_id())
    }

    fn from_secret(secret: &SecretKey, id: Option<&str>) -> Result<Self, KeyError> {
        let point: [u8; 65] = secret
            .public_key()
            .to_sec1_point(false)
            .as_bytes()
            .try_into()
            .map_err(|_| KeyError)?;
        let mut bytes = secret.to_bytes();
        let mut scalar = Box::new(Zeroizing::new([0; 32]));
        scalar.copy_from_slice(&bytes);
        bytes.zeroize();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            scalar.as_slice(),
            &point,
        )
        .map_err(|_| KeyError)?;
        Ok(Self {
            id: key_id(id, &point)?,
            scalar,
            point,
            pair,
        })
    }

    /// Another key that follows from this one, for the purpose that `label` names. Nobody can tell this
    /// one from it.
    pub(crate) fn derived(&self, label: &[u8]) -> Result<Self, KeyError> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.scalar.as_slice());
        // All but one of 2^32 are scalars.
        for attempt in 0..=u8::MAX {
            let mut bytes = Zeroizing::new([0; 32]);
            let tag = hmac::sign(&secret, &[label, &[attempt]].concat());
            bytes.copy_from_slice(tag.as_ref());
            if let Ok(key) = Self::from_scalar(&bytes) {
                return Ok(key);
            }
        }
        Err(KeyError)
    }

    /// The public half as a JWK (RFC 7517 §4, RFC 7518 §6.2.1).
    pub(crate) fn public_jwk(&self) -> Map<String, Value> {
        let (x, y) = self.point[1..].split_at(32);
        let members = [
            ("kty", "EC".to_owned()),
            ("crv", "P-256".to_owned()),
            ("x", base64url::encode(x)),
            ("y", base64url::encode(y)),
            ("use", "sig".to_owned()),
            ("alg", ALG.to_owned()),
            ("kid", self.id.to_string()),
        ];
        let member = |(name, value): (&str, String)| (name.to_owned(), Value::String(value));
        members.into_iter().map(member).collect()
    }

    /// The key's id: the `kid` of what it signs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The scalar, for the sealed key ring alone.
    pub(crate) fn scalar(&self) -> &Zeroizing<[u8; 32]> {
        &self.scalar
    }

    /// The half that checks signatures.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::from_point(&self.point, self.id.clone())
    }

    /// Signs `claims` as a compact JWS of this `kind`.
    pub(crate) fn sign(
        &self,
        kind: TokenKind,
        claims: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let mut jws = self.compact(&header_json(kind.typ(), &self.id), claims)?;
        Ok(Zeroizing::new(std::mem::take(&mut *jws).into_bytes()))
    }

    /// Signs claims that are no token's as a compact JWS of this `typ`.
    #[cfg(feature = "server")]
    pub(crate) fn sign_as(&self, typ: &str, claims: &[u8]) -> Result<String, TokenError> {
        let mut jws = self.compact(&header_json(typ, &self.id), claims)?;
        Ok(std::mem::take(&mut *jws))
    }

    fn compact(&self, header: &str, claims: &[u8]) -> Result<Zeroizing<String>, TokenError> {
        let mut jws = Zeroizing::new(String::with_capacity(
            (header.len() + claims.len() + 64) * 4 / 3 + 32,
        ));
        base64url::encode_into(header, &mut jws);
        jws.push('.');
        base64url::encode_into(claims, &mut jws);
        // The nonce of the signature comes from the engine's own generator: its interface takes
        // a source of randomness and says that it is not used.
        let signature = self
            .pair
            .sign(&SystemRandom::new(), jws.as_bytes())
            .map_err(|_| TokenError::Signature)?;
        jws.push('.');
        base64url::encode_into(signature, &mut jws);
        Ok(jws)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.id)
    }
}

/// A key that checks inner signatures. Cheap to clone.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Verifier>);

struct Verifier {
    /// Whether its signatures are refused, also where one was verified before.
    dropped: AtomicBool,
    id: Box<str>,
    key: ParsedPublicKey,
    /// The encoded header that our own tokens of each kind have under this key, so that it is
    /// known by its text and needs no parsing.
    headers: [(TokenKind, String); 2],
}

impl VerifyingKey {
    /// Takes a public EC JWK of P-256 (RFC 7518 §6.2.1); its `kid`, where it has one, is the id.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let point = super::jwk::public_point(jwk)?;
        Self::from_point(&point, key_id(jwk.key_id(), &point)?)
    }

    /// The id.
    #[cfg(feature = "server")]
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// Checks a signature over `message`: ES256 in P1363 form, r and s in 1..n-1 (RFC 7518 §3.4).
    ///
    /// [`TokenError::Signature`] where it is not this key's. A token is never verified by this alone:
    /// see [`VerifyingKeys`].
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), TokenError> {
        self.0
            .key
            .verify_sig(message, signature)
            .map_err(|_| TokenError::Signature)
    }

    fn from_point(point: &[u8; 65], id: Box<str>) -> Result<Self, KeyError> {
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyError)?;
        let headers = [TokenKind::Access, TokenKind::Refresh]
            .map(|kind| (kind, base64url::encode(header_json(kind.typ(), &id))));
        Ok(Self(Arc::new(Verifier {
            dropped: AtomicBool::new(false),
            id,
            key,
            headers,
        })))
    }

    /// Takes none of its signatures from now on, and none that this very value, or a clone of it, verified
    /// before. There is no way back.
    pub(crate) fn drop_for_good(&self) {
        self.0.dropped.store(true, Release);
    }

    /// Whether its signatures are still taken.
    #[inline]
    pub(super) fn is_ours(&self) -> bool {
        !self.0.dropped.load(Acquire)
    }

    /// Which kind of token this encoded header is that of, if it is one that we write.
    fn kind_of(&self, header: &[u8]) -> Option<TokenKind> {
        let mut headers = self.0.headers.iter();
        headers
            .find(|(_, text)| text.as_bytes() == header)
            .map(|(kind, _)| *kind)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.0.id)
    }
}

/// The header of an inner token as lacre writes it.
fn header_json(typ: &str, key_id: &str) -> String {
    format!(r#"{{"alg":"{ALG}","typ":"{typ}","kid":"{key_id}"}}"#)
}

/// The keys whose signatures are ours, found by their id alone.
#[derive(Debug, Clone, Default)]
pub struct VerifyingKeys(Vec<VerifyingKey>);

impl VerifyingKeys {
    /// A set of keys.
    #[must_use]
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self(keys)
    }

    /// Checks a compact JWS and gives back what it says: RFC 7515 §5.2.
    pub(crate) fn verify<'a>(&self, jws: &'a [u8]) -> Result<Signed<'a>, TokenError> {
        let signing_input_length = jws
            .len()
            .checked_sub(SIGNATURE_TEXT_LENGTH + 1)
            .ok_or(TokenError::InnerForm)?;
        let (signing_input, signature) = jws.split_at(signing_input_length);
        let signature = signature
            .strip_prefix(b".")
            .and_then(base64url::decode_array::<64>)
            .ok_or(TokenError::InnerForm)?;
        let mut parts = signing_input.split(|byte| *byte == b'.');
        let (Some(header), Some(claims), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TokenError::InnerForm);
        };
        let (kind, signer) = self.signer_of(header)?;
        if !signer.is_ours() {
            return Err(TokenError::UnknownSigner);
        }
        signer.verify(signing_input, &signature)?;
        Ok(Signed {
            kind,
            claims,
            signer: signer.clone(),
        })
    }

    /// The kind of token that a header is of, and the key that it names.
    fn signer_of(&self, header: &[u8]) -> Result<(TokenKind, &VerifyingKey), TokenError> {
        let own = |key: &'_ VerifyingKey| key.kind_of(header);
        if let Some(found) = self.0.iter().find_map(|key| Some((own(key)?, key))) {
            return Ok(found);
        }
        let (kind, key_id) = parse_header(header)?;
        let mut keys = self.0.iter();
        let key = keys.find(|key| *key.0.id == *key_id);
        key.map(|key| (kind, key)).ok_or(TokenError::UnknownSigner)
    }
}

/// What a compact JWS says whose signature is good.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    /// The kind of token.
    pub(super) kind: TokenKind,
    /// The claims, still encoded.
    pub(super) claims: &'a [u8],
    /// Who signed it.
    pub(super) signer: VerifyingKey,
}

/// The claims of an encoded claim set.
pub(super) fn read_claims(encoded: &[u8]) -> Result<Box<Claims>, TokenError> {
    let claims = base64url::decode(encoded).ok_or(TokenError::InnerForm)?;
    Claims::parse(&Wiped::from(claims))
}

/// Exactly `alg`, `typ` and `kid`.
fn parse_header(text: &[u8]) -> Result<(TokenKind, String), TokenError> {
    let mut members = base64url::decode(text)
        .and_then(|header| json::object(&header))
        .ok_or(TokenError::InnerForm)?;
    let mut take = |name| match members.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(TokenError::InnerForm),
    };
    let (alg, typ, id) = (take("alg")?, take("typ")?, take("kid")?);
    if !members.is_empty() || alg != ALG {
        return Err(TokenError::InnerForm);
    }
    let kind = TokenKind::from_typ(&typ).ok_or(TokenError::Kind)?;
    if is_name(&id, MAX_KEY_ID_LENGTH) {
        Ok((kind, id))
    } else {
        Err(TokenError::UnknownSigner)
    }
}

/// The JWK's own `kid`, or the RFC 7638 thumbprint.
fn key_id(own: Option<&str>, point: &[u8; 65]) -> Result<Box<str>, KeyError> {
    match own {
        Some(id) if is_name(id, MAX_KEY_ID_LENGTH) => Ok(id.into()),
        Some(_) => Err(KeyError),
        None => {
            let (x, y) = point[1..].split_at(32);
            let canonical = format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                base64url::encode(x),
                base64url::encode(y)
            );
            Ok(base64url::encode(digest(&SHA256, canonical.as_bytes())).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&mut StdRng::seed_from_u64(seed)).unwrap()
    }

    fn keys(key: &SigningKey) -> VerifyingKeys {
        VerifyingKeys::new(vec![key.verifying_key().unwrap()])
    }

    #[test]
    fn what_is_signed_verifies_and_says_its_kind() {
        let key = key(1);
        let jws = key.sign(TokenKind::Refresh, b"{}").unwrap();
        let signed = keys(&key).verify(&jws).unwrap();
        assert_eq!(signed.kind, TokenKind::Refresh);
        assert_eq!(base64url::decode(signed.claims).unwrap(), b"{}");
    }

    #[test]
    fn a_verifying_key_shows_its_name() {
        let key = key(1).verifying_key().unwrap();
        assert_eq!(format!("{key:?}"), format!("VerifyingKey({})", key.0.id));
    }

    #[test]
    fn another_key_of_the_same_name_is_refused() {
        let (ours, theirs) = (key(1), key(2));
        let jws = theirs.sign(TokenKind::Access, b"{}").unwrap();
        assert_eq!(
            keys(&ours).verify(&jws).unwrap_err(),
            TokenError::UnknownSigner
        );
        let mut impostor = theirs;
        impostor.id = ours.id.clone();
        let jws = impostor.sign(TokenKind::Access, b"{}").unwrap();
        assert_eq!(keys(&ours).verify(&jws).unwrap_err(), TokenError::Signature);
    }

    #[test]
    fn zero_and_out_of_range_signatures_are_refused() {
        let key = key(1);
        let jws = key.sign(TokenKind::Access, b"{}").unwrap();
        let input = &jws[..jws.len() - SIGNATURE_TEXT_LENGTH];
        for (r, s) in [
            ([0; 32], [0; 32]),
            ([0; 32], [1; 32]),
            ([1; 32], [0; 32]),
            ([0xff; 32], [1; 32]),
        ] {
            let mut bad = input.to_vec();
            bad.extend(base64url::encode([r, s].concat()).bytes());
            assert_eq!(keys(&key).verify(&bad).unwrap_err(), TokenError::Signature);
        }
    }

    #[test]
    fn the_header_has_three_members_of_one_form() {
        for bad in [
            r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"es256","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"ES256","typ":"JWT","kid":"k"}"#,
            r#"{"alg":"ES256","typ":"at+jwt"}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":""}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":"a/b"}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k","crit":[]}"#,
            r#"{"alg":"ES256","typ":"at+jwt","kid":"k","jwk":{}}"#,
            r#"{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k"}"#,
        ] {
            assert!(
                parse_header(base64url::encode(bad).as_bytes()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn too_short_or_too_many_parts() {
        let key = key(1);
        let jws = key.sign(TokenKind::Access, b"{}").unwrap();
        let text = String::from_utf8(jws.to_vec()).unwrap();
        for bad in [
            "",
            ".",
            "..",
            &text[1..],
            &format!("x.{text}"),
            &text[..text.len() - 1],
        ] {
            assert!(keys(&key).verify(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// RFC 7638 §3.1 has RSA; this EC pair was computed by an independent implementation.
    #[test]
    fn the_id_is_the_thumbprint_unless_the_jwk_names_one() {
        let key = key(1);
        assert_eq!(key.id().len(), 43);
        assert_eq!(key_id(Some("mine"), &key.point).unwrap().as_ref(), "mine");
        assert!(key_id(Some("not a name"), &key.point).is_err());
        let again = SigningKey::from_scalar(key.scalar()).unwrap();
        assert_eq!(again.id(), key.id());
    }

    #[test]
    fn a_derived_key_is_another_one_and_always_the_same() {
        let key = key(1);
        let one = key.derived(b"one").unwrap();
        assert_eq!(one.id(), key.derived(b"one").unwrap().id());
        let others = [key.id(), key.derived(b"two").unwrap().id()].map(str::to_owned);
        assert!(!others.contains(&one.id().to_owned()));
        let jws = one.sign(TokenKind::Access, b"{}").unwrap();
        assert_eq!(
            keys(&key).verify(&jws).unwrap_err(),
            TokenError::UnknownSigner
        );
    }

    #[test]
    fn a_public_key_is_told_as_a_jwk_without_its_private_half() {
        let key = key(1);
        let told = Jwk::from_map(key.public_jwk()).unwrap();
        let read = VerifyingKey::from_jwk(&told).unwrap();
        assert_eq!(&*read.0.id, key.id());
        assert!(told.parameter("d").is_none());
        let jws = key.sign(TokenKind::Access, b"{}").unwrap();
        assert!(VerifyingKeys::new(vec![read]).verify(&jws).is_ok());
    }

    #[test]
    fn secrets_print_nothing() {
        let key = key(1);
        assert_eq!(format!("{key:?}"), format!("SigningKey({}, ..)", key.id()));
    }
}
