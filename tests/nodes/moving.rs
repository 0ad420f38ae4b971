//! All sessions moved from a directory into a database and back, under load, with kills of every process: nobody is
//! logged out, and nothing that has ended comes back.

mod failing;
mod redis;
mod rotating;
mod scene;

use super::{EMAIL, PASSWORD};
use crate::support::database::Database;
use crate::support::filled::fill;
use crate::support::server::Server;
use crate::support::wait::until;
use scene::{
    Known, embedded, embedded_at, is_left, keys, killed_after, migrate, migrated, move_under_load,
    node_at, refused, sled,
};
use serde_json::Value;
use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn sessions_go_into_a_database_and_back_under_load_and_nobody_is_logged_out() {
    let Some(database) = Database::start() else {
        return;
    };
    let setup = embedded();
    let mut first = setup.start();
    let user = first.sign_up(EMAIL, PASSWORD).id;
    let client = first.add_client("shop");
    first.stop();
    fill(&setup, 3_000);
    first.restart();
    let long = first.get_token(EMAIL, PASSWORD);
    let keys_before = keys(&setup);
    let known = move_under_load(&first, (&client, &user), &database.url(), 1);
    is_left(&first, &long);
    first.stop();
    setup.start_refused().with(78, "store_moved");
    assert_eq!(migrated(&setup, &database.url())["sessions"], Value::Null);

    let mut node = node_at(setup.data(), &database).start();
    node.accepts(&long.auth);
    known.check(&node);
    let log_in = node.get_token(EMAIL, PASSWORD);
    assert_eq!(keys(node.setup())["signing"], keys_before["signing"]);
    let shown = node.operator(&["keystore", "stats", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["records"].as_u64().unwrap() > 3_000);

    let second = node_at(&setup.home().join("second"), &database)
        .env(
            "LACRE_MASTER_KEY_FILE",
            setup.data().join("master.key").to_str().unwrap(),
        )
        .start();
    let back = setup.home().join("back");
    let mut again = move_under_load(&node, (&client, &user), &sled(&back), 2);
    for node in [&node, &second] {
        is_left(node, &long);
    }
    node.stop();
    drop(second);
    node_at(setup.data(), &database)
        .start_refused()
        .with(78, "store_moved");
    assert_eq!(
        migrated(&node_at(setup.data(), &database), &sled(&back))["sessions"],
        Value::Null
    );
    let last = embedded_at(&back, &database).start();
    last.accepts(&long.auth);
    last.accepts(&log_in.auth);
    again.check(&last);
    again.ended.extend(known.ended);
    for token in &again.ended {
        last.refuses(token);
    }
    last.refresh(&long).expect(200);
    last.refuses(&long.auth);
    last.operator(&["keystore", "verify"]);
    last.operator(&["receipts", "verify"]);
    assert_eq!(keys(last.setup())["signing"], keys_before["signing"]);
}

#[test]
fn a_move_that_is_killed_anywhere_is_gone_on_with() {
    let Some(database) = Database::start() else {
        return;
    };
    let setup = embedded();
    let mut server = setup.start();
    let user = server.sign_up(EMAIL, PASSWORD).id;
    let client = server.add_client("shop");
    server.stop();
    fill(&setup, 2_000);
    server.restart();
    let mut known = Known::default();
    let mut number = 0;
    let mut some = |server: &Server, known: &mut Known| {
        for _ in 0..6 {
            number += 1;
            known.go_on(server, (&client, &user), &format!("{number}"));
        }
        assert!(known.failed.is_empty(), "{:?}", known.failed);
    };
    for millis in [5, 40, 90, 160, 250] {
        some(&server, &mut known);
        if !killed_after(&setup, &database.url(), Duration::from_millis(millis)) {
            break;
        }
        // It is given up, or was done.
        until("changes are taken, or the sessions have left", || {
            let answer = server.client_token(&client, &user, "probe");
            (answer.status == 200 || setup.data().join("moved").exists()).then_some(())
        });
        if setup.data().join("moved").exists() {
            break;
        }
        some(&server, &mut known);
        let begun = "SELECT to_regclass('keystore_moves') IS NOT NULL";
        if database.sql(begun) != "t" {
            continue;
        }
        node_at(&setup.home().join("early"), &database)
            .env(
                "LACRE_MASTER_KEY_FILE",
                setup.data().join("master.key").to_str().unwrap(),
            )
            .start_refused();
    }
    // The server itself, too.
    if !setup.data().join("moved").exists() {
        let mut moving = setup
            .lacre(["keystore", "migrate", "--to", &database.url()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(120));
        server.kill9();
        moving.wait().unwrap();
        if !setup.data().join("moved").exists() {
            server.restart();
            known.check(&server);
            some(&server, &mut known);
        }
    }
    migrated(&setup, &database.url());
    drop(server);
    let mut node = node_at(setup.data(), &database).start();
    known.check(&node);

    // And the way back, while the node serves.
    let back = setup.home().join("back");
    for millis in [30, 80, 130, 200, 300] {
        some(&node, &mut known);
        if !killed_after(node.setup(), &sled(&back), Duration::from_millis(millis)) {
            break;
        }
        let output = node_at(setup.data(), &database)
            .lacre([
                "keystore",
                "migrate",
                "--to",
                &sled(&back),
                "--dry-run",
                "--json",
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        if said["sessions"].is_null() {
            break;
        }
        if back.join("moving-here").exists() {
            embedded_at(&back, &database).start_refused();
        }
    }
    migrated(node.setup(), &sled(&back));
    node.kill9();
    let last = embedded_at(&back, &database).start();
    known.check(&last);
    last.operator(&["keystore", "verify"]);
}

/// The state that a kill leaves between the two sides is made by hand: it lasts for less than a millisecond.
#[test]
fn between_the_sides_neither_starts_until_the_move_is_ended() {
    let Some(database) = Database::start() else {
        return;
    };
    let setup = embedded();
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    let dry = migrate(&setup, &database.url(), &["--dry-run", "--json"]);
    let said: Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!(
        (&said["sessions"], &said["dry_run"]),
        (&1.into(), &true.into())
    );
    assert_eq!(
        database.sql("SELECT to_regclass('keystore_sessions') IS NULL"),
        "t"
    );
    let done = migrated(&setup, &database.url());
    assert_eq!(
        (&done["sessions"], &done["accounts"]),
        (&1.into(), &1.into())
    );
    assert!(!done["to"].as_str().unwrap().contains("lacre@"));
    database.sql(
        "BEGIN; UPDATE keystore_moves SET way = 'coming', sealed = (SELECT sealed FROM keystore_common); \
         DELETE FROM keystore_common; COMMIT",
    );
    let node = node_at(setup.data(), &database);
    let early = node_at(&setup.home().join("early"), &database).env(
        "LACRE_MASTER_KEY_FILE",
        setup.data().join("master.key").to_str().unwrap(),
    );
    early.start_refused().with(78, "migration_unfinished");
    is_left(&server, &token);
    // By the server that has left, and without one.
    assert_eq!(migrated(&setup, &database.url())["sessions"], Value::Null);
    server.stop();
    database.sql(
        "BEGIN; UPDATE keystore_moves SET way = 'coming', sealed = (SELECT sealed FROM keystore_common); \
         DELETE FROM keystore_common; COMMIT",
    );
    refused(
        &setup,
        "postgres://lacre@127.0.0.1:1/other",
        1,
        "migration_elsewhere",
    );
    node.start_refused().with(78, "migration_unfinished");
    assert_eq!(migrated(&setup, &database.url())["sessions"], Value::Null);
    let mut node = node.start();
    node.accepts(&token.auth);

    let back = setup.home().join("back");
    migrated(node.setup(), &sled(&back));
    node.stop();
    std::fs::rename(back.join("moved-here"), back.join("moving-here")).unwrap();
    let last = embedded_at(&back, &database);
    last.start_refused().with(78, "migration_unfinished");
    let other = sled(&setup.home().join("other"));
    refused(
        &node_at(setup.data(), &database),
        &other,
        1,
        "migration_elsewhere",
    );
    migrated(&node_at(setup.data(), &database), &sled(&back));
    last.start().accepts(&token.auth);
}

#[test]
fn what_cannot_be_moved_to_is_refused_and_changes_nothing() {
    let Some(database) = Database::start() else {
        return;
    };
    let setup = embedded();
    let server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    refused(&setup, "mysql://db/lacre", 2, "migration_target_invalid");
    refused(
        &setup,
        &sled(&setup.home().join("b")),
        1,
        "migration_same_engine",
    );
    refused(
        &setup,
        "postgres://lacre@127.0.0.1:1/none",
        69,
        "store_unavailable",
    );
    // Another deployment is there.
    let other = embedded();
    let mut there = other.start();
    there.sign_up("other@example.com", PASSWORD);
    migrated(&other, &database.url());
    refused(&setup, &database.url(), 1, "migration_target_used");
    there.stop();
    let node = node_at(other.data(), &database).start();
    refused(node.setup(), &database.url(), 1, "migration_same_engine");
    refused(
        node.setup(),
        &sled(setup.data()),
        1,
        "migration_target_used",
    );
    // A disk that has no room.
    refused(node.setup(), "sled:/proc/lacre", 1, "migration_no_room");
    // Accounts in a file, which nodes on Redis can't have.
    refused(
        &setup,
        "redis://127.0.0.1:1",
        1,
        "migration_accounts_in_file",
    );
    // Other master keys lie where its own would.
    let keyed = other.home().join("keyed");
    std::fs::create_dir(&keyed).unwrap();
    std::fs::copy(setup.data().join("master.key"), keyed.join("master.key")).unwrap();
    refused(
        node.setup(),
        &sled(&keyed),
        78,
        "migration_master_key_other",
    );
    assert!(!keyed.join("keyring").exists());
    server.accepts(&token.auth);
    server.is_well();
    let mut output = String::new();
    let mut shown = setup.lacre(["keystore", "migrate", "--help"]);
    let mut shown = shown.stdout(Stdio::piped()).spawn().unwrap();
    shown
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    shown.wait().unwrap();
    assert!(output.contains("Nobody is logged out"), "{output}");
}
