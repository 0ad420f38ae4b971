//! Work that lasts as long whatever comes of it.
//!
//! A few hundred nanoseconds tell what was found where: memory that others have used is farther
//! away than one's own. No order of instructions evens that out, so the time does.
//!
//! This room must never wait for longer than it was told to, nor for a clock that stands still.

use std::time::{Duration, Instant};

/// Looks at the clock at most so often, with no pause between that would show in what is left over.
const MOST_LOOKS: usize = 1_000;

/// Does the work, and comes back when it has lasted at least this long: some microseconds, since a
/// processor is busy with the waiting.
pub(super) fn lasting<T>(least: Duration, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    wait(|| begun.elapsed() >= least);
    done
}

fn wait(over: impl Fn() -> bool) {
    for _ in 0..MOST_LOOKS {
        if over() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn short_work_lasts_as_long_as_it_must_and_long_work_no_longer() {
        let least = Duration::from_micros(5);
        let begun = Instant::now();
        assert_eq!(lasting(least, || 7), 7);
        assert!(begun.elapsed() >= least);

        let looks = Cell::new(0);
        wait(|| {
            looks.set(looks.get() + 1);
            true
        });
        assert_eq!(looks.get(), 1, "what is over isn't waited for");
    }

    #[test]
    fn a_clock_that_stands_still_holds_nobody_up() {
        let looks = Cell::new(0);
        wait(|| {
            looks.set(looks.get() + 1);
            false
        });
        assert_eq!(looks.get(), MOST_LOOKS);
    }
}
