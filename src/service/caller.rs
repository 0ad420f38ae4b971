//! Who asks the service for a change, and the audit events of what was done.
//!
//! Every change of an account and every end of a session is recorded here and nowhere else: a door
//! (HTTP, socket, command line) says who asks, and the service writes the event when the thing is
//! done.
//!
//! This room must never record what isn't durable.

use crate::accounts::{Authority, ClientId};
use crate::sessions::end::End;
use crate::telemetry;
use crate::telemetry::audit::{Actor, Cause, Change, Event, MaskedHandle, Origin, UserId};
use crate::token::Handle;

/// Who asks, and where the request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who acts.
    pub actor: Actor,
    /// The request.
    pub origin: Origin,
    /// By whose rights accounts are changed; `None` where nobody's have to hold.
    pub authority: Option<Authority>,
    /// The session that asks: what it has to wait for isn't done once it has ended.
    pub session: Option<Handle>,
}

impl Caller {
    /// This actor, by a request.
    #[must_use]
    pub fn new(actor: Actor, origin: Origin) -> Self {
        Self {
            actor,
            origin,
            authority: None,
            session: None,
        }
    }

    /// The same, who changes accounts by the rights of this one and only as long as it is as it was.
    #[must_use]
    pub fn by(self, authority: Authority) -> Self {
        Self {
            authority: Some(authority),
            ..self
        }
    }

    /// The same, by this session.
    #[must_use]
    pub fn in_session(self, session: &Handle) -> Self {
        Self {
            session: Some(session.clone()),
            ..self
        }
    }

    /// Somebody at the command line.
    #[must_use]
    pub fn operator() -> Self {
        Self::new(Actor::Operator, Origin::default())
    }

    /// lacre itself, without a request.
    pub(super) fn lacre() -> Self {
        Self::new(Actor::Lacre, Origin::default())
    }

    /// The cause of an end that this caller asks for.
    pub(super) fn revocation(&self) -> Cause {
        match self.actor {
            Actor::Owner => Cause::RevokedByUser,
            Actor::Client(_) => Cause::RevokedByClient,
            _ => Cause::RevokedByAdmin,
        }
    }

    /// An end of this user's sessions that this caller causes.
    pub(super) fn end(&self, cause: Cause, user: Option<&str>) -> End {
        End::new(cause, self.actor.clone(), user)
    }

    pub(super) fn logged_in(&self, user: &str) {
        let (user, by) = (UserId::new(user), &self.actor);
        Event::LoginSucceeded { user, by }.record(&self.origin);
    }

    /// Records what began with proven credentials: the log-in, and its session.
    pub(super) fn began(&self, user: &str, session: &Handle) {
        telemetry::together(|| {
            self.logged_in(user);
            self.started(user, session);
        });
    }

    fn started(&self, user: &str, session: &Handle) {
        Event::SessionStarted {
            user: UserId::new(user),
            session: MaskedHandle::of(session.as_str()),
            by: &self.actor,
        }
        .record(&self.origin);
    }

    pub(super) fn ended(&self, user: &str, sessions: &[Handle], cause: Cause) {
        let end = self.end(cause, None);
        for session in sessions {
            end.tell(user, session, &self.origin);
        }
    }

    pub(super) fn changed(&self, user: &str, change: Change) {
        Event::AccountChanged {
            user: UserId::new(user),
            change,
            by: &self.actor,
        }
        .record(&self.origin);
    }

    pub(crate) fn acted(&self, action: &'static str, client: Option<&str>) {
        Event::OperatorActed {
            action,
            client: client.map(UserId::new),
            by: &self.actor,
        }
        .record(&self.origin);
    }
}

/// Records that credentials were refused, those of `client` among them.
pub(super) fn login_failed(
    origin: &Origin,
    code: &'static str,
    user: Option<&str>,
    client: Option<&ClientId>,
) {
    let user = user.map(UserId::new);
    let client = client.map(|id| UserId::new(id.as_str()));
    Event::LoginFailed { code, user, client }.record(origin);
}

/// Records that nobody could sign up.
pub(super) fn signup_refused(origin: &Origin, code: &'static str) {
    Event::SignupRefused { code }.record(origin);
}

/// Records that a token was refused.
pub(super) fn token_refused(origin: &Origin, code: &'static str) {
    let session = None;
    Event::TokenRefused { code, session }.record(origin);
}
