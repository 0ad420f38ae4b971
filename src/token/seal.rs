//! Claims to token: sign first, then encrypt for one session's key (RFC 7519 §11.2).
//!
//! This room must never seal unsigned claims, and never reuse an ephemeral key, a content key or
//! an IV: all three are made anew for every token.

use super::agreement::{RecipientKey, SessionKey};
use super::claims::Claims;
use super::content::{BLOCK, ContentKey};
use super::header::Header;
use super::{Handle, MAX_TOKEN_LENGTH, SigningKey, TokenError, TokenKind, base64url};
use rand::CryptoRng;
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Bytes that most claims, and most tokens, don't have more of.
const ORDINARY_CLAIMS: usize = 1024;
const ORDINARY_TOKEN: usize = 2048;

/// Whom a token is sealed for and how it is named.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The session's key.
    pub key: RecipientKey<'a>,
    /// The session handle, the outer `kid`.
    pub handle: &'a Handle,
}

/// Signs `claims` and seals them for `recipient`: one token.
///
/// [`TokenError::TooLong`] where the claims make it longer than a guard would read.
pub fn seal(
    recipient: Recipient<'_>,
    signer: &SigningKey,
    kind: TokenKind,
    claims: &Claims,
    rng: &mut impl CryptoRng,
) -> Result<String, TokenError> {
    seal_json(recipient, signer, kind, claims, rng)
}

/// Seals claims as they are given, without a look at what they say: for `lacre token seal`, which
/// makes test tokens, also bad ones.
pub fn seal_members(
    recipient: Recipient<'_>,
    signer: &SigningKey,
    kind: TokenKind,
    claims: &Map<String, Value>,
    rng: &mut impl CryptoRng,
) -> Result<String, TokenError> {
    seal_json(recipient, signer, kind, claims, rng)
}

fn seal_json(
    recipient: Recipient<'_>,
    signer: &SigningKey,
    kind: TokenKind,
    claims: &impl Serialize,
    rng: &mut impl CryptoRng,
) -> Result<String, TokenError> {
    let mut text = Zeroizing::new(Vec::with_capacity(ORDINARY_CLAIMS));
    serde_json::to_writer(&mut *text, claims).map_err(|_| TokenError::Claims)?;
    let jws = signer.sign(kind, &text)?;

    let ephemeral = SessionKey::generate(rng);
    let content_key = ContentKey::generate(rng);
    let mut iv = [0; BLOCK];
    rng.fill_bytes(&mut iv);

    let header = Header {
        handle: recipient.handle.clone(),
        epk: ephemeral.public_key()?,
    };
    let mut token = String::with_capacity(ORDINARY_TOKEN);
    base64url::encode_into(header.to_json(), &mut token);
    let encrypted_key = ephemeral.wrap(recipient.key, &content_key)?;
    let (ciphertext, tag) = content_key.seal(iv, token.as_bytes(), jws)?;
    for segment in [&encrypted_key[..], &iv, &ciphertext, &tag] {
        token.push('.');
        base64url::encode_into(segment, &mut token);
    }
    if token.len() > MAX_TOKEN_LENGTH {
        Err(TokenError::TooLong)
    } else {
        Ok(token)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    pub(crate) fn session_key() -> SessionKey {
        SessionKey::generate(&mut StdRng::seed_from_u64(21))
    }

    pub(crate) fn signing_key() -> SigningKey {
        SigningKey::generate(&mut StdRng::seed_from_u64(22)).unwrap()
    }

    pub(crate) fn sealed_with(kind: TokenKind, claims: &Value, seed: u64) -> String {
        let key = session_key().public_key().unwrap();
        let handle = Handle::parse("h1").unwrap();
        seal_members(
            Recipient {
                key: RecipientKey::Public(&key),
                handle: &handle,
            },
            &signing_key(),
            kind,
            claims.as_object().unwrap(),
            &mut StdRng::seed_from_u64(seed),
        )
        .unwrap()
    }

    pub(crate) fn sealed() -> String {
        sealed_with(TokenKind::Access, &super::super::claims::tests::good(), 23)
    }

    #[test]
    fn no_two_tokens_share_a_segment() {
        let claims = super::super::claims::tests::good();
        let one = sealed_with(TokenKind::Access, &claims, 1);
        let two = sealed_with(TokenKind::Access, &claims, 2);
        for (one, two) in one.split('.').zip(two.split('.')) {
            assert_ne!(one, two);
        }
    }

    /// A token with a handle and a claim of these lengths.
    fn made(handle: usize, note: usize) -> Result<String, TokenError> {
        let mut claims = super::super::claims::tests::good();
        claims["note"] = "x".repeat(note).into();
        let key = session_key().public_key().unwrap();
        let handle = Handle::parse(&"h".repeat(handle)).unwrap();
        seal_members(
            Recipient {
                key: RecipientKey::Public(&key),
                handle: &handle,
            },
            &signing_key(),
            TokenKind::Access,
            claims.as_object().unwrap(),
            &mut StdRng::seed_from_u64(1),
        )
    }

    #[test]
    fn a_token_that_no_guard_would_read_is_not_made() {
        assert_eq!(made(1, MAX_TOKEN_LENGTH), Err(TokenError::TooLong));
        // Content grows by whole blocks: a handle of some length brings it to the last character.
        let longest = |handle: usize| {
            let notes: Vec<usize> = (0..MAX_TOKEN_LENGTH).collect();
            let fit = notes.partition_point(|note| made(handle, *note).is_ok());
            made(handle, fit - 1).unwrap().len()
        };
        assert_eq!((1..=32).map(longest).max(), Some(MAX_TOKEN_LENGTH));
    }

    #[test]
    fn claims_of_our_own_are_sealed_as_they_are_given() {
        let good = super::super::claims::tests::good();
        let claims = Claims::parse(good.to_string().as_bytes()).unwrap();
        let key = session_key().public_key().unwrap();
        let recipient = || Recipient {
            key: RecipientKey::Public(&key),
            handle: &claims.session,
        };
        let seed = || StdRng::seed_from_u64(1);
        let (signer, kind) = (signing_key(), TokenKind::Access);
        let one = seal(recipient(), &signer, kind, &claims, &mut seed()).unwrap();
        let other = seal_members(recipient(), &signer, kind, &claims.to_json(), &mut seed());
        let parts = |token: &str| {
            token
                .split('.')
                .take(3)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(parts(&one), parts(&other.unwrap()));
    }

    #[test]
    fn the_header_reveals_neither_user_nor_address() {
        let token = sealed();
        let header = base64url::decode(token.split('.').next().unwrap().as_bytes()).unwrap();
        let header = String::from_utf8(header).unwrap();
        assert!(
            !header.contains("u1") && !header.contains("a@b.c"),
            "{header}"
        );
    }
}
