//! `lacre sessions revoke`: who is out afterwards, and who isn't.

use super::{add_user, handles, lacre, log_in};
use crate::support::http::Request;
use crate::support::server::{Server, Setup, Token};
use serde_json::{Value, json};

fn start() -> (Setup, Server) {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    add_user(&setup, "bob@example.com");
    (setup, server)
}

/// The last line of a revocation: it names the deployment that it was carried out in.
fn said(setup: &Setup, what: &str) -> String {
    format!("{what} in {}\n", setup.data().display())
}

/// The line behind it, which names the command that proves it.
fn proof(handle: &str) -> String {
    format!("proof: lacre receipts show {handle}\n")
}

/// What a revocation said, but for the receipt.
fn but_for_the_receipt(stdout: &str) -> String {
    let lines = stdout.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("receipt ")).collect()
}

#[test]
fn one_session_ends_alone() {
    let (setup, server) = start();
    let (one, two) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    let words = format!("sessions revoke {}", one.crt);
    assert_eq!(
        but_for_the_receipt(&lacre(&setup, &words).ok().stdout),
        format!(
            "{}\n{}{}",
            one.crt,
            said(&setup, "1 session ended"),
            proof(&one.crt)
        )
    );
    server.refuses(&one.auth);
    server.accepts(&two.auth);
    assert_eq!(
        lacre(&setup, &words).ok().stdout,
        said(&setup, "0 sessions ended"),
        "gone is done"
    );
}

#[test]
fn a_handle_may_be_written_as_the_log_shows_it() {
    let (setup, server) = start();
    let (one, two) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    let of = |length: usize| format!("sessions revoke {}", &one.crt[..length]);
    assert!(one.crt[..8] != two.crt[..8], "both are random");
    lacre(&setup, &of(7)).failed(1, "handle_short");
    assert_eq!(
        lacre(&setup, &format!("{} --dry-run", of(8))).ok().stdout,
        format!("{}\n{}", one.crt, said(&setup, "1 session would end"))
    );
    server.accepts(&one.auth);
    assert_eq!(
        but_for_the_receipt(&lacre(&setup, &format!("{}…", of(8))).ok().stdout),
        format!(
            "{}\n{}{}",
            one.crt,
            said(&setup, "1 session ended"),
            proof(&one.crt)
        ),
        "copied from the log with its dots"
    );
    server.refuses(&one.auth);
    server.accepts(&two.auth);
    // It stays known for a while what the beginning meant: an end that is there already is done.
    assert_eq!(
        lacre(&setup, &of(8)).ok().stdout,
        said(&setup, "0 sessions ended")
    );
    lacre(&setup, "sessions revoke nobody-has-this").failed(1, "session_unknown");
    lacre(&setup, &of(one.crt.len())).ok();
    let other = "x".repeat(one.crt.len() + 1);
    lacre(&setup, &format!("sessions revoke {other}")).failed(1, "session_unknown");
    server.accepts(&two.auth);
}

#[test]
fn a_users_sessions_end_and_nobody_elses() {
    let (setup, server) = start();
    let (one, two) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    let bob = log_in(&server, "bob@example.com");
    let ended = lacre(&setup, "sessions revoke --user ADA@example.com --json")
        .ok()
        .json();
    assert_eq!(
        (&ended["revoked"], &ended["dry_run"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(ended["sessions"].as_array().unwrap().len(), 2);
    server.refuses(&one.auth);
    server.refuses(&two.auth);
    server.accepts(&bob.auth);
}

#[test]
fn all_of_a_users_sessions_but_one_end() {
    let (setup, server) = start();
    let [one, two, three] = [0; 3].map(|_| log_in(&server, "ada@example.com"));
    let bob = log_in(&server, "bob@example.com");
    let but = |handle: &str| {
        lacre(
            &setup,
            &format!("sessions revoke --user ada@example.com --except {handle} --json"),
        )
    };
    but(&bob.crt).failed(1, "session_unknown");
    server.accepts(&one.auth);
    let ended = but(&two.crt[..8]).ok().json();
    assert_eq!(ended["revoked"], 2);
    server.refuses(&one.auth);
    server.refuses(&three.auth);
    server.accepts(&two.auth);
    server.accepts(&bob.auth);
}

#[test]
fn the_sessions_that_a_client_asked_for_end_and_no_others() {
    let (setup, server) = start();
    let ada = add_user(&setup, "eve@example.com");
    let bob = log_in(&server, "bob@example.com");
    let client = |name: &str| {
        lacre(&setup, &format!("clients add {name} --json"))
            .ok()
            .json()
    };
    let (shop, desk) = (client("shop"), client("desk"));
    let ask = |client: &Value| {
        let of = |member: &str| client[member].as_str().unwrap().to_owned();
        let request = Request::post("/getToken")
            .basic(&of("id"), &of("secret"))
            .json(json!({"id": ada, "user_session": of("id")}));
        Token::of(&server.send(&request).expect(200))
    };
    let (of_shop, of_desk) = (ask(&shop), ask(&desk));
    let words = format!(
        "sessions revoke --client {} --json",
        shop["id"].as_str().unwrap()
    );
    let dry = lacre(&setup, &format!("{words} --dry-run")).ok().json();
    assert_eq!(
        (&dry["revoked"], &dry["sessions"]),
        (&json!(1), &json!([of_shop.crt]))
    );
    server.accepts(&of_shop.auth);
    let done = lacre(&setup, &words).ok().json();
    assert_eq!(done["revoked"], 1);
    assert_eq!(done["data_dir"], setup.data().display().to_string());
    server.refuses(&of_shop.auth);
    server.accepts(&of_desk.auth);

    let words = format!("clients delete {}", desk["id"].as_str().unwrap());
    lacre(&setup, &words).ok();
    server.refuses(&of_desk.auth);
    server.accepts(&bob.auth);
    let unknown = lacre(&setup, "sessions revoke --client nobody");
    assert_eq!(unknown.status, Some(1), "{unknown:?}");
}

#[test]
fn all_sessions_end() {
    let (setup, server) = start();
    let tokens = ["ada@example.com", "bob@example.com"].map(|email| log_in(&server, email));
    let ended = lacre(&setup, "sessions revoke --all").ok();
    let proof = "proof: lacre keystore stats\n";
    assert_eq!(ended.stdout, said(&setup, "2 sessions ended") + proof);
    for token in tokens {
        server.refuses(&token.auth);
        server.refresh(&token).refused(401, "invalid_token");
    }
    log_in(&server, "ada@example.com");
}

#[test]
fn a_dry_run_says_the_same_and_ends_nothing() {
    let (setup, server) = start();
    let token = log_in(&server, "ada@example.com");
    for which in [token.crt.as_str(), "--user ada@example.com", "--all"] {
        let words = format!("sessions revoke {which} --json");
        let dry = lacre(&setup, &format!("{words} --dry-run")).ok().json();
        server.accepts(&token.auth);
        assert_eq!(
            (&dry["revoked"], &dry["dry_run"]),
            (&json!(1), &json!(true)),
            "{which}"
        );
        assert_eq!(dry["sessions"].is_null(), which == "--all");
    }
    assert_eq!(
        lacre(&setup, "sessions revoke --all --dry-run").ok().stdout,
        said(&setup, "1 session would end")
    );
}

#[test]
fn nobody_is_no_failure_and_a_wrong_e_mail_is() {
    let (setup, _server) = start();
    assert_eq!(
        lacre(&setup, "sessions revoke --user nobody").ok().stdout,
        said(&setup, "0 sessions ended")
    );
    lacre(&setup, "sessions revoke -abcdefg").failed(1, "session_unknown");
    lacre(&setup, "sessions revoke --user nobody@example.com").failed(1, "account_unknown");
}

#[test]
fn what_was_ended_without_a_server_stays_ended_when_it_starts() {
    let (setup, mut server) = start();
    let (one, two) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    server.stop();
    lacre(&setup, &format!("sessions revoke {}", one.crt)).ok();
    server.restart();
    server.refuses(&one.auth);
    server.accepts(&two.auth);
}

#[test]
fn what_an_operator_ends_is_in_the_audit_trail() {
    let (setup, mut server) = start();
    let token = log_in(&server, "ada@example.com");
    lacre(&setup, &format!("sessions revoke {}", token.crt)).ok();
    lacre(&setup, "users disable bob@example.com").ok();
    lacre(&setup, "sessions revoke --all").ok();
    server.stop();
    let log = server.written();
    for event in [
        "event=session_ended",
        "cause=revoked_by_admin",
        "change=disabled by=operator",
        "action=all_sessions_revoked",
    ] {
        assert!(log.contains(event), "no {event} in {log}");
    }
    assert!(!log.contains(&token.crt), "a whole handle");
    // Without a server it goes to the operator's own standard error.
    let alone = lacre(&setup, "users enable bob@example.com").ok();
    assert!(
        alone.stderr.contains("change=enabled by=operator"),
        "{alone:?}"
    );
    let listed: Value = lacre(&setup, "keystore list --json").ok().json();
    assert_eq!(handles(&listed), Vec::<String>::new());
}

#[test]
fn the_old_sessions_end_by_their_age() {
    let (setup, server) = start();
    let old = log_in(&server, "ada@example.com");
    std::thread::sleep(std::time::Duration::from_millis(3100));
    let new = log_in(&server, "bob@example.com");
    let dry = lacre(&setup, "sessions revoke --older-than 2s --dry-run").ok();
    assert_eq!(
        dry.stdout,
        format!("{}\n{}", old.crt, said(&setup, "1 session would end"))
    );
    server.accepts(&old.auth);
    let done = lacre(&setup, "sessions revoke --older-than 2s --json")
        .ok()
        .json();
    assert_eq!(
        (&done["revoked"], &done["sessions"]),
        (&json!(1), &json!([old.crt]))
    );
    server.refuses(&old.auth);
    server.accepts(&new.auth);
    for wrong in ["0s", "2", "-1d", "soon", ""] {
        let ran = lacre(&setup, &format!("sessions revoke --older-than={wrong}"));
        assert_eq!(ran.status, Some(2), "{wrong:?}: {ran:?}");
    }
    lacre(&setup, "sessions revoke --older-than 9999d").ok();
    server.accepts(&new.auth);
}
