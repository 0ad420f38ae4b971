//! What the files of this store have in common.
//!
//! This room must never ask the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::RwLock;

use super::link::LedSince;
use super::member::Member;
use super::notes::Notes;
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::shared::lease::Lease;
use crate::stamps::Stamps;
use crate::store::{RemovalWatcher, Stats};

use super::told::Told;

/// How long a caller waits for one answer of the database, a connection included.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);

/// What was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// How long the answer has to wait, where it says that something has ended.
    pub(super) wait: Option<Duration>,
}

/// The wait for a lease of so many microseconds, and one per cent: clocks differ in rate.
pub(super) fn wait(lease_us: i64) -> Made {
    let lease = Duration::from_micros(lease_us.cast_unsigned());
    Made {
        wait: Some(lease + lease / 100),
    }
}

/// The store, but for the threads that work for it.
pub(super) struct Inner {
    pub(super) pool: PgPool,
    pub(super) led: LedSince,
    pub(super) lease: Lease,
    pub(super) stamps: Stamps,
    pub(super) node: i64,
    pub(super) notes: Notes,
    pub(super) watcher: OnceLock<RemovalWatcher>,
    pub(super) told: Told,
    /// Who decides about what all go by.
    pub(super) member: OnceLock<Arc<dyn Member>>,
    /// The version of what all go by that it has taken up.
    pub(super) taken_up: AtomicU64,
    /// Why it refuses to go on, while it does.
    pub(super) refused: Mutex<Option<String>>,
    /// What this process says of itself.
    pub(super) about: Mutex<String>,
    /// How many ends of other processes were heard of.
    pub(super) heard: AtomicU64,
    /// How many records were counted, and until when that holds.
    pub(super) counted: tokio::sync::Mutex<Option<(Stats, u64)>>,
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

    /// Why this process refuses to go on.
    pub(super) fn refusal(&self) -> Option<String> {
        lock(&self.refused).clone()
    }

    pub(super) fn set_refusal(&self, why: Option<&str>) {
        *lock(&self.refused) = why.map(str::to_owned);
    }

    /// What this process says of itself, also where its row has gone and is written anew.
    pub(super) fn about(&self) -> String {
        lock(&self.about).clone()
    }

    pub(super) fn say(&self, about: &str) {
        about.clone_into(&mut lock(&self.about));
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

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
