//! Why a page isn't shown, and what is shown in its place.
//!
//! This room must never tell a visitor without a session more than that there is a log-in.

use super::shell::{Page, bare, see_other};
use crate::http::problem::{Code, Problem};
use crate::ops::{AdminError, Kind, OpsError};
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use maud::html;
use std::fmt;

/// Why a page isn't shown.
#[derive(Debug)]
pub(super) enum Refused {
    /// Nobody is logged in, or not any more: to the log-in, and from there to this path.
    LogIn {
        /// Where the log-in leads.
        next: Option<String>,
    },
    /// A form was sent, and nobody is logged in any more: nothing was done.
    Ended,
    /// No page of ours sent the form: nothing was done.
    Forged,
    /// There is no such page.
    NoPage,
    /// What was asked for can't be had.
    Ops(AdminError),
    /// The request is at fault, or a store.
    Problem(Problem),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of the console was refused")
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<OpsError> for Refused {
    fn from(error: OpsError) -> Self {
        Self::Ops(error.into())
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::LogIn { .. } | Self::Ended => StatusCode::SEE_OTHER,
            Self::Forged => StatusCode::FORBIDDEN,
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::Ops(error) => match error.kind {
                Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ if error.code.ends_with("_unknown") => StatusCode::NOT_FOUND,
                _ => StatusCode::BAD_REQUEST,
            },
            Self::Problem(problem) => problem.code().status(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        match self {
            Self::LogIn { next } => {
                let path = match next {
                    Some(next) => {
                        let next = serde_urlencoded::to_string([("next", next)]);
                        format!("/console/login?{}", next.unwrap_or_default())
                    }
                    None => "/console/login".to_owned(),
                };
                see_other(&path, Vec::new())
            }
            Self::Ended => see_other("/console/login?ended=yes", Vec::new()),
            Self::Forged => plain(
                status,
                "Not sent by this page",
                "The form was not sent by the page that is shown here, or that page is old. Nothing was done. \
                 Open the page again and repeat it.",
            ),
            Self::NoPage => plain(status, "No such page", "There is no page of this name."),
            Self::Ops(error) if error.kind == Kind::Unavailable => {
                log::error!(code = &*error.code; "the console can't answer: {error}");
                plain(
                    status,
                    "Not to be had now",
                    &format!(
                        "The service can't answer this now ({}). Try again.",
                        error.code
                    ),
                )
            }
            Self::Ops(error) => {
                let text = format!("It was not done: {} ({}).", error.message, error.code);
                plain(status, "Not done", &text)
            }
            Self::Problem(problem) => {
                let parts = problem.parts();
                let mut response = plain(status, parts.code.title(), &parts.detail);
                if let Some(seconds) = parts.retry_after {
                    response.headers_mut().insert(RETRY_AFTER, seconds.into());
                }
                response
            }
        }
    }
}

fn plain(status: StatusCode, title: &'static str, text: &str) -> HttpResponse {
    let page = Page {
        title,
        place: None,
        content: html! {
            p { (super::text::visible(text)) }
            p { a href="/console/" { "To the overview" } }
        },
    };
    bare(status, &page, Vec::new())
}

/// An answer to another request than the one that was made.
pub(super) fn unexpected() -> Refused {
    log::error!("the operators' room gave an answer to another request");
    Problem::new(Code::InternalError).into()
}
