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
use lacre_keystore::{KeystoreError, Record, RecordKey, SessionId, Stored, UserTag};
use thiserror::Error;

/// A name that no record has: tags are made by a keyed hash.
const NOWHERE: RecordKey =
    RecordKey::new(UserTag::from_bytes([0; 16]), SessionId::from_bytes([0; 16]));

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
        self.check_length(token)?;
        let unopened = UnopenedToken::parse(token)?;
        let Some((key, record)) = self.live_record(unopened.handle())? else {
            return Err(self.refuse_unknown(unopened));
        };
        let claims = self.judge(unopened, &record, kind)?;
        self.note_use(&key, record.last_seen_at);
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
        let now = self.parts().clock.now();
        Ok(self
            .stored(handle)?
            .map(|(key, stored)| (key, stored.record))
            .filter(|(_, record)| !record.is_expired(now)))
    }

    /// What the keystore has for a handle. A handle of another form than ours costs a read, too.
    pub(crate) fn stored(
        &self,
        handle: &Handle,
    ) -> Result<Option<(RecordKey, Stored)>, KeystoreError> {
        let key = self.parts().keyring.handles().record_key(handle);
        let found = self.parts().keystore.get(&key.unwrap_or(NOWHERE))?;
        Ok(key.zip(found))
    }

    /// Refuses a token of no session that there is, after the work that a session's token makes:
    /// how long it took must not tell whose handles are live (threat 32).
    pub(crate) fn refuse_unknown(&self, unopened: UnopenedToken<'_>) -> Refusal {
        let parts = self.parts();
        let opened = SessionKey::from_scalar(&parts.nobody.scalar())
            .and_then(|nobody| unopened.open(&nobody, parts.keyring.verifiers()));
        drop(std::hint::black_box(opened));
        TokenError::UnknownSession.into()
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
