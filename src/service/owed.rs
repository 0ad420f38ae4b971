//! Paying what a change of an account owes: the end of sessions.
//!
//! The accounts write down with each change what it has to end, and forget it when it has ended.
//! A process that dies between the two pays at its next start, before it answers anything; one
//! that lives and couldn't, as its database or keystore was away, with the next sweep.
//!
//! This room must never forget what is owed before the end is durable.

use super::{Service, ServiceError};
use crate::accounts::{Owed, Owes, Reach, UserId};
use crate::telemetry::audit::{self, Cause, Event, MaskedHandle, Origin};
use crate::token::Handle;
use lacre_keystore::KeystoreError;

/// Seconds after which a change isn't under way any more: its questions to the database and its
/// ends take a part of that.
const UNDER_WAY: u64 = 60;

impl Service {
    /// Pays what changes of before this process owe, so that each of them is whole: for a start,
    /// before anything is answered. How many there were.
    pub async fn pay_all(&self) -> Result<usize, ServiceError> {
        self.pay_before(u64::MAX).await
    }

    /// Pays what was left owing while the process ran.
    pub async fn pay_rest(&self) -> Result<usize, ServiceError> {
        let before = self.lacre.now().saturating_sub(UNDER_WAY);
        self.pay_before(before).await
    }

    async fn pay_before(&self, before: u64) -> Result<usize, ServiceError> {
        let owed = self.accounts.owed(&self.keystore_name(), before).await?;
        for one in &owed {
            let ended = self.end(one).await?;
            self.record(&one.user, &ended).await;
            self.accounts.paid(one).await?;
        }
        Ok(owed.len())
    }

    /// What a change has to say that it owes.
    pub(super) fn owes(&self, reach: Reach) -> Owes {
        Owes {
            keystore: self.keystore_name(),
            reach,
        }
    }

    /// Ends what a change owes, durably, and says which sessions ended.
    pub(super) async fn pay(&self, owed: &Owed) -> Result<Vec<Handle>, ServiceError> {
        let ended = self.end(owed).await?;
        if let Err(error) = self.accounts.paid(owed).await {
            // Ended is ended; that it is paid will be found out by paying once more.
            log::warn!(code = error.code(); "ends are still owed that have been made: {error}");
        }
        Ok(ended)
    }

    async fn end(&self, owed: &Owed) -> Result<Vec<Handle>, KeystoreError> {
        let user = owed.user.as_str();
        match &owed.reach {
            Reach::All => self.lacre.end_all_of(user).await,
            // Who knew the password before and the name of the session may have begun another in its
            // place, which is not the one that stays.
            Reach::AllBut(kept) => match Handle::parse(&kept.handle) {
                Ok(handle) => match self.lacre.session(&handle)? {
                    Some(found) if found.created_at == kept.since => {
                        self.lacre.end_all_but(user, &found.key).await
                    }
                    _ => self.lacre.end_all_of(user).await,
                },
                Err(_) => self.lacre.end_all_of(user).await,
            },
            Reach::Access => {
                self.lacre.end_access_of(user).await?;
                Ok(Vec::new())
            }
        }
    }

    /// The audit events of ends that no request waits for.
    async fn record(&self, user: &UserId, ended: &[Handle]) {
        // Also an account that can't be read must not keep what it owes from being paid.
        let cause = match self.accounts.get(user).await {
            Ok(Some(account)) if account.active => Cause::PasswordChanged,
            _ => Cause::AccountClosed,
        };
        for handle in ended {
            Event::SessionEnded {
                user: audit::UserId::new(user.as_str()),
                session: MaskedHandle::of(handle.as_str()),
                cause,
            }
            .record(&Origin::default());
        }
    }

    fn keystore_name(&self) -> String {
        self.lacre.parts().keyring.handles().name()
    }
}

#[cfg(test)]
mod tests;
