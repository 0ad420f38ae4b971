//! Several real nodes on one real `PostgreSQL`, alone or with Redis: what has ended is refused by all of them from the answer
//! on, whatever fails.

/// Runs each test on the engines that it is named under: `PostgreSQL`, one server of Redis, or a cluster of six.
macro_rules! on_every_engine {
    ($($engine:ident: $($test:ident),+;)+) => {
        $(mod $engine {
            $(#[test]
            fn $test() {
                if let Some(deployment) = crate::nodes::Deployment::$engine() {
                    super::$test(&deployment);
                }
            })+
        })+
    };
}

mod backup;
mod cluster;
mod commands;
mod cut;
mod ends;
mod failover;
mod faults;
mod keys;
mod limits;
mod moving;
mod receipts;
mod redis;
mod refused;
mod restore;
mod rolling;
mod started;
mod tls;

use crate::support::database::Database;
use crate::support::redis::{self as real, Cluster};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const EMAIL: &str = "ann@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Where the sessions are.
pub(crate) enum Store {
    /// In the database.
    Database,
    /// On one server of Redis.
    One(real::Server),
    /// On a cluster of three primaries with their replicas.
    Six(Cluster),
}

/// What is out of order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outage {
    /// The database stands still.
    DatabaseHalted,
    /// The database is stopped.
    DatabaseDown,
    /// The servers of Redis stand still, all of them.
    RedisHalted,
    /// The servers of Redis are killed, all of them.
    RedisDown,
}

/// A deployment of which nodes can be had.
pub(crate) struct Deployment {
    pub(crate) database: Database,
    pub(crate) store: Store,
    keys: Arc<TempDir>,
}

impl Deployment {
    /// One on a database of its own; `None` where there can be none here.
    pub(crate) fn new() -> Option<Self> {
        Self::with(|| Store::Database)
    }

    pub(crate) fn postgres() -> Option<Self> {
        Self::new()
    }

    pub(crate) fn redis() -> Option<Self> {
        real::is_available().then(|| Self::with(|| Store::One(real::Server::start(&[]))))?
    }

    pub(crate) fn cluster() -> Option<Self> {
        real::is_available().then(|| Self::with(|| Store::Six(Cluster::start(true))))?
    }

    /// One on a cluster with servers at these places.
    pub(crate) fn cluster_at(places: &[real::Place]) -> Option<Self> {
        real::is_available().then(|| Self::with(|| Store::Six(Cluster::start_at(places, true))))?
    }

    fn with(store: impl FnOnce() -> Store) -> Option<Self> {
        Some(Self {
            database: Database::start()?,
            store: store(),
            keys: Arc::new(TempDir::new().unwrap()),
        })
    }

    /// Another one, on other stores of the same kind, of nodes with the same master key.
    pub(crate) fn elsewhere(&self) -> Self {
        let store = match &self.store {
            Store::Database => Store::Database,
            Store::One(_) => Store::One(real::Server::start(&[])),
            Store::Six(_) => Store::Six(Cluster::start(true)),
        };
        Self {
            database: Database::start().unwrap(),
            store,
            keys: Arc::clone(&self.keys),
        }
    }

    /// Where the nodes have their master key.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.keys.path().join("master.key")
    }

    /// How a node is started, with a directory of its own.
    pub(crate) fn node(&self) -> Setup {
        let node = Setup::new()
            .env("LACRE_ACCOUNTS__URL", &self.database.url())
            .env("LACRE_MASTER_KEY_FILE", self.master_key().to_str().unwrap());
        let on = |url: String| {
            let node = node.clone().env("LACRE_KEYSTORE__ENGINE", "redis");
            node.env("LACRE_KEYSTORE__URL", &url)
        };
        match &self.store {
            Store::Database => node.env("LACRE_KEYSTORE__ENGINE", "postgres"),
            Store::One(server) => on(server.url()),
            Store::Six(cluster) => on(cluster.url()),
        }
    }

    /// So many nodes at work.
    pub(crate) fn start<const N: usize>(&self) -> [Server; N] {
        // The first makes the master key.
        let first = self.node().start();
        let mut first = Some(first);
        std::array::from_fn(|_| first.take().unwrap_or_else(|| self.node().start()))
    }

    /// What of it may be out of order. Of nodes on a cluster, only that: their database is no other than on one server.
    pub(crate) fn outages(&self) -> Vec<Outage> {
        let of_the_database = [Outage::DatabaseHalted, Outage::DatabaseDown];
        let of_redis = [Outage::RedisHalted, Outage::RedisDown];
        match &self.store {
            Store::Database => of_the_database.to_vec(),
            Store::One(_) => [of_the_database, of_redis].concat(),
            Store::Six(_) => of_redis.to_vec(),
        }
    }

    fn servers(&self) -> &[real::Server] {
        match &self.store {
            Store::Database => &[],
            Store::One(server) => std::slice::from_ref(server),
            Store::Six(cluster) => &cluster.servers,
        }
    }

    pub(crate) fn out(&self, outage: Outage) {
        match outage {
            Outage::DatabaseHalted => self.database.halt(),
            Outage::DatabaseDown => self.database.down(),
            Outage::RedisHalted => self.servers().iter().for_each(real::Server::pause),
            Outage::RedisDown => self.servers().iter().for_each(real::Server::kill),
        }
    }

    /// Ends it. A cluster is back when its servers have found each other again.
    pub(crate) fn back(&self, outage: Outage) {
        match outage {
            Outage::DatabaseHalted => self.database.go_on(),
            Outage::DatabaseDown => self.database.up(),
            Outage::RedisHalted => self.servers().iter().for_each(real::Server::go_on),
            Outage::RedisDown => assert!(self.servers().iter().all(real::Server::begin)),
        }
        if let Store::Six(cluster) = &self.store {
            // Who has stood still finds only after a moment that others don't answer.
            let mut in_a_row = 0;
            until("the cluster is repaired", || {
                in_a_row = if redis::is_repaired(cluster) {
                    in_a_row + 1
                } else {
                    0
                };
                (in_a_row == 10).then_some(())
            });
        }
    }
}
