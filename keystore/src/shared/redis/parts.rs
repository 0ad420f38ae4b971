//! What the files of this store have in common.
//!
//! This room must never ask a server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::map::Map;
use super::told::Told;
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::shared::journal::Journal;
use crate::shared::lease::Lease;
use crate::stamps::Stamps;
use crate::store::RemovalWatcher;

/// How long a caller waits for one answer.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);

/// The store, but for the threads that work for it.
pub(super) struct Inner {
    /// The servers; nothing while they aren't known.
    map: RwLock<Option<Arc<Map>>>,
    pub(super) lease: Lease,
    pub(super) journal: Journal,
    pub(super) stamps: Stamps,
    pub(super) node: i64,
    pub(super) watcher: OnceLock<RemovalWatcher>,
    pub(super) told: Told,
    /// How many steps of making ends once more were made: who waits for the first lease sees that it goes on.
    pub(super) replayed: AtomicU64,
    /// How many changes this process has asked for.
    changes: AtomicU64,
    /// How many ends of other processes were heard of.
    pub(super) heard: AtomicU64,
    pub(super) closed: AtomicBool,
    /// Held by each change for as long as it may still be made, so that closing waits for those under way.
    pub(super) under_way: Arc<tokio::sync::RwLock<()>>,
}

impl Inner {
    pub(super) fn new(lease: Lease, journal: Journal, node: i64) -> Self {
        Self {
            map: RwLock::default(),
            lease,
            journal,
            stamps: Stamps::new(),
            node,
            watcher: OnceLock::new(),
            told: Told::default(),
            replayed: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            under_way: Arc::default(),
        }
    }

    /// The servers as they are now.
    pub(super) fn map(&self) -> Result<Arc<Map>, KeystoreError> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.clone()
            .ok_or_else(|| KeystoreError::unavailable("it isn't connected"))
    }

    pub(super) fn set_map(&self, map: Option<Arc<Map>>) {
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = map;
    }

    /// The number of the next change.
    pub(super) fn next_change(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::Relaxed)
    }

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

    /// A change of this process has been made. The stamps come before the poll leaves it out.
    pub(super) fn made(&self, number: u64, changed: &[RecordKey], gone: &[RecordKey]) {
        for key in changed {
            self.changed(key);
        }
        if !gone.is_empty() && self.told.first(number) {
            for key in gone {
                self.tell(key);
            }
        }
    }

    pub(super) fn tell(&self, key: &RecordKey) {
        if let Some(watcher) = self.watcher.get() {
            watcher(key);
        }
    }
}
