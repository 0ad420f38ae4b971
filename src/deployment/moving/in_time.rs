//! What both sides of a move are asked, for so long and no longer: a store that stands still must not have the other one refuse
//! changes for as long as it does.
//!
//! This room must never go by the connection of a question that was given up.

use super::error::MoveError;
use super::sides::Step;
use lacre_keystore::moving::{Change, Destination, Origin};
use lacre_keystore::store::{Answer, Sealed};
use lacre_keystore::{KeystoreError, RecordKey};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How long it may take to leave a side: what a commit waits for, and the receipts of ends.
pub(super) const LEAVING: Duration = Duration::from_mins(1);

/// How long all accounts may take.
pub(super) const ACCOUNTS: Duration = Duration::from_mins(10);

fn late() -> KeystoreError {
    KeystoreError::unavailable("it doesn't answer in time")
}

/// The answer to a step of one side, or that this side doesn't answer.
pub(super) async fn in_time<T>(
    step: Step<'_, T>,
    side: fn(KeystoreError) -> MoveError,
) -> Result<T, MoveError> {
    within(LIMIT, step, side).await
}

/// The same for a step that may take this long.
pub(super) async fn within<T>(
    limit: Duration,
    step: Step<'_, T>,
    side: fn(KeystoreError) -> MoveError,
) -> Result<T, MoveError> {
    let answer = tokio::time::timeout(limit, step).await;
    answer.unwrap_or_else(|_| Err(side(late())))
}

async fn answered<T>(answer: Answer<'_, T>) -> Result<T, KeystoreError> {
    let answer = tokio::time::timeout(LIMIT, answer).await;
    answer.unwrap_or_else(|_| Err(late()))
}

/// The records of the side that is left, of which is known afterwards whether it was they that failed.
pub(super) struct Watched<'o> {
    origin: &'o dyn Origin,
    failed: AtomicBool,
}

impl<'o> Watched<'o> {
    pub(super) fn new(origin: &'o dyn Origin) -> Self {
        Self {
            origin,
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}

impl Origin for Watched<'_> {
    fn page(&self, after: Option<RecordKey>, limit: usize) -> Answer<'_, Vec<(RecordKey, Sealed)>> {
        Box::pin(async move {
            let page = answered(self.origin.page(after, limit)).await;
            self.failed.store(page.is_err(), Ordering::SeqCst);
            page
        })
    }
}

/// The records of the side that is arrived at.
pub(super) struct InTime<'d>(pub(super) &'d dyn Destination);

impl Destination for InTime<'_> {
    fn page(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(answered(self.0.page(after, limit)))
    }

    fn change(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(answered(self.0.change(changes)))
    }
}
