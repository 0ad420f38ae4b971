//! The guard path: from the text of a token to a session that is good now.
//!
//! Form → the session's record, one read → unwrap, MAC, decryption, signature → claims against the
//! time, the issuer, the audience, the kind and the record. Framework-free: `http` carries it to
//! actix.
//!
//! This room must never remember a verdict: every request is judged by what the keystore says at
//! that moment.

use crate::lacre::Lacre;
use crate::token::{Claims, Expected, Handle, SessionKey, TokenError, TokenKind, UnopenedToken};
use lacre_keystore::{KeystoreError, Record, RecordKey};
use thiserror::Error;

/// A session that is good now: what a guarded handler gets to see.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// The claims of the token that was presented.
    pub claims: Claims,
    /// Where the session's record lies.
    pub key: RecordKey,
    /// When the session began.
    pub created_at: u64,
    /// When the session ends unless it is refreshed.
    pub expires_at: u64,
}

impl LiveSession {
    /// The user's id.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.claims.subject
    }

    /// The session's handle.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.claims.session
    }

    /// Whether the token was made by proving the password, not by a refresh.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.claims.fresh == Some(true)
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The token is bad, for a reason that is logged and never told: 401.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The keystore can't answer: 503, never 401 and never 200.
    #[error("the keystore is unavailable: {0}")]
    Store(#[from] KeystoreError),
}

impl Refusal {
    /// The stable code, for the log.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

impl Lacre {
    /// Judges a token of this kind as it came in.
    pub fn guard(&self, token: &[u8], kind: TokenKind) -> Result<LiveSession, Refusal> {
        let unopened = UnopenedToken::parse(token)?;
        let Some((key, record)) = self.live_record(unopened.handle())? else {
            // The work of a known session, so that its absence doesn't show (threat 32).
            let _ = unopened.open(&self.parts().nobody, self.parts().keyring.verifiers());
            return Err(TokenError::UnknownSession.into());
        };
        let claims = self.judge(unopened, &record, kind)?;
        Ok(LiveSession {
            claims,
            key,
            created_at: record.created_at,
            expires_at: record.expires_at,
        })
    }

    /// The record of a session that has neither ended nor expired.
    pub(crate) fn live_record(
        &self,
        handle: &Handle,
    ) -> Result<Option<(RecordKey, Record)>, KeystoreError> {
        let parts = self.parts();
        let Some(key) = parts.keyring.handles().record_key(handle) else {
            return Ok(None);
        };
        let record = parts.keystore.get(&key)?.map(|stored| stored.record);
        Ok(record
            .filter(|record| !record.is_expired(parts.clock.now()))
            .map(|record| (key, record)))
    }

    fn judge(
        &self,
        unopened: UnopenedToken<'_>,
        record: &Record,
        kind: TokenKind,
    ) -> Result<Claims, TokenError> {
        let parts = self.parts();
        let session_key = SessionKey::from_scalar(record.private_scalar.expose())?;
        let claims = unopened
            .open(&session_key, parts.keyring.verifiers())?
            .check(&Expected {
                now: parts.clock.now(),
                leeway: parts.rules.leeway,
                issuer: &parts.rules.issuer,
                audience: &parts.rules.audience,
                kind,
                subject: Some(&record.user_id),
                generation: record.generation,
            })?;
        if kind == TokenKind::Access && record.access_ended {
            return Err(TokenError::Generation);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests;
