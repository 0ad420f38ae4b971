//! The token that a client asks about: the parameter `token` of a form (RFC 7662 §2.1, RFC 7009 §2.1).
//!
//! `token_type_hint` is read and means nothing: every kind is looked at in any case.
//!
//! This room must never say why a token is none.

use crate::http::body::Members;
use crate::http::origin::Trail;
use crate::http::problem::{Code, Problem};
use crate::sessions::guard::{LiveSession, Refusal};
use crate::telemetry::audit::Event;
use zeroize::Zeroizing;

const TOKEN: &str = "token";

/// The token. A parameter without a value counts as left out (RFC 6749 §3.1).
pub(super) fn token(sent: &mut Members, max_length: usize) -> Result<Zeroizing<String>, Problem> {
    let token = sent.optional_secret(TOKEN)?;
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| Problem::missing_member(TOKEN))?;
    if token.len() > max_length {
        return Err(Problem::new(Code::InvalidRequest)
            .detail("The token is longer than any that is issued here."));
    }
    Ok(token)
}

/// The session of a token, or nothing where it is none that the guard takes; why, the log says.
pub(super) fn session(
    opened: Result<LiveSession, Refusal>,
    trail: &Trail,
) -> Result<Option<LiveSession>, Problem> {
    match opened {
        Ok(session) => Ok(Some(session)),
        Err(Refusal::Token(error)) => {
            trail.record(&Event::TokenRefused {
                code: error.code(),
                session: None,
            });
            Ok(None)
        }
        Err(Refusal::Store(error)) => Err(error.into()),
    }
}
