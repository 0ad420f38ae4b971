//! `lacre serve --dev-insecure-issue`: said loudly, refused where it would do harm, and gone with the
//! server.

use super::speaking;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup};
use serde_json::json;

fn insecure(setup: &Setup) -> Setup {
    speaking(setup, "jwe-flask").arg("--dev-insecure-issue")
}

fn ask(server: &Server) -> Answer {
    let body = json!({"id": "7", "user_session": "a.b.c"});
    server.send(&Request::post("/getToken").json(body))
}

fn call(server: &Server, token: &str) -> u16 {
    let path = "/user/%7B%22id%22%3A%227%22%2C%22user_session%22%3A%22b%22%7D";
    server.send(&Request::get(path).bearer(token)).status
}

#[test]
fn whoever_asks_is_given_a_token_until_the_server_stops() {
    let setup = Setup::new();
    let mut server = insecure(&setup).start();
    server.operator(&["users", "add", "seven@example.com", "--id", "7"]);
    assert!(
        server
            .written()
            .contains("!!! INSECURE: --dev-insecure-issue")
    );
    let token = ask(&server).expect(200).json();
    assert_eq!(token["crt"], "b");
    let token = token["auth"].as_str().unwrap().to_owned();
    assert_eq!(call(&server, &token), 200);
    assert!(server.stop().success());
    let server = speaking(&setup, "jwe-flask").start();
    assert_eq!(
        call(&server, &token),
        403,
        "the session outlived the server"
    );
    assert_eq!(ask(&server).status, 401);
    assert!(
        !server
            .operator(&["clients", "list"])
            .contains("dev-insecure-issue")
    );
}

#[test]
fn what_a_crash_has_left_ends_with_the_next_start() {
    let setup = Setup::new();
    let mut server = insecure(&setup).start();
    server.operator(&["users", "add", "seven@example.com", "--id", "7"]);
    let token = ask(&server).expect(200).json();
    let token = token["auth"].as_str().unwrap().to_owned();
    server.kill9();
    let server = speaking(&setup, "jwe-flask").start();
    assert_eq!(call(&server, &token), 403);
}

#[test]
fn it_is_refused_without_dev_and_in_other_dialects() {
    let without_dev = insecure(&Setup::new()).without_dev().start_refused();
    assert_eq!(without_dev.status, Some(2), "{without_dev:?}");
    let elsewhere = Setup::new().arg("--dev-insecure-issue").start_refused();
    elsewhere.with(2, "insecure_issue_unused");
}
