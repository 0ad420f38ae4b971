//! Limits of several nodes: what is counted lies in the accounts' database, for all of them together.
//!
//! An attempt is counted by one question, before anything is hashed. What was no failure is given back with the next
//! question, or some milliseconds later for many together. Keys are digests under the secret that all nodes have
//! ([0065](../../../docs/decisions/0065-limits-of-nodes.md)).
//!
//! This room must never let an attempt go on that the database hasn't counted.

use super::budget::Rate;
use crate::accounts::{Accounts, AccountsError, AtAccount, Back, Counter, Subscriber, Told};
use crate::sessions::handles::Handles;
use quick_cache::sync::Cache;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long what is given back may wait for a question to go along with.
const GIVE_BACK_WITHIN: Duration = Duration::from_millis(50);

/// For how long nothing is asked about a key at most that the database has refused: what is under way may be given
/// back. Wrong secrets of clients never are.
const HELD: Duration = Duration::from_millis(250);

/// How often what is used up no more is taken away.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// How many keys are known to be refused. Those beyond cost a question.
const ENTRIES: usize = 1 << 12;

/// The limits of nodes.
pub(super) struct OfNodes {
    accounts: Accounts,
    handles: Handles,
    /// What goes along with the next question.
    owed: Mutex<Owed>,
    /// Until when a key is refused without a question.
    held: Cache<i64, Duration>,
    /// When what is used up no more was taken away, in nanoseconds.
    forgot: AtomicU64,
}

/// What an attempt is counted for, besides an account.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// A log-in from this subscriber.
    User(Subscriber),
    /// A client's secret.
    Client(Subscriber),
    /// A sign-up.
    SignUp(Subscriber),
}

impl Source {
    fn key(self, handles: &Handles) -> i64 {
        let (kind, from) = match self {
            Self::User(from) => ("user", from),
            Self::Client(from) => ("client", from),
            Self::SignUp(from) => ("sign-up", from),
        };
        handles.counted_as(kind, &[&from.bytes()])
    }
}

/// What the database is asked about an attempt.
pub(super) struct Asked {
    now: Duration,
    /// For how long a refusal stands without another question, at most.
    held: Duration,
    from: Option<Counter>,
    at: Option<AtAccount>,
}

/// Why an attempt may not go on.
#[derive(Debug)]
pub(in super::super) enum Refused {
    /// There were too many.
    For(Duration),
    /// Nobody can tell.
    Unknown(AccountsError),
}

impl OfNodes {
    pub(super) fn new(accounts: Accounts, handles: Handles) -> Self {
        Self {
            accounts,
            handles,
            owed: Mutex::default(),
            held: Cache::new(ENTRIES),
            forgot: AtomicU64::new(0),
        }
    }

    /// For how long attempts from there are refused without a question.
    pub(super) fn refused(&self, now: Duration, from: Source) -> Option<Duration> {
        self.refused_key(now, from.key(&self.handles))
    }

    fn refused_key(&self, now: Duration, key: i64) -> Option<Duration> {
        let wait = self.held.get(&key)?.saturating_sub(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// An attempt at time `now` that is to be counted for these, with their rates.
    pub(super) fn attempt(
        &self,
        now: Duration,
        from: Option<(Source, Rate)>,
        at: Option<(&str, Subscriber, [Rate; 2])>,
    ) -> Asked {
        let at = at.map(|(account, from, [pair, everywhere])| {
            let account = account.as_bytes();
            let pair_key = self.handles.counted_as("pair", &[account, &from.bytes()]);
            AtAccount {
                everywhere: counter(self.handles.counted_as("account", &[account]), everywhere),
                pair: counter(pair_key, pair),
            }
        });
        Asked {
            now,
            held: match from {
                Some((Source::Client(_), _)) => Duration::MAX,
                _ => HELD,
            },
            from: from.map(|(from, rate)| counter(from.key(&self.handles), rate)),
            at,
        }
    }

    /// Counts an attempt, or says why it may not go on.
    pub(super) async fn count(self: &Arc<Self>, asked: Asked) -> Result<Vec<Back>, Refused> {
        let Asked {
            now,
            held,
            from,
            at,
        } = asked;
        if from.is_none() && at.is_none() {
            return Ok(Vec::new());
        }
        let keys = [from.map(|from| from.key), at.map(|at| at.pair.key)];
        let known = keys.iter().flatten();
        if let Some(wait) = known.filter_map(|key| self.refused_key(now, *key)).max() {
            return Err(Refused::For(wait));
        }
        self.forget_sometimes(now);
        // What can't be given back stays counted: whether the database has done it is unknown.
        let owed = self.take_owed();
        let told = self.accounts.count_attempt(&owed, from, at).await;
        let (key, wait) = match told.map_err(Refused::Unknown)? {
            Told::Counted(backs) => return Ok(backs),
            Told::NoneLeftThere(wait) => (keys[0], wait),
            Told::NoneLeftOfPair(wait) => (keys[1], wait),
        };
        if let Some(key) = key {
            self.held.insert(key, now + wait.min(held));
        }
        Err(Refused::For(wait))
    }

    /// Gives back what an attempt was counted as.
    pub(super) fn give_back(self: &Arc<Self>, backs: Vec<Back>) {
        if backs.is_empty() {
            return;
        }
        let mut owed = self.owed();
        owed.backs.extend(backs);
        let first = !std::mem::replace(&mut owed.is_due, true);
        drop(owed);
        if first {
            let due = Due(Arc::clone(self));
            tokio::spawn(async move {
                tokio::time::sleep(GIVE_BACK_WITHIN).await;
                let nodes = Arc::clone(&due.0);
                drop(due);
                nodes.settle().await;
            });
        }
    }

    /// Gives back now what is to be given back.
    pub(super) async fn settle(&self) {
        let owed = self.take_owed();
        if !owed.is_empty()
            && let Err(error) = self.accounts.count_attempt(&owed, None, None).await
        {
            log::debug!("attempts that were no failures stay counted: {error}");
        }
    }

    fn take_owed(&self) -> Vec<Back> {
        std::mem::take(&mut self.owed().backs)
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_sometimes(self: &Arc<Self>, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let every = u64::try_from(FORGET_EVERY.as_nanos()).unwrap_or(u64::MAX);
        let due = |last: u64| (last == 0 || now - last.min(now) >= every).then_some(now.max(1));
        if self
            .forgot
            .try_update(Ordering::Relaxed, Ordering::Relaxed, due)
            .is_ok()
        {
            let nodes = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = nodes.accounts.forget_attempts().await {
                    log::debug!("attempts of before weren't taken away: {error}");
                }
            });
        }
    }
}

/// What is to be given back.
#[derive(Default)]
struct Owed {
    backs: Vec<Back>,
    /// Whether it will be by itself, within [`GIVE_BACK_WITHIN`]: one task at a time waits for that, or each log-in would have
    /// one, and a question of its own at the end of it.
    is_due: bool,
}

/// While there is such a task, which ends with its worker.
struct Due(Arc<OfNodes>);

impl Drop for Due {
    fn drop(&mut self) {
        self.0.owed().is_due = false;
    }
}

/// A share that is cut to microseconds would allow a little more: it is rounded up.
fn counter(key: i64, rate: Rate) -> Counter {
    let count = rate.count.max(1);
    let share = rate.period.as_micros().div_ceil(u128::from(count)).max(1);
    Counter {
        key,
        share: i64::try_from(share).unwrap_or(i64::MAX),
        count,
    }
}
