//! What the address of a page asks for.
//!
//! This room must never answer a visitor otherwise than with a page.

use super::refused::Refused;
use crate::http::problem::{Code, Problem};
use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;
use std::future::{Ready, ready};

/// The query of an address.
pub(super) struct Address<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for Address<T> {
    type Error = Refused;
    type Future = Ready<Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = Query::<T>::from_query(request.query_string());
        ready(match query {
            Ok(query) => Ok(Self(query.into_inner())),
            Err(_) => Err(Problem::new(Code::InvalidRequest)
                .detail("This address lacks a part, or has one twice.")
                .into()),
        })
    }
}
