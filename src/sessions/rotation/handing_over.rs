//! A signing key that is dropped has one thing left to do: the log of ends is signed with a key that follows from it,
//! and it has to name the next one.
//!
//! Nothing that a dropped key signed is taken any more. It is in the keyring until the line is durable that hands the log
//! over, so that a process that is killed in between leaves it to the next one.
//!
//! Each of several nodes has a log of its own, and may be away when a key is dropped: so there it stays for a week.
//!
//! This room must never let a key go that the log is still signed with.

use super::Rotation;
#[cfg(feature = "server")]
use super::error::RotationError;
#[cfg(feature = "server")]
use crate::sessions::keyring::Masters;
#[cfg(feature = "server")]
use crate::sessions::receipting::Receipts;
#[cfg(feature = "server")]
use std::sync::Arc;
#[cfg(feature = "server")]
use std::time::Duration;

/// How long is waited for the log to be handed over: whoever writes it may have much to write.
#[cfg(feature = "server")]
const HANDING_OVER: Duration = Duration::from_secs(10);

/// For how many seconds a dropped key is in the keyring of several nodes: one that was away for longer goes on in
/// another file.
#[cfg(feature = "server")]
const AWAY: u64 = 7 * 24 * 3600;

#[cfg(feature = "server")]
impl Rotation {
    /// The same; dropped signing keys go when they have handed this log over.
    pub(crate) fn handing_over(self, receipts: Option<Arc<Receipts>>) -> Self {
        Self { receipts, ..self }
    }

    pub(super) fn has_receipts(&self) -> bool {
        self.receipts.is_some()
    }

    /// Has dropped keys go, if that can be now; otherwise with the next sweep.
    pub(super) async fn let_dropped_go(&self) {
        let Some(receipts) = &self.receipts else {
            return;
        };
        if !self.records.keyring().signers().has_dropped() {
            return;
        }
        let gone = tokio::time::timeout(HANDING_OVER, self.let_go(receipts)).await;
        if let Ok(Err(error)) = gone {
            log::error!(
                code = error.code();
                "dropped signing keys stay in the keyring; nothing takes what they sign: {error}"
            );
        }
    }

    async fn let_go(&self, receipts: &Arc<Receipts>) -> Result<(), RotationError> {
        // What fails is logged there.
        let Ok(signs) = receipts.hand_over().await else {
            return Ok(());
        };
        let _changing = self.changing.lock().await;
        let keyring = self.records.keyring();
        let seen = keyring.version();
        let before = match self.storage.shared() {
            Some(_) => self.records.now().saturating_sub(AWAY),
            None => u64::MAX,
        };
        let Some(signers) = keyring.signers().without_dropped(before, &signs)? else {
            return Ok(());
        };
        let masters = Masters::clone(&keyring.masters());
        self.put(seen, signers, masters).await
    }
}

#[cfg(not(feature = "server"))]
#[allow(clippy::unused_async, clippy::unused_self)] // as it is with receipts
impl Rotation {
    pub(super) fn has_receipts(&self) -> bool {
        false
    }

    pub(super) async fn let_dropped_go(&self) {}
}
