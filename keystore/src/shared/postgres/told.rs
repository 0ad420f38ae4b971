//! The transactions by which this process ended something, and of which it has told itself.
//!
//! A poll brings the ends of every process, those of its own included: the answer to a change may be late or lost,
//! while another process finds the change made, and says so. Whoever hears of a transaction first, the change itself or
//! the poll, claims it and tells of it; the other one leaves that out.
//!
//! This room must never hold a transaction that a change has claimed before the stamps of its records were changed.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers of transactions of the server that answers now.
#[derive(Default)]
pub(super) struct Told(Mutex<HashSet<i64>>);

impl Told {
    /// Whether nobody has claimed this transaction before.
    pub(super) fn claim(&self, transaction: i64) -> bool {
        self.lock().insert(transaction)
    }

    /// Forgets the transactions before this one: no poll brings them any more.
    pub(super) fn forget_before(&self, xmin: i64) {
        self.lock().retain(|transaction| *transaction >= xmin);
    }

    /// Forgets all of them: another server may give the same numbers again.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Told;

    #[test]
    fn a_transaction_is_claimed_once_until_it_is_forgotten() {
        let told = Told::default();
        assert!(told.claim(7) && told.claim(9));
        assert!(!told.claim(7) && !told.claim(9));
        told.forget_before(9);
        assert!(told.claim(7) && !told.claim(9));
        told.forget();
        assert!(told.claim(9));
    }
}
