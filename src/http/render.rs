//! How answers and problems are written as HTTP. Of a problem: RFC 9457 in the body, the challenge
//! of RFC 6750 §3 or RFC 7617 in `WWW-Authenticate`, the time to wait in `Retry-After`. Of an answer:
//! its content as JSON, its cookies. Of both: the headers that every answer has.
//!
//! This is the one place that turns an [`Answer`] or a [`Problem`] into bytes; the
//! [`edge`](super::edge) finds the problem in every answer that carries one. A [`Form`] says whether
//! it stays as RFC 9457 has it, or is told in the words of a dialect.
//!
//! This room must never decide what is answered, only how it is written.

use super::answer::{Answer, Content};
use super::problem::{Challenge, Missing, Parts, Problem};
use super::request_id::{RequestId, X_REQUEST_ID};
use actix_web::body::BoxBody;
use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ContentType, HeaderMap, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    SET_COOKIE, TryIntoHeaderValue as _, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The media type of RFC 9457 §6.1.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

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

impl Problem {
    /// The body: one JSON object (RFC 9457 §3).
    #[must_use]
    pub fn body(&self) -> String {
        let parts = self.parts();
        problem_json(parts, parts.code.status())
    }
}

/// The body that tells a problem, with this status.
pub(super) fn problem_json(parts: &Parts, status: StatusCode) -> String {
    let Parts {
        code,
        detail,
        field,
        missing,
        request_id,
        ..
    } = parts;
    let members = Members {
        kind: code.type_uri(),
        title: code.title(),
        status: status.as_u16(),
        detail,
        code: code.as_str(),
        field: field.as_deref(),
        missing: missing.as_ref(),
        request_id: request_id.as_ref().map(RequestId::as_str),
    };
    // Strings and numbers always serialise; an empty body would still carry the status.
    serde_json::to_string(&members).unwrap_or_default()
}

/// The members of RFC 9457 §3, and lacre's own: `code`, `field`, `missing`, `request_id`.
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

/// What actix asks for where a handler, an extractor or a guard refuses.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code().status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        response(self)
    }
}

/// The whole answer that tells this problem.
pub(super) fn response(problem: &Problem) -> HttpResponse {
    let Parts {
        code,
        challenge,
        retry_after,
        request_id,
        cookies,
        ..
    } = problem.parts();
    let mut response = HttpResponse::new(code.status()).set_body(BoxBody::new(problem.body()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, challenge_value(challenge));
    }
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, (*seconds).into());
    }
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie.clone());
    }
    stamp(headers, *request_id);
    response
}

/// How problems are told: as RFC 9457 has it, or in the words of a dialect.
#[derive(Clone, Default)]
pub struct Form(Option<Arc<Words>>);

type Words = dyn Fn(&Parts, &RequestHead) -> Wording + Send + Sync;

/// A problem in the words of a dialect. The headers of the problem stay.
#[derive(Debug, Clone)]
pub(super) struct Wording {
    pub(super) status: StatusCode,
    pub(super) body: Body,
    /// In the place of the challenge of RFC 6750.
    pub(super) challenge: Option<&'static str>,
}

/// The body of a [`Wording`].
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Plain text.
    Text(Cow<'static, str>),
    /// One JSON value.
    Json(String),
    /// One JSON value as RFC 9457 has it.
    #[cfg_attr(not(feature = "server"), allow(dead_code))] // the gateway is the server's
    Problem(String),
}

impl Form {
    /// A form that asks `words` for each problem, with the head of its request.
    #[cfg(feature = "server")]
    pub(super) fn new(
        words: impl Fn(&Parts, &RequestHead) -> Wording + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(words)))
    }

    /// Whether problems are told in other words than ours.
    pub(super) fn is_dialect(&self) -> bool {
        self.0.is_some()
    }

    /// Puts the words of the dialect, if there is one, into an answer that tells `problem`.
    pub(super) fn apply(
        &self,
        mut response: HttpResponse,
        problem: &Problem,
        asked: &RequestHead,
    ) -> HttpResponse {
        let Some(words) = &self.0 else {
            return response;
        };
        let Wording {
            status,
            body,
            challenge,
        } = words(problem.parts(), asked);
        *response.status_mut() = status;
        let (kind, body) = match body {
            Body::Text(text) => (ContentType::plaintext().try_into_value(), text.into_owned()),
            Body::Json(text) => (ContentType::json().try_into_value(), text),
            Body::Problem(text) => (Ok(PROBLEM_JSON), text),
        };
        let headers = response.headers_mut();
        for name in [CONTENT_LENGTH, CONTENT_ENCODING] {
            headers.remove(name);
        }
        if let Ok(kind) = kind {
            headers.insert(CONTENT_TYPE, kind);
        }
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.set_body(BoxBody::new(body))
    }

    /// The same for an answer that actix makes of an error.
    pub(super) fn error(&self, problem: Problem) -> actix_web::Error {
        Told(problem, self.clone()).into()
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.is_dialect() {
            "dialect"
        } else {
            "RFC 9457"
        };
        write!(f, "Form({words})")
    }
}

/// A problem that nobody has answered yet, and the form in which to tell it.
#[derive(Debug)]
struct Told(Problem, Form);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Told {
    fn status_code(&self) -> StatusCode {
        self.0.code().status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let Self(problem, form) = self;
        form.apply(response(problem), problem, &RequestHead::default())
    }
}

/// What actix asks for where a handler has done its work.
impl<T: Serialize> Responder for Answer<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status);
        if let Some(location) = self.location {
            response.insert_header((LOCATION, location));
        }
        for cookie in self.cookies {
            response.append_header((SET_COOKIE, cookie));
        }
        match self.content {
            Content::Nothing => response.finish(),
            Content::Text(text) => response.content_type(ContentType::plaintext()).body(text),
            Content::Json(content) => response.json(content),
        }
    }
}

/// The value of `WWW-Authenticate`. A scope is written only as far as a header can hold it; its
/// characters were checked where the problem was made.
fn challenge_value(challenge: &Challenge) -> HeaderValue {
    const BASIC: HeaderValue = HeaderValue::from_static(r#"Basic realm="lacre", charset="UTF-8""#);
    let Challenge::Bearer { error, scope } = challenge else {
        return BASIC;
    };
    let mut value = r#"Bearer realm="lacre""#.to_owned();
    for (name, text) in [("error", *error), ("scope", scope.as_deref())] {
        if let Some(text) = text {
            value.extend([", ", name, "=\"", text, "\""]);
        }
    }
    HeaderValue::try_from(value)
        .unwrap_or(const { HeaderValue::from_static(r#"Bearer realm="lacre""#) })
}

/// Puts the id and the headers that every answer carries into `headers`. What a handler has set
/// stays, but for the id.
pub(super) fn stamp(headers: &mut HeaderMap, id: Option<RequestId>) {
    for (name, value) in STANDING_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Some(id) = id {
        headers.insert(X_REQUEST_ID, id.header_value());
    }
}

#[cfg(test)]
mod tests;
