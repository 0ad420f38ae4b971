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

/// How long a caller waits for one answer of the database, a connection included.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);

/// The store, but for the threads that work for it.
pub(super) struct Inner {
    pub(super) pool: PgPool,
    pub(super) lease: Lease,
    pub(super) stamps: Stamps,
    pub(super) node: i64,
    pub(super) watcher: OnceLock<RemovalWatcher>,
    /// Set for good when the outcome of a change of this process is unknown: from then on the poll brings this
    /// process's own ends as well.
    pub(super) hears_itself: AtomicBool,
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
        if let Some(watcher) = self.watcher.get() {
            watcher(key);
        }
    }
}
