//! The dialect `auth0`: a resource that says `Access Granted`, and errors as a `code` and a
//! `description`.
//!
//! What is wrong with the header is told as it was; of a token itself only what was proven to be ours
//! is told. A token without a `kid`, of an unknown key and one that can't be read are one answer.
//!
//! This room must never tell why a token was refused that wasn't proven to be ours.

use super::super::problem::{Code, Parts, Reason};
use super::super::render::Wording;
use super::super::routes::contract::Access;
use super::super::routes::table::{RouteInfo, row};
use super::super::routes::{check, login, renew, sessions};
use super::wording::{has_bad_header, json};
use actix_web::dev::RequestHead;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use serde::Serialize;

/// The routes of this dialect. Tokens are given out, renewed and ended by lacre's own.
pub(super) const ROUTES: &[RouteInfo] = {
    use Access::{AnyKind, Guarded, Open, Refresh};
    &[
        row(Method::GET, "/headers", Guarded, check::HEADERS, |r| {
            r.to(check::headers)
        })
        .and_direct(),
        row(Method::POST, "/getToken", Open, login::GET_TOKEN, |r| {
            r.to(login::get_token)
        }),
        row(Method::POST, "/refresh", Refresh, renew::REFRESH, |r| {
            r.to(renew::refresh)
        })
        .and_own_users(),
        row(Method::POST, "/logout", AnyKind, sessions::LOG_OUT, |r| {
            r.to(sessions::log_out)
        })
        .and_own_users(),
    ]
};

/// An error. The members stand in the order in which the service wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct AuthError<'a> {
    code: &'a str,
    description: &'a str,
}

const fn invalid_header(description: &str) -> AuthError<'_> {
    AuthError {
        code: "invalid_header",
        description,
    }
}

/// Tells a problem.
pub(super) fn words(problem: &Parts, asked: &RequestHead) -> Wording {
    let of_token = |error| json(StatusCode::UNAUTHORIZED, &error);
    let header = || fault(&asked.headers);
    match (problem.code, problem.reason) {
        (Code::NoCredentials, _) => of_token(header().unwrap_or(MISSING)),
        (Code::InvalidRequest, _) if has_bad_header(problem) => {
            of_token(header().unwrap_or(NOT_ONE_TOKEN))
        }
        (Code::InvalidToken, Some(Reason::Expired)) => of_token(AuthError {
            code: "token_expired",
            description: "Token expired.",
        }),
        (Code::InvalidToken, Some(Reason::Claims)) => of_token(AuthError {
            code: "invalid_claims",
            description: "Incorrect claims. Please, check the audience and issuer.",
        }),
        (Code::InvalidToken, Some(Reason::KeyUnnamed)) => {
            of_token(invalid_header("Authorization malformed."))
        }
        (Code::InvalidToken, Some(Reason::KeyUnknown)) => {
            of_token(invalid_header("Unable to find the appropriate key."))
        }
        (Code::InvalidToken, _) => {
            let there = asked.headers.contains_key(AUTHORIZATION);
            let fault = header().filter(|_| there);
            of_token(fault.unwrap_or(invalid_header("Unable to parse authentication token.")))
        }
        (code, _) => json(
            code.status(),
            &AuthError {
                code: code.as_str(),
                description: &problem.detail,
            },
        ),
    }
}

const MISSING: AuthError<'_> = AuthError {
    code: "authorization_header_missing",
    description: "Authorization header is expected.",
};

const NOT_ONE_TOKEN: AuthError<'_> = invalid_header("Authorization header must be bearer token.");

/// What is wrong with the `Authorization` header, whatever the token in it.
fn fault(headers: &HeaderMap) -> Option<AuthError<'static>> {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Some(MISSING);
    };
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let mut parts = value.split(blank).filter(|part| !part.is_empty());
    let scheme = parts.next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        let start = "Authorization header must start with \"Bearer\".";
        return Some(invalid_header(start));
    }
    match parts.count() {
        0 => Some(invalid_header("Token not found.")),
        1 => None,
        _ => Some(NOT_ONE_TOKEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::credentials::authorization;

    #[test]
    fn each_fault_of_the_header_is_told_as_it_was() {
        let start = "Authorization header must start with \"Bearer\".";
        for (value, told) in [
            ("", Some("Authorization header is expected.")),
            ("Basic YTpi", Some(start)),
            ("a.b.c", Some(start)),
            ("Bearer", Some("Token not found.")),
            ("Bearer ", Some("Token not found.")),
            (
                "Bearer a b",
                Some("Authorization header must be bearer token."),
            ),
            ("bearer a.b.c", None),
            ("BEARER  a.b.c", None),
        ] {
            let found = fault(&authorization(&[value.as_bytes()]));
            assert_eq!(found.map(|error| error.description), told, "{value:?}");
        }
        assert_eq!(fault(&HeaderMap::new()), Some(MISSING));
    }
}
