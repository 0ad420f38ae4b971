//! The outbox: ends of sessions that a change of an account has to bring about.
//!
//! Accounts are in one store and sessions in another, and no transaction reaches both. So a row is
//! written in the transaction that changes the account, and removed once the sessions have ended. A
//! process that dies between the two leaves the row, and the next start delivers it.
//!
//! This room must never remove a row of its own accord: it doesn't know of sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Accounts;
use super::error::AccountsError;
use super::identity::UserId;
use crate::clock::UnixSeconds;

/// What ends among the sessions of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every session.
    All,
    /// Every session but this one.
    AllBut(Kept),
    /// The access tokens; the sessions stay.
    Access,
}

/// The session that stays, by its handle and its beginning: a handle alone may name another one
/// meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its handle.
    pub handle: String,
    /// When it began.
    pub since: UnixSeconds,
}

/// Which sessions a change of an account has to end, and in which keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// The name of the keystore that has the sessions, so that no other deployment delivers the row.
    pub keystore: String,
    /// Which sessions of the account.
    pub reach: Reach,
}

/// A row of the outbox, which is there until [`Accounts::delivered`] removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub(super) id: String,
    /// Whose sessions; the account may be gone.
    pub user: UserId,
    /// Which of them.
    pub reach: Reach,
}

/// A row to write, for which keystore, and when.
pub(super) struct NewOutboxRow {
    pub(super) row: OutboxRow,
    pub(super) keystore: String,
    pub(super) created_at: UnixSeconds,
}

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
