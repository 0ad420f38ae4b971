//! The guard as actix sees it: a middleware in front of one worker's service.
//!
//! A token that was good before is verified where the request comes in, without a future on the
//! heap, as long as its record can't have changed; one that has to be opened anew waits for its turn.
//!
//! This room must never call the next service for a request that wasn't let in.

use super::TokenGuard;
use crate::http::visitor::{Verified, Verifier, Visitor};
use crate::http::{body, locations};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpRequest};
use futures_util::future::{Either, LocalBoxFuture, MapOk, TryFutureExt as _};
use std::future::{Ready, ready};
use std::rc::Rc;
use zeroize::Zeroizing;

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
            guard: Rc::new(self.clone()),
            next: Rc::new(next),
        }))
    }
}

/// A [`TokenGuard`] in front of one worker's service.
pub struct GuardedService<S> {
    guard: Rc<TokenGuard>,
    next: Rc<S>,
}

/// Leaves the session in a request that may go on; any other is answered.
fn admit<B>(
    request: ServiceRequest,
    verified: Verified,
    guard: Rc<dyn Verifier>,
) -> Result<ServiceRequest, Box<ServiceResponse<EitherBody<B>>>> {
    match verified {
        Ok(found) => {
            Visitor::enters(request.request(), found, guard);
            Ok(request)
        }
        Err(problem) => Err(Box::new(
            request.error_response(problem).map_into_right_body(),
        )),
    }
}

/// A guard that found the token in the body, and the token.
struct WithMember(Rc<TokenGuard>, Zeroizing<String>);

impl Verifier for WithMember {
    fn verify_again<'r>(&'r self, request: &'r HttpRequest) -> LocalBoxFuture<'r, Verified> {
        let Self(guard, member) = self;
        Box::pin(guard.verify(request, Some(member.clone())))
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
            return Either::Left(
                match admit(request, verified, Rc::clone(&self.guard) as Rc<_>) {
                    Ok(request) => {
                        let answer = self.next.call(request);
                        Either::Left(answer.map_ok(ServiceResponse::map_into_left_body))
                    }
                    Err(answer) => Either::Right(ready(Ok(*answer))),
                },
            );
        }
        let (guard, next) = (Rc::clone(&self.guard), Rc::clone(&self.next));
        Either::Right(Box::pin(async move {
            let member = if in_body {
                let members = body::read_ahead(&mut request).await;
                members.and_then(|mut members| members.optional_secret(locations::TOKEN))
            } else {
                Ok(None)
            };
            let (verified, again): (_, Rc<dyn Verifier>) = match member {
                Ok(None) => (guard.verify(request.request(), None).await, guard),
                Ok(Some(member)) => {
                    let again = WithMember(Rc::clone(&guard), member.clone());
                    let verified = guard.verify(request.request(), Some(member)).await;
                    (verified, Rc::new(again))
                }
                Err(problem) => (Err(problem), guard),
            };
            match admit(request, verified, again) {
                Ok(request) => Ok(next.call(request).await?.map_into_left_body()),
                Err(answer) => Ok(*answer),
            }
        }))
    }
}
