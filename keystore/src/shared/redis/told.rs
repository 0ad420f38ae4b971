//! The changes by which this process ended something, and of which it has told itself.
//!
//! A poll brings the ends of every process, those of its own included: the answer to a change may be late or lost.
//! Whoever hears of a change first, its answer or the poll, tells of it; the other one leaves that out.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers of changes that one of the two has heard of.
#[derive(Default)]
pub(super) struct Told(Mutex<HashSet<u64>>);

impl Told {
    /// Whether this is the first to hear of the change.
    pub(super) fn first(&self, number: u64) -> bool {
        let mut heard = self.lock();
        // Each of the two asks once: nothing need be kept after the second.
        if heard.remove(&number) {
            return false;
        }
        heard.insert(number)
    }

    /// No poll brings the earlier ones any more.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Told;

    #[test]
    fn one_of_two_is_the_first_and_nothing_is_kept_after_both() {
        let told = Told::default();
        assert!(told.first(7) && told.first(9));
        assert!(!told.first(9) && !told.first(7));
        assert!(told.lock().is_empty());
        assert!(told.first(7));
        told.forget();
        assert!(told.first(7));
    }
}
