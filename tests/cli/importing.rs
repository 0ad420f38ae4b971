//! `lacre users import`: accounts of another system keep their passwords.

use super::{PASSWORD, Ran, add_user, lacre, lacre_with};
use crate::support::server::Setup;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

/// [`PASSWORD`], by Werkzeug 3.1.9 with few iterations.
const HASH: &str = "pbkdf2:sha256:1000$saltsaltsalt$2900e57bc4976516bbb0151941f918408e8d5e7671ba9c61c6d9be6979c29728";

fn account(email: &str) -> Value {
    json!({"email": email, "hash": HASH})
}

fn file(setup: &Setup, lines: impl IntoIterator<Item = Value>) -> String {
    let text = lines.into_iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    std::fs::write(setup.home().join("users.jsonl"), &text).unwrap();
    text
}

fn says_no_hash(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains("saltsalt"), "{ran:?}");
    }
}

#[test]
fn an_import_says_the_same_beside_a_server_and_without_one() {
    let lines = [
        account("ann@example.com"),
        json!({"email": "taken@example.com", "hash": HASH}),
        json!({"id": "7", "email": "bob@example.com", "name": "Bob", "roles": ["clerk", "user"],
            "permissions": ["posts:write"], "active": false, "hash": HASH}),
        json!({"email": "no-address", "hash": HASH}),
        json!({"email": "md5@example.com", "hash": "5f4dcc3b5aa765d61d8327deb882cf99"}),
        json!({"email": "bare@example.com", "hash": null}),
        json!({"email": "none@example.com"}),
        json!({"email": "more@example.com", "hash": HASH, "password": PASSWORD}),
        json!(["ann"]),
    ];
    let refused = "line 2: an account with this e-mail or id exists already (account_exists)\n\
        line 4: email: needs an '@' (account_invalid)\n\
        line 5: hash: is none of argon2, bcrypt, PBKDF2 and scrypt as docs/operating.md lists them, or costs too much (account_invalid)\n\
        line 7: missing field `hash` (line_invalid)\n\
        line 8: has a member that isn't known (line_invalid)\n\
        line 9: is no JSON object (line_invalid)\n";
    for beside in [true, false] {
        let setup = Setup::new();
        let mut server = setup.start();
        add_user(&setup, "taken@example.com");
        if !beside {
            assert!(server.stop().success());
        }
        file(&setup, lines.clone());
        let tried = lacre(&setup, "users import users.jsonl --dry-run");
        assert_eq!(tried.status, Some(1), "{tried:?}");
        assert!(
            tried
                .stdout
                .contains("3 accounts would be imported, 6 refused"),
            "{tried:?}"
        );
        let ran = lacre(&setup, "users import users.jsonl");
        assert_eq!(ran.status, Some(1), "{ran:?}");
        let data = setup.data().display();
        assert_eq!(
            ran.stdout,
            format!("{refused}3 accounts imported, 6 refused, in {data}\n")
        );
        assert!(
            ran.stderr
                .ends_with("lacre: 6 of 9 accounts were refused (users_refused)\n")
        );
        says_no_hash(&ran);
        let bob = lacre(&setup, "users show 7 --json").ok().json();
        assert_eq!(
            (&bob["name"], &bob["active"]),
            (&json!("Bob"), &json!(false))
        );
        assert_eq!(bob["roles"], json!(["clerk", "user"]));
        assert_eq!(bob["permissions"], json!(["posts:write"]));
        if !beside {
            server = setup.start();
        }
        server.get_token("ann@example.com", PASSWORD);
        for (user, password) in [
            ("ann@example.com", "another password"),
            ("bob@example.com", PASSWORD),
            ("bare@example.com", PASSWORD),
            ("md5@example.com", PASSWORD),
        ] {
            assert_eq!(server.try_get_token(user, password).status, 401, "{user}");
        }
        server.get_token("ann@example.com", PASSWORD);
        let again = lacre(&setup, "users import users.jsonl --json");
        let report: Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!(
            (&report["imported"], &report["dry_run"]),
            (&json!(0), &json!(false))
        );
        let refused = report["refused"].as_array().unwrap();
        assert_eq!(refused.len(), 9);
        assert_eq!(refused[0]["line"], 1);
        assert_eq!(refused[0]["code"], "account_exists");
        assert_eq!(
            (&refused[3]["field"], &refused[0]["field"]),
            (&json!("email"), &Value::Null)
        );
        says_no_hash(&again);
        assert!(server.stop().success());
        let log = server.written();
        assert!(!log.contains("saltsalt"), "{log}");
        if beside {
            assert_eq!(log.matches("change=created").count(), 1 + 3, "{log}");
        }
    }
}

#[test]
fn many_accounts_come_from_standard_input_and_make_a_deployment() {
    let setup = Setup::new().without_dev();
    let users = (0..1000).map(
        |n| json!({"id": format!("u{n}"), "email": format!("u{n}@example.com"), "hash": HASH}),
    );
    let text = file(&setup, users);
    lacre_with(&setup, "users import - --dry-run", text.as_bytes())
        .failed(78, "deployment_missing");
    let ran = lacre_with(&setup, "users import -", text.as_bytes()).ok();
    let data = setup.data().display();
    assert_eq!(
        ran.stdout,
        format!("1000 accounts imported, 0 refused, in {data}\n")
    );
    assert!(
        ran.stderr.contains("(deployment_made)") && !ran.stderr.contains('\r'),
        "{ran:?}"
    );
    let listed = lacre(&setup, "users list --json").ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 1000);
    setup.start().get_token("u999", PASSWORD);
}

#[test]
fn what_can_not_be_read_is_said() {
    let setup = Setup::new();
    lacre(&setup, "users import nowhere.jsonl").failed(1, "input_unreadable");
    lacre(&setup, "users import .").failed(1, "input_unreadable");
    assert!(!setup.data().exists(), "nothing was made for it");
    assert_eq!(lacre(&setup, "users import").status, Some(2));
}

/// SIGINT and SIGTERM in the middle, without a server: every account that was made has its event.
#[test]
fn an_import_that_is_interrupted_says_how_far_it_came_and_has_recorded_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let setup = Setup::new().without_dev();
        let users =
            (0..40_000).map(|n| json!({"email": format!("u{n}@example.com"), "hash": HASH}));
        file(&setup, users);
        let mut child = setup
            .lacre(["users", "import", "users.jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        while !text.contains("change=created") {
            assert!(stderr.read_line(&mut text).unwrap() > 0, "{text}");
        }
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
        stderr.read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
        let listed = lacre(&setup, "users list --json").ok().json();
        let made = listed.as_array().unwrap().len();
        assert!((1..40_000).contains(&made), "{made}");
        assert_eq!(text.matches("change=created").count(), made);
        let said = format!("interrupted: {made} accounts were imported and 0 refused");
        assert!(text.contains(&said), "{}", text.lines().last().unwrap());
    }
}
