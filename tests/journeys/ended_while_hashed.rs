//! A session that ends while the password of its request is hashed: nothing is changed any more.

use super::PASSWORD;
use crate::support::http::{self, Request};
use crate::support::server::{Server, Setup};
use serde_json::json;
use std::thread;
use std::time::Duration;

const OTHER: &str = "another correct horse";
const ROUNDS: usize = 3;

/// A server whose hashes take so long that a session can end meanwhile.
fn slow() -> Server {
    let server = Setup::new().env("LACRE_HASHING__ITERATIONS", "40").start();
    server.sign_up("ada@example.com", PASSWORD);
    let words = [
        "users",
        "add",
        "root@example.com",
        "--role",
        "admin",
        "--password-stdin",
    ];
    server.operator_telling(&words, PASSWORD);
    server
}

/// Sends `request` of one session of the user, ends all of the user's sessions by another one `after` it
/// was sent, and gives the status of the request: nothing where it was answered before the end was.
fn overtaken(server: &Server, user: &str, request: Request, after: Duration) -> Option<u16> {
    let (one, other) = (
        server.get_token(user, PASSWORD),
        server.get_token(user, PASSWORD),
    );
    let (address, request) = (server.public, request.bearer(&one.auth));
    let asking = thread::spawn(move || http::send(address, &request));
    thread::sleep(after);
    let waits = !asking.is_finished();
    server.call("DELETE", "/sessions", &other.auth).expect(200);
    let still_waits = !asking.is_finished();
    let answer = asking.join().unwrap();
    (waits && still_waits).then_some(answer.status)
}

#[test]
fn a_password_is_not_changed_by_a_session_that_has_ended_meanwhile() {
    let server = slow();
    let mut seen = 0;
    for tries in 0_u64.. {
        let request =
            Request::new("PUT", "/me/password").json(json!({"current": PASSWORD, "new": OTHER}));
        // In the first of the two hashes and in the second.
        let after = Duration::from_millis(100 + 200 * (tries % 4));
        match overtaken(&server, "ada@example.com", request, after) {
            Some(status) => {
                assert_eq!(status, 401);
                seen += 1;
            }
            None => server.operator_telling(
                &[
                    "users",
                    "set-password",
                    "ada@example.com",
                    "--password-stdin",
                ],
                PASSWORD,
            ),
        }
        server.get_token("ada@example.com", PASSWORD);
        assert_eq!(server.try_get_token("ada@example.com", OTHER).status, 401);
        if seen == ROUNDS {
            break;
        }
        assert!(tries < 20, "only {seen} of {tries} were overtaken");
    }
}

#[test]
fn an_administrator_s_session_that_has_ended_meanwhile_makes_and_changes_nothing() {
    let server = slow();
    let ada = server.get_token("ada@example.com", PASSWORD);
    let me = server.call("GET", "/me", &ada.auth).expect(200).json();
    let path = format!("/admin/users/{}", me["id"].as_str().unwrap());
    let mut seen = 0;
    for tries in 0_u64.. {
        let set = Request::new("PUT", &path).json(json!({"password": OTHER}));
        let email = format!("new{tries}@example.com");
        let make = Request::post("/admin/users").json(json!({"email": email, "password": OTHER}));
        for request in [set, make] {
            let after = Duration::from_millis(100);
            if let Some(status) = overtaken(&server, "root@example.com", request, after) {
                assert_eq!(status, 401);
                seen += 1;
            }
        }
        if seen >= 2 * ROUNDS {
            break;
        }
        assert!(tries < 20, "only {seen} of {tries} were overtaken");
    }
    server.accepts(&ada.auth);
    assert_eq!(server.try_get_token("ada@example.com", OTHER).status, 401);
}
