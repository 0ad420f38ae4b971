//! Our parts behind josekit's traits: for programs that keep josekit as their JOSE framework.
//!
//! josekit's own A256CBC-HS512 decrypts and unpads before it compares the tag, and its errors tell a
//! bad padding from a bad tag: a padding oracle (threat: padding-oracle). Put into a `JweContext` in
//! its place, [`ContentCipher`] authenticates first and fails in one way. [`SessionDecrypter`]
//! unwraps with a session's key and never says whether it could (RFC 7516 §11.5). The content key that josekit
//! is given so, josekit doesn't wipe.
//!
//! ```
//! use josekit::jwe::{ECDH_ES_A256KW, JweContext, JweHeader};
//! use josekit::jwk::Jwk;
//! use lacre::jose::ContentCipher;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut context = JweContext::new();
//! context.add_content_encryption(Box::new(ContentCipher)); // in the place of josekit's own
//!
//! let key = Jwk::generate_ec_key(josekit::jwk::alg::ec::EcCurve::P256)?;
//! let mut header = JweHeader::new();
//! header.set_content_encryption("A256CBC-HS512");
//! let encrypter = ECDH_ES_A256KW.encrypter_from_jwk(&key)?;
//! let sealed = context.serialize_compact(b"a message", &header, &encrypter)?;
//!
//! let decrypter = ECDH_ES_A256KW.decrypter_from_jwk(&key)?;
//! # #[allow(clippy::disallowed_methods)]
//! let (opened, _) = context.deserialize_compact(&sealed, &decrypter)?;
//! assert_eq!(opened, b"a message");
//! # Ok(())
//! # }
//! ```
//!
//! The guard uses neither: a context reads headers that the profile refuses. This room must never
//! be on the way of a token from outside to a handler.

use super::TokenError;
use super::agreement::{ENCRYPTED_KEY_LENGTH, SessionKey};
use super::content::ContentKey;
use super::header::ephemeral_key;
use super::profile::{ALG, ENC};
use crate::entropy::Entropy;
use josekit::JoseError;
use josekit::jwe::{JweAlgorithm, JweContentEncryption, JweDecrypter, JweHeader};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// A256CBC-HS512 that authenticates before it decrypts (RFC 7518 §5.2.2.2).
#[derive(Debug, Clone, Copy, Default)]
pub struct ContentCipher;

impl JweContentEncryption for ContentCipher {
    fn name(&self) -> &str {
        ENC
    }

    fn key_len(&self) -> usize {
        ContentKey::LENGTH
    }

    fn iv_len(&self) -> usize {
        super::content::BLOCK
    }

    fn encrypt(
        &self,
        key: &[u8],
        iv: Option<&[u8]>,
        message: &[u8],
        aad: &[u8],
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), JoseError> {
        let (key, iv) = key_and_iv(key, iv).ok_or_else(refused)?;
        let sealed = key.seal(iv, aad, Zeroizing::new(message.to_vec()));
        let (ciphertext, tag) = sealed.map_err(|_| refused())?;
        Ok((ciphertext, Some(tag.to_vec())))
    }

    fn decrypt(
        &self,
        key: &[u8],
        iv: Option<&[u8]>,
        encrypted_message: &[u8],
        aad: &[u8],
        tag: Option<&[u8]>,
    ) -> Result<Vec<u8>, JoseError> {
        let (key, iv) = key_and_iv(key, iv).ok_or_else(refused)?;
        let tag = tag
            .and_then(|tag| tag.try_into().ok())
            .ok_or_else(refused)?;
        let mut buffer = Zeroizing::new(encrypted_message.to_vec());
        let plaintext = key
            .open(&iv, aad, &mut buffer, tag)
            .map_err(|_| refused())?;
        Ok(plaintext.to_vec())
    }

    fn box_clone(&self) -> Box<dyn JweContentEncryption> {
        Box::new(*self)
    }
}

fn key_and_iv(key: &[u8], iv: Option<&[u8]>) -> Option<(ContentKey, [u8; 16])> {
    Some((
        ContentKey::from_bytes(key.try_into().ok()?),
        iv?.try_into().ok()?,
    ))
}

/// One error, whatever was wrong.
fn refused() -> JoseError {
    JoseError::InvalidJweFormat(TokenError::NotAuthentic.into())
}

/// ECDH-ES+A256KW with one session's private key.
#[derive(Clone)]
pub struct SessionDecrypter {
    key: SessionKey,
    entropy: Entropy,
}

impl SessionDecrypter {
    /// Unwraps with `key`; `entropy` makes the content key that stands in for one that doesn't
    /// unwrap.
    #[must_use]
    pub fn new(key: SessionKey, entropy: Entropy) -> Self {
        Self { key, entropy }
    }
}

impl JweDecrypter for SessionDecrypter {
    fn algorithm(&self) -> &dyn JweAlgorithm {
        &KeyAgreement
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn decrypt(
        &self,
        encrypted_key: Option<&[u8]>,
        _: &dyn JweContentEncryption,
        header: &JweHeader,
    ) -> Result<Cow<'_, [u8]>, JoseError> {
        let encrypted: Option<&[u8; ENCRYPTED_KEY_LENGTH]> =
            encrypted_key.and_then(|key| key.try_into().ok());
        let Some(Value::Object(epk)) = header.claim("epk") else {
            return Err(refused());
        };
        let epk = ephemeral_key(epk.clone()).map_err(|_| refused())?;
        let unwrapped = self.key.unwrap(&epk, encrypted.ok_or_else(refused)?);
        // josekit carries bytes and not our type, so what opens nothing has to be a key that
        // nobody knows.
        let key = if unwrapped.is_genuine() {
            unwrapped
        } else {
            ContentKey::generate(&mut (self.entropy)())
        };
        Ok(Cow::Owned(key.expose().to_vec()))
    }

    fn box_clone(&self) -> Box<dyn JweDecrypter> {
        Box::new(self.clone())
    }
}

impl fmt::Debug for SessionDecrypter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDecrypter(..)")
    }
}

/// The name of the one key management algorithm.
#[derive(Debug, Clone, Copy)]
struct KeyAgreement;

impl JweAlgorithm for KeyAgreement {
    fn name(&self) -> &str {
        ALG
    }

    fn box_clone(&self) -> Box<dyn JweAlgorithm> {
        Box::new(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::tests::{sealed, session_key};
    use super::*;
    use crate::entropy;
    use josekit::jwe::JweContext;

    /// A josekit context in which our parts have taken the place of its own.
    #[allow(clippy::disallowed_methods)] // the context is what is tested, with tokens of our own
    fn open(token: &str) -> Result<Vec<u8>, JoseError> {
        let mut context = JweContext::new();
        context.add_content_encryption(Box::new(ContentCipher));
        let decrypter = SessionDecrypter::new(session_key(), entropy::system());
        context
            .deserialize_compact(token, &decrypter)
            .map(|(content, _)| content)
    }

    fn with(token: &str, segment: usize, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
        let mut bytes = super::super::base64url::decode(segments[segment].as_bytes()).unwrap();
        change(&mut bytes);
        segments[segment] = super::super::base64url::encode(bytes);
        segments.join(".")
    }

    #[test]
    fn a_context_with_our_parts_opens_a_token_of_ours() {
        let jws = open(&sealed()).unwrap();
        assert_eq!(String::from_utf8(jws).unwrap().matches('.').count(), 2);
    }

    /// What it seals is what josekit's own cipher of that name would have sealed.
    #[test]
    fn it_seals_as_its_namesake_does() {
        let own: &dyn JweContentEncryption = &josekit::jwe::enc::A256CBC_HS512;
        let ours: &dyn JweContentEncryption = &ContentCipher;
        assert_eq!(ours.name(), own.name());
        assert_eq!(
            (ours.key_len(), ours.iv_len()),
            (own.key_len(), own.iv_len())
        );
        let key: Vec<u8> = (0..64).collect();
        for message in [&b""[..], b"a message", &[7; 160]] {
            let seal = |cipher: &dyn JweContentEncryption| {
                cipher
                    .encrypt(&key, Some(&[9; 16]), message, b"aad")
                    .unwrap()
            };
            let (ciphertext, tag) = seal(ours);
            assert_eq!((&ciphertext, &tag), (&seal(own).0, &seal(own).1));
            let opened = ours.decrypt(&key, Some(&[9; 16]), &ciphertext, b"aad", tag.as_deref());
            assert_eq!(opened.unwrap(), message);
        }
        for (key, iv) in [
            (&key[1..], Some(&[9; 16][..])),
            (&key, Some(&[9; 15])),
            (&key, None),
        ] {
            let refusal = ours.encrypt(key, iv, b"a message", b"aad").unwrap_err();
            assert_eq!(refusal.to_string(), refused().to_string());
        }
    }

    #[test]
    fn every_fault_below_the_header_is_one_error() {
        let token = sealed();
        let faults = [
            with(&token, 1, |key| key[0] ^= 1),
            with(&token, 1, |key| key.truncate(7)),
            with(&token, 1, Vec::clear),
            with(&token, 2, |iv| iv[0] ^= 1),
            with(&token, 2, Vec::clear),
            with(&token, 3, |ciphertext| *ciphertext.last_mut().unwrap() ^= 1),
            with(&token, 3, Vec::clear),
            with(&token, 3, |ciphertext| ciphertext.truncate(17)),
            with(&token, 4, |tag| tag[31] ^= 1),
            with(&token, 4, |tag| tag.truncate(16)),
            with(&token, 4, Vec::clear),
        ];
        for fault in faults {
            let error = open(&fault).unwrap_err();
            assert_eq!(error.to_string(), refused().to_string(), "{fault}");
        }
    }

    #[test]
    fn a_key_that_opens_nothing_is_another_one_each_time() {
        let token = with(&sealed(), 1, |key| key[0] ^= 1);
        let header = super::super::base64url::decode(token.split('.').next().unwrap().as_bytes());
        let header = JweHeader::from_bytes(&header.unwrap()).unwrap();
        let encrypted =
            super::super::base64url::decode(token.split('.').nth(1).unwrap().as_bytes());
        let decrypter = SessionDecrypter::new(session_key(), entropy::system());
        let encrypted = encrypted.unwrap();
        let unwrap = || {
            decrypter
                .decrypt(Some(&encrypted), &ContentCipher, &header)
                .unwrap()
        };
        assert_ne!(unwrap(), unwrap());
    }

    #[test]
    fn secrets_print_nothing() {
        let decrypter = SessionDecrypter::new(session_key(), entropy::system());
        assert_eq!(format!("{decrypter:?}"), "SessionDecrypter(..)");
    }
}
