//! The audit trail: who logged in, who was refused and why, what ended (OWASP ASVS 16.3).
//!
//! Each event has fixed field names. `event` is its name; `user` an account id; `session` the
//! first characters of a session handle; `code` the stable code of a refusal; `by` who caused it;
//! `request_id` and `address` say where it came from.
//!
//! This room must never be handed a token, a password or a key: codes are constants of the
//! program, a handle is cut on the way in, and an id that looks like a token is masked.

mod masked;
#[cfg(feature = "server")]
mod refused;
#[cfg(feature = "server")]
mod tally;
mod who;

pub use masked::{MaskedHandle, UserId};
#[cfg(feature = "server")]
pub use refused::{Refused, refused_lately};
#[cfg(feature = "server")]
pub use tally::{Counted, Counts};
pub use who::{Actor, Cause, Change, Origin};

use log::kv::Value;
use log::{Level, Log, Record};

/// The log target of all audit events.
pub const TARGET: &str = "lacre::audit";

/// No event has more fields.
const MOST_FIELDS: usize = 8;

/// What this process has recorded.
#[cfg(feature = "server")]
static TALLY: tally::Tally = tally::Tally::new();

/// How often each kind of event was recorded since the start. Whatever a monitor may wait for is there from
/// the start, with 0.
#[cfg(feature = "server")]
#[must_use]
pub fn counts() -> Counts {
    let ended = Cause::ALL.map(|cause| (Counted::SessionsEnded, cause.name()));
    let changes = Change::ALL.map(|change| (Counted::AccountChanges, change.name()));
    let log_ins = [SUCCEEDED, INVALID_CREDENTIALS].map(|name| (Counted::LogIns, name));
    TALLY.read(ended.into_iter().chain(changes).chain(log_ins))
}

#[cfg(feature = "server")]
const SUCCEEDED: &str = "succeeded";
#[cfg(feature = "server")]
const INVALID_CREDENTIALS: &str = "invalid_credentials";

const TOKEN_REFUSED: &str = "token_refused";
const ACCESS_DENIED: &str = "access_denied";

/// Whether the event of this name tells of a request that was refused and has changed nothing. Anybody can
/// cause as many of these as it likes.
pub(super) fn is_refusal(event: &str) -> bool {
    event == TOKEN_REFUSED || event == ACCESS_DENIED
}

/// Something that an auditor asks for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are those of the room's head
pub enum Event<'a> {
    /// Credentials were proven: the user's own, or those of a client that names the user.
    LoginSucceeded { user: UserId<'a>, by: &'a Actor },
    /// Credentials were refused. `user` is known only where the account exists; `client` is the back
    /// end that asked, proven or not.
    LoginFailed {
        code: &'static str,
        user: Option<UserId<'a>>,
        client: Option<UserId<'a>>,
    },
    /// A token was refused, with the true reason that the answer doesn't give.
    TokenRefused {
        code: &'static str,
        session: Option<MaskedHandle>,
    },
    /// A good token lacked a role, a permission or freshness, or another site may have sent it.
    AccessDenied {
        code: &'static str,
        user: UserId<'a>,
        session: MaskedHandle,
    },
    /// The same for a token of an outside issuer, which has no session here.
    OutsideAccessDenied {
        code: &'static str,
        issuer: UserId<'a>,
        subject: UserId<'a>,
    },
    /// So many events of refused requests were dropped: nobody read the log.
    RefusalsDropped { count: u64 },
    /// A stranger may not sign up now.
    SignupRefused { code: &'static str },
    /// A session began.
    SessionStarted {
        user: UserId<'a>,
        session: MaskedHandle,
        by: &'a Actor,
    },
    /// A session ended, and with it its tokens.
    SessionEnded {
        user: UserId<'a>,
        session: MaskedHandle,
        cause: Cause,
        by: &'a Actor,
    },
    /// An account was made, changed or deleted.
    AccountChanged {
        user: UserId<'a>,
        change: Change,
        by: &'a Actor,
    },
    /// Something was done that concerns no single account, such as `all_sessions_revoked`.
    OperatorActed {
        action: &'static str,
        client: Option<UserId<'a>>,
        by: &'a Actor,
    },
}

impl Event<'_> {
    /// Writes the event to the log, at once.
    pub fn record(&self, origin: &Origin) {
        #[cfg(feature = "server")]
        if let Some((kind, name)) = self.counted() {
            TALLY.add(kind, name);
        }
        #[cfg(feature = "server")]
        refused::keep(self, origin);
        self.record_to(log::logger(), origin);
    }

    fn record_to(&self, logger: &dyn Log, origin: &Origin) {
        let mut fields = Vec::with_capacity(MOST_FIELDS);
        fields.push(("event", Value::from(self.name())));
        self.fields(&mut fields);
        let actor_id = self.by().and_then(Actor::id).map(UserId::new);
        if let Some(by) = self.by() {
            fields.push(("by", Value::from(by.name())));
            if let Some(id) = &actor_id {
                fields.push((by.name(), Value::from_display(id)));
            }
        }
        if let Some(id) = &origin.request_id {
            fields.push(("request_id", Value::from(id.as_str())));
        }
        if let Some(address) = &origin.address {
            fields.push(("address", Value::from_display(address)));
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

    /// As what it is counted; `None` for what is a count itself.
    #[cfg(feature = "server")]
    fn counted(&self) -> Option<(Counted, &'static str)> {
        Some(match self {
            Self::LoginSucceeded { .. } => (Counted::LogIns, SUCCEEDED),
            Self::LoginFailed { code, .. } => (Counted::LogIns, code),
            Self::TokenRefused { code, .. } => (Counted::TokensRefused, code),
            Self::AccessDenied { code, .. } | Self::OutsideAccessDenied { code, .. } => {
                (Counted::AccessDenied, code)
            }
            Self::RefusalsDropped { .. } => return None,
            Self::SignupRefused { code } => (Counted::SignupsRefused, code),
            Self::SessionStarted { by, .. } => (Counted::SessionsStarted, by.name()),
            Self::SessionEnded { cause, .. } => (Counted::SessionsEnded, cause.name()),
            Self::AccountChanged { change, .. } => (Counted::AccountChanges, change.name()),
            Self::OperatorActed { action, .. } => (Counted::OperatorActs, action),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::LoginSucceeded { .. } => "login_succeeded",
            Self::LoginFailed { .. } => "login_failed",
            Self::TokenRefused { .. } => TOKEN_REFUSED,
            Self::AccessDenied { .. } | Self::OutsideAccessDenied { .. } => ACCESS_DENIED,
            Self::RefusalsDropped { .. } => "refusals_dropped",
            Self::SignupRefused { .. } => "signup_refused",
            Self::SessionStarted { .. } => "session_started",
            Self::SessionEnded { .. } => "session_ended",
            Self::AccountChanged { .. } => "account_changed",
            Self::OperatorActed { .. } => "operator_acted",
        }
    }

    /// Refusals and theft are warnings.
    fn level(&self) -> Level {
        match self {
            Self::LoginFailed { .. }
            | Self::TokenRefused { .. }
            | Self::AccessDenied { .. }
            | Self::OutsideAccessDenied { .. }
            | Self::RefusalsDropped { .. }
            | Self::SignupRefused { .. }
            | Self::SessionEnded {
                cause: Cause::RefreshReused,
                ..
            } => Level::Warn,
            _ => Level::Info,
        }
    }

    /// Who caused it, as far as that is proven: whoever was refused has proven nothing.
    fn by(&self) -> Option<&Actor> {
        match self {
            Self::LoginSucceeded { by, .. }
            | Self::SessionStarted { by, .. }
            | Self::SessionEnded { by, .. }
            | Self::AccountChanged { by, .. }
            | Self::OperatorActed { by, .. } => Some(by),
            Self::LoginFailed { .. }
            | Self::TokenRefused { .. }
            | Self::AccessDenied { .. }
            | Self::OutsideAccessDenied { .. }
            | Self::RefusalsDropped { .. }
            | Self::SignupRefused { .. } => None,
        }
    }

    fn fields<'f>(&'f self, out: &mut Vec<(&'static str, Value<'f>)>) {
        let mut id = |name, id: &'f UserId<'f>| out.push((name, Value::from_display(id)));
        match self {
            Self::LoginSucceeded { user, .. } => id("user", user),
            Self::LoginFailed { code, user, client } => {
                if let Some(user) = user {
                    id("user", user);
                }
                if let Some(client) = client {
                    id("client", client);
                }
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
                user,
                session,
            } => {
                id("user", user);
                out.push(("session", Value::from_display(session)));
                out.push(("code", Value::from(*code)));
            }
            Self::OutsideAccessDenied {
                code,
                issuer,
                subject,
            } => {
                id("issuer", issuer);
                id("subject", subject);
                out.push(("code", Value::from(*code)));
            }
            Self::RefusalsDropped { count } => out.push(("dropped", Value::from(*count))),
            Self::SignupRefused { code } => out.push(("code", Value::from(*code))),
            Self::SessionStarted { user, session, .. } => {
                id("user", user);
                out.push(("session", Value::from_display(session)));
            }
            Self::SessionEnded {
                user,
                session,
                cause,
                ..
            } => {
                id("user", user);
                out.push(("session", Value::from_display(session)));
                out.push(("cause", Value::from(cause.name())));
            }
            Self::AccountChanged { user, change, .. } => {
                id("user", user);
                out.push(("change", Value::from(change.name())));
            }
            Self::OperatorActed { action, client, .. } => {
                if let Some(client) = client {
                    id("client", client);
                }
                out.push(("action", Value::from(*action)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
