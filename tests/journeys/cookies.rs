//! A browser with a session in cookies, and other sites that try to use it.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup, Token};
use crate::support::wait::until;
use serde_json::json;

const ACCESS: &str = "__Host-lacre_access";
const REFRESH: &str = "__Host-lacre_refresh";
const CSRF: &str = "__Host-lacre_csrf";

const CLEARED: [&str; 3] = [
    "__Host-lacre_access=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
    "__Host-lacre_refresh=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict",
    "__Host-lacre_csrf=; Max-Age=0; Path=/; Secure; SameSite=Strict",
];

fn start() -> Server {
    let server = Setup::new()
        .env("LACRE_TOKEN__LOCATIONS", "header,cookie")
        .start();
    server.sign_up("ada@example.com", PASSWORD);
    server
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, line)| line.as_str())
        .collect()
}

/// What a browser keeps of a session, and sends with everything.
#[derive(Debug, Clone, Default)]
struct Browser {
    access: String,
    refresh: String,
    csrf: String,
}

impl Browser {
    fn log_in(server: &Server) -> (Self, Token) {
        let answer = server.try_get_token("ada@example.com", PASSWORD);
        let mut browser = Self::default();
        browser.keep(&answer.clone().expect(200));
        (browser, Token::of(&answer))
    }

    fn keep(&mut self, answer: &Answer) {
        for line in set_cookies(answer) {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            match name {
                ACCESS => self.access = value,
                REFRESH => self.refresh = value,
                CSRF => self.csrf = value,
                other => panic!("a cookie {other}"),
            }
        }
    }

    /// The request with the cookies, as any page can have it sent.
    fn with_cookies(&self, request: Request) -> Request {
        let pairs = [
            (ACCESS, &self.access),
            (REFRESH, &self.refresh),
            (CSRF, &self.csrf),
        ];
        let pairs: Vec<String> = pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        request.header("Cookie", &pairs.join("; "))
    }

    /// The request as a page of our own sends it.
    fn by_our_page(&self, request: Request) -> Request {
        self.with_cookies(request)
            .header("X-CSRF-TOKEN", &self.csrf)
            .header("Sec-Fetch-Site", "same-origin")
            .header("Origin", "http://lacre.test")
    }
}

/// Demands the refusal that says what is missing, and that no cookie was touched.
fn is_refused(answer: &Answer) {
    let problem = answer.refused(403, "csrf_failed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("`__Host-lacre_csrf`") && detail.contains("`X-CSRF-TOKEN`"),
        "{detail}"
    );
    assert!(set_cookies(answer).is_empty(), "{answer:?}");
}

#[test]
fn log_in_sets_three_cookies_to_the_byte() {
    let server = start();
    let answer = server
        .try_get_token("ada@example.com", PASSWORD)
        .expect(200);
    let body = answer.json();
    let lines = set_cookies(&answer);
    assert_eq!(
        lines[..2],
        [
            format!(
                "{ACCESS}={}; Max-Age=900; Path=/; Secure; HttpOnly; SameSite=Lax",
                body["auth"].as_str().unwrap()
            ),
            format!(
                "{REFRESH}={}; Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=Strict",
                body["refresh"].as_str().unwrap()
            ),
        ]
    );
    let csrf = lines[2].strip_prefix("__Host-lacre_csrf=").unwrap();
    let (csrf, attributes) = csrf.split_at(64);
    assert!(
        csrf.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    );
    assert_eq!(
        attributes,
        "; Max-Age=2592000; Path=/; Secure; SameSite=Strict"
    );
    assert_eq!(lines.len(), 3);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_session_lives_by_its_cookies_until_it_is_cleared() {
    let server = start();
    let (mut browser, first) = Browser::log_in(&server);
    let headers = || Request::get("/headers");
    server.send(&browser.with_cookies(headers())).expect(200);

    // Refresh: new cookies, and the earlier access token is noise.
    let refreshed = server
        .send(&browser.by_our_page(Request::post("/refresh")))
        .expect(200);
    assert_eq!(set_cookies(&refreshed).len(), 3);
    browser.keep(&refreshed);
    assert_eq!(browser.access, Token::of(&refreshed).auth);
    server.refuses(&first.auth);
    server.send(&browser.with_cookies(headers())).expect(200);

    // Proving the password: a new access token, and no new refresh token.
    let proof = Request::post("/reauth").json(json!({"password": PASSWORD}));
    let proven = server.send(&browser.by_our_page(proof)).expect(200);
    let names: Vec<_> = set_cookies(&proven)
        .iter()
        .map(|line| line.split_once('=').unwrap().0)
        .collect();
    assert_eq!(names, [ACCESS, CSRF]);
    browser.keep(&proven);
    let new = json!({"current": PASSWORD, "new": "another horse battery"});
    let change = Request::new("PUT", "/me/password").json(new);
    let changed = server.send(&browser.by_our_page(change)).expect(204);
    assert!(set_cookies(&changed).is_empty(), "this session goes on");

    let out = server
        .send(&browser.by_our_page(Request::post("/logout")))
        .expect(204);
    assert_eq!(set_cookies(&out), CLEARED);
    let gone = server.send(&browser.with_cookies(headers()));
    gone.refused(401, "invalid_token");
    assert!(set_cookies(&gone).is_empty());
}

#[test]
fn a_token_of_another_kind_in_a_cookie_is_refused() {
    let server = start();
    let (browser, token) = Browser::log_in(&server);
    let swapped = Browser {
        access: browser.refresh.clone(),
        refresh: browser.access.clone(),
        csrf: browser.csrf.clone(),
    };
    server
        .send(&swapped.with_cookies(Request::get("/headers")))
        .refused(401, "invalid_token");
    server
        .send(&swapped.by_our_page(Request::post("/refresh")))
        .refused(401, "invalid_token");
    server.accepts(&token.auth);
}

#[test]
fn logging_out_works_when_only_the_refresh_cookie_is_left() {
    let server = start();
    let (mut browser, token) = Browser::log_in(&server);
    browser.access.clear();
    server
        .send(&browser.with_cookies(Request::get("/headers")))
        .refused(401, "no_credentials");
    server
        .send(&browser.by_our_page(Request::post("/logout")))
        .expect(204);
    server.refuses(&token.auth);
}

#[test]
fn an_own_session_that_ends_takes_its_cookies_along_and_another_does_not() {
    let server = start();
    let (browser, token) = Browser::log_in(&server);
    let delete = |crt: &str| {
        let request = Request::delete(&format!("/sessions/{crt}"));
        server.send(&browser.by_our_page(request)).expect(204)
    };
    let other = server.get_token("ada@example.com", PASSWORD);
    assert!(set_cookies(&delete(&other.crt)).is_empty());
    let others = Request::delete("/sessions?except=current");
    let ended = server.send(&browser.by_our_page(others)).expect(200);
    assert!(set_cookies(&ended).is_empty());
    assert_eq!(set_cookies(&delete(&token.crt)), CLEARED);

    let (browser, _) = Browser::log_in(&server);
    let all = Request::delete("/sessions");
    let ended = server.send(&browser.by_our_page(all)).expect(200);
    assert_eq!(set_cookies(&ended), CLEARED);

    server.operator(&["users", "set", "ada@example.com", "--role", "admin"]);
    let (browser, token) = Browser::log_in(&server);
    let me = server.call("GET", "/me", &token.auth).expect(200).json();
    let own = format!("/admin/users/{}/sessions", me["id"].as_str().unwrap());
    let ended = server.send(&browser.by_our_page(Request::delete(&own)));
    assert_eq!(set_cookies(&ended.expect(200)), CLEARED);
}

#[test]
fn a_wrong_csrf_token_changes_nothing() {
    let server = start();
    let (browser, token) = Browser::log_in(&server);
    let (other, _) = Browser::log_in(&server);
    let forged = "A".repeat(64);
    let sent = |cookie: &str, header: Option<&str>, request: Request| {
        let browser = Browser {
            csrf: cookie.to_owned(),
            ..browser.clone()
        };
        let request = browser.with_cookies(request);
        server.send(&match header {
            Some(header) => request.header("X-CSRF-TOKEN", header),
            None => request,
        })
    };
    let requests = || {
        [
            Request::post("/logout"),
            Request::post("/refresh"),
            Request::post("/reauth").json(json!({"password": PASSWORD})),
            Request::new("PUT", "/me/password")
                .json(json!({"current": PASSWORD, "new": "another horse battery"})),
            Request::delete("/sessions"),
            Request::delete(&format!("/sessions/{}", token.crt)),
        ]
    };
    for (cookie, header, why) in [
        ("", None, "both missing"),
        (browser.csrf.as_str(), None, "cookie only"),
        ("", Some(browser.csrf.as_str()), "header only"),
        (&other.csrf, Some(other.csrf.as_str()), "another session's"),
        (&browser.csrf, Some(other.csrf.as_str()), "they differ"),
        (&forged, Some(forged.as_str()), "made up"),
        (&browser.csrf, Some(""), "an empty header"),
    ] {
        for request in requests() {
            println!("{why}: {request:?}");
            is_refused(&sent(cookie, header, request));
        }
    }
    // Nothing has happened to the session: its tokens are the current ones.
    server.accepts(&token.auth);
    sent(
        &browser.csrf,
        Some(browser.csrf.as_str()),
        Request::post("/refresh"),
    )
    .expect(200);
}

#[test]
fn what_changes_nothing_needs_no_csrf_token() {
    let server = start();
    let (mut browser, _) = Browser::log_in(&server);
    browser.csrf.clear();
    for target in ["/headers", "/me", "/sessions", "/open"] {
        let from_elsewhere = Request::get(target).header("Sec-Fetch-Site", "cross-site");
        server
            .send(&browser.with_cookies(from_elsewhere))
            .expect(200);
    }
}

#[test]
fn a_token_that_no_browser_sends_by_itself_needs_no_csrf_token() {
    let server = start();
    let token = server.get_token("ada@example.com", PASSWORD);
    let out = Request::post("/logout").header("Sec-Fetch-Site", "cross-site");
    server.send(&out.bearer(&token.auth)).expect(204);
}

#[test]
fn another_site_is_refused_even_with_the_right_token() {
    let server = start();
    let (browser, token) = Browser::log_in(&server);
    let sent = |fields: &[(&str, &str)]| {
        let request = browser
            .with_cookies(Request::delete("/sessions?except=current"))
            .header("X-CSRF-TOKEN", &browser.csrf);
        let request = fields.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        server.send(&request)
    };
    for fields in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "http://lacre.test"),
        ],
        &[("Origin", "https://evil.example")],
        &[("Origin", "http://sub.lacre.test")],
        &[("Origin", "null")],
    ] {
        println!("{fields:?}");
        is_refused(&sent(fields));
    }
    for fields in [
        &[("Sec-Fetch-Site", "same-origin")][..],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "http://lacre.test")],
        &[], // no browser
    ] {
        sent(fields).expect(200);
    }
    server.accepts(&token.auth);
}

#[test]
fn another_site_can_not_log_a_browser_in() {
    let server = start();
    let account = [("email", "ada@example.com"), ("password", PASSWORD)];
    for target in ["/getToken", "/login"] {
        let log_in = |name, value| {
            let request = Request::post(target).header(name, value);
            server.send(&request.form(&account))
        };
        is_refused(&log_in("Sec-Fetch-Site", "cross-site"));
        is_refused(&log_in("Origin", "https://evil.example"));
        assert_eq!(
            set_cookies(&log_in("Sec-Fetch-Site", "same-origin")).len(),
            3
        );
    }
    let token = server.get_token("ada@example.com", PASSWORD);
    let refresh = json!({"refresh": token.refresh});
    let request = Request::post("/refresh").header("Sec-Fetch-Site", "cross-site");
    is_refused(&server.send(&request.json(refresh)));
}

#[test]
fn a_cookie_that_browsers_drop_is_taken_back_and_the_log_says_so() {
    let server = start();
    let (mut browser, _) = Browser::log_in(&server);
    let mut log_in_with = |permissions: usize| {
        let permissions: Vec<_> = (0..permissions).map(|n| format!("{n:0>49}")).collect();
        let mut command = vec!["users", "set", "ada@example.com"];
        command.extend(permissions.iter().flat_map(|one| ["--permission", one]));
        server.operator(&command);
        let answer = server
            .try_get_token("ada@example.com", PASSWORD)
            .expect(200);
        browser.keep(&answer);
        browser.access.clone()
    };
    let large = log_in_with(20);
    assert!((2048..4000).contains(&large.len()), "{}", large.len());
    assert_eq!(log_in_with(40), "");
    until("the log has both lines", || {
        let log = server.written();
        let line = |level: &str, code: &str| {
            let says = |line: &str| line.contains(level) && line.contains(&format!("code={code}"));
            log.lines().any(says)
        };
        (line("WARN", "cookie_large") && line("ERROR", "cookie_too_large")).then_some(())
    });
    assert!(!server.written().contains(&large), "a token in the log");
}

#[test]
fn the_sizes_of_tokens_and_cookies_are_told_at_issue() {
    let server = Setup::new()
        .env("LACRE_TOKEN__LOCATIONS", "header,cookie")
        .env("LACRE_LOG", "debug")
        .start();
    server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    let refresh = token.refresh.clone().unwrap();
    let told = |words: &[String]| {
        until("the log has the size", || {
            let log = server.written();
            let says = |line: &str| words.iter().all(|word| line.contains(word.as_str()));
            log.lines().any(says).then_some(())
        });
    };
    let (auth, refresh) = (token.auth.len(), refresh.len());
    told(&["kind=at+jwt".to_owned(), format!("bytes={auth}")]);
    told(&["kind=rt+jwt".to_owned(), format!("bytes={refresh}")]);
    told(&[format!("cookie={ACCESS}"), format!("bytes={auth}")]);
    told(&[format!("cookie={REFRESH}"), format!("bytes={refresh}")]);
    let gauge = |bytes: usize| {
        let metrics = server.manage("/metrics").expect(200);
        let line = format!("\nlacre_token_largest_bytes {bytes}\n");
        assert!(metrics.text().contains(&line), "{}", metrics.text());
    };
    gauge(auth);
    assert!(!server.written().contains("code=token_large"));

    // Above 2 KiB a warning, whether the token is in a cookie or not.
    let permissions: Vec<_> = (0..20).map(|n| format!("{n:0>49}")).collect();
    let mut command = vec!["users", "set", "ada@example.com"];
    command.extend(permissions.iter().flat_map(|one| ["--permission", one]));
    server.operator(&command);
    let large = server.get_token("ada@example.com", PASSWORD).auth.len();
    assert!(large > 2048, "{large}");
    told(&[
        "WARN".to_owned(),
        "code=token_large".to_owned(),
        "kind=at+jwt".to_owned(),
        format!("bytes={large}"),
    ]);
    gauge(large);
}

#[test]
fn without_cookies_no_cookie_is_set_and_anybody_may_send_a_log_in() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let request = Request::post("/getToken").header("Sec-Fetch-Site", "cross-site");
    let answer = server.send(&request.json(body)).expect(200);
    assert!(set_cookies(&answer).is_empty());
    let token = Token::of(&answer);
    assert!(set_cookies(&server.refresh(&token).expect(200)).is_empty());
}

#[test]
fn a_bad_cookie_is_answered_as_a_bad_header_is() {
    let server = start();
    let (browser, token) = Browser::log_in(&server);
    server
        .send(&browser.by_our_page(Request::post("/logout")))
        .expect(204);
    let by_header = server.call("GET", "/headers", &token.auth);
    let by_cookie = server.send(&browser.with_cookies(Request::get("/headers")));
    assert_eq!(by_header.without_id(), by_cookie.without_id());
    let noise = Request::get("/headers").header("Cookie", "__Host-lacre_access=noise");
    assert_eq!(by_header.without_id(), server.send(&noise).without_id());
}

#[test]
fn logging_out_with_cookies_that_are_dead_takes_them_back() {
    let server = start();
    let (browser, token) = Browser::log_in(&server);
    server.revoke(&token.auth, &token.crt).expect(204);
    let out = || browser.by_our_page(Request::post("/logout"));
    let answer = server.send(&out());
    answer.refused(401, "invalid_token");
    assert_eq!(set_cookies(&answer), CLEARED);
    // Neither another site has it done, nor a token that no browser sends by itself, and no other route does it.
    let foreign = browser.with_cookies(Request::post("/logout"));
    let foreign = server.send(&foreign.header("Sec-Fetch-Site", "cross-site"));
    let by_header = server.call("POST", "/logout", &token.auth);
    let elsewhere = server.send(&browser.by_our_page(Request::post("/reauth")));
    for other in [foreign, by_header, elsewhere] {
        other.refused(401, "invalid_token");
        assert!(set_cookies(&other).is_empty(), "{other:?}");
    }
    // A live session's cookies stay where the request is refused for another cause.
    let (browser, token) = Browser::log_in(&server);
    let forged = server.send(&browser.with_cookies(Request::post("/logout")));
    forged.refused(403, "csrf_failed");
    assert!(set_cookies(&forged).is_empty());
    server.accepts(&token.auth);
}
