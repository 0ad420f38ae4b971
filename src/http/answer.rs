//! What a handler returns where it did what was asked: a status, a typed content, and what the
//! browser has to keep.
//!
//! An [`Answer`] is a value without a form, as a [`Problem`](super::problem::Problem) is:
//! [`render`](super::render) writes both.
//!
//! This room must never hold bytes that are already written.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;

/// The answer to a request that was carried out.
#[derive(Debug)]
#[must_use]
pub(super) struct Answer<T = ()> {
    pub(super) status: StatusCode,
    pub(super) content: Content<T>,
    /// Where what was made is found (RFC 9110 §10.2.2).
    pub(super) location: Option<String>,
    /// Lines of `Set-Cookie`.
    pub(super) cookies: Vec<HeaderValue>,
}

/// What an answer says.
#[derive(Debug)]
pub(super) enum Content<T> {
    /// Nothing.
    Nothing,
    /// A sentence.
    Text(&'static str),
    /// One JSON value.
    Json(T),
}

impl Answer {
    /// 204: it is done, and there is nothing to say.
    pub(super) fn nothing() -> Self {
        Self::new(StatusCode::NO_CONTENT, Content::Nothing)
    }

    /// 200 and a sentence.
    pub(super) fn text(text: &'static str) -> Self {
        Self::new(StatusCode::OK, Content::Text(text))
    }
}

impl<T> Answer<T> {
    /// 200.
    pub(super) fn ok(content: T) -> Self {
        Self::new(StatusCode::OK, Content::Json(content))
    }

    /// 201.
    pub(super) fn created(content: T) -> Self {
        Self::new(StatusCode::CREATED, Content::Json(content))
    }

    /// Names where what was made is found.
    pub(super) fn at(self, location: String) -> Self {
        Self {
            location: Some(location),
            ..self
        }
    }

    /// Has the browser keep or drop these cookies.
    pub(super) fn cookies(self, cookies: Vec<HeaderValue>) -> Self {
        Self { cookies, ..self }
    }

    /// The same answer with another content, for a dialect.
    #[cfg(feature = "server")]
    pub(super) fn map<U>(self, other: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            status: self.status,
            content: match self.content {
                Content::Nothing => Content::Nothing,
                Content::Text(text) => Content::Text(text),
                Content::Json(content) => Content::Json(other(content)),
            },
            location: self.location,
            cookies: self.cookies,
        }
    }

    /// The same answer with another status.
    #[cfg(feature = "server")]
    pub(super) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    fn new(status: StatusCode, content: Content<T>) -> Self {
        Self {
            status,
            content,
            location: None,
            cookies: Vec::new(),
        }
    }
}
