//! Whether changes are taken, and whether anything is answered: records that are brought elsewhere stand still for a
//! moment, and then live on there.
//!
//! This room must never let a change through that the holder of the gate doesn't wait for.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard};

use crate::error::KeystoreError;

const HELD: &str = "its sessions are being moved to another store: ask again in a moment";
const LEFT: &str = "its sessions were moved to another store: stop this server, and start one that uses that store";

/// The gate of one store.
#[derive(Default)]
pub(super) struct Gate {
    /// Whether changes are held. Read by each change until it is queued.
    held: RwLock<bool>,
    /// The same, for whoever only looks.
    shows_held: AtomicBool,
    left: AtomicBool,
}

impl Gate {
    /// Lets a change through, which has to be queued before this is dropped.
    pub(super) async fn enter(&self) -> Result<RwLockReadGuard<'_, bool>, KeystoreError> {
        let held = self.held.read().await;
        if *held {
            return Err(self
                .answers()
                .err()
                .unwrap_or_else(|| KeystoreError::unavailable(HELD)));
        }
        Ok(held)
    }

    /// Holds changes, or lets them through again. Whatever was let through before is queued by then.
    pub(super) async fn hold(&self, hold: bool) {
        *self.held.write().await = hold;
        self.shows_held.store(hold, Ordering::SeqCst);
    }

    /// Answers nothing from now on.
    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::SeqCst);
    }

    /// Fails where nothing is answered any more.
    pub(super) fn answers(&self) -> Result<(), KeystoreError> {
        if self.left.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable(LEFT));
        }
        Ok(())
    }

    /// Fails where no changes are taken.
    pub(super) fn health(&self) -> Result<(), KeystoreError> {
        self.answers()?;
        if self.shows_held.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable(HELD));
        }
        Ok(())
    }
}
