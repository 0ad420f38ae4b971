//! The only reader of the machine's clocks.
//!
//! Everything that depends on time takes a [`Clock`], so that a test can stand at any second and
//! no room can disagree with another about what "now" is.
//!
//! This room must never sleep, never schedule, and never return a time that a caller can't replace.

mod carried;
mod machine;
mod shown;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds since 1970-01-01T00:00:00Z, the `NumericDate` of RFC 7519 §2 in whole seconds.
pub type UnixSeconds = u64;

/// Where a room learns what time it is.
pub trait Clock: Send + Sync {
    /// The time now, in whole Unix seconds.
    fn now(&self) -> UnixSeconds;

    /// Shows `time` or later from now on: what a deployment has seen before a restart stays in the past.
    fn raise_to(&self, time: UnixSeconds);
}

/// The machine's time, which never runs backwards within one process (threat: clock).
///
/// A clock that is set back would bring expired tokens to life again, and one that is ahead for a moment
/// would end all of them, or stop time until that moment. So time goes on with the clock that nobody can
/// set, which also counts while the machine is suspended. Once a second it is compared with the wall clock:
///
/// - Where that is up to five seconds ahead, it is followed at once.
/// - Where it is further ahead, it is followed when it has been so for a minute.
/// - Where it is behind, time goes a tenth slower until the wall clock has caught up.
///
/// A difference of more than five seconds is logged when it begins and when it ends.
pub struct SystemClock(shown::Shown<machine::System>);

impl SystemClock {
    /// How often the wall clock was found to be more than five seconds off.
    #[must_use]
    pub fn jumps(&self) -> u64 {
        self.0.jumps()
    }

    /// By how many seconds the wall clock was off, ahead or behind, when it was last looked at.
    #[must_use]
    pub fn off_by(&self) -> u64 {
        self.0.off_by()
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self(shown::Shown::new(machine::System))
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemClock").finish_non_exhaustive()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixSeconds {
        self.0.now()
    }

    fn raise_to(&self, time: UnixSeconds) {
        self.0.raise_to(time);
    }
}

/// Nanoseconds on the clock that nobody can set, which goes on while the machine is suspended.
#[cfg(feature = "server")]
#[must_use]
pub(crate) fn running() -> u64 {
    use machine::Machine as _;
    machine::System.running().cast_unsigned()
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

    fn raise_to(&self, time: UnixSeconds) {
        self.0.fetch_max(time, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_reads_this_century() {
        assert!(SystemClock::default().now() > 1_700_000_000);
    }

    #[test]
    fn the_system_clock_goes_on_from_where_it_is_raised_to() {
        let clock = SystemClock::default();
        let far_ahead = clock.now() + 1_000;
        clock.raise_to(far_ahead);
        assert!((far_ahead..far_ahead + 10).contains(&clock.now()));
        clock.raise_to(far_ahead - 500);
        assert!(clock.now() >= far_ahead, "raising never lowers");
        clock.raise_to(u64::MAX);
        assert!(clock.now() > 7_000_000_000);
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::at(10);
        assert_eq!(clock.now(), 10);
        clock.advance(5);
        assert_eq!(clock.now(), 15);
        clock.raise_to(12);
        assert_eq!(clock.now(), 15);
        clock.raise_to(20);
        assert_eq!(clock.now(), 20);
    }
}
