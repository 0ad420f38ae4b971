//! Revisions: what tells an account from itself before a change, and from another that was made
//! under its id after it was deleted.
//!
//! An account begins at a random revision and counts up, so that no account made later comes to a
//! revision that an earlier one of its id had. Accounts of before began at 1; none begins there now.
//!
//! This room must never let a revision of a deleted account come back.

use rand::CryptoRng;

/// Where random revisions begin: far above those that were counted from 1, with room to count.
const FLOOR: u64 = 1 << 60;

/// More changes than an account sees while a request waits, and far fewer than lie between two
/// random beginnings.
const CHANGES: u64 = 1 << 32;

/// The revisions, from the first to the last, that an account may be at for a change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revisions {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Revisions {
    /// The revision of a new account: 60 random bits above the floor.
    pub(super) fn first(random: &mut (dyn CryptoRng + Send + 'static)) -> u64 {
        Self::place(random.next_u64())
    }

    /// A place among the revisions that accounts begin at.
    pub(super) fn place(random: u64) -> u64 {
        FLOOR | (random >> 4)
    }

    /// Whatever the account was changed to.
    pub(super) fn any() -> Self {
        Self {
            first: 0,
            last: u64::MAX,
        }
    }

    /// The account as it was, to the last change.
    pub(super) fn only(revision: u64) -> Self {
        Self {
            first: revision,
            last: revision,
        }
    }

    /// The account that was at this revision, whatever it was changed to since, and none that was
    /// made in its place.
    pub(super) fn of_the_account_at(revision: u64) -> Self {
        Self {
            first: revision,
            last: revision.saturating_add(CHANGES),
        }
    }

    pub(super) fn contains(self, revision: u64) -> bool {
        (self.first..=self.last).contains(&revision)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn no_account_begins_where_another_could_have_counted_to() {
        let mut random = StdRng::seed_from_u64(1);
        let mut before = vec![1];
        for _ in 0..1_000 {
            let first = Revisions::first(&mut random);
            assert!(i64::try_from(first + CHANGES).is_ok(), "SQL has 63 bits");
            for &earlier in &before {
                assert!(!Revisions::of_the_account_at(earlier).contains(first));
            }
            before.push(first);
        }
    }

    #[test]
    fn an_account_is_itself_after_a_change_and_another_is_not() {
        let itself = Revisions::of_the_account_at(FLOOR);
        assert!(itself.contains(FLOOR) && itself.contains(FLOOR + 1));
        assert!(!itself.contains(FLOOR - 1) && !itself.contains(1));
        assert!(!Revisions::only(FLOOR).contains(FLOOR + 1));
        assert!(Revisions::any().contains(1));
    }
}
