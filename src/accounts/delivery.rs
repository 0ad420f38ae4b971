//! What [`Accounts`] does with its outbox: lists the rows, makes them, and removes those delivered.
//!
//! This room must never remove a row whose sessions may not have ended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Accounts;
use super::client::ClientId;
use super::error::AccountsError;
use super::identity::UserId;
use super::outbox::{Ends, NewOutboxRow, OutboxRow, Target};
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
    pub(super) fn row_of_user(&self, user: &UserId, ends: Ends, now: UnixSeconds) -> NewOutboxRow {
        let target = Target::User(user.clone(), ends.reach);
        self.new_row(target, ends.keystore, now)
    }

    /// The row to write where this client is deleted.
    pub(super) fn row_of_client(&self, client: &ClientId, keystore: String) -> NewOutboxRow {
        let now = self.inner.clock.now();
        self.new_row(Target::Client(client.clone()), keystore, now)
    }

    fn new_row(&self, target: Target, keystore: String, now: UnixSeconds) -> NewOutboxRow {
        let id = self.with_random(|random| {
            let mut id = [0; 16];
            random.fill_bytes(&mut id);
            URL_SAFE_NO_PAD.encode(id)
        });
        NewOutboxRow {
            row: OutboxRow { id, target },
            keystore,
            created_at: now,
        }
    }
}
