//! The issue path: from a proven user to a token that only this session's key opens.
//!
//! New key pair → claims signed, then sealed → record durable in the keystore → and only then does
//! the token leave. Whoever proves the user's credentials calls this room; it asks no questions.
//!
//! This room must never return a token whose record might be lost in a crash.

mod cap;
mod pair;

pub(crate) use cap::Turns;
pub(crate) use pair::Contents;

use crate::clock::UnixSeconds;
use crate::lacre::Lacre;
use crate::token::{Handle, RESERVED_CLAIMS, SessionKey, TokenError, stack};
use lacre_keystore::{KeystoreError, PrivateScalar, Record, RecordKey, Swap};
use serde_json::{Map, Value};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// How often a session is tried again when others replace it, or change what it is to push out, at
/// the same moment.
const ATTEMPTS: usize = 32;

/// Whom a session is for: what goes into the claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The user's id: `sub` and `id`.
    pub id: String,
    /// `email`.
    pub email: Option<String>,
    /// `roles`; the first one is `role` as well.
    pub roles: Vec<String>,
    /// `permissions`.
    pub permissions: Vec<String>,
}

/// Where a session comes from: shown to its user and to operators, never trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// A name that the user gave the session.
    pub label: Option<String>,
    /// The peer's address.
    pub address: Option<String>,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
}

/// How a session came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// The user proved a password: a fresh session.
    LogIn,
    /// A trusted client speaks for the user.
    OnBehalf {
        /// The client's id.
        client_id: String,
    },
}

/// One request for a session.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whom it is for.
    pub subject: Subject,
    /// How it came about.
    pub occasion: Occasion,
    /// The caller's own name for the session: a session of the same user and name is replaced.
    /// Without one, the session is new.
    pub user_session: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// Additional claims, under names that lacre gives no meaning to.
    pub additional: Map<String, Value>,
}

impl Grant {
    /// A new session for a user who has just proven who it is: a fresh one, of its own, with no
    /// additional claims. Change what is to be otherwise: `Grant { origin, ..Grant::log_in(user) }`.
    #[must_use]
    pub fn log_in(subject: Subject) -> Self {
        Self {
            subject,
            occasion: Occasion::LogIn,
            user_session: None,
            origin: Origin::default(),
            additional: Map::new(),
        }
    }
}

/// A token on its way out. Prints nothing, wipes itself.
pub struct IssuedToken(Zeroizing<String>);

impl IssuedToken {
    /// The token's text, for the answer to the one who asked.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedToken(..)")
    }
}

/// A token and for how long it is good.
#[derive(Debug)]
pub struct Lasting {
    /// The token.
    pub token: IssuedToken,
    /// Seconds until it expires.
    pub expires_in: u64,
}

/// A session's tokens.
#[derive(Debug)]
pub struct Issued {
    /// The access token.
    pub access: Lasting,
    /// The refresh token; none where only the access token was renewed.
    pub refresh: Option<Lasting>,
    /// Whose session it is.
    pub user_id: String,
    /// The session's handle.
    pub handle: Handle,
    /// The session's record.
    pub key: RecordKey,
    /// Sessions of the same user that ended to make room for this one.
    pub pushed_out: Vec<Handle>,
}

/// Why no session began.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The keystore didn't take the record.
    #[error("the keystore is unavailable: {0}")]
    Store(#[from] KeystoreError),
    /// An additional claim has a name that lacre gives a meaning to.
    #[error("the claim {0:?} has a meaning of its own")]
    ReservedClaim(String),
    /// With these claims the token would be longer than a guard reads.
    #[error("the claims make the token too long")]
    TooLong,
    /// The token could not be made.
    #[error("the token could not be sealed")]
    Seal,
    /// Too many requests replaced the same named session, or changed the user's others, at once.
    #[error("the user's sessions are being changed by too many requests at once")]
    Contended,
}

impl IssueError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::ReservedClaim(_) => "claim_reserved",
            Self::TooLong => "token_too_long",
            Self::Seal => "token_not_sealed",
            Self::Contended => "session_contended",
        }
    }
}

impl Lacre {
    /// Begins a session and returns its token, after its record is durable.
    pub async fn issue(&self, grant: &Grant) -> Result<Issued, IssueError> {
        check_additional(&grant.additional)?;
        let parts = self.parts();
        let handles = parts.keyring.handles();
        let key = match &grant.user_session {
            None => handles.new_session(&grant.subject.id, &mut (parts.entropy)()),
            Some(name) => handles.named_session(&grant.subject.id, name),
        };
        let handle = handles.handle(&key);
        let now = parts.clock.now();
        let record = self.new_record(grant, now);
        // The claims are made next, in values that would take up what the key has left.
        stack::sweep();
        let pair = self.token_pair(&Contents {
            subject: &grant.subject,
            handle: &handle,
            record: &record,
            now,
            fresh: grant.occasion == Occasion::LogIn,
            additional: &grant.additional,
        })?;
        let mut pushed_out = if grant.user_session.is_some() {
            let pushed_out = self.replace(&key, &record).await?;
            // The session of before has ended with its key.
            parts.content_keys.forget(&key);
            pushed_out
        } else {
            self.put(&key, &record).await?
        };
        pushed_out.extend(self.make_room(&key, &record).await?);
        Ok(Issued {
            access: pair.access,
            refresh: Some(pair.refresh),
            user_id: record.user_id,
            handle,
            key,
            pushed_out,
        })
    }

    fn new_record(&self, grant: &Grant, now: UnixSeconds) -> Record {
        let parts = self.parts();
        let session_key = SessionKey::generate(&mut (parts.entropy)());
        let ends_at = now.saturating_add(parts.rules.absolute_ttl);
        let client_id = match &grant.occasion {
            Occasion::LogIn => None,
            Occasion::OnBehalf { client_id } => Some(client_id.clone()),
        };
        Record {
            private_scalar: PrivateScalar::new(*session_key.scalar()),
            user_id: grant.subject.id.clone(),
            created_at: now,
            authenticated_at: now,
            expires_at: now.saturating_add(parts.rules.refresh_ttl).min(ends_at),
            ends_at,
            last_seen_at: now,
            generation: 1,
            rotated_at: now,
            access_ended: false,
            label: grant.origin.label.clone(),
            address: grant.origin.address.clone(),
            user_agent: grant.origin.user_agent.clone(),
            client_id,
        }
    }

    /// Stores a new session under an id of its own, and says which it pushed out.
    async fn put(&self, key: &RecordKey, record: &Record) -> Result<Vec<Handle>, IssueError> {
        for _ in 0..ATTEMPTS {
            if let Some(pushed_out) = self.begin(key, record).await? {
                return Ok(pushed_out);
            }
        }
        Err(IssueError::Contended)
    }

    /// Stores a named session in place of the one before: one compare-and-swap, one winner. Where
    /// there is none before, it is new and may push out others.
    async fn replace(&self, key: &RecordKey, record: &Record) -> Result<Vec<Handle>, IssueError> {
        let keystore = &self.parts().keystore;
        for _ in 0..ATTEMPTS {
            let pushed_out = match keystore.get(key)? {
                None => self.begin(key, record).await?,
                Some(old) => {
                    let swap = keystore.compare_and_swap(key, &old, record).await?;
                    (swap == Swap::Won).then(Vec::new)
                }
            };
            if let Some(pushed_out) = pushed_out {
                return Ok(pushed_out);
            }
        }
        Err(IssueError::Contended)
    }
}

/// Refuses additional claims under names that lacre gives a meaning to.
pub(crate) fn check_additional(claims: &Map<String, Value>) -> Result<(), IssueError> {
    let reserved = claims
        .keys()
        .find(|name| RESERVED_CLAIMS.contains(&name.as_str()));
    match reserved {
        Some(name) => Err(IssueError::ReservedClaim(name.clone())),
        None => Ok(()),
    }
}

impl From<TokenError> for IssueError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::TooLong => Self::TooLong,
            _ => Self::Seal,
        }
    }
}

#[cfg(test)]
mod tests;
