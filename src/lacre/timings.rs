//! What the operators' metrics say of the sessions' own work.
//!
//! The way of a token in use is not timed: reading a clock twice would cost more than some of its steps.
//!
//! This room must never be told whose token it was.

use crate::telemetry::histogram::{Durations, Histogram};
use std::time::Instant;

/// The time that each took, since the start.
#[derive(Debug, Default)]
pub(super) struct Timings {
    pub(super) issued: Histogram,
    pub(super) opened: Histogram,
}

/// What was measured up to now.
#[derive(Debug, Clone, Copy)]
pub struct Timed {
    /// Sessions begun, from the grant to the durable record; failures as well.
    pub issued: Durations,
    /// Tokens opened by their session's record alone, refused ones as well: the first use of each, and of
    /// those whose content key wasn't kept.
    pub opened: Durations,
    /// How many tokens' content keys are kept now.
    pub content_keys: usize,
}

/// Returns what `work` does, and counts its time.
pub(super) async fn timed<T>(into: &Histogram, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    into.observe(began.elapsed());
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn work_is_counted_with_the_time_that_it_took() {
        let histogram = Histogram::default();
        let slow = tokio::time::sleep(Duration::from_millis(20));
        timed(&histogram, slow).await;
        let read = histogram.read();
        assert_eq!(read.count, 1);
        assert!(read.sum_micros >= 20_000, "{read:?}");
    }
}
