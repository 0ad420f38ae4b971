//! From a token of the right form to claims that are believed: unwrap, authenticate, decrypt,
//! verify, check, in this order and no other.
//!
//! `UnopenedToken` → [`OpenedToken`] (sealed for this key, signed by us) → [`Claims`] (meant for us,
//! now, for this session). Each is built by the step before it alone.
//!
//! This room must never answer "good" to a token of which one step was left out.

use super::agreement::SessionKey;
use super::claims::Claims;
use super::content::{BoundKey, ContentKey, TAG_LENGTH};
use super::signature::read_claims;
use super::unopened::{Content, Segments, UnopenedToken};
use super::wiped::Wiped;
use super::{Handle, TokenError, TokenKind, VerifyingKey, VerifyingKeys};
use crate::clock::UnixSeconds;
use memchr::memchr;

impl UnopenedToken<'_> {
    /// Unwraps this token's content key with the session's key. Never fails: see
    /// [`SessionKey::unwrap`].
    #[must_use]
    pub fn content_key(&self, session_key: &SessionKey) -> ContentKey {
        session_key.unwrap(&self.header.epk, &self.encrypted_key)
    }

    /// Authenticates, decrypts and verifies the token: RFC 7516 §5.2, then RFC 7515 §5.2.
    pub fn open(
        self,
        session_key: &SessionKey,
        signers: &VerifyingKeys,
    ) -> Result<OpenedToken, TokenError> {
        self.open_and_keep(session_key, signers)
            .map(|(opened, _)| opened)
    }

    /// The same, and what a later opening of this very token needs not find out again.
    pub(crate) fn open_and_keep(
        self,
        session_key: &SessionKey,
        signers: &VerifyingKeys,
    ) -> Result<(OpenedToken, KnownToken), TokenError> {
        let key = self.content_key(session_key).bind(self.aad)?;
        let Content {
            iv,
            ciphertext,
            tag,
        } = self.content;
        let mut buffer = Wiped::from(ciphertext);
        let signed = signers.verify(key.open(&iv, &mut buffer, &tag)?)?;
        let opened = OpenedToken {
            claims: read_claims(signed.claims)?,
            handle: self.header.handle,
            kind: signed.kind,
        };
        let known = KnownToken {
            key_part: self.key_part.into(),
            handle: opened.handle.clone(),
            key,
            tag,
            kind: signed.kind,
            signer: signed.signer,
        };
        Ok((opened, known))
    }
}

/// A token that was opened before: its content key, and that its inner signature was good.
///
/// No claim and no result is in it. [`open`](Self::open) authenticates, decrypts and reads the
/// token as it is presented now; what is left out is what the same bytes can only lead to once
/// more: the agreement on the key, and the verification of a signature by a key that is still
/// ours.
///
/// Its secrets are wiped when it is dropped.
#[derive(Debug)]
pub(crate) struct KnownToken {
    /// Header and encrypted key as they stood in the text.
    key_part: Box<[u8]>,
    handle: Handle,
    key: BoundKey,
    /// The tag of the content whose inner signature was verified. Under one MAC key, another
    /// content has another tag.
    tag: [u8; TAG_LENGTH],
    kind: TokenKind,
    signer: VerifyingKey,
}

impl KnownToken {
    /// Opens the token as it is presented now. `None` where it isn't the one that is known, or not
    /// as it was: what it is then, the whole way has to find out.
    pub(crate) fn open(&self, presented: &Segments<'_>) -> Option<OpenedToken> {
        if !self.begins(presented) || !self.signer.is_ours() {
            return None;
        }
        let content = presented.content().ok()?;
        let mut buffer = Wiped::from(content.ciphertext);
        let jws = self.key.open(&content.iv, &mut buffer, &content.tag).ok()?;
        if content.tag != self.tag {
            return None;
        }
        // The same bytes as those whose signature was good, so in the same form.
        let (_, rest) = jws.split_at_checked(memchr(b'.', jws)? + 1)?;
        let (claims, _) = rest.split_at_checked(memchr(b'.', rest)?)?;
        Some(OpenedToken {
            claims: read_claims(claims).ok()?,
            handle: self.handle.clone(),
            kind: self.kind,
        })
    }

    /// Whether it was opened from the header and the encrypted key that are presented: nobody who
    /// hasn't seen them can present them.
    pub(crate) fn begins(&self, presented: &Segments<'_>) -> bool {
        *presented.key_part() == *self.key_part
    }

    /// The encoded encrypted key, as [`Segments::encrypted_key`].
    pub(crate) fn encrypted_key(&self) -> &[u8] {
        let header = memchr(b'.', &self.key_part).unwrap_or(0);
        &self.key_part[header + 1..]
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.key_part.len() + self.handle.as_str().len()
    }
}

/// A token that was sealed for its session's key and signed by one of our keys. Whether it is good
/// here and now is still open.
#[derive(Debug)]
pub struct OpenedToken {
    handle: Handle,
    kind: TokenKind,
    claims: Box<Claims>,
}

/// What a token must say to be good here and now.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The time now.
    pub now: UnixSeconds,
    /// Seconds by which `exp`, `iat` and `nbf` may be off.
    pub leeway: u64,
    /// The issuer, compared exactly.
    pub issuer: &'a str,
    /// The audience that must be among the token's, compared exactly.
    pub audience: &'a str,
    /// The kind of token asked for.
    pub kind: TokenKind,
    /// The user whom the session's record belongs to, as [`Claims::is_of`] takes it; `None` where there
    /// is no record (`lacre token open`).
    pub user: Option<&'a str>,
    /// Which generation is current.
    pub generation: u64,
}

impl OpenedToken {
    /// The generation that the token says it is of: for the one who decides by it what to do.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.claims.generation
    }

    /// What it says, whatever that is worth here and now: for an operator alone.
    pub(crate) fn said(&self) -> (TokenKind, &Claims) {
        (self.kind, &self.claims)
    }

    /// Checks the claims and gives them away.
    pub fn check(self, expected: &Expected<'_>) -> Result<Box<Claims>, TokenError> {
        let claims = self.claims;
        if self.kind != expected.kind {
            return Err(TokenError::Kind);
        }
        if claims.issuer != expected.issuer {
            return Err(TokenError::Issuer);
        }
        if !claims
            .audience
            .iter()
            .any(|audience| audience == expected.audience)
        {
            return Err(TokenError::Audience);
        }
        if claims.session != self.handle {
            return Err(TokenError::SessionMismatch);
        }
        if expected.user.is_some_and(|user| !claims.is_of(user)) {
            return Err(TokenError::SessionMismatch);
        }
        check_times(&claims, expected)?;
        if claims.generation != expected.generation {
            return Err(TokenError::Generation);
        }
        Ok(claims)
    }
}

fn check_times(claims: &Claims, expected: &Expected<'_>) -> Result<(), TokenError> {
    let latest_start = expected.now.saturating_add(expected.leeway);
    if claims.issued_at > latest_start
        || claims.not_before.is_some_and(|start| start > latest_start)
    {
        return Err(TokenError::NotYetValid);
    }
    if expected.now >= claims.expires_at.saturating_add(expected.leeway) {
        return Err(TokenError::Expired);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
