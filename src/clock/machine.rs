//! The two clocks of the machine: the one that can be set, and the one that can't.
//!
//! This room must never be asked by anybody but the clock.

use rustix::time::ClockId;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const NANOS: i64 = 1_000_000_000;

/// The year 2200. What is beyond it is taken for this, so that no sum overflows.
pub(super) const LATEST: i64 = 7_258_118_400 * NANOS;

/// The clock that goes on while the machine is suspended, as time does for a token.
#[cfg(any(target_os = "linux", target_os = "android"))]
const RUNNING: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RUNNING: ClockId = ClockId::Monotonic;

/// What a machine's clocks show, in nanoseconds.
pub(super) trait Machine: Send + Sync {
    /// Time since some moment in the past. Nobody sets it, and it never goes back.
    fn running(&self) -> i64;

    /// Time since 1970, as somebody has set it.
    fn wall(&self) -> i64;

    /// Both at one moment.
    fn sight(&self) -> Sight {
        let before = self.running();
        let wall = self.wall();
        let after = self.running();
        Sight {
            before,
            wall,
            after,
        }
    }
}

/// What the wall clock showed between two readings of the other one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) before: i64,
    pub(super) wall: i64,
    pub(super) after: i64,
}

/// The machine that this runs on.
#[derive(Debug)]
pub(super) struct System;

impl Machine for System {
    #[inline]
    #[allow(clippy::disallowed_methods)] // the one place that may read this clock
    #[allow(clippy::useless_conversion)] // some machines have a narrower `tv_nsec`
    fn running(&self) -> i64 {
        let time = rustix::time::clock_gettime(RUNNING);
        time.tv_sec * NANOS + i64::from(time.tv_nsec)
    }

    #[allow(clippy::disallowed_methods)] // the one place that may read the wall clock
    fn wall(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.as_nanos());
        i64::try_from(nanos).map_or(LATEST, |nanos| nanos.min(LATEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_on() {
        let first = System.sight();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let second = System.sight();
        assert!(first.before <= first.after && first.after < second.before);
        let (wall, running) = (second.wall - first.wall, second.before - first.after);
        assert!((wall - running).abs() < 5 * NANOS, "{wall} and {running}");
    }
}
