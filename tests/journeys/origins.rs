//! Pages of other origins: what `cors.origins` lets them do, by bytes and in a real browser.

use super::PASSWORD;
use crate::support::browser::Browser;
use crate::support::front;
use crate::support::http::{self, Answer, Request};
use crate::support::server::{Server, Setup, Token};
use lacre::internals::http::routes::ROUTES;
use serde_json::{Value, json};

const APP: &str = "https://app.example.org";
const EVIL: &str = "https://evil.example";

fn server() -> Server {
    let server = Setup::new()
        .env(
            "LACRE_CORS__ORIGINS",
            "http://localhost:3000,https://app.example.org",
        )
        .env("LACRE_TOKEN__LOCATIONS", "header,cookie")
        .start();
    server.sign_up("ada@example.com", PASSWORD);
    server
}

/// Demands that the page of this origin may read the answer, or that it may not.
#[track_caller]
fn readable(answer: &Answer, origin: &str, expected: bool) {
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, expected.then_some(origin), "{answer:?}");
    assert_eq!(answer.header("vary"), Some("Origin"), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    if expected {
        assert_eq!(answer.header("set-cookie"), None, "{answer:?}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("retry-after"), "{exposed}");
    }
}

fn preflight(target: &str, method: &str, origin: &str) -> Request {
    Request::new("OPTIONS", target)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type",
        )
}

#[test]
fn every_answer_of_every_route_is_for_the_named_origins_alone() {
    let server = server();
    let token = server.get_token("ada@example.com", PASSWORD);
    for route in ROUTES {
        let method = route.method.as_str();
        let target = route.pattern.replace("{id}", "x").replace("{crt}", "x");
        for (origin, named) in [(APP, true), (EVIL, false)] {
            let asked = server.send(&preflight(&target, method, origin));
            assert_eq!((asked.status, asked.body.len()), (204, 0), "{asked:?}");
            readable(&asked, origin, named);
            let allowed = asked.header("access-control-allow-methods");
            assert_eq!(allowed.is_some_and(|all| all.contains(method)), named);
            let allowed = asked.header("access-control-allow-headers");
            assert_eq!(allowed, named.then_some("authorization, content-type"));
            // Without a token, with a bad one and with a good one; none of the bodies is right.
            let bare = Request::new(method, &target).header("Origin", origin);
            for request in [
                bare.clone(),
                bare.clone().bearer("x"),
                bare.bearer(&token.auth),
            ] {
                readable(&server.send(&request), origin, named);
            }
        }
    }
    // What the edge and the routing refuse themselves.
    let long = format!("/me?x={}", "x".repeat(20_000));
    for (target, status) in [("/nowhere", 404), (long.as_str(), 414)] {
        let answer = server.send(&Request::get(target).header("Origin", APP));
        assert_eq!(answer.status, status);
        readable(&answer, APP, true);
    }
    assert_eq!(server.send(&preflight(&long, "GET", APP)).status, 414);
    // The operators' listener is no part of it.
    let request = Request::get("/readyz").header("Origin", APP);
    let answer = http::send(server.management, &request);
    assert_eq!(
        answer.expect(200).header("access-control-allow-origin"),
        None
    );
}

#[test]
fn a_preflight_never_reaches_the_guard() {
    let mut server = server();
    let token = server.get_token("ada@example.com", PASSWORD);
    for origin in [APP, EVIL, "null"] {
        let request = preflight("/me", "GET", origin);
        for request in [request.clone().bearer("x"), request.bearer(&token.auth)] {
            server.send(&request).expect(204);
        }
    }
    assert!(server.stop().success());
    let log = server.written();
    assert!(!log.contains("token_refused"), "{log}");
}

#[test]
fn cookies_are_no_part_of_it() {
    let server = server();
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let log_in = |origin: &str| {
        let request = Request::post("/getToken").json(body.clone());
        server.send(
            &request
                .header("Origin", origin)
                .header("Sec-Fetch-Site", "cross-site"),
        )
    };
    // Neither set …
    let answer = log_in(APP).expect(200);
    readable(&answer, APP, true);
    let token = Token::of(&answer);
    // … nor read, whoever has them.
    let cookie = format!("__Host-lacre_access={}", token.auth);
    let me = Request::get("/me").header("Cookie", &cookie);
    server.send(&me).expect(200);
    server.send(&me.clone().header("Origin", EVIL)).expect(200);
    let refused = server.send(&me.clone().header("Origin", APP)).expect(401);
    readable(&refused, APP, true);
    let with_both = me.header("Origin", APP).bearer(&token.auth);
    readable(&server.send(&with_both).expect(200), APP, true);
    // Whom nobody named still can't put a browser into a session of his choice.
    log_in(EVIL).refused(403, "csrf_failed");
}

#[test]
fn without_the_setting_nothing_is_said() {
    let server = Server::start();
    let answer = server.send(&Request::get("/open").header("Origin", APP));
    let asked = server.send(&preflight("/me", "GET", APP));
    assert_eq!((answer.status, asked.status), (200, 401));
    for answer in [answer, asked] {
        let said = answer
            .headers
            .iter()
            .find(|(name, _)| name.starts_with("access-control-") || name == "vary");
        assert_eq!(said, None);
    }
}

#[test]
fn what_is_no_origin_stops_the_start() {
    for bad in [
        "*",
        "null",
        "https://app.example.org/",
        "https://*.example.org",
    ] {
        let setup = Setup::new().env("LACRE_CORS__ORIGINS", bad);
        setup
            .start_refused()
            .with(78, "config_bad_value")
            .saying("cors.origins");
    }
}

/// A page's request; what it gets to read, or `failed` where the browser gives it nothing.
const FETCH: &str = "const answer = await fetch(a.url + a.target, a.how); \
    const text = await answer.text(); \
    return {status: answer.status, body: text && JSON.parse(text), \
        id: answer.headers.get('x-request-id')};";

#[test]
fn a_page_of_a_named_origin_lives_a_whole_life_in_a_browser_and_another_one_gets_nothing() {
    let Some(browser) = Browser::open() else {
        return;
    };
    // Any service will do behind the pages: they speak with the one on the other origin.
    let behind = Server::start();
    let (named, other) = (front::before(behind.public), front::before(behind.public));
    let server = Setup::new()
        .env("LACRE_CORS__ORIGINS", &format!("http://localhost:{named}"))
        .env("LACRE_TOKEN__LOCATIONS", "header,cookie")
        .start();
    let url = format!("http://{}", server.public);
    let fetch = |method: &str, target: &str, token: Option<&str>, body: Option<Value>| {
        let mut how = json!({"method": method, "headers": {}});
        if let Some(token) = token {
            how["headers"]["Authorization"] = format!("Bearer {token}").into();
        }
        if let Some(body) = body {
            how["headers"]["Content-Type"] = "application/json".into();
            how["body"] = body.to_string().into();
        }
        browser.runs(FETCH, &json!({"url": url, "target": target, "how": how}))
    };
    let ada = || Some(json!({"email": "ada@example.com", "password": PASSWORD}));

    browser.visits(&format!("http://localhost:{named}/page"));
    assert_eq!(fetch("GET", "/me", None, None)["status"], 401);
    assert_eq!(fetch("POST", "/signup", None, ada())["status"], 201);
    let token = fetch("POST", "/getToken", None, ada());
    assert_eq!(token["status"], 200);
    assert!(token["id"].is_string(), "{token}");
    let text = |token: &Value, name: &str| token["body"][name].as_str().unwrap().to_owned();
    let (auth, refresh) = (text(&token, "auth"), text(&token, "refresh"));
    let me = fetch("GET", "/me", Some(&auth), None);
    assert_eq!(me["body"]["email"], "ada@example.com");
    let token = fetch("POST", "/refresh", Some(&refresh), None);
    let newer = text(&token, "auth");
    let refused = fetch("GET", "/me", Some(&auth), None);
    assert_eq!(
        (&refused["status"], &refused["body"]["code"]),
        (&json!(401), &json!("invalid_token"))
    );
    let other_password = json!({"current": PASSWORD, "new": "another correct horse"});
    let stale = fetch("PUT", "/me/password", Some(&newer), Some(other_password));
    assert_eq!(stale["status"], 403, "{stale}");
    assert_eq!(fetch("POST", "/logout", Some(&newer), None)["status"], 204);
    assert_eq!(fetch("GET", "/me", Some(&newer), None)["status"], 401);
    assert_eq!(browser.cookies(), Vec::<Value>::new());

    let token = server.get_token("ada@example.com", PASSWORD);
    browser.visits(&format!("http://localhost:{other}/page"));
    for (method, target, token, body) in [
        ("GET", "/open", None, None),
        ("GET", "/me", Some(token.auth.as_str()), None),
        ("POST", "/getToken", None, ada()),
        ("DELETE", "/sessions", Some(token.auth.as_str()), None),
    ] {
        assert_eq!(
            fetch(method, target, token, body),
            "failed",
            "{method} {target}"
        );
    }
    server.accepts(&token.auth);
}
