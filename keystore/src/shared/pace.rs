//! When the next poll is due.
//!
//! Each poll takes a node's processor time and its store's, and one that comes too late leaves a gap in the lease. So
//! polls are as far apart as those of the last second allow: three fifths of a lease where each was done within a tenth of
//! one, two fifths where any took much longer.
//!
//! Nothing but waiting depends on it: a lease counts from the poll that was sent, whenever that was.

use std::time::Duration;

/// What has been seen of polls so far.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the next one is due, on the lease's clock.
    due_at: Option<u64>,
    /// How long after it was due the slowest of late was done; those of before count for less and less.
    slowest: Option<Duration>,
}

impl Pace {
    /// How long to wait for the next poll, at `now`, when the one that was sent at `sent_at` has been applied.
    pub(crate) fn next(&mut self, lease: Duration, sent_at: u64, now: u64) -> Duration {
        // It may have been sent late: this thread had to wait for the processor.
        let due_at = self.due_at.map_or(sent_at, |due_at| due_at.min(sent_at));
        let took = Duration::from_nanos(now.saturating_sub(due_at)).min(lease);
        let before = self.slowest.map_or(lease, |slowest| slowest * 7 / 8);
        let slowest = took.max(before.min(lease));
        self.slowest = Some(slowest);
        let apart = lease.saturating_sub(slowest * 4);
        let apart = apart.clamp(lease * 2 / 5, lease * 3 / 5);
        let nanos = u64::try_from(apart.as_nanos()).unwrap_or(u64::MAX);
        let due_at = sent_at.saturating_add(nanos);
        self.due_at = Some(due_at);
        Duration::from_nanos(due_at.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_millis(50);

    const fn ms(milliseconds: u64) -> u64 {
        milliseconds * 1_000_000
    }

    /// Polls that are sent when they are due, each applied so long afterwards; how far the last two were apart.
    fn apart(pace: &mut Pace, from: u64, count: usize, took: u64) -> (u64, Duration) {
        let (mut sent_at, mut last) = (from, Duration::ZERO);
        for _ in 0..count {
            let pause = pace.next(LEASE, sent_at, sent_at + took);
            last = pause + Duration::from_nanos(took);
            sent_at += u64::try_from(last.as_nanos()).unwrap();
        }
        (sent_at, last)
    }

    #[test]
    fn nothing_is_known_of_the_first_so_the_next_comes_soon() {
        assert_eq!(
            Pace::default().next(LEASE, ms(7), ms(8)),
            Duration::from_millis(19)
        );
    }

    #[test]
    fn polls_that_are_done_quickly_are_three_fifths_of_a_lease_apart_within_a_second() {
        let (until, last) = apart(&mut Pace::default(), 0, 30, ms(1));
        assert_eq!(last, LEASE * 3 / 5);
        assert!(until < ms(1_000), "{until}");
    }

    #[test]
    fn a_slow_one_has_the_next_come_sooner_for_a_while() {
        let mut pace = Pace::default();
        let (at, _) = apart(&mut pace, 0, 100, ms(1));
        let (at, last) = apart(&mut pace, at, 1, ms(9));
        assert_eq!(last, LEASE * 2 / 5);
        let (at, last) = apart(&mut pace, at, 2, ms(1));
        assert!(last < LEASE * 3 / 5, "{last:?}");
        let (_, last) = apart(&mut pace, at, 20, ms(1));
        assert_eq!(last, LEASE * 3 / 5);
    }

    #[test]
    fn one_that_is_sent_late_counts_as_slow() {
        let mut pace = Pace::default();
        let (due_at, _) = apart(&mut pace, 0, 100, ms(1));
        let pause = pace.next(LEASE, due_at + ms(8), due_at + ms(9));
        assert_eq!(pause, Duration::from_millis(19));
    }

    #[test]
    fn one_that_is_sent_before_it_is_due_does_not() {
        let mut pace = Pace::default();
        let (due_at, _) = apart(&mut pace, 0, 100, ms(1));
        let sent_at = due_at - ms(25);
        let pause = pace.next(LEASE, sent_at, sent_at + ms(1));
        assert_eq!(pause, Duration::from_millis(29));
    }

    #[test]
    fn whatever_polls_take_the_next_one_is_due_within_two_to_three_fifths_of_a_lease() {
        for took in [0, 1, ms(3), ms(6), ms(9), ms(40), ms(60_000), u64::MAX / 4] {
            let mut pace = Pace::default();
            let mut sent_at = ms(1);
            for _ in 0..5 {
                let now = sent_at + took;
                let pause = pace.next(LEASE, sent_at, now);
                let apart = pace.due_at.unwrap() - sent_at;
                let bounds = LEASE * 2 / 5..=LEASE * 3 / 5;
                assert!(
                    bounds.contains(&Duration::from_nanos(apart)),
                    "{took} {apart}"
                );
                assert!(pause <= LEASE * 3 / 5, "{took} {pause:?}");
                sent_at = now / 2;
            }
        }
    }
}
