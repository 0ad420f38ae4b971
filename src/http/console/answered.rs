//! What every answer of the console has, whichever way it was made: the cookies that were set while it was made,
//! and a page where a program would be given a problem.
//!
//! Tokens that were renewed are no longer good without the ones that came in their place, so they go with a
//! refusal as well.
//!
//! This room must never set a cookie that nobody kept for this request.

use super::refused::Refused;
use crate::http::problem::{Code, Problem};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _};
use std::cell::RefCell;
use std::rc::Rc;

/// Lines of `Set-Cookie` for whatever a request is answered with.
#[derive(Clone, Default)]
pub(super) struct Kept(Rc<RefCell<Vec<HeaderValue>>>);

impl Kept {
    /// Those of this request.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let mut extensions = request.extensions_mut();
        if let Some(kept) = extensions.get::<Self>() {
            return kept.clone();
        }
        let kept = Self::default();
        extensions.insert(kept.clone());
        kept
    }

    /// Has the answer set these, and none of those before.
    pub(super) fn set(&self, lines: Vec<HeaderValue>) {
        self.0.replace(lines);
    }

    fn take(&self) -> Vec<HeaderValue> {
        self.0.take()
    }
}

/// Stands before every page.
pub(super) async fn answered(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (request, response) = next.call(request).await?.into_parts();
    let mut response = as_page(response.map_into_boxed_body());
    for line in Kept::of(&request).take() {
        response.headers_mut().append(SET_COOKIE, line);
    }
    Ok(ServiceResponse::new(request, response))
}

/// A refusal in the words of a page, where it isn't one already.
fn as_page(response: HttpResponse) -> HttpResponse {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let told = response
        .error()
        .and_then(|error| error.as_error::<Problem>());
    let problem = told
        .cloned()
        .unwrap_or_else(|| Problem::new(Code::for_status(status)));
    let mut page = Refused::Problem(problem).error_response();
    for allowed in response.headers().get_all(ALLOW) {
        page.headers_mut().append(ALLOW, allowed.clone());
    }
    page
}
