//! What proxies and other back ends do at the gateway.

mod authz;
mod introspection;
mod revocation;

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup, Token};

/// A server with these services, and Ada, who has the roles `user` and `clerk` and the permission `read`.
fn start(services: &str) -> (Server, Token) {
    start_as(Setup::new(), services)
}

fn start_as(setup: Setup, services: &str) -> (Server, Token) {
    let server = setup.gateway(services).start();
    server.sign_up("ada@example.com", PASSWORD);
    server.operator(&[
        "users",
        "set",
        "ada@example.com",
        "--role",
        "user",
        "--role",
        "clerk",
        "--permission",
        "read",
    ]);
    let token = server.get_token("ada@example.com", PASSWORD);
    (server, token)
}

/// Asks for a service with a token in the header.
fn ask(server: &Server, service: &str, token: &str) -> Answer {
    server.ask(&Request::get(&format!("/authz/{service}")).bearer(token))
}

/// Demands an error of RFC 6749 §5.2.
fn oauth_error(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["error"], error, "{body}");
    assert!(!body["error_description"].as_str().unwrap().is_empty());
    assert_eq!(body["request_id"].as_str(), answer.header("x-request-id"));
}
