//! Who asks, behind a guard, and what the handlers do in that one's name.
//!
//! This room must never make a caller of a request that no guard has let in.

use super::super::guard::Session;
use super::super::origin::Trail;
use super::super::problem::{Code, Problem};
use super::super::visitor::verify_again;
use crate::lacre::Lacre;
use crate::service::{self, Service};
use crate::telemetry::audit::{Actor, Event, MaskedHandle, UserId};
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};

/// The session that asks, and what the audit log says of its request.
pub(in crate::http) struct Caller {
    pub(super) session: Session,
    pub(super) service: Data<Service>,
    pub(super) trail: Trail,
    request: HttpRequest,
}

impl Caller {
    pub(super) fn lacre(&self) -> &Lacre {
        self.service.lacre()
    }

    /// Writes that a proof of the caller's password wasn't taken, for a reason beside the password.
    pub(super) fn record_failure(&self, code: &'static str) {
        self.trail.record(&Event::LoginFailed {
            code,
            user: Some(UserId::new(self.session.user_id())),
            client: None,
        });
    }

    /// Has the guards verify the request again.
    pub(super) async fn verify_again(&self) -> Result<(), Problem> {
        verify_again(&self.request).await
    }

    /// The answer to a token that is good no more, and its event.
    pub(super) fn refused(&self, code: &'static str) -> Problem {
        let session = MaskedHandle::of(self.session.handle().as_str());
        self.trail.record(&Event::TokenRefused {
            code,
            session: Some(session),
        });
        Problem::invalid_token()
    }

    /// Who asks, where it is about the account that the token belongs to.
    pub(super) fn owner(&self) -> service::Caller {
        let owner = service::Caller::new(Actor::Owner, self.trail.origin().clone());
        owner.in_session(self.session.handle())
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(service) = request.app_data::<Data<Service>>() else {
            return ready(Err(Problem::new(Code::InternalError)));
        };
        let session = Session::from_request(request, payload).into_inner();
        ready(session.map(|session| Self {
            session,
            service: service.clone(),
            trail: Trail::of(request),
            request: request.clone(),
        }))
    }
}
