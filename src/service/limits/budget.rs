//! One rate limit for many keys, by GCRA (the generic cell rate algorithm): one number for each key.
//!
//! The number is a time, the theoretical arrival time. Each use moves it ahead by a share of the
//! period, and a key may use its budget while the number is ahead of now by no more than the period.
//!
//! This room must never take more memory than its table.

use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many keys a table has room for. Who has more addresses than that to spare isn't stopped by a
/// count for each address; the others stay, since a key that is used is kept before one that isn't.
pub(super) const ENTRIES: usize = 1 << 15;

/// How often something may happen: `count` times at once, and then once whenever the period's share
/// has passed, so that it is never more than `count` in a period besides those at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How often; never 0.
    pub count: u32,
    /// In how long; a second at least.
    pub period: Duration,
}

/// What each key may spend.
pub(super) struct Budget {
    count: u32,
    /// Nanoseconds.
    share: u64,
    used_up_to: Cache<u64, Arc<AtomicU64>>,
}

impl Budget {
    pub(super) fn new(rate: Rate) -> Self {
        let count = rate.count.max(1);
        Self {
            count,
            share: (nanoseconds(rate.period) / u64::from(count)).max(1),
            used_up_to: Cache::new(ENTRIES),
        }
    }

    /// How often a key may spend at once.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// How long to wait until one more may be spent; `None` for not at all. Spends nothing.
    pub(super) fn wait(&self, key: u64, now: Duration) -> Option<Duration> {
        let used_up_to = self.used_up_to.get(&key)?.load(Ordering::Relaxed);
        self.wait_after(used_up_to, now)
    }

    /// Spends `times`, if one more may be spent now; otherwise says how long to wait for that. Of
    /// several at once no more go through than one after the other would.
    pub(super) fn try_spend(&self, key: u64, now: Duration, times: u32) -> Result<Spent, Duration> {
        let spent = self.spent(key, times);
        let changed = spent
            .from
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
                let wait = self.wait_after(before, now);
                wait.is_none().then(|| moved_on(before, now, spent.time))
            });
        match changed {
            Ok(_) => Ok(spent),
            Err(before) => Err(self.wait_after(before, now).unwrap_or_default()),
        }
    }

    /// Spends, also what isn't there any more: the excess is waited for.
    pub(super) fn spend(&self, key: u64, now: Duration) -> Spent {
        let spent = self.spent(key, 1);
        spent
            .from
            .update(Ordering::Relaxed, Ordering::Relaxed, |before| {
                moved_on(before, now, spent.time)
            });
        spent
    }

    fn spent(&self, key: u64, times: u32) -> Spent {
        let Ok(from) = self
            .used_up_to
            .get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::default()));
        let time = self.share * u64::from(times);
        Spent { from, time }
    }

    fn wait_after(&self, used_up_to: u64, now: Duration) -> Option<Duration> {
        let with_one_more = used_up_to.saturating_add(self.share);
        let allowed = nanoseconds(now).saturating_add(self.share * u64::from(self.count));
        let wait = with_one_more.checked_sub(allowed)?;
        (wait > 0).then(|| Duration::from_nanos(wait))
    }
}

/// What was spent, and where: to be given back, whatever has happened to the table since.
pub(super) struct Spent {
    from: Arc<AtomicU64>,
    time: u64,
}

impl Spent {
    /// As if it hadn't been spent. What others spent meanwhile stays, so that it never makes up for
    /// more than it was.
    pub(super) fn give_back(self) {
        self.from
            .update(Ordering::Relaxed, Ordering::Relaxed, |used_up_to| {
                used_up_to.saturating_sub(self.time)
            });
    }
}

fn moved_on(used_up_to: u64, now: Duration, time: u64) -> u64 {
    used_up_to.max(nanoseconds(now)).saturating_add(time)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn ten_a_minute() -> Budget {
        Budget::new(Rate {
            count: 10,
            period: MINUTE,
        })
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_count_may_be_spent_at_once_and_then_a_share_at_a_time() {
        let budget = ten_a_minute();
        for _ in 0..10 {
            assert_eq!(budget.wait(1, at(100)), None);
            budget.spend(1, at(100));
        }
        assert_eq!(budget.wait(1, at(100)), Some(at(6)));
        assert_eq!(budget.wait(1, at(105)), Some(at(1)));
        assert_eq!(budget.wait(1, at(106)), None);
        budget.spend(1, at(106));
        assert_eq!(budget.wait(1, at(106)), Some(at(6)));
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let budget = ten_a_minute();
        assert!(budget.try_spend(1, at(0), 10).is_ok());
        for _ in 0..10 {
            assert_eq!(budget.wait(1, at(100_000)), None);
            budget.spend(1, at(100_000));
        }
        assert!(budget.wait(1, at(100_000)).is_some());
    }

    #[test]
    fn looking_spends_nothing_and_keys_are_apart() {
        let budget = ten_a_minute();
        for _ in 0..100 {
            assert_eq!(budget.wait(1, at(0)), None);
        }
        assert!(budget.try_spend(1, at(0), 10).is_ok());
        assert!(budget.wait(1, at(0)).is_some());
        assert_eq!(budget.wait(2, at(0)), None);
    }

    #[test]
    fn what_was_under_way_together_is_counted_beyond_the_limit() {
        let budget = ten_a_minute();
        for _ in 0..66 {
            budget.spend(1, at(0));
        }
        assert_eq!(budget.wait(1, at(0)), Some(at(57 * 6)));
        assert_eq!(budget.wait(1, at(57 * 6)), None);
    }

    #[test]
    fn of_many_at_once_as_many_go_through_as_one_after_the_other() {
        let budget = ten_a_minute();
        let through = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        if budget.try_spend(1, at(0), 1).is_ok() {
                            through.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(through.into_inner(), 10);
        assert_eq!(budget.try_spend(1, at(0), 1).err(), Some(at(6)));
    }

    #[test]
    fn what_is_given_back_may_be_spent_again_and_nothing_more() {
        let budget = ten_a_minute();
        for _ in 0..100 {
            budget.try_spend(1, at(0), 1).ok().unwrap().give_back();
        }
        let mut spent: Vec<_> = (0..10).map(|_| budget.spend(1, at(0))).collect();
        assert!(budget.try_spend(1, at(0), 1).is_err());
        spent.pop().unwrap().give_back();
        assert!(budget.try_spend(1, at(0), 1).is_ok());
        assert!(budget.try_spend(1, at(0), 1).is_err());
        // Later than it was used up: the failures of others meanwhile stay counted.
        let early = budget.spend(2, at(0));
        for _ in 0..9 {
            assert!(budget.try_spend(2, at(1), 1).is_ok());
        }
        early.give_back();
        assert!(budget.try_spend(2, at(1), 1).is_ok());
        assert!(budget.try_spend(2, at(1), 1).is_err());
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_than_the_table() {
        let budget = ten_a_minute();
        for key in 0..4 * ENTRIES as u64 {
            budget.spend(key, at(0));
        }
        assert!(budget.used_up_to.len() <= ENTRIES);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let budget = Budget::new(Rate {
            count: u32::MAX,
            period: Duration::from_hours(24),
        });
        for _ in 0..2 {
            budget.spend(1, Duration::MAX).give_back();
            budget.spend(1, Duration::MAX);
            let _ = budget.try_spend(2, Duration::MAX, u32::MAX);
        }
        let _ = budget.wait(1, Duration::MAX);
        let _ = budget.wait(1, Duration::ZERO);
    }
}
