//! What [`Accounts`] does with its outbox: lists the rows, makes them, and removes those delivered.
//!
//! This room must never remove a row whose sessions may not have ended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Accounts;
use super::error::AccountsError;
use super::identity::UserId;
use super::outbox::{Ends, NewOutboxRow, OutboxRow};
use crate::clock::UnixSeconds;

impl Accounts {
    /// The rows for this keystore that were written before `before`, the oldest first.
    pub async fn outbox(
        &self,
        keystore: &str,
        before: UnixSeconds,
    ) -> Result<Vec<OutboxRow>, AccountsError> {
        self.inner.store.outbox(keystore, before).await
    }

    /// Removes a row: its sessions have ended, durably. A row that is gone already is no error.
    pub async fn delivered(&self, row: &OutboxRow) -> Result<(), AccountsError> {
        self.inner.store.delivered(&row.id).await
    }

    /// The row to write with a change of this account.
    pub(super) fn new_row(&self, user: &UserId, ends: Ends, now: UnixSeconds) -> NewOutboxRow {
        let id = self.with_random(|random| {
            let mut id = [0; 16];
            random.fill_bytes(&mut id);
            URL_SAFE_NO_PAD.encode(id)
        });
        NewOutboxRow {
            row: OutboxRow {
                id,
                user: user.clone(),
                reach: ends.reach,
            },
            keystore: ends.keystore,
            created_at: now,
        }
    }
}
