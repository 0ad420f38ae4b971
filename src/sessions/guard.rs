//! The guard path: from the text of a token to a session that is good now.
//!
//! Form → the session's record → unwrap, MAC, decryption, signature → claims against the time, the
//! issuer, the audience, the kind and the record. A token that was good before is opened by its kept
//! content key and asks the store only where its record may have changed. Framework-free: `http`
//! carries it to actix.
//!
//! This room must never remember a verification result: every request is verified against what the
//! keystore says at that moment.

use super::content_keys::{ContentKeys, Entry};
use super::even_time::locate;
use super::last_seen::Notes;
use super::records::Records;
use super::revoke::Revoker;
use super::rules::Rules;
use crate::clock::UnixSeconds;
use crate::token::{
    Claims, Expected, Handle, KnownToken, OpenedToken, Segments, SessionKey, TokenError, TokenKind,
    UnopenedToken,
};
use lacre_keystore::{Current, KeystoreError, Record, RecordKey, Stored};
use std::sync::Arc;
use thiserror::Error;

/// A session that is good now: what a guarded handler gets to see.
#[derive(Debug, Clone)]
pub struct LiveSession {
    /// The claims of the token that was presented.
    pub claims: Box<Claims>,
    /// Where the session's record lies.
    pub key: RecordKey,
    /// When the session began.
    pub created_at: u64,
    /// When the session ends unless it is refreshed.
    pub expires_at: u64,
    /// Whether the record is behind in when the session was used last, and where.
    pub(crate) is_behind: bool,
    /// The text that names a client's user among all users; `None` for an account.
    own_user: Option<Box<str>>,
}

impl LiveSession {
    /// The text that names the user among accounts and the users of all clients: an account's id, or for
    /// a client's user the client's id, `/`, and [`subject`](Self::subject).
    #[must_use]
    pub fn user_id(&self) -> &str {
        match &self.own_user {
            Some(user) => user,
            None => &self.claims.subject,
        }
    }

    /// The `sub` of the token: an account's id, or what [`client_id`](Self::client_id) calls its user. It
    /// means something only together with that.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// The session's handle.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.claims.session
    }

    /// The client to whom the user belongs; `None` where it is an account.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.claims.client_id.as_deref()
    }

    /// Whether the token was made by proving the password, not by a refresh.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.claims.fresh == Some(true)
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
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

/// What verifying a token came to, and what is known of it: for operators alone.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) result: Result<LiveSession, Refusal>,
    /// The session that the token names, once its form is right.
    pub(crate) handle: Option<Handle>,
    /// What it says, once it has been opened and its signature was right.
    pub(crate) said: Option<(TokenKind, Claims)>,
    /// The record of its session, likewise.
    pub(crate) record: Option<Record>,
}

/// Verifies the tokens of one deployment.
pub(crate) struct Guard {
    rules: Arc<Rules>,
    records: Records,
    content_keys: Arc<ContentKeys>,
    notes: Notes,
    revoker: Arc<Revoker>,
}

impl Guard {
    pub(crate) fn new(
        rules: Arc<Rules>,
        records: Records,
        content_keys: Arc<ContentKeys>,
        notes: Notes,
        revoker: Arc<Revoker>,
    ) -> Self {
        Self {
            rules,
            records,
            content_keys,
            notes,
            revoker,
        }
    }

    /// Verifies a token of this kind as it came in.
    ///
    /// A token whose content key is kept is let in by a shorter way, which checks everything that a
    /// request can change. It can only say yes: whatever it doesn't let in goes the whole way, so
    /// that a refusal costs the same and says the same whether a key was kept or not.
    pub(crate) async fn verify(
        &self,
        token: &[u8],
        kind: TokenKind,
    ) -> Result<LiveSession, Refusal> {
        if let Some(session) = self.verify_at_once(token, kind) {
            return Ok(session);
        }
        match self.verify_known(token, kind).await {
            Some(session) => Ok(session),
            None => self.verify_unknown(token, kind).await,
        }
    }

    /// Returns the session of a token whose content key is kept and whose record certainly hasn't
    /// changed, without waiting for the store. `None` means nothing: the caller has to ask
    /// [`verify_known`](Self::verify_known), and then [`verify_unknown`](Self::verify_unknown).
    pub(crate) fn verify_at_once(&self, token: &[u8], kind: TokenKind) -> Option<LiveSession> {
        self.rules.check_length(token).ok()?;
        let segments = Segments::split(token).ok()?;
        let entry = self.content_keys.find(&segments)?;
        let keystore = &self.records.keystore;
        if !keystore.is_current(&entry.key, &entry.stored.version) {
            return None;
        }
        let now = self.records.now();
        self.open_known(&segments, &entry, &entry.stored.record, kind, now)
    }

    /// Returns the session of a token whose content key is kept, if its record still says that it is
    /// good. `None` means nothing, as above.
    pub(crate) async fn verify_known(&self, token: &[u8], kind: TokenKind) -> Option<LiveSession> {
        self.rules.check_length(token).ok()?;
        let segments = Segments::split(token).ok()?;
        let entry = self.content_keys.find(&segments)?;
        let seen = &entry.stored;
        let changed = match self
            .records
            .keystore
            .get_if_changed(&entry.key, &seen.version)
            .await
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
        let session = self.open_known(&segments, &entry, record, kind, self.records.now())?;
        if let Some(new) = changed {
            self.keep(Arc::clone(&entry.token), entry.key, new);
        }
        Some(session)
    }

    /// Verifies a token with nothing but its session's record.
    pub(crate) async fn verify_unknown(
        &self,
        token: &[u8],
        kind: TokenKind,
    ) -> Result<LiveSession, Refusal> {
        let now = self.records.now();
        let unopened = self.parse(token)?;
        // What opens the token has gone before anything is waited for: what is held meanwhile stays in the memory of
        // the future, of which nobody wipes the copies.
        let (key, stored, generation) = {
            let (key, stored, (opened, known)) = self.open(unopened, now).await?;
            let generation = opened.generation();
            match self.check(opened, key, &stored.record, kind, now) {
                Ok(mut session) => {
                    session.is_behind = self.notes.note_use(&key, stored.record.last_seen_at, now);
                    if kind == TokenKind::Access {
                        self.keep(known.into(), key, stored);
                    }
                    return Ok(session);
                }
                Err(TokenError::Generation) => (key, stored, generation),
                Err(refused) => return Err(refused.into()),
            }
        };
        let refused = self.revoker.end_behind(key, stored, generation).await?;
        Err(refused.into())
    }

    /// Says what verifying this token as one of its own kind comes to, and what is known of it. It is no
    /// use of the session: nothing is noted or kept.
    pub(crate) async fn explain(&self, token: &[u8]) -> Explained {
        let now = self.records.now();
        let mut explained = Explained {
            result: Err(TokenError::Malformed.into()),
            handle: None,
            said: None,
            record: None,
        };
        let unopened = match self.parse(token) {
            Ok(unopened) => unopened,
            Err(refusal) => {
                explained.result = Err(refusal.into());
                return explained;
            }
        };
        explained.handle = Some(unopened.handle().clone());
        let (key, stored, (opened, _)) = match self.open(unopened, now).await {
            Ok(found) => found,
            Err(refusal) => {
                explained.result = Err(refusal);
                return explained;
            }
        };
        let (kind, claims) = opened.said();
        explained.said = Some((kind, claims.clone()));
        let result = self.check(opened, key, &stored.record, kind, now);
        explained.result = result.map_err(Refusal::from);
        explained.record = Some(stored.record);
        explained
    }

    /// The first two steps: the length, and the form.
    fn parse<'t>(&self, token: &'t [u8]) -> Result<UnopenedToken<'t>, TokenError> {
        self.rules.check_length(token)?;
        UnopenedToken::parse(token)
    }

    /// The steps from the form to the claims: the record, and the opening by its key.
    async fn open(
        &self,
        unopened: UnopenedToken<'_>,
        now: UnixSeconds,
    ) -> Result<(RecordKey, Stored, (OpenedToken, KnownToken)), Refusal> {
        let candidate = locate(&self.records, unopened.handle(), now).await?;
        let session_key = SessionKey::from_scalar(candidate.scalar())?;
        let opened =
            unopened.open_and_keep(&session_key, self.records.keyring().signers().verifiers());
        Ok(candidate.verify(opened)?)
    }

    #[inline]
    fn open_known(
        &self,
        segments: &Segments<'_>,
        entry: &Entry,
        record: &Record,
        kind: TokenKind,
        now: UnixSeconds,
    ) -> Option<LiveSession> {
        if record.is_expired(now) {
            return None;
        }
        let opened = entry.token.open(segments)?;
        let mut session = self.check(opened, entry.key, record, kind, now).ok()?;
        session.is_behind = self.notes.note_use(&entry.key, record.last_seen_at, now);
        Some(session)
    }

    /// Keeps what the next request of this token needs not find out again, if the record is certainly
    /// still as it was read.
    fn keep(&self, token: Arc<KnownToken>, key: RecordKey, stored: Stored) {
        let version = stored.version.clone();
        let unchanged = || self.records.keystore.is_current(&key, &version);
        let entry = Entry { token, key, stored };
        self.content_keys.keep(entry, unchanged);
    }

    /// Checks what the token says against what is expected here, now and of this session.
    fn check(
        &self,
        opened: OpenedToken,
        key: RecordKey,
        record: &Record,
        kind: TokenKind,
        now: UnixSeconds,
    ) -> Result<LiveSession, TokenError> {
        let claims = opened.check(&Expected {
            now,
            leeway: self.rules.leeway,
            issuer: &self.rules.issuer,
            audience: &self.rules.audience,
            kind,
            user: Some(&record.user_id),
            generation: record.generation,
        })?;
        if kind == TokenKind::Access && record.access_ended {
            return Err(TokenError::Generation);
        }
        let of_a_client = claims.client_id.is_some();
        Ok(LiveSession {
            own_user: of_a_client.then(|| record.user_id.as_str().into()),
            claims,
            key,
            created_at: record.created_at,
            expires_at: record.expires_at,
            is_behind: false,
        })
    }
}

#[cfg(test)]
mod tests;
