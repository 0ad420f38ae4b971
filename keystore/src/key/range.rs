//! Ranges of record keys: every key, or those of one user.
//!
//! This room must never let a range of one user reach a neighbour's key.

use super::{KeyBytes, UserTag};

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
