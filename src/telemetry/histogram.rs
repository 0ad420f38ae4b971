//! How long something took, counted in buckets.
//!
//! This room must never lock: whoever measures is serving a request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in microseconds: from an open of a known token to a queue of password hashes.
pub const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// Durations since the start. Shared by all threads.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Durations within each of [`BOUNDS`], not cumulated; the last is everything above.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

/// A histogram as it was at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many were within each of [`BOUNDS`] or an earlier one.
    pub within: [u64; BOUNDS.len()],
    /// How many there were.
    pub count: u64,
    /// The sum of them all, in microseconds.
    pub sum_micros: u64,
}

impl Histogram {
    /// Counts one; a bound belongs to its bucket.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&bound| bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> Durations {
        let mut durations = Durations::default();
        for (within, bucket) in durations.within.iter_mut().zip(&self.buckets) {
            durations.count += bucket.load(Relaxed);
            *within = durations.count;
        }
        durations.count += self.buckets[BOUNDS.len()].load(Relaxed);
        durations.sum_micros = self.sum_micros.load(Relaxed);
        durations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_their_bounds_inclusive() {
        let histogram = Histogram::default();
        for micros in [100, 101, 9_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let read = histogram.read();
        assert_eq!(read.within[..3], [1, 2, 2]);
        assert_eq!(
            read.within[BOUNDS.len() - 1],
            2,
            "nine seconds are above them all"
        );
        assert_eq!((read.count, read.sum_micros), (3, 9_000_201));
    }

    #[test]
    fn a_time_beyond_all_measure_is_counted() {
        let histogram = Histogram::default();
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.read().count, 1);
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS.is_sorted_by(|one, next| one < next));
    }
}
