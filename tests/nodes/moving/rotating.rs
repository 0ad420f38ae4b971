//! Keys that are rotated while all sessions are moved: each that was answered is where the sessions are then.

use super::scene::{embedded, keys, node_at};
use super::{EMAIL, PASSWORD};
use crate::support::database::Database;
use crate::support::filled::fill;
use crate::support::redis::{Server as Redis, is_available};
use crate::support::server::Server;
use crate::support::wait::until;
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

/// The id of the key that was made, where that was answered.
fn rotated(server: &Server, which: &str) -> Option<Value> {
    let rotate = ["keys", "rotate", &format!("--{which}"), "--json"];
    let output = server.setup().lacre(rotate).output().unwrap();
    if !output.status.success() {
        return None;
    }
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some(said[which]["id"].clone())
}

/// Moves to `to` while a signing key takes the place of another, again and again; the last one.
fn moved_while_rotating(server: &Server, to: &str) -> Value {
    let before = until("a key is rotated", || rotated(server, "signing"));
    let mut command = server.setup().lacre(["keystore", "migrate", "--to", to]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut moving = command.spawn().unwrap();
    let (mut last, mut count) = (before, 1);
    while moving.try_wait().unwrap().is_none() {
        // There may be sixteen.
        if count < 7
            && let Some(next) = rotated(server, "signing")
        {
            (last, count) = (next, count + 1);
        }
        std::thread::sleep(Duration::from_millis(60));
    }
    let output = moving.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    last
}

#[test]
fn a_key_that_is_rotated_during_a_move_is_where_the_sessions_are_then() {
    let Some(database) = Database::start() else {
        return;
    };
    let setup = embedded();
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    server.stop();
    fill(&setup, 2_000);
    server.restart();
    let token = server.get_token(EMAIL, PASSWORD);
    let (last, master) = std::thread::scope(|scope| {
        let rotating = scope.spawn(|| rotated(&server, "master"));
        let last = moved_while_rotating(&server, &database.url());
        (last, rotating.join().unwrap())
    });
    assert_eq!(rotated(&server, "signing"), None, "nobody would look at it");
    drop(server);
    let mut server = node_at(setup.data(), &database).start();
    server.accepts(&token.auth);
    let now = keys(server.setup());
    assert_eq!(now["signing"][0]["id"], last, "{now}");
    let shown: Value =
        serde_json::from_str(&server.operator(&["keystore", "verify", "--json"])).unwrap();
    assert_eq!(shown["damaged"], serde_json::json!([]), "{shown}");
    if let Some(master) = master {
        assert_eq!(keys(server.setup())["master"][0]["id"], master);
    }
    if !is_available() {
        return;
    }
    let redis = Redis::start(&[]);
    let last = moved_while_rotating(&server, &redis.url());
    // The keyring stays in the database, where the nodes on Redis have theirs.
    let last = rotated(&server, "signing").unwrap_or(last);
    server.stop();
    let node = node_at(setup.data(), &database)
        .env("LACRE_KEYSTORE__ENGINE", "redis")
        .env("LACRE_KEYSTORE__URL", &redis.url())
        .start();
    node.accepts(&token.auth);
    assert_eq!(keys(node.setup())["signing"][0]["id"], last);
}
