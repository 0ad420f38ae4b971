//! Bad input: a clear error with a stable code, nothing lost, and the next good request answered.

mod bodies;
mod wire;

use super::PASSWORD;
use crate::support::http::{Answer, Connection, Request, send_bytes};
use crate::support::server::{Server, Token};
use lacre::internals::http::routes::ROUTES;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::TcpStream;
use std::time::Instant;

const LIMIT: usize = 64 * 1024;

/// A server with one account and one session, which have to be there at the end as well.
struct Witness {
    server: Server,
    token: Token,
}

impl Witness {
    fn new() -> Self {
        let server = Server::start();
        server.sign_up("ada@example.com", PASSWORD);
        let token = server.get_token("ada@example.com", PASSWORD);
        Self { server, token }
    }

    /// Sends these bytes and demands the status; then the server must be well.
    fn sends(&self, what: &str, bytes: &[u8], status: u16) -> Answer {
        let answer = send_bytes(self.server.public, bytes)
            .unwrap_or_else(|error| panic!("{what}: no answer: {error}"));
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        self.server.is_well();
        answer
    }

    /// A problem with this code.
    fn refused(&self, what: &str, request: &Request, status: u16, code: &str) -> Value {
        let answer = self.sends(what, &request.bytes(), status);
        assert_eq!(answer.json()["code"], code, "{what}");
        answer.refused(status, code)
    }

    /// Nothing that was there is lost, and nothing came about.
    fn still_there(&self) {
        self.server.accepts(&self.token.auth);
        let sessions = self.server.sessions(&self.token.auth);
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        assert_eq!(sessions[0]["crt"], self.token.crt);
        let metrics = self.server.manage("/metrics");
        let calm = "lacre_http_panics_total 0";
        assert!(metrics.text().lines().any(|line| line == calm));
    }
}

fn log_in(body: impl Into<Vec<u8>>) -> Request {
    Request::post("/getToken")
        .header("Content-Type", "application/json")
        .body(body)
}

fn padded(length: usize) -> String {
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "pad": ""}).to_string();
    let pad = "x".repeat(length - body.len());
    body.replace(r#""pad":"""#, &format!(r#""pad":"{pad}""#))
}

#[test]
fn credentials_that_are_too_many_or_of_another_kind() {
    let witness = Witness::new();
    let token = &witness.token.auth;
    let two = Request::get("/me").bearer(token).bearer(token);
    let answer = witness.sends("two", &two.bytes(), 400);
    answer.refused(400, "invalid_request");
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="lacre", error="invalid_request""#)
    );
    let bare = Request::get("/me").header("Authorization", "Bearer");
    witness.refused("no token", &bare, 400, "invalid_request");

    for scheme in ["Basic YTpi", "Digest x", "Negotiate x", "Bear x", "x", ""] {
        let request = Request::get("/me").header("Authorization", scheme);
        let answer = witness.sends(scheme, &request.bytes(), 401);
        answer.refused(401, "no_credentials");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer realm="lacre""#),
            "{scheme}"
        );
    }
    // The scheme is compared in any case (RFC 9110 §11.1).
    let lower = Request::get("/me").header("Authorization", &format!("bearer {token}"));
    witness.sends("lower case", &lower.bytes(), 200);

    let body = json!({"id": "x", "user_session": "s"});
    for basic in ["Basic !!!!", "Basic", "Basic YWI=", "Basic YTpi"] {
        let request = Request::post("/getToken").header("Authorization", basic);
        let answer = witness.sends(basic, &request.json(body.clone()).bytes(), 401);
        answer.refused(401, "invalid_client");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Basic realm="lacre", charset="UTF-8""#)
        );
    }
    let mut both = body;
    both["password"] = json!(PASSWORD);
    let request = Request::post("/getToken").basic("a", "b").json(both);
    witness.refused("a password as well", &request, 400, "invalid_request");
    witness.still_there();
}

/// RFC 9110 §9.3.2: as GET, without the content; for whoever may and for whoever may not.
#[test]
fn head_is_get_without_the_content() {
    let witness = Witness::new();
    let server = &witness.server;
    let paths = ROUTES.iter().filter(|row| row.method == "GET");
    let mut asked = 0;
    for row in paths {
        let target = row.pattern.replace("{id}", "nobody");
        for token in [Some(&witness.token.auth), None] {
            let ask = |method: &str| {
                let request = Request::new(method, &target);
                server.send(&match token {
                    Some(token) => request.bearer(token),
                    None => request,
                })
            };
            let (get, head) = (ask("GET"), ask("HEAD"));
            assert_eq!(head.status, get.status, "{target}");
            assert_eq!(head.body, b"", "{target}");
            let fields = |answer: &Answer| -> Vec<String> {
                let named = answer
                    .headers
                    .iter()
                    .map(|(name, value)| match name.as_str() {
                        "x-request-id" | "date" => name.clone(),
                        _ => format!("{name}: {value}"),
                    });
                let mut fields: Vec<String> = named.collect();
                fields.sort_unstable();
                fields
            };
            // Times are to the second: those of the session itself don't change.
            assert_eq!(fields(&head), fields(&get), "{target}");
            asked += 1;
        }
    }
    assert!(asked >= 14, "{asked}");
    witness.still_there();
}

#[test]
fn what_real_clients_write_is_understood() {
    let witness = Witness::new();
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    for (name, value) in [
        ("Content-Type", "application/json; v=1"),
        ("Content-Encoding", "identity"),
    ] {
        let mut request = Request::post("/getToken").header(name, value);
        if name != "Content-Type" {
            request = request.header("Content-Type", "application/json");
        }
        witness.server.send(&request.body(body.clone())).expect(200);
    }
    let spaced = format!("Bearer    {}", witness.token.auth);
    let request = Request::get("/headers").header("Authorization", &spaced);
    witness.server.send(&request).expect(200);
}

#[test]
fn methods_and_routes_that_are_not_there() {
    let witness = Witness::new();
    let token = &witness.token.auth;
    for (method, target, allow) in [
        ("GET", "/signup", "POST"),
        ("GET", "/getToken", "POST"),
        ("PUT", "/login", "POST"),
        ("POST", "/open", "GET, HEAD"),
        ("POST", "/headers", "GET, HEAD"),
        ("DELETE", "/me", "GET, HEAD"),
        ("GET", "/logout", "POST"),
        ("POST", "/sessions", "DELETE, GET, HEAD"),
        ("GET", "/sessions/x", "DELETE"),
        ("BREW", "/getToken", "POST"),
    ] {
        let what = format!("{method} {target}");
        let request = Request::new(method, target).bearer(token);
        let answer = witness.sends(&what, &request.bytes(), 405);
        answer.refused(405, "method_not_allowed");
        let mut allowed: Vec<&str> = answer.header("allow").unwrap().split(", ").collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(", "), allow, "{what}");
    }
    for target in [
        "/",
        "/nowhere",
        "/ME",
        "/me/",
        "//me",
        "/me%00",
        "/../me",
        "/sessions/x/y",
        "/getToken/x",
        "/%ff",
    ] {
        let request = Request::get(target).bearer(token);
        witness.refused(target, &request, 404, "not_found");
    }
    for crt in [
        "x",
        "%00",
        "..",
        "%2e%2e%2fme",
        "a b",
        &"A".repeat(129),
        "*",
    ] {
        let target = format!("/sessions/{}", crt.replace(' ', "%20"));
        let request = Request::delete(&target).bearer(token);
        witness.refused(&target, &request, 404, "not_found");
    }
    witness.still_there();
}
