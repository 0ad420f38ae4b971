//! Delivery of the outbox: ending the sessions that a change of an account has to end.
//!
//! The accounts write a row in the transaction of each such change, and remove it when the sessions
//! have ended. A process that dies between the two leaves the row: the next start delivers it,
//! before it answers anything. Where the process lives and its database or keystore was unavailable,
//! the next sweep delivers it. Delivering a row again changes nothing.
//!
//! This room must never remove a row before the end is durable.

use super::{Caller, Service, ServiceError};
use crate::accounts::{Ends, OutboxRow, Reach, Target, UserId};
use crate::sessions::end::End;
use crate::telemetry::audit::Cause;
use crate::token::Handle;
use lacre_keystore::KeystoreError;

/// Seconds after which a row isn't that of a change under way any more: the timeouts of its database
/// queries and its ends are shorter.
const UNDER_WAY: u64 = 60;

impl Service {
    /// Delivers every row, for a start, before anything is answered: all of them were left by earlier
    /// processes. Returns how many there were.
    pub async fn deliver_all(&self) -> Result<usize, ServiceError> {
        self.deliver_before(u64::MAX).await
    }

    /// Delivers the rows that changes of this process have left.
    pub async fn deliver_rest(&self) -> Result<usize, ServiceError> {
        let before = self.lacre.now().saturating_sub(UNDER_WAY);
        self.deliver_before(before).await
    }

    async fn deliver_before(&self, before: u64) -> Result<usize, ServiceError> {
        let rows = self.accounts.outbox(&self.keystore_name(), before).await?;
        for row in &rows {
            // The row doesn't say who made the change: what is known is that lacre delivers it.
            let caller = Caller::lacre();
            match &row.target {
                Target::User(user, reach) => {
                    let cause = match reach {
                        Reach::Through(_) => Cause::Unlinked,
                        _ => self.cause_of(user).await,
                    };
                    let end = caller.end(cause, Some(user.as_str()));
                    let ended = self.end_reach(user, reach, &end).await?;
                    caller.ended(user.as_str(), &ended, cause);
                }
                Target::Client(client) => {
                    self.end_client(&caller, client, Cause::ClientDeleted)
                        .await?;
                }
            }
            self.accounts.delivered(row).await?;
        }
        Ok(rows.len())
    }

    /// What a change has to end, for its outbox row.
    pub(super) fn ends(&self, reach: Reach) -> Ends {
        Ends {
            keystore: self.keystore_name(),
            reach,
        }
    }

    /// Ends what a row of a user says, durably, and returns the sessions that ended.
    pub(super) async fn deliver(
        &self,
        row: &OutboxRow,
        caller: &Caller,
        cause: Cause,
    ) -> Result<Vec<Handle>, ServiceError> {
        let Target::User(user, reach) = &row.target else {
            return Ok(Vec::new());
        };
        let end = caller.end(cause, Some(user.as_str()));
        let ended = self.end_reach(user, reach, &end).await?;
        self.remove_delivered(row).await;
        Ok(ended)
    }

    /// Removes a row whose sessions have ended. Where it can't be removed, the next sweep delivers it
    /// again, which changes nothing.
    pub(super) async fn remove_delivered(&self, row: &OutboxRow) {
        if let Err(error) = self.accounts.delivered(row).await {
            log::warn!(code = error.code(); "a delivered outbox row could not be removed: {error}");
        }
    }

    async fn end_reach(
        &self,
        user: &UserId,
        reach: &Reach,
        end: &End,
    ) -> Result<Vec<Handle>, KeystoreError> {
        let user = user.as_str();
        match reach {
            Reach::All => self.lacre.end_user(user, None, end).await,
            // Whoever knew the old password and the name of the session may have replaced it by
            // another session of the same handle: that one must end.
            Reach::AllBut(kept) => match Handle::parse(&kept.handle) {
                Ok(handle) => match self.lacre.session(&handle).await? {
                    Some(found) if found.created_at == kept.since => {
                        self.lacre.end_user(user, Some(&found.key), end).await
                    }
                    _ => self.lacre.end_user(user, None, end).await,
                },
                Err(_) => self.lacre.end_user(user, None, end).await,
            },
            Reach::Through(issuer) => self.lacre.end_begun_through(user, issuer, end).await,
            Reach::Access => {
                self.lacre.revoke_access_of(user).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Why the change behind a row ended sessions, as far as the account still tells. An account that
    /// can't be read must not keep the row from being delivered.
    async fn cause_of(&self, user: &UserId) -> Cause {
        match self.accounts.get(user).await {
            Ok(Some(account)) if account.active => Cause::PasswordChanged,
            _ => Cause::AccountClosed,
        }
    }

    fn keystore_name(&self) -> String {
        self.lacre.deployment_name()
    }
}

#[cfg(test)]
mod tests;
