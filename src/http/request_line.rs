//! The line of a request in the log, from what the guards and the answer say.
//!
//! This room must never take anything of a request into the line but its method, its route's pattern and who
//! was proven to have sent it.

use super::metrics::{UNMATCHED, label};
use super::origin::TrustedProxies;
use super::problem::{Code, Problem};
use super::request_id::RequestId;
use super::visitor::{Found, Visitor};
use crate::sessions::grant::Issued;
use crate::telemetry::Requested;
use crate::telemetry::audit::{MaskedHandle, UserId};
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{HttpMessage, HttpRequest};
use std::time::Duration;

/// Whose session a request has begun or renewed, which no guard had found.
struct Given {
    user: String,
    session: MaskedHandle,
}

/// Has the line of this request say whose session it was given.
pub(super) fn given(request: &HttpRequest, issued: &Issued) {
    request.extensions_mut().insert(Given {
        user: issued.user_id.clone(),
        session: MaskedHandle::of(issued.handle.as_str()),
    });
}

/// Writes the line.
pub(super) fn write(
    id: RequestId,
    method: &Method,
    answered: &Result<ServiceResponse, Problem>,
    took: Duration,
) {
    let (request, status, code) = match answered {
        Ok(response) => {
            let error = response.response().error();
            let told = error.and_then(|error| error.as_error::<Problem>());
            let status = response.status();
            let code = match told {
                Some(problem) => Some(problem.code()),
                None if status.as_u16() >= 400 => Some(Code::for_status(status)),
                None => None,
            };
            (Some(response.request()), status, code)
        }
        Err(problem) => (None, problem.code().status(), Some(problem.code())),
    };
    let route = request.and_then(HttpRequest::match_pattern);
    let found = request.and_then(Visitor::found).flatten();
    let extensions = request.map(HttpMessage::extensions);
    let given = extensions.as_ref().and_then(|all| all.get::<Given>());
    let (user, issuer, session) = match &found {
        Some(Found::Session(session)) => (
            Some(UserId::new(session.user_id())),
            None,
            Some(MaskedHandle::of(session.handle().as_str())),
        ),
        Some(Found::Outside(user)) => (
            Some(UserId::new(&user.subject)),
            Some(UserId::new(&user.issuer_name)),
            None,
        ),
        None => match given {
            Some(given) => (Some(UserId::new(&given.user)), None, Some(given.session)),
            None => (None, None, None),
        },
    };
    Requested {
        request_id: id.as_str(),
        method: label(method),
        route: route.as_deref().unwrap_or(UNMATCHED),
        status: status.as_u16(),
        code: code.map(Code::as_str),
        user,
        issuer,
        session,
        address: request.and_then(TrustedProxies::sender),
        took,
    }
    .record();
}
