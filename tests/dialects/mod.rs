//! The dialects, from outside: the clients of five other services, as they were written for those.
//!
//! Each has a transcript, made from the text that describes its service: what its client sends, byte
//! for byte, and what it reads. They are replayed against the real program.

mod clients;
mod hostile;
mod insecure_issue;
mod reasons;
mod replay;
mod rights;
mod timing;
mod transcripts;

use crate::support::server::Setup;

/// Every dialect but lacre's own, with the resource by which its clients check a token.
pub(crate) const DIALECTS: [(&str, &str); 5] = [
    (
        "jwe-flask",
        "/user/%7B%22id%22%3A%22u%22%2C%22user_session%22%3A%22s%22%7D",
    ),
    ("flask-jwt-extended", "/perfil"),
    ("auth0", "/headers"),
    ("x-access-token", "/user"),
    ("api-users", "/admin/users/nobody"),
];

/// The same deployment in this dialect.
fn speaking(setup: &Setup, dialect: &str) -> Setup {
    setup.clone().env("LACRE_DIALECT", dialect)
}

/// The header field in which the clients of a dialect send a token.
fn with_token(dialect: &str, token: &str) -> (&'static str, String) {
    match dialect {
        "x-access-token" => ("x-access-token", token.to_owned()),
        _ => ("Authorization", format!("Bearer {token}")),
    }
}
