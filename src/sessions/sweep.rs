//! Expired sessions leave the keystore.
//!
//! Nothing but the size of the keystore depends on it: the guard refuses an expired session
//! whether it is swept or not.
//!
//! This room must never end a session that isn't over.

use super::end::End;
use super::records::Records;
use crate::telemetry::audit::{Actor, Cause};
use crate::token::Handle;
use lacre_keystore::{KeyRange, KeystoreError, Record};

/// Removes the records of sessions that are over.
pub(crate) struct Sweeper {
    records: Records,
    /// For how many seconds ends stay noted.
    explain_for: u64,
}

/// A session that was over when the sweep removed its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Whose session it was.
    pub user_id: String,
    /// Its handle.
    pub handle: Handle,
}

impl Sweeper {
    pub(crate) fn new(records: Records, explain_for: u64) -> Self {
        Self {
            records,
            explain_for,
        }
    }

    /// Removes the records of sessions that are over, in steps, and reports the sessions of each
    /// step to `removed` once their removal is durable. Returns how many it removed.
    pub(crate) async fn sweep(
        &self,
        mut removed: impl FnMut(Vec<Expired>),
    ) -> Result<usize, KeystoreError> {
        let now = self.records.now();
        let (mut count, mut rest) = (0, Some(KeyRange::ALL));
        while let Some(range) = rest {
            let note = |record: &Record| {
                let end = End::new(Cause::Expired, Actor::Lacre, Some(&record.user_id));
                self.records.note(Some(&end))
            };
            let keystore = &self.records.keystore;
            let step = keystore.sweep_step_noting(range, now, note).await?;
            count += step.removed.len();
            let expired = step.removed.into_iter().map(|(key, user_id)| Expired {
                handle: self.records.handle_of(&key),
                user_id,
            });
            removed(expired.collect());
            rest = step.rest;
        }
        let before = now.saturating_sub(self.explain_for);
        self.records
            .keystore
            .forget(before.saturating_add(1))
            .await?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {

    use crate::lacre::testing::Fixture;
    use crate::sessions::rules::Rules;
    use std::time::Duration;

    fn short_lived() -> Fixture {
        Fixture::with_rules(Rules {
            refresh_ttl: 100,
            ..Rules::new("https://issuer.test", "api")
        })
    }

    #[tokio::test]
    async fn what_is_over_is_swept_and_the_rest_stays() {
        let fixture = short_lived();
        fixture.log_in("u1").await;
        fixture.clock.advance(99);
        fixture.log_in("u2").await;
        assert_eq!(fixture.lacre.sweep().await, Ok(0));
        fixture.clock.advance(1);
        assert_eq!(fixture.lacre.sweep().await, Ok(1));
        assert_eq!(fixture.lacre.sessions_of("u2").await.unwrap().len(), 1);
        assert_eq!(fixture.lacre.keystore().stats().await.unwrap().records, 1);
    }

    #[tokio::test]
    async fn the_sweeper_goes_on_until_it_is_stopped() {
        let fixture = short_lived();
        let sweeper = tokio::spawn(fixture.lacre.clone().sweep_every(Duration::from_millis(1)));
        for user in ["u1", "u2"] {
            fixture.log_in(user).await;
            fixture.clock.advance(100);
            while !fixture.lacre.keystore().is_empty().await.unwrap() {
                tokio::task::yield_now().await;
            }
        }
        sweeper.abort();
        assert!(sweeper.await.unwrap_err().is_cancelled());
    }
}
