//! The only reader of the wall clock.
//!
//! Everything that depends on time takes a [`Clock`], so that a test can stand at any second and
//! no room can disagree with another about what "now" is.
//!
//! This room must never sleep, never schedule, and never return a time that a caller can't replace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z, the `NumericDate` of RFC 7519 §2 in whole seconds.
pub type UnixSeconds = u64;

/// Where a room learns what time it is.
pub trait Clock: Send + Sync {
    /// The time now, in whole Unix seconds.
    fn now(&self) -> UnixSeconds;
}

/// The machine's wall clock, which never runs backwards within one process.
///
/// A clock that is set back would bring expired tokens to life again (threat: clock); this one stands
/// still until the machine has caught up.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicU64,
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that may read the wall clock
    fn now(&self) -> UnixSeconds {
        let read = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let latest = self.latest.load(Ordering::Relaxed);
        if read <= latest {
            return latest; // nearly always, and all workers may look at once
        }
        self.latest.fetch_max(read, Ordering::Relaxed).max(read)
    }
}

/// A clock that stands where it is put: for tests and for `lacre token open --now`.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicU64);

impl FixedClock {
    /// A clock that shows `now` until it is moved.
    #[must_use]
    pub fn at(now: UnixSeconds) -> Self {
        Self(AtomicU64::new(now))
    }

    /// Moves the clock forward by `seconds`.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixSeconds {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_never_runs_backwards() {
        let clock = SystemClock::default();
        let far_ahead = clock.now() + 1_000;
        clock.latest.store(far_ahead, Ordering::Relaxed);
        assert_eq!(clock.now(), far_ahead, "a clock set back must stand still");
    }

    #[test]
    fn the_system_clock_reads_this_century() {
        assert!(SystemClock::default().now() > 1_700_000_000);
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::at(10);
        assert_eq!(clock.now(), 10);
        clock.advance(5);
        assert_eq!(clock.now(), 15);
    }
}
