//! What the files of this store have in common.
//!
//! This room must never ask the database.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::RwLock;

use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::shared::lease::Lease;
use crate::stamps::Stamps;
use crate::store::RemovalWatcher;

use super::told::Told;

/// How long a caller waits for one answer of the database, a connection included.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);

/// The store, but for the threads that work for it.
pub(super) struct Inner {
    pub(super) pool: PgPool,
    pub(super) lease: Lease,
    pub(super) stamps: Stamps,
    pub(super) node: i64,
    pub(super) watcher: OnceLock<RemovalWatcher>,
    pub(super) told: Told,
    pub(super) closed: AtomicBool,
    /// Held by each change, so that closing waits for those under way.
    pub(super) under_way: Arc<RwLock<()>>,
}

impl Inner {
    /// Refuses changes once the store is closed.
    pub(super) fn open(&self) -> Result<(), KeystoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable("the store is closed"));
        }
        Ok(())
    }

    /// A record has changed, here or elsewhere.
    pub(super) fn changed(&self, key: &RecordKey) {
        self.stamps.changed(&key.to_bytes());
    }

    /// A record has gone, here or elsewhere.
    pub(super) fn gone(&self, key: &RecordKey) {
        self.changed(key);
        self.tell(key);
    }

    /// A change of this process has been made. The stamps come before the transaction is claimed: the poll leaves it
    /// out from then on.
    pub(super) fn made(&self, transaction: Option<i64>, changed: &[RecordKey], gone: &[RecordKey]) {
        for key in changed {
            self.changed(key);
        }
        if transaction.is_some_and(|transaction| self.told.claim(transaction)) {
            for key in gone {
                self.tell(key);
            }
        }
    }

    fn tell(&self, key: &RecordKey) {
        if let Some(watcher) = self.watcher.get() {
            watcher(key);
        }
    }
}
