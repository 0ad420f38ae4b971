//! What a session is asked for with, and what comes back.
//!
//! This room must never print a token.

use crate::telemetry::audit::Actor;
use crate::token::{Handle, OwnUser, RESERVED_CLAIMS, TokenError, is_own_user};
use lacre_keystore::{KeystoreError, RecordKey};
use serde_json::{Map, Value};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Whom a session is for: what goes into the claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The user's id: `sub` and `id`. No id of an account begins with `client_` and has a `/`.
    pub id: String,
    /// `email`.
    pub email: Option<String>,
    /// `account_name`, in an access token that it leaves room in. For a user of a client's own the occasion has it.
    pub name: Option<String>,
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
#[non_exhaustive]
pub enum Occasion {
    /// The user proved a password: a fresh session.
    LogIn,
    /// A trusted client speaks for the user.
    OnBehalf {
        /// The client's id.
        client_id: String,
    },
    /// A trusted client vouches for a user of its own, of whom no account is kept: the subject's id is the
    /// client's, and means nothing without the client's.
    OwnUser {
        /// The client's id.
        client_id: String,
        /// What the operator calls the client.
        client_name: String,
        /// The user's name.
        name: Option<String>,
        /// Whether the user has just proven a password to the client: a fresh session.
        fresh: bool,
    },
    /// An outside issuer says who the user is. Not a fresh session: its token may be older.
    Outside {
        /// The `iss` of the issuer.
        issuer: String,
        /// The user's name there.
        subject: String,
    },
}

impl Occasion {
    /// Who causes what a beginning session ends.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::LogIn => Actor::Owner,
            Self::OnBehalf { client_id } | Self::OwnUser { client_id, .. } => {
                Actor::Client(client_id.clone())
            }
            Self::Outside { issuer, .. } => Actor::Issuer(issuer.clone()),
        }
    }

    /// Who asked for the session, as its record says it; `None` for the user.
    pub(super) fn asked_by(&self) -> Option<String> {
        match self {
            Self::LogIn => None,
            Self::OnBehalf { client_id } | Self::OwnUser { client_id, .. } => {
                Some(client_id.clone())
            }
            Self::Outside { issuer, .. } => Some(through(issuer)),
        }
    }

    /// Whether the user has just proven a password.
    pub(super) fn is_fresh(&self) -> bool {
        match self {
            Self::LogIn => true,
            Self::OwnUser { fresh, .. } => *fresh,
            Self::OnBehalf { .. } | Self::Outside { .. } => false,
        }
    }
}

/// How a record says that the session was begun by a token of this outside issuer. No client's id
/// has a colon.
pub(super) fn through(issuer: &str) -> String {
    format!("issuer:{issuer}")
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

impl Grant {
    /// The text that names the user among accounts and the users of all clients.
    pub(super) fn user(&self) -> Result<String, IssueError> {
        let id = &self.subject.id;
        match &self.occasion {
            Occasion::OwnUser { client_id, .. } => OwnUser::new(client_id, id)
                .map(|user| user.user())
                .ok_or(IssueError::UserId),
            // Else an application would make an account of a client's user.
            _ if is_own_user(id) => Err(IssueError::UserId),
            _ => Ok(id.clone()),
        }
    }
}

/// A token on its way out. Prints nothing, wipes itself.
pub struct IssuedToken(Zeroizing<String>);

impl IssuedToken {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

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
    /// Whose session it is: the text that names the user among accounts and the users of all clients.
    pub user_id: String,
    /// The session's handle.
    pub handle: Handle,
    /// The session's record.
    pub key: RecordKey,
    /// Sessions of the same user that ended because this one exceeded the maximum per user.
    pub evicted: Vec<Handle>,
    /// Whether an earlier session of the same name ended in favour of this one.
    pub replaced: bool,
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
    /// An account's id has the form of a client's user, or a client's id of a user can't be one.
    #[error("the user's id can't be one")]
    UserId,
    /// What a client says of a user of its own is longer than a record can hold.
    #[error("what the client says of the user is too long")]
    ProfileTooLong,
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
            Self::UserId => "user_id_invalid",
            Self::ProfileTooLong => "profile_too_long",
            Self::Seal => "token_not_sealed",
            Self::Contended => "session_contended",
        }
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
