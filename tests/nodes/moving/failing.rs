//! Stores that fail while sessions are moved. The command goes on when they are back, nobody is logged out, and nothing that has
//! ended comes back.

use super::redis::Stores;
use super::scene::{HELD, embedded, embedded_at, is_left, move_hearing, node_at, sled};
use super::{EMAIL, PASSWORD};
use crate::nodes::Store;
use crate::nodes::ends::rounds;
use crate::nodes::redis::{is_repaired, with_sessions};
use crate::support::database::Database;
use crate::support::filled::fill;
use crate::support::redis::Cluster;
use crate::support::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

/// What the command says when a store has failed.
const INTERRUPTED: &str = "interrupted, and going on";

/// Stops the process that moves the sessions until `fault` has come: otherwise it might be done before.
fn in_the_middle(mover: u32, fault: impl FnOnce()) {
    let mover = i32::try_from(mover).ok().and_then(Pid::from_raw).unwrap();
    kill_process(mover, Signal::STOP).unwrap();
    fault();
    kill_process(mover, Signal::CONT).unwrap();
}

/// Where a database goes away in a move, the first one last: a restart of one takes some seconds.
fn failures() -> Vec<&'static str> {
    [HELD, "walk 1"][..rounds(1, 2)].to_vec()
}

/// The database goes away as the target and as the source, also while changes are refused, and once it stands still.
#[test]
fn a_move_goes_on_behind_a_database_that_goes_away_and_comes_back() {
    let Some(database) = Database::start() else {
        return;
    };
    let setup = embedded();
    let mut server = setup.start();
    let user = server.sign_up(EMAIL, PASSWORD).id;
    let client = server.add_client("shop");
    server.stop();
    fill(&setup, 1_000);
    server.restart();
    let long = server.get_token(EMAIL, PASSWORD);
    let away = |mover| {
        in_the_middle(mover, || database.down());
        std::thread::sleep(Duration::from_millis(800));
        database.up();
    };
    let (mut failures, process) = (failures(), server.pid());
    let moved = move_hearing(
        &server,
        (&client, &user),
        (&database.url(), 1),
        |line, _| {
            // Another wait than that for a closed connection.
            if failures.is_empty() && line.contains(HELD) {
                database.halt();
                std::thread::sleep(Duration::from_secs(1) * u32::try_from(rounds(1, 25)).unwrap());
                database.go_on();
            }
            if failures.pop_if(|at| line.contains(*at)).is_some() {
                away(process);
            }
        },
    );
    assert!(
        failures.is_empty() && moved.said.contains(INTERRUPTED),
        "{}",
        moved.said
    );
    let known = moved.refused_nothing_before();
    is_left(&server, &long);
    server.stop();
    let mut node = node_at(setup.data(), &database).start();
    known.check(&node);
    node.accepts(&long.auth);
    node.accepts(&node.get_token(EMAIL, PASSWORD).auth);

    let back = setup.home().join("back");
    let mut failures = self::failures();
    let moved = move_hearing(
        &node,
        (&client, &user),
        (&sled(&back), 2),
        |line, process| {
            if failures.pop_if(|at| line.contains(*at)).is_some() {
                away(process);
            }
        },
    );
    assert!(
        failures.is_empty() && moved.said.contains(INTERRUPTED),
        "{}",
        moved.said
    );
    is_left(&node, &long);
    node.stop();
    let last = embedded_at(&back, &database).start();
    moved.known.check(&last);
    last.accepts(&long.auth);
    for token in &known.ended {
        last.refuses(token);
    }
    last.operator(&["keystore", "verify"]);
    last.operator(&["receipts", "verify"]);
}

/// A primary of the cluster is killed while sessions come to it, and another one while they leave it and changes are refused.
#[test]
fn a_move_goes_on_behind_a_primary_that_is_killed() {
    let Some(stores) = Stores::with(|| Store::Six(Cluster::start(true))) else {
        return;
    };
    let Store::Six(cluster) = &stores.redis else {
        return;
    };
    let first = crate::support::server::Setup::new();
    let data = first.data();
    let setup = embedded_at(data, &stores.database);
    let mut server = setup.start();
    let user = server.sign_up(EMAIL, PASSWORD).id;
    let client = server.add_client("shop");
    server.stop();
    fill(&setup, 1_000);
    server.restart();
    let long = server.get_token(EMAIL, PASSWORD);
    let mut ended = Vec::new();
    // The first time the server itself moves them, out of its directory.
    let mut process = Some(server.pid());
    for round in 0..rounds(1, 10) {
        let hops = [
            ("walk 1", stores.redis(), stores.on_redis(data)),
            (HELD, stores.database.url(), stores.on_database(data)),
        ];
        for (at, to, next) in hops {
            let mut killed = None;
            let hear = |line: &str, command: u32| {
                if killed.is_none() && line.contains(at) {
                    in_the_middle(process.unwrap_or(command), || {
                        let primary = with_sessions(cluster);
                        cluster.servers[primary].kill();
                        killed = Some(primary);
                    });
                }
            };
            let moved = move_hearing(&server, (&client, &user), (&to, round), hear);
            assert!(moved.said.contains(INTERRUPTED), "{}", moved.said);
            is_left(&server, &long);
            server.stop();
            assert!(cluster.servers[killed.unwrap()].begin());
            until("the cluster is whole", || {
                is_repaired(cluster).then_some(())
            });
            server = next.start();
            server.accepts(&long.auth);
            moved.known.check(&server);
            ended.extend(moved.known.ended);
            for token in &ended {
                server.refuses(token);
            }
            process = None;
        }
    }
    server.operator(&["keystore", "verify"]);
}
