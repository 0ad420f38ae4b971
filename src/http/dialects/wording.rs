//! The words of problems, as a dialect writes them.
//!
//! This room must never look at more of a problem than what it says.

use super::super::problem::{Challenge, Parts};
use super::super::render::{Body, Wording};
use actix_web::http::StatusCode;
use serde::Serialize;
use std::borrow::Cow;

/// A status and a sentence in plain text.
pub(super) fn text(status: StatusCode, sentence: impl Into<Cow<'static, str>>) -> Wording {
    Wording {
        status,
        body: Body::Text(sentence.into()),
        challenge: None,
    }
}

/// A status and one JSON value.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Wording {
    Wording {
        status,
        // Strings and numbers always serialise; an empty body would still carry the status.
        body: Body::Json(serde_json::to_string(value).unwrap_or_default()),
        challenge: None,
    }
}

/// Whether the header with the token is malformed, whatever the token (RFC 6750 §3.1).
pub(super) fn has_bad_header(problem: &Parts) -> bool {
    let malformed = Challenge::Bearer {
        error: Some("invalid_request"),
        scope: None,
    };
    problem.challenge.as_ref() == Some(&malformed)
}
