//! One rate limit for many keys, by GCRA (the generic cell rate algorithm): one number for each key.
//!
//! The number is a time, the theoretical arrival time. Each use moves it ahead by a share of the
//! period, and a key may use its budget while the number is ahead of now by no more than the period.
//!
//! This room must never take more memory than its table.

use crate::config::Rate;
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many keys a table has room for. Who has more addresses than that to spare isn't stopped by a
/// count for each address; the others stay, since a key that is used is kept before one that isn't.
pub(super) const ENTRIES: usize = 1 << 15;

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
        let with_one_more = used_up_to.saturating_add(self.share);
        let allowed = nanoseconds(now).saturating_add(self.share * u64::from(self.count));
        let wait = with_one_more.checked_sub(allowed)?;
        (wait > 0).then(|| Duration::from_nanos(wait))
    }

    /// Spends, also what isn't there any more: of what was under way together each is counted, and
    /// the excess is waited for.
    pub(super) fn spend(&self, key: u64, now: Duration, times: u32) {
        let found = self
            .used_up_to
            .get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::default()));
        let Ok(used_up_to) = found;
        let (now, spent) = (nanoseconds(now), self.share * u64::from(times));
        let _ = used_up_to.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            Some(before.max(now).saturating_add(spent))
        });
    }
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
            budget.spend(1, at(100), 1);
        }
        assert_eq!(budget.wait(1, at(100)), Some(at(6)));
        assert_eq!(budget.wait(1, at(105)), Some(at(1)));
        assert_eq!(budget.wait(1, at(106)), None);
        budget.spend(1, at(106), 1);
        assert_eq!(budget.wait(1, at(106)), Some(at(6)));
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let budget = ten_a_minute();
        budget.spend(1, at(0), 10);
        for _ in 0..10 {
            assert_eq!(budget.wait(1, at(100_000)), None);
            budget.spend(1, at(100_000), 1);
        }
        assert!(budget.wait(1, at(100_000)).is_some());
    }

    #[test]
    fn looking_spends_nothing_and_keys_are_apart() {
        let budget = ten_a_minute();
        for _ in 0..100 {
            assert_eq!(budget.wait(1, at(0)), None);
        }
        budget.spend(1, at(0), 10);
        assert!(budget.wait(1, at(0)).is_some());
        assert_eq!(budget.wait(2, at(0)), None);
    }

    #[test]
    fn what_was_under_way_together_is_counted_beyond_the_limit() {
        let budget = ten_a_minute();
        for _ in 0..66 {
            budget.spend(1, at(0), 1);
        }
        assert_eq!(budget.wait(1, at(0)), Some(at(57 * 6)));
        assert_eq!(budget.wait(1, at(57 * 6)), None);
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_than_the_table() {
        let budget = ten_a_minute();
        for key in 0..4 * ENTRIES as u64 {
            budget.spend(key, at(0), 1);
        }
        assert!(budget.used_up_to.len() <= ENTRIES);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let budget = Budget::new(Rate {
            count: u32::MAX,
            period: Duration::from_hours(24),
        });
        budget.spend(1, Duration::MAX, u32::MAX);
        budget.spend(1, Duration::MAX, u32::MAX);
        let _ = budget.wait(1, Duration::MAX);
        let _ = budget.wait(1, Duration::ZERO);
    }
}
