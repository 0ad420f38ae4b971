//! What the store holds, as one number that a missing record or an older one changes.
//!
//! sled may drop a damaged segment of its log without a word: records are missing then, or come back as
//! they were earlier, and each that is there opens. So every record has a MAC of its name and its sealed
//! bytes, and the sum of all MACs is kept: it is changed by each change, and computed anew from what is
//! there whenever the store is opened ([0051](../../../../docs/decisions/0051-digest.md)).
//!
//! | bytes of the entry | hold |
//! |---|---|
//! | 8 | the number of the change, big-endian; the nonce of what follows |
//! | 40 | sealed: sum and number of the records before the change |
//! | 40 | sealed: the same after the change |
//! | 16 | the tag |
//!
//! An entry is written before its change. sled comes back from a crash with a prefix of what was
//! written, so what it holds then is what the last entry says of before or of after; and of after alone
//! where the change belongs to a durable group.
//!
//! This room must never show a sum: who knows the MACs of many records can find others with the same sum.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use std::fmt;
use std::sync::Arc;

use crate::error::KeystoreError;
use crate::key::KeyBytes;
use crate::local::engine::Change;

const TALLY: usize = 40;
const PURPOSE: &[u8] = b"lacre digest v1";

/// The key of a store's digest. It stays for as long as the store does, whatever master key seals the
/// records.
#[derive(Clone)]
pub struct DigestKey(Arc<Parts>);

struct Parts {
    mac: hmac::Key,
    epoch: hmac::Key,
    sealing: [u8; 32],
}

impl DigestKey {
    /// The key of a store that belongs to no deployment: it notices faults, and not whoever knows this
    /// source.
    #[must_use]
    pub fn public() -> Self {
        Self::derived(&[0; 32])
    }

    /// Derives the key from a secret that stays.
    #[must_use]
    pub fn derived(secret: &[u8; 32]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let mac = hmac::sign(&secret, b"lacre v1 key of the digest of records");
        let epoch = hmac::sign(&secret, b"lacre v1 key of the note of an epoch");
        let mut sealing = [0; 32];
        sealing
            .copy_from_slice(hmac::sign(&secret, b"lacre v1 key that seals the digest").as_ref());
        Self(Arc::new(Parts {
            mac: hmac::Key::new(hmac::HMAC_SHA256, mac.as_ref()),
            epoch: hmac::Key::new(hmac::HMAC_SHA256, epoch.as_ref()),
            sealing,
        }))
    }

    /// The MAC of what is noted outside of the store.
    pub(in crate::local) fn mac_of_epoch(&self, said: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.0.epoch, said).as_ref());
        mac
    }

    pub(in crate::local) fn is_mac_of_epoch(&self, said: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.0.epoch, said, mac).is_ok()
    }

    fn cipher(&self) -> Result<LessSafeKey, KeystoreError> {
        UnboundKey::new(&AES_256_GCM_SIV, &self.0.sealing)
            .map(LessSafeKey::new)
            .map_err(|_| KeystoreError::SealingFailed)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.sealing);
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DigestKey")
    }
}

/// The sum and the number of some records.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// In four lanes, each modulo 2^64.
    sum: [u64; 4],
    pub(super) records: u64,
}

impl Tally {
    pub(super) fn add(&mut self, key: &DigestKey, name: &[u8], sealed: &[u8]) {
        for (lane, mac) in self.sum.iter_mut().zip(lanes(key, name, sealed)) {
            *lane = lane.wrapping_add(mac);
        }
        self.records = self.records.wrapping_add(1);
    }

    /// Of the records of both.
    pub(super) fn join(mut self, other: Self) -> Self {
        for (lane, more) in self.sum.iter_mut().zip(other.sum) {
            *lane = lane.wrapping_add(more);
        }
        self.records = self.records.wrapping_add(other.records);
        self
    }

    fn subtract(&mut self, key: &DigestKey, name: &[u8], sealed: &[u8]) {
        for (lane, mac) in self.sum.iter_mut().zip(lanes(key, name, sealed)) {
            *lane = lane.wrapping_sub(mac);
        }
        self.records = self.records.wrapping_sub(1);
    }

    fn change(
        &mut self,
        key: &DigestKey,
        Change {
            key: name,
            expected,
            new,
        }: &Change,
    ) {
        if let Some(sealed) = expected {
            self.subtract(key, name, sealed);
        }
        if let Some(sealed) = new {
            self.add(key, name, sealed);
        }
    }

    fn to_bytes(self) -> [u8; TALLY] {
        let mut bytes = [0; TALLY];
        let words = self.sum.iter().chain([&self.records]);
        for (room, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *room = word.to_be_bytes();
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let [a, b, c, d, records] = *<&[_; 5]>::try_from(words).ok()?;
        Some(Self {
            sum: [a, b, c, d].map(u64::from_be_bytes),
            records: u64::from_be_bytes(records),
        })
    }
}

/// The MAC of a record. No name is the beginning of another: all are as long.
fn lanes(key: &DigestKey, name: &[u8], sealed: &[u8]) -> [u64; 4] {
    let mut mac = hmac::Context::with_key(&key.0.mac);
    mac.update(name);
    mac.update(sealed);
    let mac = mac.sign();
    let (words, _) = mac.as_ref().as_chunks::<8>();
    let mut lanes = [0; 4];
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = u64::from_be_bytes(*word);
    }
    lanes
}

/// The tally of a store, as the one thread that writes keeps it.
pub(super) struct Digest {
    key: DigestKey,
    cipher: LessSafeKey,
    /// The number of the last entry that was made.
    number: u64,
    tally: Tally,
    /// The check that is under way.
    walk: Option<Walk>,
}

/// A check that has come some way through the records. What changes behind it is changed in its tally as well, so
/// that at the end it has the records of one moment.
#[derive(Default)]
pub(super) struct Walk {
    /// The last record that was looked at.
    pub(super) last: Option<KeyBytes>,
    pub(super) tally: Tally,
    /// How many were looked at.
    pub(super) seen: u64,
}

impl Digest {
    pub(super) fn new(key: DigestKey) -> Result<Self, KeystoreError> {
        Ok(Self {
            cipher: key.cipher()?,
            key,
            number: 0,
            tally: Tally::default(),
            walk: None,
        })
    }

    pub(super) fn key(&self) -> &DigestKey {
        &self.key
    }

    /// The number of the last change.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// What the store is going to hold when these changes are made.
    pub(super) fn after(&self, changes: &[Change]) -> Tally {
        let mut tally = self.tally;
        for change in changes {
            tally.change(&self.key, change);
        }
        tally
    }

    /// Has the check that is under way know of changes behind it.
    pub(super) fn follow(&mut self, changes: &[Change]) {
        let Some(walk) = &mut self.walk else {
            return;
        };
        let behind = |change: &&Change| walk.last.is_some_and(|last| change.key <= last);
        for change in changes.iter().filter(behind) {
            walk.tally.change(&self.key, change);
        }
    }

    /// The check that is under way, for a step of it.
    pub(super) fn walk(&mut self) -> &mut Option<Walk> {
        &mut self.walk
    }

    /// The entry of a change that makes the store hold this; from now on it does.
    pub(super) fn step(&mut self, after: Tally) -> Option<Vec<u8>> {
        let number = self.number + 1;
        let mut entry = number.to_be_bytes().to_vec();
        let mut tallies = [self.tally.to_bytes(), after.to_bytes()].concat();
        let tag = self
            .cipher
            .seal_in_place_separate_tag(nonce(number), Aad::from(PURPOSE), &mut tallies)
            .ok()?;
        entry.append(&mut tallies);
        entry.extend_from_slice(tag.as_ref());
        (self.number, self.tally) = (number, after);
        Some(entry)
    }

    /// Takes up where the store stands.
    pub(super) fn take_up(&mut self, number: u64, tally: Tally) {
        (self.number, self.tally) = (number, tally);
    }

    /// What an entry says.
    pub(super) fn read(&self, entry: &[u8]) -> Option<Entry> {
        let (number, sealed) = entry.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        let mut sealed = sealed.to_vec();
        let tallies = self
            .cipher
            .open_in_place(nonce(number), Aad::from(PURPOSE), &mut sealed)
            .ok()?;
        let (before, after) = tallies.split_at_checked(TALLY)?;
        Some(Entry {
            number,
            before: Tally::from_bytes(before)?,
            after: Tally::from_bytes(after)?,
        })
    }
}

/// An entry that was read.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) number: u64,
    before: Tally,
    pub(super) after: Tally,
}

impl Entry {
    /// How long an entry is.
    #[cfg(test)]
    pub(super) const LENGTH: usize = 8 + 2 * TALLY + 16;

    /// Refuses what isn't what this last entry of a store says, where all changes up to `durable` are.
    pub(super) fn check(&self, found: Tally, durable: u64) -> Result<(), KeystoreError> {
        if self.number < durable {
            return Err(KeystoreError::corrupt(
                "its digest is of an earlier time than its last change group",
            ));
        }
        let unfinished = self.number > durable && found == self.before;
        if found == self.after || unfinished {
            return Ok(());
        }
        Err(KeystoreError::StoreIncomplete {
            expected: self.after.records,
            found: found.records,
        })
    }
}

/// A number that comes twice, which only a crash makes it do, shows whether the same was sealed twice and no more.
fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn digest() -> Digest {
        Digest::new(DigestKey::derived(&[7; 32])).unwrap()
    }

    fn tally(records: &BTreeMap<KeyBytes, Vec<u8>>) -> Tally {
        let (digest, mut tally) = (digest(), Tally::default());
        for (name, sealed) in records {
            tally.add(digest.key(), name, sealed);
        }
        tally
    }

    fn put(place: u8, sealed: &[u8]) -> Change {
        Change {
            key: [place; 32],
            expected: None,
            new: Some(sealed.to_vec()),
        }
    }

    #[test]
    fn an_entry_says_what_is_before_and_after_and_shows_neither() {
        let mut digest = digest();
        let empty = digest.tally();
        let one = digest.after(&[put(1, b"one")]);
        let entry = digest.step(one).unwrap();
        assert_eq!(entry.len(), Entry::LENGTH);
        assert!(!entry.windows(8).any(|some| some == &one.to_bytes()[..8]));
        let read = digest.read(&entry).unwrap();
        assert_eq!(read.number, 1);
        for (found, durable, good) in [
            (one, 0, true),
            (empty, 0, true),
            (one, 1, true),
            (empty, 1, false),
            (one, 2, false),
            (digest.after(&[put(2, b"two")]), 0, false),
        ] {
            assert_eq!(read.check(found, durable).is_ok(), good);
        }
        let refused = read.check(empty, 1).unwrap_err();
        assert_eq!(refused.code(), "store_incomplete");
    }

    #[test]
    fn an_entry_that_was_changed_or_belongs_to_another_store_is_none() {
        let mut digest = digest();
        let one = digest.after(&[put(1, b"one")]);
        let entry = digest.step(one).unwrap();
        for bit in 0..entry.len() * 8 {
            let mut changed = entry.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(digest.read(&changed).is_none(), "bit {bit}");
        }
        for length in 0..entry.len() {
            assert!(digest.read(&entry[..length]).is_none());
        }
        let other = Digest::new(DigestKey::public()).unwrap();
        assert!(other.read(&entry).is_none());
    }

    #[test]
    fn a_key_prints_nothing() {
        assert_eq!(format!("{:?}", DigestKey::derived(&[7; 32])), "DigestKey");
    }

    proptest! {
        /// Step by step it comes to what a count from nothing gives, in any order; and whatever is
        /// missing, changed or exchanged is told.
        #[test]
        fn the_sum_goes_with_the_records(
            steps in prop::collection::vec((0..12_u8, prop::option::of(any::<[u8; 3]>())), 1..60),
        ) {
            let (mut digest, mut records) = (digest(), BTreeMap::new());
            for (place, sealed) in steps {
                let key = [place; 32];
                let new = sealed.map(|sealed| sealed.to_vec());
                let change = Change { key, expected: records.get(&key).cloned(), new: new.clone() };
                let after = digest.after(&[change]);
                digest.step(after).unwrap();
                match new {
                    Some(sealed) => records.insert(key, sealed),
                    None => records.remove(&key),
                };
                prop_assert!(digest.tally() == tally(&records));
                prop_assert_eq!(digest.tally().records, records.len() as u64);
            }
            for key in records.keys().copied().collect::<Vec<_>>() {
                let mut fewer = records.clone();
                fewer.remove(&key);
                prop_assert!(digest.tally() != tally(&fewer));
                let mut older = records.clone();
                older.insert(key, b"of before".to_vec());
                prop_assert!(digest.tally() != tally(&older));
            }
        }
    }
}
