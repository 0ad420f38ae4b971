//! Pages of other origins: which may read our answers (the Fetch standard, "CORS protocol").
//!
//! A page of a named origin may call every route with its token in `Authorization`. Cookies are no part
//! of it: what the browser sends of them is dropped before anybody reads it, and none is set, so a
//! page of another origin is never somebody by a cookie.
//!
//! A preflight is answered here, before any guard, whoever sent it: it has no token, and the browser
//! takes nothing but success for an answer (threat: other-origins).
//!
//! This room must never allow an origin that isn't named, and never allow credentials.

use crate::web_origin::WebOrigin;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, COOKIE,
    HeaderMap, HeaderValue, ORIGIN, SET_COOKIE, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use std::fmt;
use std::rc::Rc;

/// The methods of our routes; what is simple needs no leave.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");
/// What a page has to send: the token, and the type of a body.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
/// What a page may read besides what every page may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("www-authenticate, retry-after, location, x-request-id");
/// How long a browser may remember a preflight: ten minutes, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// What a kept answer depends on.
const VARIES: HeaderValue = HeaderValue::from_static("Origin");

/// The origins whose pages may read our answers.
#[derive(Clone, Debug)]
pub(super) struct Cors(Rc<[WebOrigin]>);

/// What a request brought along.
pub(super) struct Met {
    /// The named origin that sent it.
    allowed: Option<HeaderValue>,
    preflight: bool,
}

/// Marks a request of a named other origin, for which cookies are neither read nor set.
struct FromOther;

/// Whether the request comes from a page of a named other origin.
pub(super) fn is_from_other(request: &HttpRequest) -> bool {
    request.extensions().contains::<FromOther>()
}

impl Cors {
    pub(super) fn new(origins: &[WebOrigin]) -> Self {
        Self(origins.into())
    }

    /// Looks who sends a request, and takes the cookies from one of a named origin.
    pub(super) fn meet(&self, request: &mut ServiceRequest) -> Met {
        let headers = request.headers();
        let mut origins = headers.get_all(ORIGIN);
        let allowed = match (origins.next(), origins.next()) {
            (Some(origin), None) if self.names(origin) => Some(origin.clone()),
            _ => None,
        };
        let preflight = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if allowed.is_some() {
            request.headers_mut().remove(COOKIE);
            request.extensions_mut().insert(FromOther);
        }
        Met { allowed, preflight }
    }

    fn names(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|named| origin == named.as_str())
    }
}

impl Met {
    /// The answer to a preflight; nothing for any other request.
    pub(super) fn preflight(&self) -> Option<HttpResponse> {
        if !self.preflight {
            return None;
        }
        let mut answer = HttpResponse::NoContent().finish();
        if self.allowed.is_some() {
            let headers = answer.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(answer)
    }

    /// Says in an answer who may read it.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.append(VARY, VARIES);
        if let Some(origin) = &self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            headers.remove(SET_COOKIE);
        }
    }

    /// The problem, whose answer says it as well.
    pub(super) fn on(self, problem: Error) -> Error {
        Readable { problem, met: self }.into()
    }
}

/// A problem that a page may read.
struct Readable {
    problem: Error,
    met: Met,
}

impl ResponseError for Readable {
    fn status_code(&self) -> StatusCode {
        self.problem.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.problem.as_response_error().error_response();
        self.met.write(response.headers_mut());
        response
    }
}

impl fmt::Debug for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.problem, f)
    }
}

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.problem, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    const OURS: &str = "https://app.example.org";

    fn cors() -> Cors {
        Cors::new(&[
            OURS.parse().unwrap(),
            "http://localhost:3000".parse().unwrap(),
        ])
    }

    fn meet(request: TestRequest) -> (Met, ServiceRequest) {
        let mut request = request.to_srv_request();
        let met = cors().meet(&mut request);
        (met, request)
    }

    fn written(met: &Met) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, HeaderValue::from_static("a=b"));
        met.write(&mut headers);
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert_eq!(headers.get(VARY).unwrap(), "Origin");
        headers
    }

    #[test]
    fn a_named_origin_may_read_and_has_no_cookies() {
        for origin in [OURS, "http://localhost:3000"] {
            let request = TestRequest::get()
                .insert_header((ORIGIN, origin))
                .insert_header((COOKIE, "__Host-lacre_access=x"));
            let (met, request) = meet(request);
            assert!(!request.headers().contains_key(COOKIE));
            assert!(is_from_other(request.request()));
            let headers = written(&met);
            assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), origin);
            assert!(!headers.contains_key(SET_COOKIE));
            assert!(met.preflight().is_none());
        }
    }

    #[test]
    fn any_other_may_not_and_keeps_its_cookies() {
        for origin in [
            "null",
            "*",
            "",
            "https://app.example.org.evil.example",
            "https://evil.example",
            "http://app.example.org",
            "https://app.example.org:8443",
            "https://APP.example.org",
            "https://app.example.org/",
            "https://app.example.org, https://evil.example",
        ] {
            let request = TestRequest::get()
                .insert_header((ORIGIN, origin))
                .insert_header((COOKIE, "a=b"));
            let (met, request) = meet(request);
            assert!(request.headers().contains_key(COOKIE), "{origin}");
            assert!(!is_from_other(request.request()), "{origin}");
            let headers = written(&met);
            assert!(
                !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN),
                "{origin}"
            );
            assert!(headers.contains_key(SET_COOKIE));
        }
        let twice = TestRequest::get()
            .append_header((ORIGIN, OURS))
            .append_header((ORIGIN, OURS));
        let headers = written(&meet(twice).0);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        let headers = written(&meet(TestRequest::get()).0);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn a_preflight_is_answered_and_only_a_named_origin_gets_leave() {
        for (origin, allowed) in [(OURS, true), ("https://evil.example", false)] {
            let request = TestRequest::default()
                .method(Method::OPTIONS)
                .insert_header((ORIGIN, origin))
                .insert_header((ACCESS_CONTROL_REQUEST_METHOD, "PUT"));
            let answer = meet(request).0.preflight().unwrap();
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            let given = answer.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS);
            assert_eq!(given, allowed, "{origin}");
        }
        // OPTIONS without the browser's question is a request as any other.
        let options = TestRequest::default()
            .method(Method::OPTIONS)
            .insert_header((ORIGIN, OURS));
        assert!(meet(options).0.preflight().is_none());
    }
}
