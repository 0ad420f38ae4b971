//! Who caused an event, why a session ended, what changed of an account: the vocabulary of the
//! audit log. The names are promised to whoever reads the log and stay as they are.
//!
//! This room must never hold a name that a client chose.

use std::net::IpAddr;

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// The user of the account or session that the event is about.
    Owner,
    /// A trusted client, by its id.
    Client(String),
    /// An outside issuer, by its name in the configuration.
    Issuer(String),
    /// Another account with the role `admin`, by its id.
    Admin(String),
    /// Somebody at the command line, with the data directory or through the admin socket.
    Operator,
    /// lacre itself: a time limit, a spent refresh token, or the outbox of an earlier change.
    Lacre,
}

/// Where an event came from; all of it may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The id of the request, as in `X-Request-Id`.
    pub request_id: Option<String>,
    /// The address of the client.
    pub address: Option<IpAddr>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Its user logged out.
    Logout,
    /// Its user revoked it from another session.
    RevokedByUser,
    /// An admin or an operator revoked it.
    RevokedByAdmin,
    /// A client that holds one of its tokens revoked it.
    RevokedByClient,
    /// It wasn't refreshed in time, or reached its absolute end.
    Expired,
    /// The user had more sessions than allowed.
    Evicted,
    /// A log-in with the same session name took its place.
    Replaced,
    /// A spent refresh token was used again: one of its two holders is a thief.
    RefreshReused,
    /// The password changed.
    PasswordChanged,
    /// The account was disabled or deleted.
    AccountClosed,
    /// The client that asked for it was deleted.
    ClientDeleted,
    /// The link through which it was begun was taken away.
    Unlinked,
    /// Its record was older than one of its tokens: the store had lost a refresh.
    RecordBehind,
}

/// What changed of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It was made.
    Created,
    /// Its name or e-mail.
    Profile,
    /// Its password.
    Password,
    /// Its roles or permissions.
    Rights,
    /// It was disabled.
    Disabled,
    /// It was enabled.
    Enabled,
    /// It was deleted.
    Deleted,
    /// A subject of an outside issuer was linked to it.
    Linked,
    /// Its links to an outside issuer were taken away.
    Unlinked,
}

impl Actor {
    /// Its stable name, the value of `by`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Client(_) => "client",
            Self::Issuer(_) => "issuer",
            Self::Admin(_) => "admin",
            Self::Operator => "operator",
            Self::Lacre => "lacre",
        }
    }

    /// The id of a client or an administrator, the name of an issuer.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Client(id) | Self::Issuer(id) | Self::Admin(id) => Some(id),
            Self::Owner | Self::Operator | Self::Lacre => None,
        }
    }
}

impl Cause {
    /// Every cause.
    #[cfg(feature = "server")]
    pub(super) const ALL: [Self; 13] = [
        Self::Logout,
        Self::RevokedByUser,
        Self::RevokedByAdmin,
        Self::RevokedByClient,
        Self::Expired,
        Self::Evicted,
        Self::Replaced,
        Self::RefreshReused,
        Self::PasswordChanged,
        Self::AccountClosed,
        Self::ClientDeleted,
        Self::Unlinked,
        Self::RecordBehind,
    ];

    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::RevokedByUser => "revoked_by_user",
            Self::RevokedByAdmin => "revoked_by_admin",
            Self::RevokedByClient => "revoked_by_client",
            Self::Expired => "expired",
            Self::Evicted => "pushed_out",
            Self::Replaced => "replaced",
            Self::RefreshReused => "refresh_reused",
            Self::PasswordChanged => "password_changed",
            Self::AccountClosed => "account_closed",
            Self::ClientDeleted => "client_deleted",
            Self::Unlinked => "unlinked",
            Self::RecordBehind => "record_behind",
        }
    }
}

impl Change {
    /// Every change.
    #[cfg(feature = "server")]
    pub(super) const ALL: [Self; 9] = [
        Self::Created,
        Self::Profile,
        Self::Password,
        Self::Rights,
        Self::Disabled,
        Self::Enabled,
        Self::Deleted,
        Self::Linked,
        Self::Unlinked,
    ];

    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Profile => "profile",
            Self::Password => "password",
            Self::Rights => "rights",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
            Self::Linked => "linked",
            Self::Unlinked => "unlinked",
        }
    }
}
