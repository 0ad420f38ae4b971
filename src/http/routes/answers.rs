//! What the routes answer, as types. Their members and the order of these are part of the contract.
//!
//! This room must never show a key, a password or a token but in [`TokenAnswer`].

use super::super::guard::AnySession;
use super::super::schema::{Kind, Shape, answer};
use super::super::time::Time;
use crate::accounts::Account;
use crate::ops;
use crate::sessions::grant::{Issued, IssuedToken};
use crate::sessions::guard::LiveSession;
use crate::sessions::list::SessionInfo;
use crate::token::Handle;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// The text of a token, in the answer that gives it out.
#[derive(Debug)]
pub(in crate::http) struct TokenText(IssuedToken);

impl Serialize for TokenText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl Shape for TokenText {
    fn kind() -> Kind {
        Kind::Secret
    }
}

answer! {
    /// What a client is given: RFC 6749 §5.1 with the first service's names for token and session.
    pub(in crate::http) struct TokenAnswer {
        /// The access token.
        auth: TokenText,
        /// The session handle.
        crt: String,
        token_type: String,
        /// Seconds.
        expires_in: u64,
        /// The refresh token; none where only the access token was renewed.
        refresh ["Option::is_none"]: Option<TokenText>,
        /// Seconds.
        refresh_expires_in ["Option::is_none"]: Option<u64>,
    }
}

impl From<Issued> for TokenAnswer {
    fn from(issued: Issued) -> Self {
        let (refresh, refresh_expires_in) = issued
            .refresh
            .map(|refresh| (TokenText(refresh.token), refresh.expires_in))
            .unzip();
        Self {
            auth: TokenText(issued.access.token),
            crt: issued.handle.as_str().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: issued.access.expires_in,
            refresh,
            refresh_expires_in,
        }
    }
}

answer! {
    /// What an account says of itself.
    pub(in crate::http) struct AccountAnswer {
        id: String,
        email: String,
        name: Option<String>,
        /// The first of `roles`.
        role: String,
        roles: Vec<String>,
        permissions: Vec<String>,
        active: bool,
    }
}

impl From<&Account> for AccountAnswer {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.as_str().to_owned(),
            email: account.email.as_str().to_owned(),
            name: account.name.clone(),
            role: account.role().to_owned(),
            roles: account.roles.clone(),
            permissions: account.permissions.clone(),
            active: account.active,
        }
    }
}

answer! {
    /// `GET /me`
    pub(in crate::http) struct MeAnswer {
        ..account: AccountAnswer,
        session: OwnSession,
    }
}

answer! {
    /// The session that asks.
    pub(in crate::http) struct OwnSession {
        crt: String,
        created_at: Time,
        expires_at: Time,
        /// Whether its token was made by proving the password.
        fresh: bool,
        /// What a back end gave for this session; most have none.
        claims ["Map::is_empty"]: Map<String, Value>,
    }
}

impl From<&LiveSession> for OwnSession {
    fn from(session: &LiveSession) -> Self {
        Self {
            crt: session.handle().as_str().to_owned(),
            created_at: Time(session.created_at),
            expires_at: Time(session.expires_at),
            fresh: session.is_fresh(),
            claims: session.claims.additional.clone(),
        }
    }
}

answer! {
    /// `GET /open`
    pub(in crate::http) struct VisitorAnswer {
        user: Option<VisitorUser>,
    }
}

answer! {
    /// What a token says of its user.
    pub(in crate::http) struct VisitorUser {
        /// Of an account; with an `issuer`, who it is there.
        id: String,
        issuer ["Option::is_none"]: Option<String>,
        email: Option<String>,
        role: Option<String>,
        roles: Vec<String>,
        permissions: Vec<String>,
    }
}

impl From<&LiveSession> for VisitorUser {
    fn from(session: &LiveSession) -> Self {
        let claims = &session.claims;
        Self {
            id: claims.subject.clone(),
            issuer: None,
            email: claims.email.clone(),
            role: claims.role.clone(),
            roles: claims.roles.clone(),
            permissions: claims.permissions.clone(),
        }
    }
}

impl From<&AnySession> for VisitorUser {
    fn from(session: &AnySession) -> Self {
        match session {
            AnySession::Session(session) => Self::from(&**session),
            AnySession::Outside(user) => Self {
                id: user.subject.clone(),
                issuer: Some(user.issuer.clone()),
                email: user.email.clone(),
                role: user.roles.first().cloned(),
                roles: user.roles.clone(),
                permissions: Vec::new(),
            },
        }
    }
}

answer! {
    /// What may be told of a session to its user and to administrators.
    pub(in crate::http) struct SessionAnswer {
        crt: String,
        created_at: Time,
        last_seen_at: Time,
        expires_at: Time,
        ip: Option<String>,
        user_agent: Option<String>,
        label: Option<String>,
        /// Whether it is the one that asks.
        current: bool,
    }
}

impl SessionAnswer {
    /// What an administrator is told of a session; `current` is the one that asks.
    pub(super) fn of_user(session: ops::Session, current: &Handle) -> Self {
        Self {
            current: session.handle == current.as_str(),
            crt: session.handle,
            created_at: Time(session.created_at),
            last_seen_at: Time(session.last_seen_at),
            expires_at: Time(session.expires_at),
            ip: session.address,
            user_agent: session.user_agent,
            label: session.label,
        }
    }

    /// What is told of each of these sessions; `current` is the one that asks, if one does.
    pub(super) fn of_all(sessions: &[SessionInfo], current: Option<&Handle>) -> Vec<Self> {
        let told = |info: &SessionInfo| Self {
            crt: info.handle.as_str().to_owned(),
            created_at: Time(info.created_at),
            last_seen_at: Time(info.last_seen_at),
            expires_at: Time(info.expires_at),
            ip: info.address.clone(),
            user_agent: info.user_agent.clone(),
            label: info.label.clone(),
            current: Some(&info.handle) == current,
        };
        sessions.iter().map(told).collect()
    }
}

answer! {
    /// How many sessions were revoked.
    pub(in crate::http) struct RevokedAnswer {
        revoked: u64,
    }
}

answer! {
    /// How many sessions say something else from now on.
    pub(in crate::http) struct ChangedAnswer {
        changed: u64,
    }
}

answer! {
    /// What administrators see of an account.
    pub(in crate::http) struct UserAnswer {
        ..account: AccountAnswer,
        created_at: Time,
        updated_at: Time,
    }
}

impl From<ops::User> for UserAnswer {
    fn from(user: ops::User) -> Self {
        Self {
            account: AccountAnswer {
                id: user.id,
                email: user.email,
                name: user.name,
                role: user.roles.first().cloned().unwrap_or_default(),
                roles: user.roles,
                permissions: user.permissions,
                active: user.active,
            },
            created_at: Time(user.created_at),
            updated_at: Time(user.updated_at),
        }
    }
}

answer! {
    /// A page of accounts.
    pub(in crate::http) struct UsersAnswer {
        users: Vec<UserAnswer>,
        /// The `after` of the next page; `null` on the last.
        next: Option<String>,
    }
}

#[cfg(test)]
mod tests;
