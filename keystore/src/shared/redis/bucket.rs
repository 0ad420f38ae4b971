//! Which part of the store a record is in: 64 buckets, each with its keys in one slot of a cluster.
//!
//! A bucket is the first six bits of the user's tag, so all of a user's records are in one, and the order of the buckets
//! is that of the keys.

use crate::key::{KeyBytes, UserTag};

/// How many there are.
pub(super) const BUCKETS: usize = 64;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Bucket(u8);

impl Bucket {
    /// The one that also has what there is once for all.
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn of_user(user: UserTag) -> Self {
        Self(user.as_bytes()[0] >> 2)
    }

    pub(super) fn of_key(key: &KeyBytes) -> Self {
        Self(key[0] >> 2)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..64).map(Self)
    }

    /// From the one of this key to the one of that.
    pub(super) fn between(first: &KeyBytes, last: &KeyBytes) -> impl Iterator<Item = Self> {
        (Self::of_key(first).0..=Self::of_key(last).0).map(Self)
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Meta, records, index and feed. What is in braces decides about the slot.
    pub(super) fn keys(self) -> [String; 4] {
        ["m", "r", "i", "f"].map(|what| self.key(what))
    }

    pub(super) fn feed(self) -> String {
        self.key("f")
    }

    fn key(self, what: &str) -> String {
        format!("{{lacre-{:02}}}:{what}", self.0)
    }

    /// The slot of all its keys.
    pub(super) fn slot(self) -> u16 {
        crc16(format!("lacre-{:02}", self.0).as_bytes()) % 16384
    }
}

/// CRC-16 as a cluster computes it: polynomial 1021, nothing reflected, from 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let next = crc << 1;
            if crc & 0x8000 == 0 {
                next
            } else {
                next ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert!(Bucket::all().all(|bucket| bucket.slot() < 16384));
    }

    #[test]
    fn a_users_records_are_in_one_bucket_and_buckets_have_the_order_of_keys() {
        assert_eq!(Bucket::all().count(), BUCKETS);
        for first in 0..=u8::MAX {
            let mut key = [0xff; 32];
            key[0] = first;
            let mut tag = [0; 16];
            tag[0] = first;
            let bucket = Bucket::of_key(&key);
            assert_eq!(bucket, Bucket::of_user(UserTag::from_bytes(tag)));
            assert_eq!(bucket.index(), usize::from(first / 4));
        }
        let all: Vec<_> = Bucket::between(&[0; 32], &[0xff; 32]).collect();
        assert!(all.is_sorted() && all.len() == BUCKETS);
    }
}
