//! Where a token may stand in a request: the header, a cookie, the query, a JSON body.
//!
//! Every enabled place is looked at, and a second token in any of them refuses the request: which
//! one a proxy or a log in front has looked at is unknown (RFC 6750 §2). A place that isn't
//! enabled is not looked at. Nothing is decoded: a token needs no escapes, so it has one spelling.
//!
//! This room must never verify a token, and never prefer one of two.

pub use crate::sessions::rules::Location;

use super::cookies;
use super::credentials::{self, BearerText, CredentialError};
use super::origin::Trail;
use super::problem::Problem;
use crate::telemetry::audit::Event;
use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use zeroize::Zeroizing;

/// The name of the query parameter and of the JSON member.
pub(super) const TOKEN: &str = "token";

/// A token that is not yet verified, and where it stood.
#[derive(Debug)]
pub(super) struct LocatedToken<'a> {
    pub(super) text: BearerText<'a>,
    pub(super) location: Location,
}

/// The header field that carries a token where [`Location::Header`] is enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TokenField {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    #[default]
    Authorization,
    /// A field of this name, in lower case, that holds the token alone.
    #[cfg_attr(not(feature = "server"), allow(dead_code))] // dialects are the server's
    Bare(&'static str),
}

/// Where one route looks for a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenLocations<'a> {
    /// Any other place is not looked at.
    pub(super) enabled: &'a [Location],
    /// Names of cookies. A browser sends all that it has, so the first name that is there counts.
    pub(super) cookies: &'a [&'a str],
    /// The header field.
    pub(super) field: TokenField,
}

impl TokenLocations<'_> {
    /// The one token of the request; `member` is what its body brought, where somebody read it.
    pub(super) fn find(
        self,
        request: &HttpRequest,
        member: Option<Zeroizing<String>>,
    ) -> Result<Option<LocatedToken<'_>>, Problem> {
        let headers = request.headers();
        let mut one = One::default();
        if self.has(Location::Header)
            && let Some(token) = self.field.token(headers).transpose()
        {
            one.add(Location::Header, token)?;
        }
        if self.has(Location::Cookie) {
            let named = |name: &&&str| cookies::values(headers, name).next().is_some();
            if let Some(name) = self.cookies.iter().find(named) {
                for value in cookies::values(headers, name) {
                    one.add(Location::Cookie, text_of(value))?;
                }
            }
        }
        if self.has(Location::Query) {
            for value in parameters(request.query_string()) {
                one.add(Location::Query, text_of(value.as_bytes()))?;
            }
        }
        if let Some(member) = member {
            let text = BearerText::from_body(member).ok_or(CredentialError::BadToken);
            one.add(Location::Json, text)?;
        }
        one.found().map_err(|error| {
            // The only one of these errors whose answer is that of a bad token.
            if error == CredentialError::BadToken {
                Trail::of(request).record(&Event::TokenRefused {
                    code: error.code(),
                    session: None,
                });
            }
            error.into()
        })
    }

    fn has(self, location: Location) -> bool {
        self.enabled.contains(&location)
    }
}

impl TokenField {
    fn token(self, headers: &HeaderMap) -> Result<Option<BearerText<'_>>, CredentialError> {
        match self {
            Self::Authorization => credentials::bearer(headers),
            Self::Bare(name) => credentials::bare(headers, name),
        }
    }
}

/// What was found so far: nothing or one token. A bad one counts, so that it can't hide another.
#[derive(Default)]
struct One<'a>(Option<(Location, Result<BearerText<'a>, CredentialError>)>);

impl<'a> One<'a> {
    fn add(
        &mut self,
        location: Location,
        text: Result<BearerText<'a>, CredentialError>,
    ) -> Result<(), Problem> {
        match self.0.replace((location, text)) {
            None => Ok(()),
            Some(_) => Err(Problem::two_credentials()),
        }
    }

    fn found(self) -> Result<Option<LocatedToken<'a>>, CredentialError> {
        let Some((location, text)) = self.0 else {
            return Ok(None);
        };
        let text = text?;
        Ok(Some(LocatedToken { text, location }))
    }
}

fn text_of(bytes: &[u8]) -> Result<BearerText<'_>, CredentialError> {
    BearerText::from_request(bytes).ok_or(CredentialError::BadToken)
}

/// The values of all parameters of our name; one without `=` is empty.
fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (name == TOKEN).then_some(value)
    })
}

#[cfg(test)]
mod tests;
