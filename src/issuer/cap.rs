//! The cap: a user who begins one session too many loses the oldest.
//!
//! It is held after the new session is stored and before its tokens leave. Of several log-ins at
//! once each looks after its own put, so the last of them sees all; they end sessions one after the
//! other, so that together they end no more than they must.
//!
//! This room must never end a session while no more than the allowed number are live, and never the
//! one that has just begun.

use crate::lacre::Lacre;
use crate::token::Handle;
use futures_util::future::join_all;
use lacre_keystore::{KeystoreError, Record, RecordKey, UserTag};
use tokio::sync::{Mutex, MutexGuard};

const PAGE: usize = 256;

/// Locks that the users share; two users with the same one wait for each other and no more.
const LOCKS: usize = 64;

/// Whose turn it is to make room. Asked for only where there are too many sessions.
pub(crate) struct Turns([Mutex<()>; LOCKS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    async fn of(&self, user: &UserTag) -> MutexGuard<'_, ()> {
        let place = usize::from(user.as_bytes()[0]) % LOCKS;
        self.0[place].lock().await
    }
}

impl Lacre {
    /// Ends what is beyond the cap now that `new` is stored, durably, and says which sessions.
    pub(super) async fn make_room(
        &self,
        new: &RecordKey,
        record: &Record,
    ) -> Result<Vec<Handle>, KeystoreError> {
        // Nearly always there are few, and which of them are live needn't be known.
        let allowed = self.rules().max_per_user.max(1);
        let few = self.keystore().count(new.user, allowed.saturating_add(1))? <= allowed;
        if few || self.beyond_cap(new, record)?.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.parts().turns.of(&new.user).await;
        let beyond = self.beyond_cap(new, record)?;
        let ends = join_all(beyond.iter().map(|key| self.end(key))).await;
        let mut ended = Vec::with_capacity(beyond.len());
        for (key, end) in beyond.iter().zip(ends) {
            if end? {
                ended.push(self.parts().keyring.handles().handle(key));
            }
        }
        Ok(ended)
    }

    /// The oldest live sessions of the user, as many as there are too many; never `new`, which
    /// counts unless another log-in has ended it already.
    fn beyond_cap(
        &self,
        new: &RecordKey,
        record: &Record,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        let now = self.parts().clock.now();
        let mut live = Vec::new();
        let mut after = None;
        loop {
            let page = self.keystore().list(new.user, after, PAGE)?;
            let own = page
                .entries
                .into_iter()
                .filter(|(_, other)| other.user_id == record.user_id && !other.is_expired(now));
            live.extend(own.map(|(key, other)| (other.created_at, key)));
            match page.next {
                Some(next) => after = Some(next.session),
                None => break,
            }
        }
        let beyond = live.len().saturating_sub(self.rules().max_per_user.max(1));
        live.sort_unstable();
        let oldest = live.into_iter().map(|(_, key)| key);
        Ok(oldest.filter(|key| key != new).take(beyond).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::issuer::{Issued, Occasion};
    use crate::lacre::Rules;
    use crate::lacre::testing::{Fixture, grant, on_behalf};
    use crate::token::TokenKind;
    use lacre_keystore::PutOutcome;
    use std::collections::HashSet;

    fn at_most(max_per_user: usize) -> Fixture {
        Fixture::with_rules(Rules {
            max_per_user,
            ..Rules::new("https://issuer.test", "api")
        })
    }

    fn is_good(deployment: &Fixture, issued: &Issued) -> bool {
        let token = issued.access.token.expose().as_bytes();
        deployment.lacre.guard(token, TokenKind::Access).is_ok()
    }

    fn count(deployment: &Fixture, user: &str) -> usize {
        deployment.lacre.sessions_of(user).unwrap().len()
    }

    #[tokio::test]
    async fn one_session_too_many_ends_the_oldest() {
        let deployment = at_most(3);
        let mut issued = Vec::new();
        for _ in 0..5 {
            deployment.clock.advance(1);
            issued.push(deployment.log_in("u1").await);
        }
        deployment.log_in("u2").await;
        let good: Vec<_> = issued.iter().map(|one| is_good(&deployment, one)).collect();
        assert_eq!(good, [false, false, true, true, true]);
        assert_eq!(issued[2].pushed_out, []);
        assert_eq!(issued[3].pushed_out, [issued[0].handle.clone()]);
        assert_eq!(issued[4].pushed_out, [issued[1].handle.clone()]);
    }

    #[tokio::test]
    async fn the_new_session_stays_among_those_of_the_same_second() {
        let deployment = at_most(2);
        for _ in 0..20 {
            let issued = deployment.log_in("u1").await;
            assert!(is_good(&deployment, &issued));
        }
        assert_eq!(count(&deployment, "u1"), 2);
    }

    #[tokio::test]
    async fn a_named_session_that_is_replaced_pushes_nobody_out() {
        let deployment = at_most(2);
        let other = deployment.log_in("u1").await;
        for _ in 0..3 {
            let grant = on_behalf("u1", "s");
            let issued = deployment.lacre.issue(&grant).await.unwrap();
            assert_eq!(issued.pushed_out, []);
        }
        assert!(is_good(&deployment, &other));
    }

    #[tokio::test]
    async fn expired_sessions_take_no_room() {
        let deployment = Fixture::with_rules(Rules {
            max_per_user: 2,
            refresh_ttl: 60,
            ..Rules::new("https://issuer.test", "api")
        });
        deployment.log_in("u1").await;
        deployment.log_in("u1").await;
        deployment.clock.advance(60);
        assert_eq!(deployment.log_in("u1").await.pushed_out, []);
        assert_eq!(deployment.log_in("u1").await.pushed_out, []);
        assert_eq!(deployment.log_in("u1").await.pushed_out.len(), 1);
    }

    #[tokio::test]
    async fn a_lowered_cap_is_reached_at_the_next_log_in() {
        let deployment = at_most(5);
        let first = deployment.log_in("u1").await;
        let (keystore, parts) = (deployment.lacre.keystore(), deployment.lacre.parts());
        let record = keystore.get(&first.key).unwrap().unwrap().record;
        for _ in 0..300 {
            let key = parts
                .keyring
                .handles()
                .new_session("u1", &mut (parts.entropy)());
            let stored = keystore.put_new(&key, &record).await.unwrap();
            assert_eq!(stored, PutOutcome::Stored);
        }
        let issued = deployment.log_in("u1").await;
        assert_eq!(issued.pushed_out.len(), 297);
        assert_eq!(count(&deployment, "u1"), 5);
        assert!(is_good(&deployment, &issued));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn log_ins_at_once_leave_the_cap_and_not_one_less() {
        for cap in [1, 5, 1, 5, 1, 5, 1, 5] {
            let deployment = at_most(cap);
            let tasks: Vec<_> = (0..16)
                .map(|_| {
                    let lacre = deployment.lacre.clone();
                    tokio::spawn(async move {
                        let issued = lacre.issue(&grant("u1", Occasion::LogIn)).await.unwrap();
                        issued.pushed_out
                    })
                })
                .collect();
            let mut ended = Vec::new();
            for task in tasks {
                ended.extend(task.await.unwrap());
            }
            assert_eq!(count(&deployment, "u1"), cap);
            let each_once: HashSet<_> = ended.iter().collect();
            assert_eq!((ended.len(), each_once.len()), (16 - cap, 16 - cap));
        }
    }
}
