//! `lacre token explain`: the reason of a refusal, for an operator alone.

use super::{Ran, add_user, lacre, lacre_with, log_in};
use crate::support::http::Request;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};

fn start() -> (Setup, Server) {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    (setup, server)
}

fn explain(setup: &Setup, token: &str) -> Value {
    lacre_with(setup, "token explain --json", token.as_bytes())
        .ok()
        .json()
}

#[test]
fn a_token_is_followed_from_its_beginning_to_its_end() {
    let setup = Setup::new();
    let server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    let good = explain(&setup, &format!("{}\n", token.auth));
    assert_eq!(
        (&good["accepted"], &good["code"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        (&good["handle"], &good["claims"]),
        (&json!(token.crt), &Value::Null)
    );
    assert_eq!(good["session"]["generation"], 1);

    server
        .send(&Request::post("/refresh").bearer(token.refresh.as_ref().unwrap()))
        .expect(200);
    let spent = explain(&setup, &token.auth);
    assert_eq!(spent["code"], "token_generation");
    let why = spent["reasons"].to_string();
    assert!(
        why.contains("generation 1, and the session is at 2"),
        "{why}"
    );

    lacre(&setup, &format!("sessions revoke {}", token.crt)).ok();
    let ended = explain(&setup, &token.auth);
    assert_eq!(
        (&ended["accepted"], &ended["code"]),
        (&json!(false), &json!("session_unknown"))
    );
    assert_eq!(ended["end"]["cause"], "revoked_by_admin");
    assert_eq!(ended["end"]["by"], "operator");
    assert_eq!(ended["user"], id.as_str());
    server.refuses(&token.auth);
}

#[test]
fn what_is_printed_is_for_a_terminal_and_shows_claims_when_asked_alone() {
    let (setup, server) = start();
    let token = log_in(&server, "ada@example.com");
    let said = |words: &str| lacre_with(&setup, words, token.auth.as_bytes()).ok().stdout;
    let plain = said("token explain");
    assert!(
        plain.starts_with("answer      accepted\nwhy         it would be let in, until it expires"),
        "{plain}"
    );
    assert!(
        !plain.contains("claims") && !plain.contains("ada@example.com"),
        "{plain}"
    );
    assert!(
        plain.lines().all(|line| line.chars().count() <= 80),
        "{plain}"
    );
    assert!(said("token explain --claims").contains("ada@example.com"));
    for text in [plain, said("token explain --json --claims")] {
        for part in token.auth.split('.').filter(|part| part.len() > 20) {
            assert!(!text.contains(part), "a part of the token");
        }
    }
}

#[test]
fn a_session_is_named_by_its_handle_or_a_beginning_of_it() {
    let (setup, server) = start();
    let token = log_in(&server, "ada@example.com");
    for name in [
        &token.crt,
        &token.crt[..8],
        &format!("{}…", &token.crt[..8]),
    ] {
        let live = lacre(&setup, &format!("token explain {name} --json"))
            .ok()
            .json();
        assert_eq!(
            (&live["accepted"], &live["handle"]),
            (&json!(true), &json!(token.crt))
        );
    }
    lacre(&setup, "token explain short").failed(1, "handle_short");
    lacre(&setup, "token explain nobodyknows").failed(1, "session_unknown");
    let words = format!("token explain {}", token.auth);
    lacre(&setup, &words).failed(2, "token_on_command_line");
}

#[test]
fn a_refused_request_is_explained_by_its_id() {
    let (setup, mut server) = start();
    let token = log_in(&server, "ada@example.com");
    let request_id =
        |ran: &crate::support::http::Answer| ran.header("x-request-id").unwrap().to_owned();
    let bad = server.send(&Request::get("/me").bearer("not.a.token"));
    let denied = server.send(&Request::get("/admin/users").bearer(&token.auth));
    let explain = |id: &str| lacre(&setup, &format!("token explain {id} --json"));
    let why = explain(&request_id(&bad)).ok().json();
    assert_eq!(
        (&why["accepted"], &why["code"]),
        (&json!(false), &json!("token_malformed"))
    );
    assert_eq!(why["request"]["event"], "token_refused");
    assert_eq!(why["request"]["address"], "127.0.0.1");
    let denied = request_id(&denied);
    let why = explain(&denied).ok().json();
    assert_eq!(
        (&why["code"], &why["handle"]),
        (&json!("role_missing"), &json!(token.crt))
    );
    // Known as long as the server runs: afterwards there is the log.
    server.stop();
    explain(&denied).failed(1, "session_unknown");
}

#[test]
fn it_says_the_same_beside_a_server_and_without() {
    let (setup, mut server) = start();
    let token = log_in(&server, "ada@example.com");
    let inputs = [
        token.auth.clone(),
        "a.b.c".to_owned(),
        String::new(),
        "\u{fffd}".to_owned(),
    ];
    let ask =
        |input: &String| -> Ran { lacre_with(&setup, "token explain --json", input.as_bytes()) };
    let beside: Vec<Ran> = inputs.iter().map(ask).collect();
    server.stop();
    for (input, beside) in inputs.iter().zip(beside) {
        // Times are said as distances from now.
        let without_times = |ran: &Ran| {
            let mut json = ran.clone().ok().json();
            if json["accepted"] == true {
                json["reasons"] = Value::Null;
            }
            json
        };
        assert_eq!(without_times(&ask(input)), without_times(&beside));
    }
    let noise = lacre_with(&setup, "token explain", b"\xff\xfe");
    noise.failed(1, "token_malformed");
}

#[test]
fn an_end_that_was_answered_is_explained_after_a_crash() {
    let (setup, mut server) = start();
    let tokens = [1, 2, 3].map(|_| log_in(&server, "ada@example.com"));
    server
        .send(&Request::post("/logout").bearer(&tokens[0].auth))
        .expect(204);
    lacre(&setup, &format!("sessions revoke {}", tokens[1].crt)).ok();
    lacre(&setup, "sessions revoke --all").ok();
    server.kill9();
    for (token, cause, by) in [
        (&tokens[0], "logout", "owner"),
        (&tokens[1], "revoked_by_admin", "operator"),
        (&tokens[2], "revoked_by_admin", "operator"),
    ] {
        let ended = explain(&setup, &token.auth);
        assert_eq!(
            (&ended["end"]["cause"], &ended["end"]["by"]),
            (&json!(cause), &json!(by))
        );
        assert_eq!(ended["handle"], token.crt.as_str());
    }
}
