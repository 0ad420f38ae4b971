//! Who had a browser send a request, and whether the way to that browser is private.
//!
//! A form counts only where the browser says that a page of this very origin sent it: by
//! `Sec-Fetch-Site`, which scripts can't write and browsers send to trustworthy origins alone (TLS, or the
//! machine itself), else by `Origin` (threats: request-forgery, console-forgery). A request with neither
//! is no browser's of today, and is refused.
//!
//! This room must never look at a body.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

/// What the browser says of the sender (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page of this origin sent this form.
pub(super) fn is_own(request: &HttpRequest) -> bool {
    let headers = request.headers();
    if headers.contains_key(SEC_FETCH_SITE) {
        return only(headers, &SEC_FETCH_SITE) == Some("same-origin");
    }
    let (Some(origin), Some(host)) = (only(headers, &ORIGIN), only(headers, &HOST)) else {
        return false;
    };
    match origin.split_once("://") {
        Some((_, "")) => false,
        Some(("https", authority)) => authority.eq_ignore_ascii_case(host),
        Some(("http", authority)) => authority.eq_ignore_ascii_case(host) && is_loopback(host),
        _ => false,
    }
}

/// Whether nobody on the way can read what a browser sends here: it says so by `Sec-Fetch-Site`, or
/// reaches us by a name of its own machine, the end of a tunnel.
pub(super) fn is_private(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(SEC_FETCH_SITE) || only(headers, &HOST).is_some_and(is_loopback)
}

/// Whether a host, with its port or without, is the browser's own machine (W3C Secure Contexts §3.1).
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    let address = name.parse::<std::net::IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// The only value of this name.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name);
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn request(fields: &[(&str, &str)]) -> HttpRequest {
        let mut request = TestRequest::post();
        for field in fields {
            request = request.append_header(*field);
        }
        request.to_http_request()
    }

    #[test]
    fn a_form_is_our_own_only_where_the_browser_says_so() {
        let own = |fields: &[(&str, &str)]| is_own(&request(fields));
        assert!(own(&[
            ("sec-fetch-site", "same-origin"),
            ("host", "far.example")
        ]));
        for site in ["none", "same-site", "cross-site", "", "Same-Origin"] {
            assert!(
                !own(&[("sec-fetch-site", site), ("host", "localhost")]),
                "{site}"
            );
        }
        let two = [
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert!(!own(&two));
        // What an older browser says.
        assert!(own(&[
            ("origin", "http://localhost:9090"),
            ("host", "LOCALHOST:9090")
        ]));
        assert!(own(&[
            ("origin", "https://ops.example"),
            ("host", "ops.example")
        ]));
        for (origin, host) in [
            ("http://localhost:9091", "localhost:9090"),
            ("http://ops.example", "ops.example"),
            ("https://evil.example", "ops.example"),
            ("null", "localhost"),
            ("https://", ""),
        ] {
            assert!(!own(&[("origin", origin), ("host", host)]), "{origin}");
        }
        assert!(!own(&[("host", "localhost")]), "nobody says anything");
        // The word of `Sec-Fetch-Site` counts, not that of `Origin`.
        assert!(!own(&[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://localhost"),
            ("host", "localhost"),
        ]));
    }

    #[test]
    fn only_the_machine_itself_and_what_the_browser_trusts_are_private() {
        let private = |host: &str| is_private(&request(&[("host", host)]));
        for host in [
            "localhost",
            "localhost:9090",
            "lacre.localhost:9090",
            "127.0.0.1:9090",
            "127.8.8.8",
            "[::1]:9090",
            "LocalHost",
        ] {
            assert!(private(host), "{host}");
        }
        for host in [
            "10.0.0.1:9090",
            "ops.example",
            "localhost.evil.example",
            "",
            "[::2]",
            "xlocalhost",
        ] {
            assert!(!private(host), "{host}");
        }
        assert!(is_private(&request(&[
            ("host", "ops.example"),
            ("sec-fetch-site", "none")
        ])));
    }
}
