//! Several real nodes on one real `PostgreSQL`: what has ended is refused by all of them from the answer on, whatever
//! fails.

mod backup;
mod commands;
mod ends;
mod failover;
mod faults;
mod keys;
mod limits;
mod moving;
mod receipts;
mod refused;
mod restore;
mod rolling;
mod started;
mod tls;

use crate::support::database::Database;
use crate::support::server::{Server, Setup};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const EMAIL: &str = "ann@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A deployment of which nodes can be had.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) database: Database,
    keys: Arc<TempDir>,
}

impl Deployment {
    /// One on a database of its own; `None` where there can be none here.
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            database: Database::start()?,
            keys: Arc::new(TempDir::new().unwrap()),
        })
    }

    /// Another one, on another database, of nodes with the same master key.
    pub(crate) fn elsewhere(&self) -> Self {
        Self {
            database: Database::start().unwrap(),
            keys: Arc::clone(&self.keys),
        }
    }

    /// Where the nodes have their master key.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.keys.path().join("master.key")
    }

    /// How a node is started, with a directory of its own.
    pub(crate) fn node(&self) -> Setup {
        Setup::new()
            .env("LACRE_KEYSTORE__ENGINE", "postgres")
            .env("LACRE_ACCOUNTS__URL", &self.database.url())
            .env("LACRE_MASTER_KEY_FILE", self.master_key().to_str().unwrap())
    }

    /// So many nodes at work.
    pub(crate) fn start<const N: usize>(&self) -> [Server; N] {
        // The first makes the master key.
        let first = self.node().start();
        let mut first = Some(first);
        std::array::from_fn(|_| first.take().unwrap_or_else(|| self.node().start()))
    }
}
