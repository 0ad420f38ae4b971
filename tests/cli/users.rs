//! `lacre users` and `lacre clients`: what they do to people.

use super::{PASSWORD, add_user, lacre, lacre_with, log_in};
use crate::support::server::{Client, Setup};
use serde_json::json;

#[test]
fn accounts_may_be_there_before_the_first_start() {
    let setup = Setup::new().without_dev();
    let id = add_user(&setup, "ada@example.com");
    let server = setup.start();
    let token = log_in(&server, "ada@example.com");
    let me = server.call("GET", "/me", &token.auth).expect(200).json();
    assert_eq!(
        (&me["id"], &me["email"]),
        (&json!(id), &json!("ada@example.com"))
    );
}

#[test]
fn an_account_gets_its_id_roles_and_permissions() {
    let setup = Setup::new();
    let words = "users add ops@example.com --id -ops --name Ops --role admin --role user \
                 --permission posts:write --json";
    let added = lacre(&setup, words).ok();
    assert_eq!(
        added.json(),
        json!({"id": "-ops", "email": "ops@example.com"})
    );
    assert!(added.stderr.contains("has no password"), "{added:?}");
    let shown = lacre(&setup, "users show -ops --json").ok().json();
    assert_eq!(shown["role"], "admin");
    assert_eq!(shown["roles"], json!(["admin", "user"]));
    assert_eq!(shown["permissions"], json!(["posts:write"]));
    assert_eq!(shown["name"], "Ops");
}

#[test]
fn an_account_without_a_password_takes_none() {
    let setup = Setup::new();
    lacre(&setup, "users add ada@example.com").ok();
    let server = setup.start();
    for password in ["", "ada@example.com", PASSWORD] {
        let answer = server.try_get_token("ada@example.com", password);
        assert!(answer.status == 401 || answer.status == 400, "{answer:?}");
    }
}

#[test]
fn one_line_end_behind_a_password_is_not_of_it() {
    let setup = Setup::new();
    let server = setup.start();
    for (email, input) in [
        ("a@example.com", format!("{PASSWORD}\n")),
        ("b@example.com", format!("{PASSWORD}\r\n")),
        ("c@example.com", PASSWORD.to_owned()),
    ] {
        let words = format!("users add {email} --password-stdin");
        lacre_with(&setup, &words, input.as_bytes()).ok();
        log_in(&server, email);
    }
    let words = "users add d@example.com --password-stdin";
    for (input, said) in [
        (format!("{PASSWORD}\n\n"), "more than one line"),
        (format!("{PASSWORD}\nsecond\n"), "more than one line"),
        (format!("\u{feff}{PASSWORD}\n"), "byte-order mark"),
    ] {
        let ran = lacre_with(&setup, words, input.as_bytes());
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        ran.failed(1, "input_unreadable");
    }
    lacre(&setup, "users show d@example.com").failed(1, "account_unknown");
}

#[test]
fn bad_passwords_and_taken_names_are_refused() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    lacre(&setup, "users add ADA@example.com").failed(1, "account_exists");
    let words = "users add bob@example.com --password-stdin";
    for bad in ["", "short", "password", "\n", &"x".repeat(10_000)] {
        lacre_with(&setup, words, bad.as_bytes()).failed(1, "account_invalid");
    }
    lacre_with(&setup, words, b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe").failed(1, "input_unreadable");
    lacre(&setup, "users show bob@example.com").failed(1, "account_unknown");
}

#[test]
fn whoever_is_disabled_is_out_at_once_and_comes_back_when_enabled() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let (one, two) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    let disabled = lacre(&setup, "users disable ada@example.com").ok();
    assert_eq!(
        disabled.stdout,
        "ada@example.com is disabled; 2 sessions ended\n"
    );
    server.refuses(&one.auth);
    server.refuses(&two.auth);
    server
        .try_get_token("ada@example.com", PASSWORD)
        .refused(401, "invalid_credentials");
    lacre(&setup, "users enable ada@example.com").ok();
    log_in(&server, "ada@example.com");
    server.refuses(&one.auth);
}

#[test]
fn another_password_ends_all_sessions() {
    let setup = Setup::new();
    let server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    let words = format!("users set-password {id} --password-stdin --json");
    let set = lacre_with(&setup, &words, b"another correct horse")
        .ok()
        .json();
    assert_eq!(set["sessions_ended"], 1);
    server.refuses(&token.auth);
    server
        .try_get_token("ada@example.com", PASSWORD)
        .refused(401, "invalid_credentials");
    server.get_token("ada@example.com", "another correct horse");
}

#[test]
fn a_deleted_user_is_gone_with_the_sessions() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    lacre(&setup, "users delete ada@example.com").ok();
    server.refuses(&token.auth);
    lacre(&setup, "users delete ada@example.com").failed(1, "account_unknown");
}

#[test]
fn other_roles_end_the_access_tokens_and_not_the_session() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    lacre(&setup, "users set ada@example.com --role admin --name Ada").ok();
    server.refuses(&token.auth);
    let fresh = server.refresh(&token).expect(200).json();
    let auth = fresh["auth"].as_str().unwrap();
    assert_eq!(
        server.call("GET", "/me", auth).expect(200).json()["role"],
        "admin"
    );
}

#[test]
fn a_client_asks_for_tokens_until_it_is_deleted() {
    let setup = Setup::new();
    let server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let added = lacre(&setup, "clients add billing --json").ok().json();
    let client = Client {
        id: added["id"].as_str().unwrap().to_owned(),
        secret: added["secret"].as_str().unwrap().to_owned(),
    };
    let answer = server.client_token(&client, &id, "desk 1").expect(200);
    let handle = answer.json()["crt"].as_str().unwrap().to_owned();
    let shown = lacre(&setup, &format!("keystore show {handle} --json")).ok();
    assert_eq!(shown.json()["client"], client.id.as_str());
    lacre(&setup, &format!("clients delete {}", client.id)).ok();
    server
        .client_token(&client, &id, "desk 1")
        .refused(401, "invalid_client");
    lacre(&setup, &format!("clients delete {}", client.id)).failed(1, "client_unknown");
    assert_eq!(lacre(&setup, "clients list --json").ok().json(), json!([]));
}

#[test]
fn a_client_has_the_users_and_services_that_were_said() {
    let setup = Setup::new();
    lacre(
        &setup,
        "clients add shop --own-users --service shop --service desk --service shop",
    )
    .ok();
    lacre(&setup, "clients add billing").ok();
    let listed = lacre(&setup, "clients list --json").ok().json();
    let said = |name: &str| {
        let client = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|client| client["name"] == name);
        let client = client.unwrap();
        json!([client["own_users"], client["services"]])
    };
    assert_eq!(said("shop"), json!([true, ["desk", "shop"]]));
    assert_eq!(said("billing"), json!([false, []]));
    let table = lacre(&setup, "clients list").ok().stdout;
    let row = table.lines().find(|line| line.ends_with("shop")).unwrap();
    assert!(row.contains("own       desk,shop"), "{table}");
    lacre(&setup, "clients add desk --service a/b").failed(1, "account_invalid");
    assert_eq!(
        lacre(&setup, "clients list --json")
            .ok()
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_table_lists_everybody_and_obeys_nobody() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    // The name of a client is any text but controls; the direction mark is what is left to try.
    let mut add = setup.lacre(["clients", "add", "bill\u{202e}ing"]);
    super::run_with(&mut add, b"").ok();
    let listed = lacre(&setup, "clients list").ok().stdout;
    assert!(listed.contains("bill\\u{202e}ing"), "{listed}");
    let listed = lacre(&setup, "clients list --json").ok();
    assert!(!listed.stdout.contains('\u{202e}'), "{listed:?}");
    assert_eq!(listed.json()[0]["name"], "bill\u{202e}ing");
    let users = lacre(&setup, "users list").ok().stdout;
    let lines: Vec<&str> = users.lines().collect();
    assert!(
        lines[0].starts_with("ID ") && lines[1].contains("ada@example.com"),
        "{users}"
    );
}
