//! What a request brings, and the session as it is when that has come.
//!
//! This room must never hand out what a body brought with a session that was verified before it.

use super::Session;
use crate::http::visitor::verify_again;
use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest};
use futures_util::future::{FutureExt as _, LocalBoxFuture};

/// What another extractor takes out of a request, such as `web::Json<T>`, and the [`Session`] (or the
/// [`AnySession`](super::AnySession), where it is named), which the guards before the route have
/// verified again after it.
///
/// A body may come seconds after the head by which the guard let the request in. Meanwhile the session
/// may have ended, or lost the role that the guard demands: then the answer is that of the guard, and the
/// handler isn't called. Use it in every handler that changes something and reads a body.
///
/// ```
/// use actix_web::{HttpResponse, web};
/// use lacre::VerifiedAfter;
///
/// async fn order(request: VerifiedAfter<web::Json<Vec<String>>>) -> HttpResponse {
///     let VerifiedAfter { session, content } = request;
///     HttpResponse::Ok().body(format!("{} orders {}", session.user_id(), content.join(", ")))
/// }
/// ```
#[derive(Debug)]
pub struct VerifiedAfter<T, S = Session> {
    /// The session, good and with the rights that the guards demand, after the body had come.
    pub session: S,
    /// What the extractor took out of the request.
    pub content: T,
}

impl<T: FromRequest + 'static, S: FromRequest + 'static> FromRequest for VerifiedAfter<T, S> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let content = T::from_request(request, payload);
        let request = request.clone();
        async move {
            let content = content.await.map_err(Into::into)?;
            verify_again(&request).await?;
            let session = S::extract(&request).await.map_err(Into::into)?;
            Ok(Self { session, content })
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests;
