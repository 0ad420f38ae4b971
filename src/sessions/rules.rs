//! The rules for tokens and sessions, and their defaults.
//!
//! This room must never have a default for what a deployment has to decide: whose tokens these are
//! and whom they are for.

use crate::token::{MAX_TOKEN_LENGTH, TokenError};

/// A place of a request where a token is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Header,
    /// The cookie `__Host-lacre_access`, or `__Host-lacre_refresh` for a refresh token.
    Cookie,
    /// The parameter `token` of the query.
    Query,
    /// The member `token` of a body of JSON.
    Json,
}

/// The rules for tokens and sessions. Durations are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The `iss` of our tokens, and the only one accepted.
    pub issuer: String,
    /// The `aud` of our tokens, and the one that must be among a token's.
    pub audience: String,
    /// How long an access token lives.
    pub access_ttl: u64,
    /// By up to how many percent of that, at random, an access token lives shorter; more than 50
    /// count as 50. Those who log in together don't refresh together then.
    pub access_ttl_jitter: u32,
    /// How long a session lives without being refreshed.
    pub refresh_ttl: u64,
    /// How long a session lives at most.
    pub absolute_ttl: u64,
    /// By how much `exp`, `iat` and `nbf` may be off.
    pub leeway: u64,
    /// How long the refresh token of the generation before is still answered.
    pub refresh_grace: u64,
    /// The most characters of a token, issued or accepted; at most [`MAX_TOKEN_LENGTH`].
    pub max_token_length: usize,
    /// The most sessions of one user; a new one beyond them ends the oldest.
    pub max_per_user: usize,
    /// For how many seconds it stays known why a session ended, and by whom; 0: not at all.
    pub explain_for: u64,
    /// Where a request may carry its token, unless a route says otherwise. With
    /// [`Location::Cookie`], log-in and refresh set cookies as well.
    pub locations: Vec<Location>,
}

impl Rules {
    /// Rules with the documented defaults for this issuer and this audience.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            access_ttl: defaults::ACCESS_TTL.as_secs(),
            access_ttl_jitter: defaults::ACCESS_TTL_JITTER,
            refresh_ttl: defaults::REFRESH_TTL.as_secs(),
            absolute_ttl: defaults::ABSOLUTE_TTL.as_secs(),
            leeway: defaults::LEEWAY.as_secs(),
            refresh_grace: defaults::REFRESH_GRACE.as_secs(),
            max_token_length: MAX_TOKEN_LENGTH,
            max_per_user: defaults::MAX_PER_USER as usize,
            explain_for: defaults::EXPLAIN_FOR.as_secs(),
            locations: defaults::LOCATIONS.to_vec(),
        }
    }

    /// Refuses a token that is longer than allowed: the first check, before anything of it is
    /// parsed.
    pub(crate) fn check_length(&self, token: &[u8]) -> Result<(), TokenError> {
        if token.len() > self.max_token_length {
            return Err(TokenError::TooLong);
        }
        Ok(())
    }
}

/// The defaults of [`Rules`], which are those of the configuration.
pub(crate) mod defaults {
    use super::Location;
    use std::time::Duration;

    pub(crate) const ACCESS_TTL: Duration = Duration::from_mins(15);
    pub(crate) const ACCESS_TTL_JITTER: u32 = 0;
    pub(crate) const REFRESH_TTL: Duration = Duration::from_hours(30 * 24);
    pub(crate) const ABSOLUTE_TTL: Duration = Duration::from_hours(90 * 24);
    pub(crate) const LEEWAY: Duration = Duration::ZERO;
    pub(crate) const REFRESH_GRACE: Duration = Duration::from_secs(10);
    pub(crate) const MAX_PER_USER: u32 = 100;
    pub(crate) const EXPLAIN_FOR: Duration = Duration::from_hours(30 * 24);
    pub(crate) const LOCATIONS: &[Location] = &[Location::Header];
}
