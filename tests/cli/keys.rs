//! `lacre keys`.

use super::{add_user, lacre, log_in};
use crate::support::http::Request;
use crate::support::issuer::{ISS, Published, SigningKey, Site, believing, claims, set};
use crate::support::server::Setup;
use crate::support::wait::until;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn status(setup: &Setup) -> Value {
    lacre(setup, "keys status --json").ok().json()
}

#[test]
fn the_ids_of_the_deployments_own_keys_are_shown_and_no_key() {
    let setup = Setup::new();
    let _server = setup.start();
    let shown = status(&setup);
    let (master, signing) = (&shown["master"], &shown["signing"]);
    assert_eq!(master.as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &master[0]["id"],
            &master[0]["current"],
            &master[0]["records"]
        ),
        (&json!(1), &json!(true), &json!(0))
    );
    assert_eq!(signing.as_array().unwrap().len(), 1);
    assert_eq!(signing[0]["current"], true);
    assert!(signing[0]["id"].as_str().unwrap().len() >= 8, "{shown}");
    for key in [master, signing] {
        assert!(key[0]["since"].as_str().unwrap().ends_with('Z'), "{shown}");
    }
    assert_eq!(shown["issuers"], json!([]));
    let table = lacre(&setup, "keys status").ok().stdout;
    for part in ["master", "seals", "signing", "signs"] {
        assert!(table.contains(part), "{table}");
    }
}

#[test]
fn the_keys_of_an_issuer_are_those_that_the_server_has_now() {
    let (old, new) = (SigningKey::new("old"), SigningKey::with_bits("new", 3072));
    let site = Site::new(set(&[&old, &new]));
    let setup = believing(&format!("{}accept = \"direct\"\n", site.keys()));
    let server = setup.start();
    let issuer = |shown: &Value| shown["issuers"][0].clone();
    // Nobody has needed them so far, and looking fetches nothing.
    let before = issuer(&status(&setup));
    assert_eq!(
        (&before["read_at"], &before["keys"]),
        (&json!(null), &json!([]))
    );
    let told = lacre(&setup, "keys status").ok().stdout;
    assert!(told.contains("not read by this process"), "{told}");
    assert_eq!(site.asked(), 0);

    let request = Request::get("/headers").bearer(&old.token(&claims("ada")));
    server.send(&request).expect(200);
    let after = issuer(&status(&setup));
    assert_eq!(after["name"], "corp");
    assert_eq!(
        (&after["issuer"], &after["accept"]),
        (&json!(ISS), &json!("direct"))
    );
    assert_eq!(after["source"], format!("http://{}/jwks", site.address));
    assert!(after["read_at"].as_str().unwrap().ends_with('Z'), "{after}");
    let of = |place: usize| {
        let key = &after["keys"][place];
        (key["kid"].clone(), key["kty"].clone(), key["bits"].clone())
    };
    assert_eq!(of(0), (json!("old"), json!("RSA"), json!(2048)));
    assert_eq!(of(1), (json!("new"), json!("RSA"), json!(3072)));
    assert_eq!(after["keys"][0]["algorithms"], json!(["RS256"]));
}

#[test]
fn a_set_that_cannot_be_read_is_said() {
    let key = SigningKey::new("k1");
    let site = Site::new(Published::Head("500 No"));
    let setup = believing(&format!("{}accept = \"direct\"\n", site.keys()));
    let server = setup.start();
    let request = Request::get("/headers").bearer(&key.token(&claims("ada")));
    server.send(&request).expect(503);
    let issuer = status(&setup)["issuers"][0].clone();
    assert_eq!(issuer["failing"], "keys_status");
    assert_eq!(issuer["read_at"], Value::Null);
    let told = lacre(&setup, "keys status").ok().stdout;
    assert!(told.contains("failing  keys_status"), "{told}");
}

/// The ids of the master keys that are shown, each with its records.
fn masters(setup: &Setup) -> Vec<(u64, u64)> {
    let shown = status(setup);
    let keys = shown["master"].as_array().unwrap().iter();
    let of = |key: &Value| {
        (
            key["id"].as_u64().unwrap(),
            key["records"].as_u64().unwrap(),
        )
    };
    keys.map(of).collect()
}

/// A line for a file of master keys.
fn line(id: u32) -> String {
    let key = lacre::internals::token::base64url::encode([u8::try_from(id).unwrap(); 32]);
    format!("{id}:{key}\n")
}

#[test]
fn both_keys_are_replaced_beside_a_server_and_without_and_nobody_is_logged_out() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let mut tokens = vec![log_in(&server, "ada@example.com")];
    let ended = log_in(&server, "ada@example.com");
    server.revoke(&tokens[0].auth, &ended.crt).expect(204);
    let path = setup.data().join("master.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    for (number, alone) in [(2, false), (3, true), (4, false)] {
        if alone {
            server.stop();
        }
        let rotated = lacre(&setup, "keys rotate --json").ok();
        assert!(!rotated.stderr.contains('\r'), "no progress in a pipe");
        // The log is the server's; without one it is the command's.
        let logged = rotated.stderr.matches("event=operator_acted").count();
        assert_eq!(logged, if alone { 3 } else { 0 }, "{}", rotated.stderr);
        let rotated = rotated.json();
        let master = &rotated["master"];
        assert_eq!(
            (
                &master["id"],
                &master["made"],
                &master["removed"],
                &master["unneeded"]
            ),
            (
                &json!(number),
                &json!(true),
                &json!([number - 1]),
                &json!([])
            )
        );
        // The sessions, and the note of the one that has ended.
        assert_eq!(master["rewrapped"], tokens.len() + 1);
        let signing = &rotated["signing"];
        assert_eq!(signing["accepted"].as_array().unwrap().len(), number - 1);
        assert!(signing["accepted_until"].as_str() > signing["forwards_at"].as_str());
        if alone {
            server.restart();
        }
        assert_eq!(masters(&setup), [(number as u64, tokens.len() as u64)]);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with(&format!("{number}:")), "{text}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o400, "it keeps its mode");
        tokens.push(log_in(&server, "ada@example.com"));
        for token in &tokens {
            server.accepts(&token.auth);
        }
        server.refuses(&ended.auth);
        let explained = lacre(&setup, &format!("token explain {}", ended.crt)).stdout;
        assert!(explained.contains("revoked_by_user"), "{explained}");
    }
    let table = lacre(&setup, "keys status").ok().stdout;
    for part in [
        "seals; 4 records, 1 notes",
        "accepted until ",
        "signs forwarded JWTs",
    ] {
        assert!(table.contains(part), "{table}");
    }
    let refreshed = server.refresh(&tokens[0]).expect(200);
    assert_eq!(refreshed.status, 200);
    let written = server.written();
    for action in [
        "master_key_rotated",
        "master_key_removed",
        "signing_key_rotated",
    ] {
        assert!(written.contains(action), "{action}");
    }
}

#[test]
fn earlier_signing_keys_can_be_dropped_at_once() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let before = log_in(&server, "ada@example.com");
    server.accepts(&before.auth);
    let said = lacre(&setup, "keys rotate --signing --drop-earlier")
        .ok()
        .stdout;
    assert!(
        said.contains(" is new and signs\nproof: lacre keys status\n"),
        "{said}"
    );
    server.refuses(&before.auth);
    server.refresh(&before).refused(401, "invalid_token");
    server.accepts(&log_in(&server, "ada@example.com").auth);
    assert_eq!(masters(&setup), [(1, 2)]);
    assert_eq!(status(&setup)["signing"].as_array().unwrap().len(), 1);
    assert!(server.written().contains("signing_keys_dropped"));
}

#[test]
fn what_would_be_half_of_what_was_asked_for_is_refused_as_a_whole() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    for _ in 1..16 {
        lacre(&setup, "keys rotate --signing").ok();
    }
    let before = (
        status(&setup),
        std::fs::read(setup.data().join("master.key")).unwrap(),
    );
    for (words, status, code) in [
        ("", 1, "signing_keys_too_many"),
        ("--signing", 1, "signing_keys_too_many"),
        // Whoever drops keys that are thought to be stolen must not believe that it was done.
        ("--master --drop-earlier", 2, "flags_contradict"),
        ("--signing --keep-earlier", 2, "flags_contradict"),
    ] {
        lacre(&setup, &format!("keys rotate {words}")).failed(status, code);
    }
    assert_eq!(status(&setup), before.0);
    assert_eq!(
        std::fs::read(setup.data().join("master.key")).unwrap(),
        before.1
    );
    lacre(&setup, "keys rotate --drop-earlier").ok();
    assert_eq!(masters(&setup), [(2, 0)]);
    assert_eq!(status(&setup)["signing"].as_array().unwrap().len(), 1);
}

#[test]
fn an_earlier_master_key_is_kept_where_that_is_asked_for() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    log_in(&server, "ada@example.com");
    let said = lacre(&setup, "keys rotate --master --keep-earlier")
        .ok()
        .stdout;
    assert!(
        said.contains("nothing needs master key 1 any more; it is still in "),
        "{said}"
    );
    assert_eq!(masters(&setup), [(2, 1), (1, 0)]);
    // Nothing is left to go on with, so the next one makes a key, and takes both away.
    let rotated = lacre(&setup, "keys rotate --master --json").ok().json();
    assert_eq!(rotated["master"]["removed"], json!([2, 1]));
    assert_eq!(masters(&setup), [(3, 1)]);
}

#[test]
fn keys_that_lie_where_lacre_cannot_write_are_added_by_an_operator() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mounted = elsewhere.path().join("mounted");
    let real = elsewhere.path().join("real");
    let put = |lines: &[String]| {
        fs::write(&real, lines.concat()).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(&[line(1)]);
    symlink(&real, &mounted).unwrap();
    let setup = Setup::new().env("LACRE_MASTER_KEY_FILE", mounted.to_str().unwrap());
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    let refused = lacre(&setup, "keys rotate").failed(1, "master_key_read_only");
    assert!(
        refused
            .stderr
            .contains(r#"echo "2:$(head -c 32 /dev/urandom"#),
        "{refused:?}"
    );
    assert_eq!(
        status(&setup)["signing"].as_array().unwrap().len(),
        1,
        "nothing was done"
    );
    put(&[line(1), line(2)]);
    let rotated = lacre(&setup, "keys rotate --master --json").ok().json();
    assert_eq!(
        (
            &rotated["master"]["id"],
            &rotated["master"]["made"],
            &rotated["master"]["unneeded"]
        ),
        (&json!(2), &json!(false), &json!([1]))
    );
    assert_eq!(masters(&setup), [(2, 1), (1, 0)]);
    // What is in use must stay.
    put(&[line(3)]);
    lacre(&setup, "keys rotate --master").failed(1, "master_key_mismatch");
    put(&[line(2)]);
    server.stop();
    server.restart();
    server.accepts(&token.auth);
    assert_eq!(masters(&setup), [(2, 1)]);
    // A start goes on by itself.
    put(&[line(2), line(5)]);
    server.stop();
    server.restart();
    until("all is sealed anew", || {
        (masters(&setup) == [(5, 1), (2, 0)]).then_some(())
    });
    server.accepts(&token.auth);
    assert_eq!(
        fs::read_to_string(&real).unwrap().lines().count(),
        2,
        "it isn't ours to write"
    );
}

#[test]
fn the_master_keys_come_from_the_environment_or_a_credential() {
    let setup = Setup::new().env("LACRE_MASTER_KEY", line(1).trim_end());
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    assert!(!setup.data().join("master.key").exists());
    assert_eq!(status(&setup)["master_keys_lie"], "LACRE_MASTER_KEY");
    let shown = lacre(&setup, "config show").ok().stdout;
    assert!(!shown.contains(line(1).trim_end()), "{shown}");
    lacre(&setup, "keys rotate --master").failed(1, "master_key_read_only");
    server.stop();
    let both = format!("{},{}", line(1).trim_end(), line(2).trim_end());
    let setup = setup.env("LACRE_MASTER_KEY", &both);
    let mut server = setup.start();
    until("all is sealed anew", || {
        (masters(&setup) == [(2, 1), (1, 0)]).then_some(())
    });
    server.accepts(&token.auth);
    server.stop();

    // From there to a credential of systemd.
    let credentials = tempfile::tempdir().unwrap();
    let file = credentials.path().join("master.key");
    fs::write(&file, line(2)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let refused = setup.env("LACRE_MASTER_KEY_FILE", file.to_str().unwrap());
    lacre(&refused, "config check").failed(78, "config_set_twice");
    let setup = Setup::new().data_dir(refused.data()).env(
        "CREDENTIALS_DIRECTORY",
        credentials.path().to_str().unwrap(),
    );
    let server = setup.start();
    server.accepts(&token.auth);
    assert_eq!(masters(&setup), [(2, 1)]);
    assert_eq!(status(&setup)["master_keys_lie"], file.to_str().unwrap());
}
