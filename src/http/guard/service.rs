//! The guard as actix sees it: a middleware in front of one worker's service.
//!
//! A token that was good before is verified where the request comes in, without a future on the
//! heap, as long as its record can't have changed; one that has to be opened anew waits for its turn.
//!
//! This room must never call the next service for a request that wasn't let in.

use super::{LiveSession, TokenGuard, Visitor};
use crate::http::problem::Problem;
use crate::http::{body, locations};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage as _};
use futures_util::future::{Either, LocalBoxFuture, MapOk, TryFutureExt as _};
use std::future::{Ready, ready};
use std::rc::Rc;

impl<S, B> Transform<S, ServiceRequest> for TokenGuard
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = GuardedService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, next: S) -> Self::Future {
        ready(Ok(GuardedService {
            guard: self.clone(),
            next: Rc::new(next),
        }))
    }
}

/// A [`TokenGuard`] in front of one worker's service.
pub struct GuardedService<S> {
    guard: TokenGuard,
    next: Rc<S>,
}

/// Leaves the session in a request that may go on; any other is answered.
fn admit<B>(
    request: ServiceRequest,
    verified: Result<Option<LiveSession>, Problem>,
) -> Result<ServiceRequest, Box<ServiceResponse<EitherBody<B>>>> {
    match verified {
        Ok(session) => {
            let visitor = Visitor(session.map(Rc::new));
            request.extensions_mut().insert(visitor);
            Ok(request)
        }
        Err(problem) => Err(Box::new(
            request.error_response(problem).map_into_right_body(),
        )),
    }
}

type Answered<B> = Result<ServiceResponse<EitherBody<B>>, Error>;

impl<S, B> Service<ServiceRequest> for GuardedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    // Only a request with a token that isn't known, or that may be in the body, has to wait.
    type Future = Either<
        Either<MapOk<S::Future, fn(ServiceResponse<B>) -> Self::Response>, Ready<Answered<B>>>,
        LocalBoxFuture<'static, Answered<B>>,
    >;

    forward_ready!(next);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let in_body = self.guard.looks_into_body_of(&request);
        if !in_body && let Some(verified) = self.guard.verify_at_once(request.request()) {
            return Either::Left(match admit(request, verified) {
                Ok(request) => {
                    let answer = self.next.call(request);
                    Either::Left(answer.map_ok(ServiceResponse::map_into_left_body))
                }
                Err(answer) => Either::Right(ready(Ok(*answer))),
            });
        }
        let (guard, next) = (self.guard.clone(), Rc::clone(&self.next));
        Either::Right(Box::pin(async move {
            let member = if in_body {
                let members = body::read_ahead(&mut request).await;
                members.and_then(|mut members| members.optional_secret(locations::TOKEN))
            } else {
                Ok(None)
            };
            let verified = match member {
                Ok(member) => guard.verify(request.request(), member).await,
                Err(problem) => Err(problem),
            };
            match admit(request, verified) {
                Ok(request) => Ok(next.call(request).await?.map_into_left_body()),
                Err(answer) => Ok(*answer),
            }
        }))
    }
}
