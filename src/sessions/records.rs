//! The records of a deployment's sessions: found by handle, with one clock.
//!
//! This room must never answer with a record that has expired where a live one is asked for.

use super::handles::Handles;
use super::keyring::Keyring;
use crate::clock::{Clock, UnixSeconds};
use crate::token::Handle;
use lacre_keystore::{Keystore, KeystoreError, Record, RecordKey, Stored, Swap};
use std::sync::Arc;

/// The keystore, the way from handles to its keys, and the time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Records {
    pub(super) keystore: Keystore,
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    /// Whether ends are explained for a while.
    explains: bool,
    /// Whether there are receipts of ends.
    receipts: bool,
}

impl Records {
    pub(crate) fn new(keystore: Keystore, keyring: Arc<Keyring>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keystore,
            keyring,
            clock,
            explains: true,
            receipts: false,
        }
    }

    /// The same, with receipts of ends or without.
    pub(crate) fn receipting(self, receipts: bool) -> Self {
        Self { receipts, ..self }
    }

    /// The same; ends are explained, or not.
    pub(crate) fn explaining(self, explains: bool) -> Self {
        Self { explains, ..self }
    }

    /// Whether ends leave notes.
    pub(super) fn notes(&self) -> bool {
        self.explains || self.receipts
    }

    pub(super) fn explains(&self) -> bool {
        self.explains
    }

    pub(crate) fn keystore(&self) -> &Keystore {
        &self.keystore
    }

    /// The time that this deployment goes by.
    pub(crate) fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    /// The signing keys and the secrets of the deployment.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    pub(super) fn handles(&self) -> &Handles {
        self.keyring.handles()
    }

    /// The handle of the record with this key.
    pub(crate) fn handle_of(&self, key: &RecordKey) -> Handle {
        self.handles().handle(key)
    }

    /// Replaces a record that was just read; says whether it was still the same.
    pub(super) async fn swap(
        &self,
        key: &RecordKey,
        seen: &Stored,
        record: &Record,
    ) -> Result<bool, KeystoreError> {
        let swap = self.keystore.compare_and_swap(key, seen, record).await?;
        Ok(swap == Swap::Won)
    }
}
