//! Tokens of outside issuers that a guard takes as they are, without a session of ours.
//!
//! Such a token is told from ours by its form: a JWS has three parts, our JWE has five. It is verified
//! anew at each request, with the keys that its issuer has. Nothing here can revoke it
//! (threat: outside-unrevocable).
//!
//! This room must never take a subject for a user of ours, and never remember that a token was good.

use super::problem::{Code, Problem, Reason};
use crate::clock::UnixSeconds;
#[cfg(feature = "federation")]
use crate::federation::{Accept, FederationError};

#[cfg(feature = "federation")]
pub(super) use crate::federation::Federation as Issuers;

/// The issuers of a deployment; without the feature `federation` there are none.
#[cfg(not(feature = "federation"))]
#[derive(Debug, Clone)]
pub(super) enum Issuers {}

/// The role that nobody outside gives (threat: outside-roles).
const ADMIN: &str = crate::defaults::ADMIN_ROLE;

/// Somebody whom an outside issuer vouches for at this moment: who it is, is the pair of `issuer` and
/// `subject`.
///
/// It is no session. There is no handle, no refresh and no end but that of the token: the issuer alone
/// can do something about a token that was stolen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutsideUser {
    /// The issuer's name in the configuration.
    pub issuer_name: String,
    /// `iss` of the token.
    pub issuer: String,
    /// Who it is there. Another issuer may call somebody else so, and a user of yours may have such an id.
    pub subject: String,
    /// `email`, where the issuer says that it has verified it.
    pub email: Option<String>,
    /// `name`.
    pub name: Option<String>,
    /// The roles of the configured claim, without `admin`.
    pub roles: Vec<String>,
    /// When the token expires.
    pub expires_at: UnixSeconds,
}

/// Why an outside token isn't taken: what the log says, and what is answered.
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) problem: Problem,
}

/// Whether a token has the form of a compact JWS (RFC 7515 §7.1), and not that of ours.
pub(super) fn is_jws(token: &[u8]) -> bool {
    memchr::memchr_iter(b'.', token).count() == 2
}

/// Verifies a token of an issuer whose tokens are taken directly.
#[cfg(feature = "federation")]
pub(super) async fn verify(
    issuers: &Issuers,
    token: &[u8],
    now: UnixSeconds,
) -> Result<OutsideUser, Refused> {
    let token = std::str::from_utf8(token).map_err(|_| FederationError::Malformed);
    let verified = match token {
        Ok(token) => issuers.verify(token, Accept::Direct, now).await,
        Err(error) => Err(error),
    };
    let identity = verified.map_err(|error| Refused {
        code: error.code(),
        problem: problem(error),
    })?;
    let roles = identity.roles.unwrap_or_default();
    Ok(OutsideUser {
        issuer_name: identity.issuer_name,
        issuer: identity.issuer,
        subject: identity.subject,
        email: identity.email,
        name: identity.name,
        roles: roles.into_iter().filter(|role| role != ADMIN).collect(),
        expires_at: identity.expires_at,
    })
}

#[cfg(not(feature = "federation"))]
pub(super) fn verify(
    issuers: &Issuers,
    _: &[u8],
    _: UnixSeconds,
) -> std::future::Ready<Result<OutsideUser, Refused>> {
    match *issuers {}
}

/// What is answered. In lacre's own form it is one answer, whatever is wrong with the token. The
/// reasons, for a dialect: what the issuer has signed, and what anybody can see who has the token and
/// the published keys.
#[cfg(feature = "federation")]
fn problem(error: FederationError) -> Problem {
    use FederationError as E;
    match error {
        // That nobody can say whether a token is good isn't that it is bad.
        E::KeysUnavailable => Problem::new(Code::StoreUnavailable),
        E::Expired => Problem::proven(Reason::Expired),
        E::Audience | E::Issuer | E::Claims | E::NotYetValid => Problem::proven(Reason::Claims),
        E::KidMissing => Problem::proven(Reason::KeyUnnamed),
        E::KeyUnknown => Problem::proven(Reason::KeyUnknown),
        _ => Problem::invalid_token(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jws_is_told_from_our_tokens_by_its_parts() {
        assert!(is_jws(b"a.b.c") && is_jws(b"..") && is_jws(b"a.b."));
        for other in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "a....e"] {
            assert!(!is_jws(other.as_bytes()), "{other}");
        }
    }
}
