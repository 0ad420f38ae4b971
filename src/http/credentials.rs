//! What the `Authorization` header says, before anything of it is verified: its scheme, and the
//! text of a bearer token (RFC 6750 §2.1). The credentials of a client are
//! `client_auth`'s.
//!
//! Pure functions on header values. This room must never verify a token: its form, length and truth belong to `token`. It must
//! never keep a secret in a type that prints or that isn't wiped.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why an `Authorization` header can't be used. The room of problems decides what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// More than one `Authorization` header; which one a proxy in front looked at is unknown.
    #[error("more than one Authorization header")]
    Two,
    /// `Bearer` without anything after it.
    #[error("the Authorization header names a scheme and carries no token")]
    NoToken,
    /// Something other than visible ASCII stands where the token should. It is answered like any
    /// other bad token.
    #[error("the bearer token has characters that no token has")]
    BadToken,
    /// Basic credentials that aren't RFC 7617 §2 with UTF-8.
    #[error("the Basic credentials are malformed")]
    BadBasic,
}

impl CredentialError {
    /// The stable name of this case, for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Two => "two_credentials",
            Self::NoToken => "bearer_without_token",
            Self::BadToken => "bearer_not_visible_ascii",
            Self::BadBasic => "basic_malformed",
        }
    }
}

/// The text that a client put after `Bearer `: one or more visible ASCII characters.
///
/// It lies where the request has it and is copied nowhere; only what a body brought is a string of
/// its own, and that is wiped.
pub struct BearerText<'a>(Place<'a>);

enum Place<'a> {
    Request(&'a [u8]),
    Body(Zeroizing<String>),
}

impl<'a> BearerText<'a> {
    /// The text, for `token` to parse.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Place::Request(text) => text,
            Place::Body(text) => text.as_bytes(),
        }
    }

    /// Takes text from another place of the request (a cookie, the query); `None` unless it is one
    /// or more visible ASCII characters.
    #[must_use]
    pub fn from_request(text: &'a [u8]) -> Option<Self> {
        is_visible_ascii(text).then_some(Self(Place::Request(text)))
    }

    /// The same for a member of a JSON body.
    #[must_use]
    pub fn from_body(text: Zeroizing<String>) -> Option<Self> {
        is_visible_ascii(text.as_bytes()).then_some(Self(Place::Body(text)))
    }
}

impl fmt::Debug for BearerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerText")
    }
}

/// The bearer token of the request. `None`: no `Authorization` header, or one of another scheme.
pub fn bearer(headers: &HeaderMap) -> Result<Option<BearerText<'_>>, CredentialError> {
    let Some(text) = after_scheme(headers, b"Bearer")? else {
        return Ok(None);
    };
    if text.is_empty() {
        return Err(CredentialError::NoToken);
    }
    match BearerText::from_request(text) {
        Some(text) => Ok(Some(text)),
        None => Err(CredentialError::BadToken),
    }
}

/// The token that stands alone in the one header field of this name. `None`: no such field, or an
/// empty one.
pub(super) fn bare<'a>(
    headers: &'a HeaderMap,
    name: &str,
) -> Result<Option<BearerText<'a>>, CredentialError> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(CredentialError::Two);
    }
    if value.is_empty() {
        return Ok(None);
    }
    match BearerText::from_request(value.as_bytes()) {
        Some(text) => Ok(Some(text)),
        None => Err(CredentialError::BadToken),
    }
}

/// What follows the scheme and its spaces (`1*SP`, RFC 6750 §2.1) in the one `Authorization` header;
/// empty where the scheme stands alone. `None`: no header, or another scheme.
pub(super) fn after_scheme<'a>(
    headers: &'a HeaderMap,
    scheme: &[u8],
) -> Result<Option<&'a [u8]>, CredentialError> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(CredentialError::Two);
    }
    let value = value.as_bytes();
    let (name, rest) = match value.iter().position(|&b| b == b' ') {
        Some(space) => {
            let rest = &value[space + 1..];
            let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
            (&value[..space], &rest[spaces..])
        }
        None => (value, &[][..]),
    };
    Ok(name.eq_ignore_ascii_case(scheme).then_some(rest))
}

/// Looks at every character, without stopping at the first bad one: that way many are looked at in
/// one step, and nearly every text is good to its end.
fn is_visible_ascii(text: &[u8]) -> bool {
    let good = |all: bool, byte: &u8| all & byte.is_ascii_graphic();
    !text.is_empty() && text.iter().fold(true, good)
}

/// Headers of a request with these values of `Authorization`.
#[cfg(test)]
pub(super) fn authorization(values: &[&[u8]]) -> HeaderMap {
    use actix_web::http::header::HeaderValue;
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn bearer_of(value: &[u8]) -> Result<Option<String>, CredentialError> {
        Ok(bearer(&authorization(&[value]))?
            .map(|text| String::from_utf8(text.as_bytes().to_vec()).unwrap()))
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            assert_eq!(
                bearer_of(format!("{scheme} a.b").as_bytes()),
                Ok(Some("a.b".into()))
            );
        }
    }

    #[test]
    fn any_number_of_spaces_may_stand_behind_the_scheme() {
        for spaces in 1..=4 {
            let value = format!("Bearer{}a.b", " ".repeat(spaces));
            assert_eq!(
                bearer_of(value.as_bytes()),
                Ok(Some("a.b".into())),
                "{spaces}"
            );
        }
    }

    #[test]
    fn no_header_and_other_schemes_are_no_credentials() {
        assert!(bearer(&HeaderMap::new()).unwrap().is_none());
        for other in [
            &b"Basic YTpi"[..],
            b"Digest x",
            b"BearerX a",
            b"Bear a",
            b"",
            b"a.b.c",
        ] {
            assert_eq!(bearer_of(other), Ok(None), "{other:?}");
        }
    }

    #[test]
    fn two_headers_are_refused_even_when_they_are_equal() {
        for pair in [
            [&b"Bearer a"[..], b"Bearer a"],
            [b"Basic YTpi", b"Bearer a"],
        ] {
            assert_eq!(
                bearer(&authorization(&pair)).unwrap_err(),
                CredentialError::Two
            );
        }
    }

    #[test]
    fn a_scheme_without_a_token_is_malformed() {
        assert_eq!(bearer_of(b"Bearer"), Err(CredentialError::NoToken));
        assert_eq!(bearer_of(b"Bearer "), Err(CredentialError::NoToken));
        assert_eq!(bearer_of(b"Bearer   "), Err(CredentialError::NoToken));
    }

    #[test]
    fn whatever_stands_where_the_token_should_is_a_bad_token() {
        for bad in [
            &b"Bearer a b"[..],
            b"Bearer  a b",
            b"Bearer \ta",
            b"Bearer a\tb",
            b"Bearer a, Bearer b",
            b"Bearer \xff",
        ] {
            assert_eq!(bearer_of(bad), Err(CredentialError::BadToken), "{bad:?}");
        }
        // Its alphabet is the business of `token`.
        assert_eq!(bearer_of(b"Bearer !=,"), Ok(Some("!=,".into())));
    }

    #[test]
    fn a_token_may_stand_alone_in_a_field_of_its_own() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value).unwrap();
                headers.append(HeaderName::from_static("x-access-token"), value);
            }
            bare(&headers, "x-access-token").map(|found| found.map(|text| text.as_bytes().to_vec()))
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[b""]), Ok(None));
        assert_eq!(of(&[b"a.b"]), Ok(Some(b"a.b".to_vec())));
        assert_eq!(of(&[b"Bearer a.b"]), Err(CredentialError::BadToken));
        assert_eq!(of(&[b"a.b", b"a.b"]), Err(CredentialError::Two));
    }

    #[test]
    fn text_from_elsewhere_meets_the_same_bar() {
        let from_body = |text: &str| BearerText::from_body(Zeroizing::new(text.into())).is_some();
        let from_request = |text: &[u8]| BearerText::from_request(text).is_some();
        assert!(from_body("a.b") && from_request(b"a.b"));
        for bad in ["", "a b", "a\n", "\na", "é"] {
            assert!(!from_body(bad) && !from_request(bad.as_bytes()), "{bad:?}");
        }
    }

    #[test]
    fn credentials_print_nothing() {
        let headers = authorization(&[b"Bearer s3cret"]);
        let bearer = bearer(&headers).unwrap().unwrap();
        assert_eq!(format!("{bearer:?}"), "BearerText");
    }
}
