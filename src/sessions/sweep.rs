//! Expired sessions leave the keystore.
//!
//! Nothing but the size of the keystore depends on it: the guard refuses an expired session
//! whether it is swept or not.
//!
//! This room must never end a session that isn't over.

use crate::lacre::Lacre;
use lacre_keystore::KeystoreError;
use std::time::Duration;

impl Lacre {
    /// Removes the records of sessions that are over, and says how many.
    pub async fn sweep(&self) -> Result<usize, KeystoreError> {
        self.keystore().sweep(self.parts().clock.now()).await
    }

    /// Sweeps at once and then every so often, for a task of its own: never ends by itself.
    /// What fails is logged and tried again.
    pub async fn sweep_every(self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(swept) => log::debug!(swept; "expired sessions were swept"),
                Err(error) => log::error!(code = error.code(); "sweeping failed: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lacre::testing::Fixture;
    use crate::sessions::rules::Rules;

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
        assert_eq!(fixture.lacre.sessions_of("u2").unwrap().len(), 1);
        assert_eq!(fixture.lacre.keystore().stats().unwrap().records, 1);
    }

    #[tokio::test]
    async fn the_sweeper_goes_on_until_it_is_stopped() {
        let fixture = short_lived();
        let sweeper = tokio::spawn(fixture.lacre.clone().sweep_every(Duration::from_millis(1)));
        for user in ["u1", "u2"] {
            fixture.log_in(user).await;
            fixture.clock.advance(100);
            while !fixture.lacre.keystore().is_empty().unwrap() {
                tokio::task::yield_now().await;
            }
        }
        sweeper.abort();
        assert!(sweeper.await.unwrap_err().is_cancelled());
    }
}
