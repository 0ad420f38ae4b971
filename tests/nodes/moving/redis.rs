//! The same to Redis and away from it, where everything but the sessions is in a database: all of it goes to that database or
//! leaves it, or it stays there while the sessions alone are moved.

use super::scene::{
    Known, embedded, embedded_at, is_left, keys, killed_after, migrate, migrated, move_under_load,
    node_at, refused, sled,
};
use super::{EMAIL, PASSWORD};
use crate::nodes::Store;
use crate::nodes::ends::rounds;
use crate::support::database::Database;
use crate::support::filled::fill;
use crate::support::redis::{Cluster, Server as Redis, is_available};
use crate::support::server::Setup;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// A database and servers of Redis.
pub(super) struct Stores {
    pub(super) database: Database,
    pub(super) redis: Store,
}

impl Stores {
    pub(super) fn with(redis: impl FnOnce() -> Store) -> Option<Self> {
        let database = is_available().then(Database::start)??;
        let redis = redis();
        Some(Self { database, redis })
    }

    pub(super) fn one() -> Option<Self> {
        Self::with(|| Store::One(Redis::start(&[])))
    }

    pub(super) fn redis(&self) -> String {
        match &self.redis {
            Store::One(server) => server.url(),
            Store::Six(cluster) => cluster.url(),
            Store::Database => panic!("it has no servers of Redis"),
        }
    }

    fn server(&self) -> &Redis {
        match &self.redis {
            Store::One(server) => server,
            _ => panic!("it has no server of its own"),
        }
    }

    /// How a node with its sessions on Redis is started.
    pub(super) fn on_redis(&self, data: &Path) -> Setup {
        embedded_at(data, &self.database)
            .env("LACRE_KEYSTORE__ENGINE", "redis")
            .env("LACRE_KEYSTORE__URL", &self.redis())
    }

    pub(super) fn on_database(&self, data: &Path) -> Setup {
        node_at(data, &self.database)
    }

    /// What an earlier move of the sessions to Redis was called.
    fn name(&self) -> String {
        let name = self.server().says(&["HGET", "{lacre-00}:m", "deployment"]);
        name.trim().to_owned()
    }

    /// Has all parts of the store on Redis say this of themselves.
    fn say(&self, set: &[&str], removed: &[&str]) {
        for bucket in 0..64 {
            let meta = format!("{{lacre-{bucket:02}}}:m");
            let set = [&["HSET", &meta], set].concat();
            let removed = [&["HDEL", &meta], removed].concat();
            for command in [set, removed] {
                let said = self.server().says(&command);
                assert!(!said.contains("ERR"), "{said}");
            }
        }
    }

    /// As they say it between the end of the store of before and the beginning of this one.
    fn not_ready(&self, deployment: &str) {
        self.say(&["coming", deployment, "leased", "50000"], &["lease"]);
    }
}

fn beside(setup: Setup, first: &Setup) -> Setup {
    setup.env(
        "LACRE_MASTER_KEY_FILE",
        first.data().join("master.key").to_str().unwrap(),
    )
}

/// From a directory through all engines to a directory: nobody is logged out, and what has ended anywhere stays so.
fn around(stores: &Stores, sessions: u64) {
    let first = Setup::new();
    let data = first.data();
    let setup = embedded_at(data, &stores.database);
    let mut server = setup.start();
    let user = server.sign_up(EMAIL, PASSWORD).id;
    let client = server.add_client("shop");
    server.stop();
    fill(&setup, sessions);
    server.restart();
    let long = server.get_token(EMAIL, PASSWORD);
    let keys_before = keys(&setup);
    let mut ended = Vec::new();
    let back = setup.home().join("back");
    let hops = [
        (stores.redis(), stores.on_redis(data)),
        (stores.database.url(), stores.on_database(data)),
        (stores.redis(), stores.on_redis(data)),
        (sled(&back), embedded_at(&back, &stores.database)),
    ];
    for (round, (to, next)) in hops.into_iter().enumerate() {
        let known = move_under_load(&server, (&client, &user), &to, round);
        is_left(&server, &long);
        let before = server.setup().clone();
        server.stop();
        assert_eq!(migrated(&before, &to)["sessions"], Value::Null, "{to}");
        let code = if round == 0 || round == 3 {
            "store_moved"
        } else {
            "keystore_engine_changed"
        };
        before.start_refused().with(78, code);
        server = next.start();
        server.accepts(&long.auth);
        known.check(&server);
        ended.extend(known.ended);
        for token in &ended {
            server.refuses(token);
        }
        assert_eq!(keys(server.setup())["signing"], keys_before["signing"]);
        let shown = server.operator(&["keystore", "stats", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert!(shown["records"].as_u64().unwrap() > sessions);
    }
    server.refresh(&long).expect(200);
    server.refuses(&long.auth);
    server.operator(&["keystore", "verify"]);
    server.operator(&["receipts", "verify"]);
}

/// Nodes on Redis can't have accounts in a file: the way leads through the database.
#[test]
fn accounts_in_a_file_come_to_redis_by_two_moves() {
    let Some(stores) = Stores::one() else {
        return;
    };
    let setup = embedded();
    let mut server = setup.start();
    let user = server.sign_up(EMAIL, PASSWORD).id;
    let client = server.add_client("shop");
    let long = server.get_token(EMAIL, PASSWORD);
    refused(&setup, &stores.redis(), 1, "migration_accounts_in_file");
    let hops = [
        (stores.database.url(), stores.on_database(setup.data())),
        (stores.redis(), stores.on_redis(setup.data())),
    ];
    let mut ended = Vec::new();
    for (round, (to, next)) in hops.into_iter().enumerate() {
        let known = move_under_load(&server, (&client, &user), &to, round);
        is_left(&server, &long);
        server.stop();
        server = next.start();
        server.accepts(&long.auth);
        known.check(&server);
        ended.extend(known.ended);
        for token in &ended {
            server.refuses(token);
        }
        // By an account that has come along.
        server.get_token(EMAIL, PASSWORD);
    }
    server.refresh(&long).expect(200);
}

/// Many are for how long changes are refused then, which is printed.
#[allow(clippy::disallowed_methods)] // the test's own switch
fn sessions() -> u64 {
    match std::env::var_os("LACRE_TEST_FULL") {
        Some(_) => 100_000,
        None => 500,
    }
}

#[test]
fn sessions_go_around_all_engines_under_load_and_nobody_is_logged_out() {
    let Some(stores) = Stores::one() else {
        return;
    };
    around(&stores, sessions());
}

#[test]
fn sessions_go_to_a_cluster_and_back_under_load_and_nobody_is_logged_out() {
    let Some(stores) = Stores::with(|| Store::Six(Cluster::start(true))) else {
        return;
    };
    around(&stores, 300);
}

/// Commands are killed at all times, out of each engine; what goes on is known by what was answered.
#[test]
fn a_move_that_is_killed_anywhere_is_gone_on_with() {
    let Some(stores) = Stores::one() else {
        return;
    };
    let first = Setup::new();
    let data = first.data();
    let setup = embedded_at(data, &stores.database);
    let mut server = setup.start();
    let user = server.sign_up(EMAIL, PASSWORD).id;
    let client = server.add_client("shop");
    server.stop();
    fill(&setup, 1_000);
    server.restart();
    let (mut known, mut number) = (Known::default(), 0);
    let back = setup.home().join("back");
    let hops = [
        (stores.redis(), stores.on_redis(data)),
        (stores.database.url(), stores.on_database(data)),
        (stores.redis(), stores.on_redis(data)),
        (sled(&back), embedded_at(&back, &stores.database)),
    ];
    for (to, next) in hops {
        for n in 0..rounds(2, 5) {
            let millis = [150, 450, 60, 300, 600][n];
            if !killed_after(server.setup(), &to, Duration::from_millis(millis)) {
                break;
            }
            // Changes are taken again, or the sessions have left for good.
            let output = migrate(server.setup(), &to, &["--dry-run", "--json"]);
            assert!(output.status.success(), "{output:?}");
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            if said["sessions"].is_null() {
                break;
            }
            // Where it was killed while it left the parts of the store, the next command gives them free.
            let begun = Instant::now();
            let taken = || server.client_token(&client, &user, "probe").status == 200;
            while !taken() && begun.elapsed() < Duration::from_secs(8) {
                std::thread::sleep(Duration::from_millis(50));
            }
            if begun.elapsed() >= Duration::from_secs(8) {
                break;
            }
            for _ in 0..6 {
                number += 1;
                known.go_on(&server, (&client, &user), &format!("{number}"));
            }
            assert!(known.failed.is_empty(), "{:?}", known.failed);
        }
        migrated(server.setup(), &to);
        server.kill9();
        server = next.start();
        known.check(&server);
    }
    server.operator(&["keystore", "verify"]);
}

/// The states that kills leave between the two sides are made by hand: they last for some milliseconds.
#[test]
fn between_the_sides_neither_starts_until_the_move_is_ended() {
    let Some(stores) = Stores::one() else {
        return;
    };
    let first = Setup::new();
    let data = first.data();
    let setup = embedded_at(data, &stores.database);
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    let dry = migrate(&setup, &stores.redis(), &["--dry-run", "--json"]);
    let said: Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!(said["sessions"], 1);
    assert_eq!(stores.server().says(&["DBSIZE"]).trim(), "0");

    // Out of a directory.
    assert_eq!(migrated(&setup, &stores.redis())["sessions"], 1);
    server.stop();
    let deployment = stores.database.sql("SELECT about FROM keystore_moves");
    stores.not_ready(&deployment);
    stores.database.sql(
        "BEGIN; UPDATE keystore_moves SET way = 'coming', sealed = (SELECT sealed FROM keystore_common); \
         DELETE FROM keystore_common; COMMIT",
    );
    let redis = stores.on_redis(data);
    redis.start_refused().with(78, "migration_unfinished");
    setup.start_refused().with(78, "store_moved");
    refused(&setup, "redis://127.0.0.1:1", 1, "migration_elsewhere");
    assert_eq!(migrated(&setup, &stores.redis())["sessions"], Value::Null);
    let mut server = redis.start();
    server.accepts(&token.auth);

    // Out of Redis, into the database that everything else is in.
    let name = stores.name();
    migrated(&redis, &stores.database.url());
    is_left(&server, &token);
    server.stop();
    stores.database.sql(&format!(
        "UPDATE keystore_meta SET records = 'redis:{name}'"
    ));
    let database = stores.on_database(data);
    redis.start_refused().with(78, "store_moved");
    database.start_refused().with(78, "keystore_engine_changed");
    let other = sled(&setup.home().join("other"));
    refused(&redis, &other, 1, "migration_elsewhere");
    assert_eq!(
        migrated(&redis, &stores.database.url())["sessions"],
        Value::Null
    );
    let mut server = database.start();
    server.accepts(&token.auth);

    // And back.
    migrated(&database, &stores.redis());
    is_left(&server, &token);
    server.stop();
    stores.not_ready(&deployment);
    redis.start_refused().with(78, "migration_unfinished");
    database.start_refused().with(78, "keystore_engine_changed");
    assert_eq!(
        migrated(&database, &stores.redis())["sessions"],
        Value::Null
    );
    let mut server = redis.start();
    server.accepts(&token.auth);
    assert_eq!(
        stores
            .database
            .sql("SELECT count(*) FROM keystore_sessions"),
        "0"
    );

    // Into a directory: the servers were left, and the database wasn't.
    let back = setup.home().join("back");
    migrated(&redis, &sled(&back));
    server.stop();
    redis.start_refused().with(78, "store_moved");
    stores.database.sql(
        "BEGIN; DELETE FROM keystore_moves WHERE way = 'left'; DROP TRIGGER keystore_left ON keystore_sessions; \
         DROP TRIGGER keystore_left ON keystore_common; DROP TRIGGER keystore_left ON keystore_nodes; COMMIT",
    );
    std::fs::rename(back.join("moved-here"), back.join("moving-here")).unwrap();
    redis.start_refused().with(78, "store_moved");
    let last = embedded_at(&back, &stores.database);
    last.start_refused().with(78, "migration_unfinished");
    refused(&redis, &other, 1, "migration_elsewhere");
    assert_eq!(migrated(&redis, &sled(&back))["sessions"], Value::Null);
    redis.start_refused().with(78, "store_moved");
    last.start().accepts(&token.auth);
}

/// From one database to another by way of Redis: the one of before is left.
#[test]
fn everything_but_the_accounts_comes_along_where_the_databases_are_others() {
    let (Some(stores), Some(other)) = (Stores::one(), Database::start()) else {
        return;
    };
    let first = Setup::new();
    let data = first.data();
    let setup = stores
        .on_database(data)
        .env("LACRE_KEYSTORE__URL", &other.url());
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    migrated(&setup, &stores.redis());
    is_left(&server, &token);
    server.stop();
    setup.start_refused().with(78, "store_moved");
    let redis = stores.on_redis(data);
    let server = redis.start();
    server.accepts(&token.auth);
    refused(&redis, &other.url(), 1, "migration_target_used");
    refused(&redis, &stores.redis(), 1, "migration_same_engine");
    let Some(third) = Database::start() else {
        return;
    };
    migrated(&redis, &third.url());
    is_left(&server, &token);
    let last = stores
        .on_database(&setup.home().join("last"))
        .env("LACRE_KEYSTORE__URL", &third.url());
    beside(last, &setup).start().accepts(&token.auth);
}
