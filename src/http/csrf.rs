//! Whether a request that came with a cookie was sent by a page of our own.
//!
//! Two independent questions. What does the browser say of the sender: `Sec-Fetch-Site`, or
//! `Origin` from older ones? And does the sender know the value of the session's cookie
//! `__Host-lacre_csrf`, which only pages of our own origin can read? A method that changes
//! something needs both answers to be good (the OWASP cheat sheet on CSRF, threat: request-forgery). A client
//! that is no browser sends neither of the two headers; the second question remains.
//!
//! This room must never ask `X-Forwarded-Host`: everybody can write it.

use super::problem::{Code, Problem};
use super::{cookies, cors};
use crate::lacre::Lacre;
use crate::token::Handle;
use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// The header that repeats the value of the cookie [`cookies::CSRF`].
const X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
/// Where proxies that ask about a request put its method.
const METHOD_HINTS: [&str; 2] = ["x-forwarded-method", "x-original-method"];
/// What the browser says of the sender (W3C Fetch Metadata). Scripts can't write it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request isn't taken for one of our own pages'. All are answered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CsrfError {
    /// The browser says that a page of another origin sent it.
    #[error("the request was sent by a page of another origin")]
    OtherSite,
    /// The header is missing, or there are two.
    #[error("there isn't one X-CSRF-TOKEN header")]
    NoHeader,
    /// The cookie is missing, or there are two.
    #[error("there isn't one CSRF cookie")]
    NoCookie,
    /// Header and cookie differ.
    #[error("the X-CSRF-TOKEN header isn't the cookie's value")]
    Mismatch,
    /// Header and cookie agree, and we made neither of them for this session.
    #[error("the CSRF token isn't this session's")]
    Forged,
}

impl CsrfError {
    /// The stable name of this case, for the log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::OtherSite => "csrf_other_site",
            Self::NoHeader => "csrf_header_missing",
            Self::NoCookie => "csrf_cookie_missing",
            Self::Mismatch => "csrf_mismatch",
            Self::Forged => "csrf_forged",
        }
    }
}

impl From<CsrfError> for Problem {
    fn from(_: CsrfError) -> Self {
        Self::new(Code::CsrfFailed)
    }
}

/// Which methods say whether a request may change something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Methods {
    /// That of the request.
    #[default]
    Own,
    /// That of the request, and each one that a proxy may have named as the client's: some ask with the
    /// client's own, some with GET or HEAD and put the client's into a header, and a client can write
    /// such a header itself. So all of them have to be safe.
    #[cfg_attr(not(feature = "server"), allow(dead_code))] // the gateway is the server's
    Hinted,
}

impl Methods {
    /// Whether every method that counts is safe (RFC 9110 §9.2.1). What is none that is known isn't.
    fn are_safe(self, request: &HttpRequest) -> bool {
        let named = |value: &HeaderValue| {
            Method::from_bytes(value.as_bytes()).is_ok_and(|method| method.is_safe())
        };
        let headers = request.headers();
        let hints = || METHOD_HINTS.iter().flat_map(|name| headers.get_all(*name));
        request.method().is_safe() && (self == Self::Own || hints().all(named))
    }
}

/// Demands of a request with a cookie of this session that our own page sent it, unless its method
/// is safe (RFC 9110 §9.2.1).
pub(super) fn check(
    request: &HttpRequest,
    methods: Methods,
    lacre: &Lacre,
    session: &Handle,
) -> Result<(), CsrfError> {
    if methods.are_safe(request) {
        return Ok(());
    }
    let headers = request.headers();
    refuse_other_sites(headers, &lacre.rules().issuer)?;
    let header = only(headers.get_all(X_CSRF_TOKEN)).ok_or(CsrfError::NoHeader)?;
    let cookie = only(cookies::values(headers, cookies::CSRF)).ok_or(CsrfError::NoCookie)?;
    if !bool::from(header.as_bytes().ct_eq(cookie)) {
        return Err(CsrfError::Mismatch);
    }
    if !lacre.verify_csrf_token(session, cookie) {
        return Err(CsrfError::Forged);
    }
    Ok(())
}

/// Demands, where cookies are used, that no other site had this request sent: its answer would
/// put the browser into a session of the other site's choice (login CSRF).
pub fn check_sender(request: &HttpRequest, lacre: &Lacre) -> Result<(), CsrfError> {
    // For a named other origin no cookie is read or set, so none can be planted.
    if cookies::are_used(lacre) && !cors::is_from_other(request) {
        refuse_other_sites(request.headers(), &lacre.rules().issuer)
    } else {
        Ok(())
    }
}

/// What the browser says of the sender. `same-site` is another origin too: a neighbour domain
/// isn't trusted. No word at all is not held against a request.
fn refuse_other_sites(headers: &HeaderMap, issuer: &str) -> Result<(), CsrfError> {
    let own = if headers.contains_key(SEC_FETCH_SITE) {
        only(headers.get_all(SEC_FETCH_SITE))
            .is_some_and(|site| site == "same-origin" || site == "none")
    } else if headers.contains_key(ORIGIN) {
        text(headers, ORIGIN).is_some_and(|origin| is_own(origin, text(headers, HOST), issuer))
    } else {
        true
    };
    own.then_some(()).ok_or(CsrfError::OtherSite)
}

/// Whether `origin` is the issuer's or that of the host that the request names. The scheme behind
/// a proxy is known only where the issuer is that host; a secure cookie doesn't travel without
/// TLS anyway.
fn is_own(origin: &str, host: Option<&str>, issuer: &str) -> bool {
    let Some((scheme, authority)) = WebOrigin::parts(origin) else {
        return false;
    };
    let origin = WebOrigin::new(scheme, authority);
    match WebOrigin::of_url(issuer) {
        Some(issuer) if issuer.authority == origin.authority => issuer.scheme == origin.scheme,
        _ => host.is_some_and(|host| WebOrigin::new(scheme, host) == origin),
    }
}

/// A scheme and a host with the port where it isn't the scheme's own, in lower case (RFC 6454 §4).
#[derive(Debug, PartialEq, Eq)]
struct WebOrigin {
    scheme: String,
    authority: String,
}

impl WebOrigin {
    fn new(scheme: &str, authority: &str) -> Self {
        let scheme = scheme.to_ascii_lowercase();
        let port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.to_ascii_lowercase();
        Self {
            authority: authority
                .strip_suffix(port)
                .unwrap_or(&authority)
                .to_owned(),
            scheme,
        }
    }

    /// The origin that a URL begins with; `None` for text that is no URL of the web.
    fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (scheme, authority) = Self::parts(&format!("{scheme}://{authority}"))
            .map(|(scheme, authority)| (scheme.to_owned(), authority.to_owned()))?;
        Some(Self::new(&scheme, &authority))
    }

    /// Scheme and authority of an `Origin` header; `None` for `null` and for what isn't of the web.
    fn parts(origin: &str) -> Option<(&str, &str)> {
        let (scheme, authority) = origin.split_once("://")?;
        let web = ["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        (web && !authority.is_empty() && authority.bytes().all(plain))
            .then_some((scheme, authority))
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    only(headers.get_all(name)).and_then(|value: &HeaderValue| value.to_str().ok())
}

/// The only one; `None` where there is none or more than one.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests;
