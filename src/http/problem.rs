//! The error values of HTTP: a code, what is known beyond it, and the challenge that goes with it.
//!
//! A [`Problem`] is a value without a form: `render` writes it as RFC 9457 has it.
//! [`Code`] is the closed list; its table is the only place that pairs a code with a status and a
//! text, and `docs/errors.md` is made from it.
//!
//! This room must never take a text from a library, a request or a store into a problem, and never
//! give two causes of a refused token two problems.

mod code;

pub use code::Code;

use super::credentials::CredentialError;
use super::request_id::RequestId;
use actix_web::http::header::HeaderValue;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// An error answer. A `?` in a handler or an extractor sends it.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

/// What a problem says.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) code: Code,
    pub(super) detail: Cow<'static, str>,
    /// The member of the request that is at fault.
    pub(super) field: Option<Cow<'static, str>>,
    pub(super) missing: Option<Missing>,
    pub(super) challenge: Option<Challenge>,
    /// Seconds.
    pub(super) retry_after: Option<u32>,
    pub(super) request_id: Option<RequestId>,
    /// Lines of `Set-Cookie`.
    pub(super) cookies: Vec<HeaderValue>,
    /// Why a token is refused, for a dialect that tells it. lacre's own form never does.
    pub(super) reason: Option<Reason>,
}

/// Why a token is refused that was proven to be ours, or to be of an outside issuer whose tokens are
/// taken directly. Of any other token nothing is told but which key of such an issuer it lacks: that
/// stands in its header and in what the issuer publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its time has passed.
    Expired,
    /// It names another issuer or audience.
    Claims,
    /// The session has been renewed since, or its rights have changed.
    Superseded,
    /// It is a spent refresh token, and its use has ended the session.
    Reused,
    /// Its user is gone or may not log in any more.
    UserGone,
    /// It is an outside token whose header names no key.
    KeyUnnamed,
    /// It is an outside token whose issuer has published no key of that name.
    KeyUnknown,
}

/// What `WWW-Authenticate` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// RFC 6750 §3: a bearer token.
    Bearer {
        /// RFC 6750 §3.1; none where no credentials came.
        error: Option<&'static str>,
        /// The permission that is missing.
        scope: Option<String>,
    },
    /// RFC 7617: the id and the secret of a client.
    Basic,
}

impl Challenge {
    const fn bearer(error: Option<&'static str>) -> Self {
        Self::Bearer { error, scope: None }
    }
}

/// What a caller lacks, told in a 403 (RFC 6750 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// This role.
    Role(String),
    /// At least one of these roles.
    AnyRole(Vec<String>),
    /// This permission.
    Permission(String),
    /// A token that was made by proving the password.
    FreshLogin,
    /// To be an account of this deployment, or a user of a client that the service names.
    Account,
}

impl Problem {
    /// The problem of this code, with the detail and the challenge of the table.
    #[must_use]
    pub fn new(code: Code) -> Self {
        let challenge = match code {
            Code::NoCredentials | Code::InvalidCredentials => Some(Challenge::bearer(None)),
            Code::InvalidToken => Some(Challenge::bearer(Some("invalid_token"))),
            Code::InsufficientScope => Some(Challenge::bearer(Some("insufficient_scope"))),
            Code::InvalidClient => Some(Challenge::Basic),
            _ => None,
        };
        Self(Box::new(Parts {
            code,
            detail: Cow::Borrowed(code.detail()),
            field: None,
            missing: None,
            challenge,
            retry_after: code.retry_after(),
            request_id: None,
            cookies: Vec::new(),
            reason: None,
        }))
    }

    /// No credentials came: a challenge without an error code (RFC 6750 §3).
    #[must_use]
    pub fn no_credentials() -> Self {
        Self::new(Code::NoCredentials)
    }

    /// A token that is malformed, unknown, expired or revoked. It takes nothing, so that no cause
    /// can show.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::new(Code::InvalidToken)
    }

    /// A token that is refused for a reason that a dialect may tell. In lacre's own form it is the
    /// same as [`invalid_token`](Self::invalid_token).
    #[must_use]
    pub(super) fn proven(reason: Reason) -> Self {
        let mut problem = Self::invalid_token();
        problem.0.reason = Some(reason);
        problem
    }

    /// The request to a protected resource is malformed (RFC 6750 §3.1), with more than one
    /// credential for example.
    #[must_use]
    pub fn two_credentials() -> Self {
        Self::new(Code::InvalidRequest)
            .detail("The request carries more than one credential.")
            .malformed_bearer()
    }

    /// The token is good and its owner lacks something.
    #[must_use]
    pub fn insufficient_scope(missing: Missing) -> Self {
        let mut problem = Self::new(Code::InsufficientScope);
        if let Missing::Permission(name) = &missing
            && name.bytes().all(is_scope_character)
        {
            problem.0.challenge = Some(Challenge::Bearer {
                error: Some("insufficient_scope"),
                scope: Some(name.clone()),
            });
        }
        problem.0.missing = Some(missing);
        problem
    }

    /// A trusted back end didn't prove itself (RFC 6749 §5.2).
    #[must_use]
    pub fn invalid_client() -> Self {
        Self::new(Code::InvalidClient)
    }

    /// A trusted back end names a user that it can't have a session of, in the words of the first
    /// service that clients know. The challenge is that of its own credentials: a bearer token would
    /// not help.
    #[must_use]
    pub fn incorrect_user() -> Self {
        let mut problem = Self::new(Code::InvalidCredentials).detail("Incorrect user");
        problem.0.challenge = Some(Challenge::Basic);
        problem
    }

    /// The body lacks a member that the route needs.
    #[must_use]
    pub fn missing_member(name: &'static str) -> Self {
        Self::new(Code::BodyMissingMember)
            .detail(format!("The member `{name}` is missing."))
            .field(name)
    }

    /// Replaces the detail of the table. Never pass on what a client or a library said.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Names the member of the request that is at fault.
    #[must_use]
    pub fn field(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.0.field = Some(name.into());
        self
    }

    /// Tells the client when to come back, in seconds from now (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// Ties the problem to the request that it answers; the edge does it for every problem.
    #[must_use]
    pub fn with_request_id(mut self, id: RequestId) -> Self {
        self.0.request_id = Some(id);
        self
    }

    /// Has the browser drop these cookies.
    pub(super) fn cookies(mut self, lines: Vec<HeaderValue>) -> Self {
        self.0.cookies = lines;
        self
    }

    /// The stable code of this problem.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    fn malformed_bearer(mut self) -> Self {
        self.0.challenge = Some(Challenge::bearer(Some("invalid_request")));
        self
    }

    /// Everything that this problem says, for whoever writes it out.
    pub(super) fn parts(&self) -> &Parts {
        &self.0
    }
}

/// RFC 6749 §3.3, `scope-token`.
fn is_scope_character(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Two => Self::two_credentials(),
            CredentialError::NoToken => Self::new(Code::InvalidRequest)
                .detail("The Authorization header carries no token.")
                .malformed_bearer(),
            CredentialError::BadToken => Self::invalid_token(),
            CredentialError::BadBasic => Self::invalid_client(),
        }
    }
}
