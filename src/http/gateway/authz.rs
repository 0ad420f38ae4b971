//! `/authz/{service}` and everything below it, by any method: 200 lets the client's request go on.
//!
//! The answer is 200, 401, 403, 404 (no such service) or 503, since these are what proxies understand; what
//! else a guard says is told as one of them ([`wording`](super::wording)).
//!
//! This room must never answer 200 where no guard has let the request in.

use super::asking::Asking;
use super::identity;
use crate::http::problem::{Code, Problem};
use crate::http::visitor::{Found, Visitor};
use crate::lacre::Lacre;
use crate::sessions::guard::LiveSession;
use crate::telemetry::audit::MaskedHandle;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use std::rc::Rc;

/// Serves these services, each behind its guard.
pub(super) fn serve(config: &mut ServiceConfig, lacre: &Lacre, services: &[Asking]) {
    // One path is compared as a text, and several for one resource by a regular expression: those that most proxies
    // ask come first, and alone.
    for asking in services {
        resource(config, lacre, asking, "");
    }
    // Some proxies put the path of the client's request behind that of ours; it means nothing.
    for asking in services {
        resource(config, lacre, asking, "/{below:.*}");
    }
}

fn resource(config: &mut ServiceConfig, lacre: &Lacre, asking: &Asking, below: &str) {
    let resource = web::resource(format!("/authz/{}{below}", asking.rules.name))
        .app_data(Data::new(asking.clone()))
        .app_data(Data::new(lacre.clone()))
        .route(web::route().to(let_in));
    config.service(resource.wrap(asking.guard(lacre)));
}

/// The guard has let the request in: says whose it is.
async fn let_in(
    request: HttpRequest,
    asking: Data<Asking>,
    lacre: Data<Lacre>,
) -> Result<HttpResponse, Problem> {
    let visitor: Option<Rc<LiveSession>> = match Visitor::found(&request) {
        Some(Some(Found::Session(session))) => Some(session),
        Some(None) if asking.rules.optional => None,
        // No guard, or one that lets in whom this one doesn't.
        _ => return Err(Problem::new(Code::InternalError)),
    };
    let session = visitor.as_deref();
    let mut response = HttpResponse::Ok();
    let mut length = 0;
    for (name, tells) in &asking.headers {
        let value = identity::told(session, *tells);
        length += name.as_str().len() + value.len() + identity::AROUND;
        response.insert_header((name.clone(), value));
    }
    if asking.rules.jwt {
        let value = authorization(&lacre, &asking, session)?;
        length += AUTHORIZATION.as_str().len() + value.len() + identity::AROUND;
        response.insert_header((AUTHORIZATION, value));
    }
    if let Err(error) = identity::check_length(length) {
        let session = session.map(|session| MaskedHandle::of(session.handle().as_str()));
        let session = session.map(|handle| handle.to_string());
        log::warn!(code = "identity_too_long", service = &*asking.rules.name, session; "{error}");
        return Err(Problem::new(Code::InsufficientScope).detail(identity::TOO_LONG));
    }
    Ok(response.finish())
}

/// The JWT, or nothing for a visitor without a token: also then the client's own header must not pass.
fn authorization(
    lacre: &Lacre,
    asking: &Asking,
    session: Option<&LiveSession>,
) -> Result<HeaderValue, Problem> {
    let Some(session) = session else {
        return Ok(HeaderValue::from_static(""));
    };
    let failed = |why: &dyn std::fmt::Display| {
        log::error!("a JWT could not be made: {why}");
        Problem::new(Code::InternalError)
    };
    let jwt = lacre
        .forward(session, &asking.rules.audience)
        .map_err(|error| failed(&error))?;
    let value = zeroize::Zeroizing::new(format!("Bearer {}", jwt.expose()));
    let mut value = HeaderValue::try_from(value.as_str()).map_err(|error| failed(&error))?;
    value.set_sensitive(true);
    Ok(value)
}
