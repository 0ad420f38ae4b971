//! Every error that leaves by HTTP: RFC 9457 problem details, with the challenge headers of
//! RFC 6750 §3, RFC 6749 §5.2 and RFC 7617.
//!
//! [`Code`] is the closed list; its table is the only place that pairs a code with a status and a
//! text, and `docs/errors.md` is made from it.
//!
//! This room must never take a text from a library, a request or a store into an answer, and never
//! give two causes of a refused token two answers.

mod code;

pub use code::Code;

use super::credentials::CredentialError;
use super::request_id::{RequestId, X_REQUEST_ID};
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// The media type of RFC 9457 §6.1.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

const BEARER: &str = r#"Bearer realm="lacre""#;
const BEARER_INVALID_TOKEN: &str = r#"Bearer realm="lacre", error="invalid_token""#;
const BEARER_INVALID_REQUEST: &str = r#"Bearer realm="lacre", error="invalid_request""#;
const BEARER_INSUFFICIENT_SCOPE: &str = r#"Bearer realm="lacre", error="insufficient_scope""#;
const BASIC: &str = r#"Basic realm="lacre", charset="UTF-8""#;

/// What every answer carries unless a handler has set it: nothing is cached, sniffed, framed or
/// told to the next site (RFC 9700 §4.16).
const STANDING_HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// An error answer. A `?` in a handler or an extractor sends it.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    missing: Option<Missing>,
    challenge: Option<HeaderValue>,
    retry_after: Option<u32>,
    request_id: Option<RequestId>,
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
}

impl Problem {
    /// The problem of this code, with the detail and the challenge of the table.
    #[must_use]
    pub fn new(code: Code) -> Self {
        let challenge = match code {
            Code::NoCredentials | Code::InvalidCredentials => Some(BEARER),
            Code::InvalidToken => Some(BEARER_INVALID_TOKEN),
            Code::InsufficientScope => Some(BEARER_INSUFFICIENT_SCOPE),
            Code::InvalidClient => Some(BASIC),
            _ => None,
        };
        Self(Box::new(Parts {
            code,
            detail: Cow::Borrowed(code.detail()),
            field: None,
            missing: None,
            challenge: challenge.map(HeaderValue::from_static),
            retry_after: code.retry_after(),
            request_id: None,
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

    /// The request to a protected resource is malformed (RFC 6750 §3.1), with more than one
    /// credential for example.
    #[must_use]
    pub fn two_credentials() -> Self {
        Self::new(Code::InvalidRequest)
            .detail("The request carries more than one credential.")
            .challenge(BEARER_INVALID_REQUEST)
    }

    /// The token is good and its owner lacks something.
    #[must_use]
    pub fn insufficient_scope(missing: Missing) -> Self {
        let mut problem = Self::new(Code::InsufficientScope);
        if let Missing::Permission(name) = &missing
            && name.bytes().all(is_scope_character)
            && let Ok(challenge) =
                HeaderValue::from_str(&format!(r#"{BEARER_INSUFFICIENT_SCOPE}, scope="{name}""#))
        {
            problem.0.challenge = Some(challenge);
        }
        problem.0.missing = Some(missing);
        problem
    }

    /// A trusted back end didn't prove itself (RFC 6749 §5.2).
    #[must_use]
    pub fn invalid_client() -> Self {
        Self::new(Code::InvalidClient)
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

    /// The stable code of this problem.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    fn challenge(mut self, challenge: &'static str) -> Self {
        self.0.challenge = Some(HeaderValue::from_static(challenge));
        self
    }

    /// The body: one JSON object (RFC 9457 §3).
    #[must_use]
    pub fn body(&self) -> String {
        let Parts {
            code,
            detail,
            field,
            missing,
            request_id,
            ..
        } = &*self.0;
        let members = Members {
            kind: code.type_uri(),
            title: code.title(),
            status: code.status().as_u16(),
            detail,
            code: code.as_str(),
            field: field.as_deref(),
            missing: missing.as_ref(),
            request_id: request_id.as_ref().map(RequestId::as_str),
        };
        // Strings and numbers always serialise; an empty body would still carry the status.
        serde_json::to_string(&members).unwrap_or_default()
    }
}

/// Puts the id and the headers that every answer carries into `headers`. What a handler has set
/// stays, but for the id.
pub(crate) fn stamp(headers: &mut HeaderMap, id: Option<RequestId>) {
    for (name, value) in STANDING_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Some(id) = id {
        headers.insert(X_REQUEST_ID, id.header_value());
    }
}

/// RFC 6749 §3.3, `scope-token`.
fn is_scope_character(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[derive(Serialize)]
struct Members<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
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
                .challenge(BEARER_INVALID_REQUEST),
            CredentialError::BadToken => Self::invalid_token(),
            CredentialError::BadBasic => Self::invalid_client(),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.code.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response =
            HttpResponse::new(self.status_code()).set_body(BoxBody::new(self.body()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = &self.0.challenge {
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        stamp(headers, self.0.request_id);
        response
    }
}

#[cfg(test)]
mod tests;
