use super::*;
use crate::lacre::testing::Fixture;
use crate::sessions::rules::Rules;
use crate::token::Handle;
use actix_web::test::TestRequest;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const ISSUER: &str = "https://login.example";

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut request = TestRequest::default();
    for &field in fields {
        request = request.append_header(field);
    }
    request.to_http_request().headers().clone()
}

fn sender(fields: &[(&str, &str)]) -> Result<(), CsrfError> {
    refuse_other_sites(&headers(fields), ISSUER)
}

struct Page {
    fixture: Fixture,
    session: Handle,
    token: String,
}

impl Page {
    fn new() -> Self {
        let fixture = Fixture::with_rules(Rules::new(ISSUER, "api"));
        let session = Handle::parse("session_a").unwrap();
        let token = Self::token_of(&fixture, &session);
        Self {
            fixture,
            session,
            token,
        }
    }

    fn token_of(fixture: &Fixture, session: &Handle) -> String {
        let tokens = fixture.lacre.records().keyring().csrf();
        let token = tokens.make(session, &mut StdRng::seed_from_u64(1));
        token.expose().to_owned()
    }

    fn check(&self, method: Method, fields: &[(&str, &str)]) -> Result<(), CsrfError> {
        let mut request = TestRequest::default().method(method);
        for &field in fields {
            request = request.append_header(field);
        }
        check(
            &request.to_http_request(),
            Methods::Own,
            &self.fixture.lacre,
            &self.session,
        )
    }

    fn sent(&self, header: &str, cookie: &str) -> Result<(), CsrfError> {
        let cookie = format!("a=b; __Host-lacre_csrf={cookie}");
        let fields = [("X-CSRF-TOKEN", header), ("Cookie", &cookie)];
        self.check(Method::POST, &fields)
    }
}

#[test]
fn header_and_cookie_of_the_session_are_taken() {
    let page = Page::new();
    assert_eq!(page.sent(&page.token, &page.token), Ok(()));
}

#[test]
fn one_of_the_two_alone_is_refused() {
    let page = Page::new();
    let cookie = format!("__Host-lacre_csrf={}", page.token);
    let post = |fields: &[(&str, &str)]| page.check(Method::POST, fields);
    assert_eq!(post(&[]), Err(CsrfError::NoHeader));
    assert_eq!(post(&[("Cookie", &cookie)]), Err(CsrfError::NoHeader));
    assert_eq!(
        post(&[("X-CSRF-TOKEN", &page.token)]),
        Err(CsrfError::NoCookie)
    );
}

#[test]
fn values_that_differ_or_that_we_did_not_make_are_refused() {
    let page = Page::new();
    let other = Page::token_of(&page.fixture, &Handle::parse("session_b").unwrap());
    assert_eq!(page.sent(&page.token, &other), Err(CsrfError::Mismatch));
    assert_eq!(page.sent(&page.token, ""), Err(CsrfError::Mismatch));
    assert_eq!(page.sent(&other, &other), Err(CsrfError::Forged));
    assert_eq!(page.sent("", ""), Err(CsrfError::Forged));
    let made_up = "A".repeat(64);
    assert_eq!(page.sent(&made_up, &made_up), Err(CsrfError::Forged));
}

#[test]
fn two_headers_or_two_cookies_are_refused() {
    let page = Page::new();
    let cookie = format!("__Host-lacre_csrf={}", page.token);
    let header = ("X-CSRF-TOKEN", page.token.as_str());
    let twice = page.check(Method::POST, &[header, header, ("Cookie", &cookie)]);
    assert_eq!(twice, Err(CsrfError::NoHeader));
    let cookies = format!("{cookie}; {cookie}");
    let twice = page.check(Method::POST, &[header, ("Cookie", &cookies)]);
    assert_eq!(twice, Err(CsrfError::NoCookie));
}

#[test]
fn a_method_that_changes_nothing_needs_no_token() {
    let page = Page::new();
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let cross = [("Sec-Fetch-Site", "cross-site")];
        assert_eq!(page.check(method.clone(), &cross), Ok(()), "{method}");
    }
    let others = ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PURGE", "get"];
    for method in others.map(|name| Method::from_bytes(name.as_bytes()).unwrap()) {
        let refused = page.check(method.clone(), &[]);
        assert_eq!(refused, Err(CsrfError::NoHeader), "{method}");
    }
}

#[test]
fn a_good_token_does_not_help_another_site() {
    let page = Page::new();
    let cookie = format!("__Host-lacre_csrf={}", page.token);
    let with = |site| {
        let token = ("X-CSRF-TOKEN", page.token.as_str());
        let fields = [token, ("Cookie", &cookie), ("Sec-Fetch-Site", site)];
        page.check(Method::DELETE, &fields)
    };
    assert_eq!(with("same-origin"), Ok(()));
    assert_eq!(with("same-site"), Err(CsrfError::OtherSite));
    assert_eq!(with("cross-site"), Err(CsrfError::OtherSite));
}

#[test]
fn the_browsers_word_of_the_site_counts_before_the_origin() {
    for good in ["same-origin", "none"] {
        assert_eq!(sender(&[("Sec-Fetch-Site", good)]), Ok(()), "{good}");
    }
    for bad in [
        "same-site",
        "cross-site",
        "",
        "Same-Origin",
        "same-origin, none",
    ] {
        let fields = [("Sec-Fetch-Site", bad), ("Origin", ISSUER)];
        assert_eq!(sender(&fields), Err(CsrfError::OtherSite), "{bad}");
    }
    let twice = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "none")];
    assert_eq!(sender(&twice), Err(CsrfError::OtherSite));
}

#[test]
fn the_origin_must_be_the_issuers_or_the_hosts() {
    for (origin, host) in [
        ("https://login.example", "elsewhere.example"),
        ("https://LOGIN.example:443", "elsewhere.example"),
        ("https://app.example", "app.example"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost", "LOCALHOST:80"),
        ("http://[::1]:8080", "[::1]:8080"),
    ] {
        let fields = [("Origin", origin), ("Host", host)];
        assert_eq!(sender(&fields), Ok(()), "{origin} to {host}");
    }
    for (origin, host) in [
        ("null", "null"),
        ("", ""),
        ("https://", ""),
        ("https://evil.example", "app.example"),
        ("https://app.example.evil.example", "app.example"),
        ("https://app.example:8443", "app.example"),
        ("http://login.example", "login.example"),
        ("ftp://app.example", "app.example"),
        ("https://app.example/", "app.example"),
        ("https://me@app.example", "app.example"),
        ("https://app.example https://evil.example", "app.example"),
    ] {
        let fields = [("Origin", origin), ("Host", host)];
        assert_eq!(
            sender(&fields),
            Err(CsrfError::OtherSite),
            "{origin} to {host}"
        );
    }
    let twice = [("Origin", ISSUER), ("Origin", ISSUER)];
    assert_eq!(sender(&twice), Err(CsrfError::OtherSite));
}

#[test]
fn a_forwarded_host_is_a_strangers_word() {
    let fields = [
        ("Origin", "https://evil.example"),
        ("Host", "app.example"),
        ("X-Forwarded-Host", "evil.example"),
    ];
    assert_eq!(sender(&fields), Err(CsrfError::OtherSite));
}

#[test]
fn an_issuer_that_is_no_url_leaves_the_host() {
    for issuer in ["lacre", "urn:lacre", "http://", "://x", "http:///x"] {
        assert!(
            is_own("https://a.example", Some("a.example"), issuer),
            "{issuer}"
        );
        assert!(
            !is_own("https://b.example", Some("a.example"), issuer),
            "{issuer}"
        );
    }
    assert!(is_own(
        "https://a.example",
        None,
        "https://a.example/realms/one"
    ));
    assert!(!is_own("https://a.example", None, "lacre"));
}

#[test]
fn no_word_of_the_sender_is_not_held_against_it() {
    assert_eq!(sender(&[("Host", "app.example")]), Ok(()));
}

#[test]
fn behind_a_proxy_every_method_that_is_named_has_to_be_safe() {
    let safe = |methods: Methods, own: Method, hints: &[(&str, &str)]| {
        let mut request = TestRequest::default().method(own);
        for &hint in hints {
            request = request.append_header(hint);
        }
        methods.are_safe(&request.to_http_request())
    };
    let (forwarded, original) = ("X-Forwarded-Method", "x-original-method");
    let hinted = |own, hints: &[(&str, &str)]| safe(Methods::Hinted, own, hints);
    assert!(hinted(Method::GET, &[]));
    assert!(hinted(Method::HEAD, &[(forwarded, "GET")]));
    assert!(hinted(
        Method::GET,
        &[(forwarded, "OPTIONS"), (original, "HEAD")]
    ));
    assert!(!hinted(Method::POST, &[]));
    assert!(!hinted(
        Method::POST,
        &[(forwarded, "GET"), (original, "GET")]
    ));
    for (name, method) in [
        (forwarded, "POST"),
        (original, "DELETE"),
        (forwarded, "get"),
        (original, ""),
        (forwarded, "GET, POST"),
        (forwarded, "FETCH"),
    ] {
        assert!(!hinted(Method::GET, &[(name, method)]), "{name}: {method}");
        let two = [(name, "GET"), (name, method)];
        assert!(!hinted(Method::GET, &two), "{name} twice: {method}");
        assert!(safe(Methods::Own, Method::GET, &two), "nobody is asked");
    }
}
