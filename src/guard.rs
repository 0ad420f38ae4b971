//! The guard path: from the text of a token to a session that is good now.
//!
//! Form → the session's record, one read → unwrap, MAC, decryption, signature → claims against the
//! time, the issuer, the audience, the kind and the record. Framework-free: `http` carries it to
//! actix.
//!
//! This room must never remember a verdict: every request is judged by what the keystore says at
//! that moment.

use crate::clock::UnixSeconds;
use crate::content_keys::Entry;
use crate::lacre::Lacre;
use crate::token::{
    Claims, Expected, Handle, KnownToken, OpenedToken, Segments, SessionKey, TokenError, TokenKind,
    UnopenedToken,
};
use lacre_keystore::{Current, KeystoreError, Record, RecordKey, SessionId, Stored, UserTag};
use std::sync::Arc;
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
    ///
    /// A token whose content key is kept is let in by a shorter way, which looks at everything that
    /// a request can change. It can only say yes: whatever it doesn't let in goes the whole way, so
    /// that a refusal costs the same and says the same whether a key was kept or not.
    pub fn guard(&self, token: &[u8], kind: TokenKind) -> Result<LiveSession, Refusal> {
        self.check_length(token)?;
        let now = self.now();
        match self.guard_known(token, kind, now) {
            Some(session) => Ok(session),
            None => self.guard_unknown(token, kind, now),
        }
    }

    /// Judges a token as [`guard`](Self::guard) does, if the shorter way lets it in. Nothing means
    /// nothing: whoever gets it has to ask `guard`.
    pub(crate) fn guard_at_once(&self, token: &[u8], kind: TokenKind) -> Option<LiveSession> {
        self.check_length(token).ok()?;
        self.guard_known(token, kind, self.now())
    }

    /// The whole way.
    fn guard_unknown(
        &self,
        token: &[u8],
        kind: TokenKind,
        now: UnixSeconds,
    ) -> Result<LiveSession, Refusal> {
        let unopened = UnopenedToken::parse(token)?;
        let Some((key, stored)) = self.live_stored(unopened.handle(), now)? else {
            return Err(self.refuse_unknown(unopened));
        };
        let session_key = SessionKey::from_scalar(stored.record.private_scalar.expose())?;
        let (opened, known) =
            unopened.open_and_keep(&session_key, self.parts().keyring.verifiers())?;
        let session = self.judge(opened, key, &stored.record, kind, now)?;
        self.note_use(&key, stored.record.last_seen_at, now);
        if kind == TokenKind::Access {
            self.keep(session.handle(), known.into(), key, stored);
        }
        Ok(session)
    }

    /// The shorter way, for a token that was good before.
    fn guard_known(&self, token: &[u8], kind: TokenKind, now: UnixSeconds) -> Option<LiveSession> {
        let parts = self.parts();
        let segments = Segments::split(token).ok()?;
        let entry = parts.content_keys.find(&segments)?;
        let seen = &entry.stored;
        let changed = match parts
            .keystore
            .get_if_changed(&entry.key, &seen.version)
            .ok()?
        {
            Current::Gone => return None,
            Current::Same => None,
            // Another key opens other tokens.
            Current::Changed(new) if new.record.private_scalar != seen.record.private_scalar => {
                return None;
            }
            Current::Changed(new) => Some(new),
        };
        let record = changed.as_ref().map_or(&seen.record, |new| &new.record);
        if record.is_expired(now) {
            return None;
        }
        let opened = entry.token.open(&segments, parts.keyring.verifiers())?;
        let session = self.judge(opened, entry.key, record, kind, now).ok()?;
        self.note_use(&entry.key, record.last_seen_at, now);
        if let Some(new) = changed {
            self.keep(session.handle(), Arc::clone(&entry.token), entry.key, new);
        }
        Some(session)
    }

    /// Keeps what the next request of this token needs not find out again, if the session is still
    /// as it was read.
    fn keep(&self, handle: &Handle, token: Arc<KnownToken>, key: RecordKey, stored: Stored) {
        let parts = self.parts();
        let version = stored.version.clone();
        let unchanged = || {
            let current = parts.keystore.get_if_changed(&key, &version);
            matches!(current, Ok(Current::Same))
        };
        let entry = Entry { token, key, stored };
        parts.content_keys.keep(handle, entry, unchanged);
    }

    /// The record of a session that has neither ended nor expired.
    pub(crate) fn live_record(
        &self,
        handle: &Handle,
    ) -> Result<Option<(RecordKey, Record)>, KeystoreError> {
        let live = self.live_stored(handle, self.now())?;
        Ok(live.map(|(key, stored)| (key, stored.record)))
    }

    fn live_stored(
        &self,
        handle: &Handle,
        now: UnixSeconds,
    ) -> Result<Option<(RecordKey, Stored)>, KeystoreError> {
        let stored = self.stored(handle)?;
        Ok(stored.filter(|(_, stored)| !stored.record.is_expired(now)))
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

    /// Checks what the token says against what is expected here, now and of this session.
    fn judge(
        &self,
        opened: OpenedToken,
        key: RecordKey,
        record: &Record,
        kind: TokenKind,
        now: UnixSeconds,
    ) -> Result<LiveSession, TokenError> {
        let parts = self.parts();
        let claims = opened.check(&Expected {
            now,
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
        Ok(LiveSession {
            claims,
            key,
            created_at: record.created_at,
            expires_at: record.expires_at,
        })
    }
}

#[cfg(test)]
mod tests;
