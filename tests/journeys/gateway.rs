//! What proxies and other back ends do at the gateway.

mod authz;

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
