//! The audit trail: who logged in, who was refused and why, what ended (OWASP ASVS 16.3).
//!
//! Each event has fixed field names. `event` is its name; `user` an account id; `session` the
//! first characters of a session handle; `code` the stable code of a refusal; `request_id` and
//! `address` say where it came from.
//!
//! This room must never be handed a token, a password or a key: codes are constants of the
//! program, a handle is cut on the way in, and an id that looks like a token is masked.

use std::fmt;
use std::net::IpAddr;

use log::kv::Value;
use log::{Level, Log, Record};

/// The log target of all audit events.
pub const TARGET: &str = "lacre::audit";

/// Something that an auditor asks for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are those of the room's head
pub enum Event<'a> {
    /// Credentials were proven.
    LoginSucceeded { user: UserId<'a> },
    /// Credentials were refused. `user` is known only where the account exists.
    LoginFailed {
        code: &'static str,
        user: Option<UserId<'a>>,
    },
    /// A token was refused, with the true reason that the answer doesn't give.
    TokenRefused {
        code: &'static str,
        session: Option<MaskedHandle>,
    },
    /// A good token lacked a role, a permission or freshness.
    AccessDenied {
        code: &'static str,
        user: UserId<'a>,
        session: MaskedHandle,
    },
    /// A session began.
    SessionStarted {
        user: UserId<'a>,
        session: MaskedHandle,
    },
    /// A session ended, and with it its tokens.
    SessionEnded {
        user: UserId<'a>,
        session: MaskedHandle,
        cause: Cause,
    },
    /// An account was made, changed or deleted.
    AccountChanged {
        user: UserId<'a>,
        change: Change,
        by: Actor<'a>,
    },
    /// An operator did what concerns everybody, such as `keys_rotated` or `keystore_exported`.
    OperatorActed { action: &'static str },
}

/// Where an event came from; all of it may be unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The id of the request, as in `X-Request-Id`.
    pub request_id: Option<&'a str>,
    /// The address of the client.
    pub address: Option<IpAddr>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Its user logged out.
    Logout,
    /// Its user ended it from another session.
    RevokedByUser,
    /// An admin or an operator ended it.
    RevokedByAdmin,
    /// It wasn't refreshed in time, or came to its absolute end.
    Expired,
    /// The user had more sessions than allowed.
    PushedOut,
    /// A log-in of the same client session took its place.
    Replaced,
    /// A spent refresh token came again: one of its two holders is a thief.
    RefreshReused,
    /// The password changed.
    PasswordChanged,
    /// The account was disabled or deleted.
    AccountClosed,
}

/// What changed of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It was made.
    Created,
    /// Its name or another thing without weight.
    Profile,
    /// Its password.
    Password,
    /// Its role, roles or permissions.
    Rights,
    /// It was disabled.
    Disabled,
    /// It was enabled.
    Enabled,
    /// It was deleted.
    Deleted,
}

/// Who changed an account.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Actor<'a> {
    /// The account's own user.
    Owner,
    /// Another account, with the role `admin`.
    Admin(UserId<'a>),
    /// Someone at the command line.
    Operator,
}

/// The id of an account, at most 64 characters of it.
#[derive(Clone, Copy)]
pub struct UserId<'a>(&'a str);

/// The first eight characters of a session handle, and never more than half of it: enough to
/// find a session, not enough to name it to the service.
#[derive(Clone, Copy)]
pub struct MaskedHandle {
    characters: [char; 8],
    count: usize,
}

impl Event<'_> {
    /// Writes the event to the log, at once.
    pub fn record(&self, origin: &Origin<'_>) {
        self.record_to(log::logger(), origin);
    }

    fn record_to(&self, logger: &dyn Log, origin: &Origin<'_>) {
        let address = origin.address.map(|address| address.to_string());
        let mut fields = vec![("event", Value::from(self.name()))];
        self.fields(&mut fields);
        if let Some(id) = origin.request_id {
            fields.push(("request_id", Value::from(id)));
        }
        if let Some(address) = &address {
            fields.push(("address", Value::from(address.as_str())));
        }
        logger.log(
            &Record::builder()
                .target(TARGET)
                .level(self.level())
                .args(format_args!(""))
                .key_values(&fields.as_slice())
                .build(),
        );
    }

    fn name(&self) -> &'static str {
        match self {
            Self::LoginSucceeded { .. } => "login_succeeded",
            Self::LoginFailed { .. } => "login_failed",
            Self::TokenRefused { .. } => "token_refused",
            Self::AccessDenied { .. } => "access_denied",
            Self::SessionStarted { .. } => "session_started",
            Self::SessionEnded { .. } => "session_ended",
            Self::AccountChanged { .. } => "account_changed",
            Self::OperatorActed { .. } => "operator_acted",
        }
    }

    /// What was refused, and theft, stands out.
    fn level(&self) -> Level {
        match self {
            Self::LoginFailed { .. }
            | Self::TokenRefused { .. }
            | Self::AccessDenied { .. }
            | Self::SessionEnded {
                cause: Cause::RefreshReused,
                ..
            } => Level::Warn,
            _ => Level::Info,
        }
    }

    fn fields<'f>(&'f self, out: &mut Vec<(&'static str, Value<'f>)>) {
        let mut user = |user: &'f UserId<'f>| out.push(("user", Value::from_display(user)));
        match self {
            Self::LoginSucceeded { user: id } => user(id),
            Self::LoginFailed { code, user: id } => {
                id.iter().for_each(user);
                out.push(("code", Value::from(*code)));
            }
            Self::TokenRefused { code, session } => {
                out.push(("code", Value::from(*code)));
                out.extend(
                    session
                        .iter()
                        .map(|handle| ("session", Value::from_display(handle))),
                );
            }
            Self::AccessDenied {
                code,
                user: id,
                session,
            } => {
                user(id);
                out.push(("session", Value::from_display(session)));
                out.push(("code", Value::from(*code)));
            }
            Self::SessionStarted { user: id, session } => {
                user(id);
                out.push(("session", Value::from_display(session)));
            }
            Self::SessionEnded {
                user: id,
                session,
                cause,
            } => {
                user(id);
                out.push(("session", Value::from_display(session)));
                out.push(("cause", Value::from(cause.name())));
            }
            Self::AccountChanged {
                user: id,
                change,
                by,
            } => {
                user(id);
                out.push(("change", Value::from(change.name())));
                out.push(("by", Value::from(by.name())));
                if let Actor::Admin(admin) = by {
                    out.push(("admin", Value::from_display(admin)));
                }
            }
            Self::OperatorActed { action } => out.push(("action", Value::from(*action))),
        }
    }
}

impl Cause {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::RevokedByUser => "revoked_by_user",
            Self::RevokedByAdmin => "revoked_by_admin",
            Self::Expired => "expired",
            Self::PushedOut => "pushed_out",
            Self::Replaced => "replaced",
            Self::RefreshReused => "refresh_reused",
            Self::PasswordChanged => "password_changed",
            Self::AccountClosed => "account_closed",
        }
    }
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Profile => "profile",
            Self::Password => "password",
            Self::Rights => "rights",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Deleted => "deleted",
        }
    }
}

impl Actor<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin(_) => "admin",
            Self::Operator => "operator",
        }
    }
}

impl<'a> UserId<'a> {
    /// Takes the id of an account.
    #[must_use]
    pub fn new(id: &'a str) -> Self {
        Self(id)
    }
}

impl fmt::Display for UserId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every compact JWS and JWE starts so: `{"` as base64url.
        if self.0.starts_with("eyJ") {
            return f.write_str("masked");
        }
        write!(f, "{:.64}", self.0)
    }
}

impl fmt::Debug for UserId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl MaskedHandle {
    /// Keeps what may be logged of `handle`.
    #[must_use]
    pub fn of(handle: &str) -> Self {
        let mut characters = ['…'; 8];
        let count = (handle.chars().count() / 2).min(characters.len());
        for (kept, c) in characters.iter_mut().zip(handle.chars().take(count)) {
            *kept = c;
        }
        Self { characters, count }
    }
}

impl fmt::Display for MaskedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in &self.characters[..self.count] {
            fmt::Write::write_char(f, *c)?;
        }
        f.write_str("…")
    }
}

impl fmt::Debug for MaskedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
