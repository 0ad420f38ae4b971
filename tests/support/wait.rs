//! Waiting for something that another process does: asked again and again, up to a deadline.

use std::time::{Duration, Instant};

/// How long a test waits for what should take a moment. Generous, for a machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Asks `look` until it answers; panics with `what` when it doesn't in time.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
