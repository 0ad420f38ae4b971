//! What is left of a session that ended: a time, and bytes of the caller's.
//!
//! A note is written in the change that removes the record, so that neither a crash nor a failure
//! parts the two, and it costs no write of its own that anybody waits for. Notes lie apart from the
//! records, in the order of their times, and are forgotten from the oldest on.
//!
//! This room must never hold anything of the record that has gone.

use std::fmt;
use std::sync::Arc;

use crate::key::{KeyBytes, RecordKey};
use crate::seal::master_key::MasterKeyRing;

/// What is to be left where a record goes. Equal are two that would leave the same.
#[derive(Clone)]
pub struct Note {
    at: u64,
    sealed: Arc<[u8]>,
    /// What it was sealed with, which is in use for as long as this may be written.
    _sealed_by: Option<Arc<MasterKeyRing>>,
}

/// Where a note lies: its time first, then a number that no other note has, then the record's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotePlace([u8; NotePlace::LENGTH]);

/// A note as it lies in a store.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedNote {
    /// Where.
    pub place: NotePlace,
    /// Its content, sealed.
    pub sealed: Vec<u8>,
}

/// A note that was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it lies.
    pub place: NotePlace,
    /// What the caller wrote, or the code of the error that keeps it from being opened.
    pub content: Result<Vec<u8>, &'static str>,
}

impl Note {
    pub(crate) fn new(at: u64, sealed: Vec<u8>) -> Self {
        Self {
            at,
            sealed: sealed.into(),
            _sealed_by: None,
        }
    }

    /// The same, holding the ring that sealed it.
    pub(crate) fn sealed_by(self, ring: Arc<MasterKeyRing>) -> Self {
        Self {
            _sealed_by: Some(ring),
            ..self
        }
    }

    /// The time, in Unix seconds.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The content, sealed.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }
}

impl PartialEq for Note {
    fn eq(&self, other: &Self) -> bool {
        (self.at, &self.sealed) == (other.at, &other.sealed)
    }
}

impl Eq for Note {}

impl NotePlace {
    /// The bytes of a place.
    pub const LENGTH: usize = 48;

    /// The place of a note of this time under this number, which is greater than those of before.
    #[must_use]
    pub fn new(at: u64, number: u64, key: &KeyBytes) -> Self {
        let mut place = [0; Self::LENGTH];
        place[..8].copy_from_slice(&at.to_be_bytes());
        place[8..16].copy_from_slice(&number.to_be_bytes());
        place[16..].copy_from_slice(key);
        Self(place)
    }

    /// The smallest place of all whose time isn't before this one.
    #[must_use]
    pub fn first_of(at: u64) -> Self {
        Self::new(at, 0, &[0; 32])
    }

    /// The place of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, whose order is that of time.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// When the session ended, in Unix seconds.
    #[must_use]
    pub fn at(&self) -> u64 {
        let (at, _) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_be_bytes(*at)
    }

    /// The key of the record that has gone.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        let mut key = [0; 32];
        key.copy_from_slice(&self.0[16..]);
        RecordKey::from_bytes(&key)
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note(at {})", self.at)
    }
}

impl fmt::Debug for NotePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotePlace(at {}, of {})", self.at(), self.key())
    }
}

impl fmt::Debug for SealedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedNote({:?})", self.place)
    }
}

impl fmt::Debug for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Left({:?})", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ordered_by_time_and_tell_what_they_are_of() {
        let (low, high) = ([0; 32], [0xff; 32]);
        let places = [
            NotePlace::first_of(7),
            NotePlace::new(7, 0, &high),
            NotePlace::new(7, 1, &low),
            NotePlace::first_of(8),
            NotePlace::new(256, 0, &low),
        ];
        assert!(places.is_sorted());
        assert_eq!(places[1].at(), 7);
        assert_eq!(places[1].key(), RecordKey::from_bytes(&high));
        assert_eq!(NotePlace::from_bytes(places[2].as_bytes()), Some(places[2]));
        assert_eq!(NotePlace::from_bytes(&[0; 47]), None);
    }
}
