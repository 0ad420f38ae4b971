//! From a token of the right form to claims that are believed: unwrap, authenticate, decrypt,
//! verify, check, in this order and no other.
//!
//! `UnopenedToken` → [`OpenedToken`] (sealed for this key, signed by us) → [`Claims`] (meant for us,
//! now, for this session). Each is built by the step before it alone.
//!
//! This room must never answer "good" to a token of which one step was left out.

use super::agreement::SessionKey;
use super::claims::Claims;
use super::content::ContentKey;
use super::unopened::UnopenedToken;
use super::{Handle, TokenError, TokenKind, VerifyingKeys};
use crate::clock::UnixSeconds;
use zeroize::Zeroizing;

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
        let content_key = self.content_key(session_key);
        let mut buffer = Zeroizing::new(self.ciphertext);
        let jws = content_key.open(&self.iv, self.aad, &mut buffer, &self.tag)?;
        let (kind, claims) = signers.verify(jws)?;
        Ok(OpenedToken {
            handle: self.header.handle,
            kind,
            claims: Claims::parse(&claims)?,
        })
    }
}

/// A token that was sealed for its session's key and signed by one of our keys. Whether it is good
/// here and now is still open.
#[derive(Debug)]
pub struct OpenedToken {
    handle: Handle,
    kind: TokenKind,
    claims: Claims,
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
    /// The user whom the session's record belongs to; `None` where there is no record
    /// (`lacre token open`).
    pub subject: Option<&'a str>,
    /// Which generation is current.
    pub generation: u64,
}

impl OpenedToken {
    /// The generation that the token says it is of: for the one who decides by it what to do.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.claims.generation
    }

    /// Checks the claims and gives them away.
    pub fn check(self, expected: &Expected<'_>) -> Result<Claims, TokenError> {
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
        if expected
            .subject
            .is_some_and(|subject| subject != claims.subject)
        {
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
