//! Where sealed bytes are kept: what the keystore asks of a store, and no more.
//!
//! An engine maps keys of 32 bytes to values, in the order of the keys' bytes. It makes a batch of
//! changes wholly or not at all, and is told when to make the batches so far durable; grouping,
//! ordering and answering are the committer's work.
//!
//! This room must never interpret a value, and never answer "there is nothing" for a store that
//! it couldn't read.

mod mark;
mod memory;
mod plan;
mod sled_engine;

use crate::error::KeystoreError;
use crate::key::UserTag;

pub use memory::MemoryEngine;
pub use sled_engine::{SledEngine, SledOptions};

/// The 32 bytes of a record's key.
pub type KeyBytes = [u8; 32];

/// A store of sealed records.
///
/// One thread at a time calls [`apply`](Self::apply), [`note_emptying`](Self::note_emptying) and
/// [`persist`](Self::persist); any number of threads read meanwhile. A read sees every change whose
/// `apply` has returned, durable or not. After an error of these no more changes are asked for. All
/// calls may block for as long as a disk takes.
pub trait Engine: Send + Sync + 'static {
    /// The value of this key.
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError>;

    /// The first `limit` keys of the range and their values, in order.
    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError>;

    /// How many keys the range has, counted no further than `most`.
    fn count_up_to(&self, range: &KeyRange, most: usize) -> Result<usize, KeystoreError>;

    /// How many keys there are. It may walk over all of them.
    fn count(&self) -> Result<u64, KeystoreError>;

    /// Makes all the changes, in this order, where every key has the value that its change expects:
    /// true. Otherwise leaves everything as it is: false. No key stands twice among them.
    ///
    /// Whatever happens meanwhile, a store that is opened anew has all of them or none. A read that
    /// comes in between may see the first of them and not yet the last.
    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError>;

    /// Notes, in its turn among the changes, that the store is being emptied, or no longer. A store
    /// that is opened anew with that note removes all it has before it answers anything.
    fn note_emptying(&self, under_way: bool) -> Result<(), KeystoreError>;

    /// Returns once every change applied so far survives a crash of the machine.
    fn persist(&self) -> Result<(), KeystoreError>;

    /// The bytes that the store takes on disk.
    fn size_on_disk(&self) -> Result<u64, KeystoreError>;
}

/// A compare-and-swap of one key. `None` stands for "no such key".
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: KeyBytes,
    /// What its value must be for the change to be made.
    pub expected: Option<Vec<u8>>,
    /// What its value is afterwards.
    pub new: Option<Vec<u8>>,
}

/// Keys from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    first: KeyBytes,
    last: KeyBytes,
}

impl KeyRange {
    /// Every key.
    pub const ALL: Self = Self {
        first: [0; 32],
        last: [0xff; 32],
    };

    /// The keys of one user's records.
    #[must_use]
    pub fn of_user(user: UserTag) -> Self {
        let (mut first, mut last) = (Self::ALL.first, Self::ALL.last);
        first[..16].copy_from_slice(user.as_bytes());
        last[..16].copy_from_slice(user.as_bytes());
        Self { first, last }
    }

    /// The part of the range that comes after this key; nothing where no key can.
    #[must_use]
    pub fn after(mut self, key: &KeyBytes) -> Option<Self> {
        self.first = self.first.max(successor(key)?);
        (self.first <= self.last).then_some(self)
    }

    /// The smallest key of the range.
    #[must_use]
    pub fn first(&self) -> KeyBytes {
        self.first
    }

    /// The greatest key of the range; never before the first.
    #[must_use]
    pub fn last(&self) -> KeyBytes {
        self.last
    }
}

/// The next key in order, if this isn't the last of all.
fn successor(key: &KeyBytes) -> Option<KeyBytes> {
    let place = key.iter().rposition(|&byte| byte != 0xff)?;
    let mut next = [0; 32];
    next[..=place].copy_from_slice(&key[..=place]);
    next[place] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_users_range_holds_the_users_keys_and_no_neighbour() {
        let range = KeyRange::of_user(UserTag::from_bytes([7; 16]));
        let mut below = [0xff; 32];
        below[..16].copy_from_slice(&[7; 16]);
        below[15] = 6;
        let mut above = [0; 32];
        above[..16].copy_from_slice(&[7; 16]);
        above[15] = 8;
        assert!(below < range.first() && range.last() < above);
        assert_eq!(successor(&below), Some(range.first()));
        assert_eq!(successor(&range.last()), Some(above));
    }

    #[test]
    fn nothing_comes_after_the_last_key() {
        assert_eq!(KeyRange::ALL.after(&[0xff; 32]), None);
        let range = KeyRange::of_user(UserTag::from_bytes([0xff; 16]));
        assert_eq!(range.after(&range.last()), None);
    }

    proptest! {
        #[test]
        fn no_key_lies_between_a_key_and_its_successor(
            tail in 0_usize..=32, mut key: [u8; 32], other: [u8; 32],
        ) {
            key[32 - tail..].fill(0xff);
            if let Some(next) = successor(&key) {
                prop_assert!(key < next);
                prop_assert!(other <= key || next <= other);
            } else {
                prop_assert_eq!(key, [0xff; 32]);
            }
        }
    }
}
