//! Work beside the requests.
//!
//! This room must never do a part's work, nor hand a part out.

use super::Lacre;
use crate::sessions::rotation::RotationError;
use crate::sessions::sweep::Expired;
use lacre_keystore::{KeystoreError, LeaseReport};
use std::time::Duration;

/// Tasks that run beside the requests.
impl Lacre {
    /// Whether this process is to do now what one does for all that share the store; it is then nobody else's turn
    /// for so long.
    pub async fn takes_turn(
        &self,
        chore: &'static str,
        every: Duration,
    ) -> Result<bool, KeystoreError> {
        self.0.records.keystore().takes_turn(chore, every).await
    }

    /// How the lease fares by which this process goes on what it keeps; `None` where it has the store to itself.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseReport> {
        self.0.records.keystore().lease()
    }

    /// Removes the records of sessions that are over, and returns how many.
    pub async fn sweep(&self) -> Result<usize, KeystoreError> {
        self.0.sweeper.sweep(|_| ()).await
    }

    /// Puts a new signing key in the place of the one that signs. Nobody is logged out: what earlier keys
    /// signed is accepted until it has expired; [`sweep_every`](Self::sweep_every) drops them then.
    pub async fn rotate_signing_key(&self) -> Result<(), RotationError> {
        self.0.rotation.rotate_signer(false).await.map(drop)
    }

    /// Puts a new master key in the place of the one that seals, seals everything anew under it, and removes
    /// the earlier one, which a backup of before needs. Nobody is logged out. Where the process ends
    /// meanwhile, [`sweep_every`](Self::sweep_every) of the next one goes on with it.
    pub async fn rotate_master_key(&self) -> Result<(), RotationError> {
        let begun = self.0.rotation.begin_master(false).await?;
        self.0
            .rotation
            .finish_master(begun, |_, _| ())
            .await
            .map(drop)
    }

    /// Brings a rotation of the master key to its end that was begun, and drops signing keys of which nothing
    /// is good any more.
    async fn tend_keys(&self) {
        let done = match self.0.rotation.go_on().await {
            Ok(_) | Err(RotationError::UnderWay) => self.0.rotation.drop_signers().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            log::error!(code = error.code(); "keys are not rotated to the end: {error}");
        }
    }

    /// As [`sweep`](Self::sweep); reports the sessions of each step to `removed`.
    pub(crate) async fn sweep_reporting(
        &self,
        removed: impl FnMut(Vec<Expired>),
    ) -> Result<usize, KeystoreError> {
        self.0.sweeper.sweep(removed).await
    }

    /// Sweeps at once and then every so often, for a task of its own: never ends by itself.
    /// What fails is logged and tried again.
    pub async fn sweep_every(self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            self.tend_keys().await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(swept) => log::debug!(swept; "expired sessions were swept"),
                Err(error) => log::error!(code = error.code(); "sweeping failed: {error}"),
            }
        }
    }

    /// Keeps [`SessionInfo::last_seen_at`](crate::SessionInfo::last_seen_at) up to date, to the minute or so, for a task of its own on
    /// a runtime with timers. Of more than 15 000 sessions in use at once, each is as far behind as
    /// 256 writes a second make it: 100 000 take six minutes.
    ///
    /// Without it the time stays that of the log-in or the last refresh. It ends when the last
    /// clone of the handle is dropped, and doesn't keep the deployment open. A second one, beside
    /// or after the first, ends at once.
    pub fn keep_last_seen(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.last_seen.keep()
    }
}
