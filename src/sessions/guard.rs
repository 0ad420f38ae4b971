//! The guard path: from the text of a token to a session that is good now.
//!
//! Form → the session's record, one read → unwrap, MAC, decryption, signature → claims against the
//! time, the issuer, the audience, the kind and the record. Framework-free: `http` carries it to
//! actix.
//!
//! This room must never remember a verdict: every request is judged by what the keystore says at
//! that moment.

mod even;

use crate::clock::UnixSeconds;
use crate::lacre::Lacre;
use crate::sessions::content_keys::Entry;
use crate::token::{
    Claims, Expected, Handle, KnownToken, OpenedToken, Segments, SessionKey, TokenError, TokenKind,
    UnopenedToken,
};
use even::lasting;
use lacre_keystore::{Current, KeystoreError, Record, RecordKey, SessionId, Stored, UserTag};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A name that no record has: tags are made by a keyed hash.
const NOWHERE: RecordKey =
    RecordKey::new(UserTag::from_bytes([0; 16]), SessionId::from_bytes([0; 16]));

/// How long it lasts to look for the record of a token that isn't known: two or three times what
/// it takes where the store has the record in memory, and a twentieth of the opening that follows.
const LOOKING: Duration = Duration::from_micros(4);

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

/// The record that a token is opened with, before anybody may know whether it is its session's.
///
/// Whose handles are live must not show in the time that a refusal takes (threat 32): so a token of
/// no session is opened with nobody's record, by the very same steps, and only then refused.
/// What lies where in memory differs all the same: looking for either lasts equally long.
pub(crate) struct Candidate {
    key: RecordKey,
    stored: Stored,
    is_live: bool,
}

impl Candidate {
    /// The private scalar to open the token with.
    pub(crate) fn scalar(&self) -> &[u8; 32] {
        self.stored.record.private_scalar.expose()
    }

    /// What the token was opened to and the record of its session, if the token could be opened and
    /// the session has neither ended nor expired.
    ///
    /// Both are asked by one branch: the processor's guesses at another, which only the reason hangs
    /// on, would show in the time.
    pub(crate) fn judge<T>(
        self,
        opened: Result<T, TokenError>,
    ) -> Result<(RecordKey, Stored, T), TokenError> {
        let nobodys = TokenError::UnknownSession;
        let fault = opened.as_ref().err().copied().unwrap_or(nobodys);
        let reason = [nobodys, fault][usize::from(self.is_live)];
        match opened {
            Ok(opened) if self.is_live => Ok((self.key, self.stored, opened)),
            _ => Err(reason),
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
        let sought = self.seek(unopened.handle(), now)?;
        let session_key = SessionKey::from_scalar(sought.scalar())?;
        let opened = unopened.open_and_keep(&session_key, self.parts().keyring.verifiers());
        let (key, stored, (opened, known)) = sought.judge(opened)?;
        let session = self.judge(opened, key, &stored.record, kind, now)?;
        self.note_use(&key, stored.record.last_seen_at, now);
        if kind == TokenKind::Access {
            self.keep(known.into(), key, stored);
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
            self.keep(Arc::clone(&entry.token), entry.key, new);
        }
        Some(session)
    }

    /// Keeps what the next request of this token needs not find out again, if the session is still
    /// as it was read.
    fn keep(&self, token: Arc<KnownToken>, key: RecordKey, stored: Stored) {
        let parts = self.parts();
        let version = stored.version.clone();
        let unchanged = || {
            let current = parts.keystore.get_if_changed(&key, &version);
            matches!(current, Ok(Current::Same))
        };
        let entry = Entry { token, key, stored };
        parts.content_keys.keep(entry, unchanged);
    }

    /// The record of a session that has neither ended nor expired. A handle of another form than
    /// ours costs a read, too.
    pub(crate) fn live_record(
        &self,
        handle: &Handle,
    ) -> Result<Option<(RecordKey, Record)>, KeystoreError> {
        let own = self.parts().keyring.handles().record_key(handle);
        let found = self.parts().keystore.get(&own.unwrap_or(NOWHERE))?;
        let live = found.filter(|stored| !stored.record.is_expired(self.now()));
        Ok(own.zip(live.map(|stored| stored.record)))
    }

    /// The record that a token is to be opened with: that of its session, or nobody's.
    pub(crate) fn seek(
        &self,
        handle: &Handle,
        now: UnixSeconds,
    ) -> Result<Candidate, KeystoreError> {
        let parts = self.parts();
        let own = parts.keyring.handles().record_key(handle);
        let key = own.unwrap_or(NOWHERE);
        let sought = lasting(LOOKING, || parts.keystore.get_or_nobodys(&key))?;
        let expired = sought.stored.record.is_expired(now);
        #[allow(clippy::needless_bitwise_bool)] // a lazy one is a branch, as in `judge`
        let is_live = own.is_some() & sought.is_there & !expired;
        Ok(Candidate {
            is_live,
            key,
            stored: sought.stored,
        })
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
