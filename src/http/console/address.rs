//! What the address of a page asks for.
//!
//! This room must never answer a visitor otherwise than with a page.

use super::refused::Refused;
use crate::http::problem::{Code, Problem};
use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::future::{Ready, ready};

/// The query of an address, or what is wrong with it. It never fails by itself: that would break off the admission
/// beside it, which may be renewing tokens at that moment.
pub(super) struct Address<T>(pub(super) Result<T, Refused>);

impl<T: DeserializeOwned> FromRequest for Address<T> {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = Query::<T>::from_query(request.query_string());
        ready(Ok(Self(match query {
            Ok(query) => Ok(query.into_inner()),
            Err(_) => Err(Problem::new(Code::InvalidRequest)
                .detail("This address lacks a part, or has one twice.")
                .into()),
        })))
    }
}
