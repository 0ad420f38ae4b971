//! The service: accounts and sessions together, by the rules of what ends what.
//!
//! HTTP and the command line both come through here, so that an account that is disabled on the
//! command line ends the same sessions as one that is disabled over HTTP.
//!
//! This room must never answer that an account has changed before the sessions that the change
//! ends are gone.

mod attempt;
mod backup;
mod caller;
mod clients;
mod exchange;
mod going_on;
mod home;
mod keys;
mod limits;
mod links;
mod log_in;
mod on_behalf;
mod outbox;
mod own_users;
mod renew;
mod revoke;
mod sweep;
mod users;

pub use caller::Caller;
pub use exchange::Exchange;
pub use home::Home;
pub use limits::{LimitSettings, Limits, Rate};
pub use log_in::LogIn;
pub use on_behalf::{MAX_CLAIMS, OnBehalf};
pub use own_users::Said;
pub(crate) use revoke::{Named, revoke_every_session};
pub use users::Changed;

use crate::accounts::{Accounts, AccountsError};
use crate::federation::{Federation, FederationError};
use crate::lacre::Lacre;
use crate::sessions::grant::IssueError;
use lacre_keystore::KeystoreError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// One deployment's accounts and sessions. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    lacre: Lacre,
    accounts: Accounts,
    limits: Limits,
    federation: Federation,
    home: Option<Arc<Home>>,
    node: Option<Arc<str>>,
}

impl Service {
    /// Puts accounts and sessions together, and the limits on who asks for them.
    #[must_use]
    pub fn new(lacre: Lacre, accounts: Accounts, limits: Limits) -> Self {
        Self {
            lacre,
            accounts,
            limits,
            federation: Federation::default(),
            home: None,
            node: None,
        }
    }

    /// The same, believing these outside issuers.
    #[must_use]
    pub fn believing(self, federation: Federation) -> Self {
        Self { federation, ..self }
    }

    /// The same, with the place that it lies in.
    #[must_use]
    pub fn lying_in(self, home: Option<Home>) -> Self {
        let home = home.map(Arc::new);
        Self { home, ..self }
    }

    /// The same, as one of several nodes under this name.
    #[must_use]
    pub fn named(self, node: Option<String>) -> Self {
        let node = node.map(Arc::from);
        Self { node, ..self }
    }

    /// The name of this node, where there may be several.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Where it lies, where it has its store to itself.
    #[must_use]
    pub fn home(&self) -> Option<&Home> {
        self.home.as_deref()
    }

    /// The outside issuers that are believed.
    #[must_use]
    pub fn federation(&self) -> &Federation {
        &self.federation
    }

    /// Writes down what is still to be written: when nobody asks any more, and before the stores are closed.
    pub async fn settle(&self) {
        self.limits.settle().await;
    }

    /// The sessions.
    #[must_use]
    pub fn lacre(&self) -> &Lacre {
        &self.lacre
    }

    /// The accounts, for reading; changes go through this room.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("lacre", &self.lacre)
            .finish_non_exhaustive()
    }
}

/// Why the service didn't do what it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The accounts say no, or can't be asked.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// The client's own credentials are wrong.
    #[error("the client's credentials are wrong")]
    InvalidClient,
    /// The password is right, and its account hasn't the role that is asked for.
    #[error("the account hasn't the role that this log-in is for")]
    RoleMissing,
    /// Too many attempts have failed, or there were too many sign-ups.
    #[error("too many attempts, try again later")]
    TooMany {
        /// How long to wait.
        wait: Duration,
    },
    /// A client asks for a user that can't log in.
    #[error("there is no such user")]
    IncorrectUser,
    /// The client has no users of its own.
    #[error("the client has no users of its own")]
    NoOwnUsers,
    /// A client says of a user whom it doesn't vouch for what only such a client may say.
    #[error("only a client with users of its own says {member} of them")]
    NotVouched {
        /// The member that says it.
        member: &'static str,
    },
    /// What a client says of a user of its own can't be said.
    #[error("{field} {reason}")]
    UserInvalid {
        /// The member that says it.
        field: &'static str,
        /// What is wrong with it: a sentence without its subject.
        reason: &'static str,
    },
    /// The token of an outside issuer isn't believed.
    #[error("{0}")]
    Outside(FederationError),
    /// The subject of an outside issuer is no account here.
    #[error("the subject of the outside token is linked to no account")]
    NotLinked,
    /// An account can't be made for a subject, whose verified address another account has.
    #[error("the address of the outside token's subject is another account's: link the two")]
    EmailTaken,
    /// An operator named an issuer that isn't configured.
    #[error("no issuer is configured under this name: give the name, or its `issuer`")]
    IssuerUnknown,
    /// A client gave no name for the session of an account.
    #[error("user_session is missing")]
    UserSessionMissing,
    /// The name that a caller gave the session is empty, too long or not plain text.
    #[error("user_session must be 1 to 4096 characters without control characters")]
    UserSession,
    /// The additional claims of a client are longer than [`MAX_CLAIMS`].
    #[error("the additional claims are too long")]
    ClaimsTooLong,
    /// No session could be begun.
    #[error("{0}")]
    Issue(#[from] IssueError),
    /// The keystore can't be asked. A change of the account before it stands; its sessions end when
    /// the request is repeated, with the next sweep, or at the next start.
    #[error("the keystore is unavailable: {0}")]
    Store(#[from] KeystoreError),
}

impl ServiceError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Accounts(error) => error.code(),
            Self::InvalidClient => "invalid_client",
            Self::RoleMissing => "role_missing",
            Self::TooMany { .. } => "rate_limited",
            Self::IncorrectUser => "invalid_credentials",
            Self::NoOwnUsers => "no_own_users",
            Self::NotVouched { .. } => "not_vouched",
            Self::UserInvalid { .. } => "user_invalid",
            Self::Outside(error) => error.code(),
            Self::NotLinked => "outside_subject_not_linked",
            Self::EmailTaken => "outside_email_taken",
            Self::IssuerUnknown => "issuer_unknown",
            Self::UserSession => "user_session_invalid",
            Self::UserSessionMissing => "user_session_missing",
            Self::ClaimsTooLong => "claims_too_long",
            Self::Issue(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

#[cfg(test)]
mod tests;
