//! What is left of a session that ended: a time, and bytes of the caller's.
//!
//! A note is written in the change that removes the record, so that neither a crash nor a failure
//! parts the two, and it costs no write of its own that anybody waits for. Notes lie apart from the
//! records, in the order of the ends, and are forgotten from the oldest on.
//!
//! This room must never hold anything of the record that has gone but a hash of its sealed bytes.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use crate::key::{KeyBytes, RecordKey};
use crate::seal::master_key::MasterKeyRing;

/// The sealed content of the note of a record that was read with these sealed bytes.
pub(crate) type ContentOf = dyn Fn(&KeyBytes, &[u8]) -> Option<Vec<u8>> + Send + Sync;

/// What is to be left where a record goes. Equal are two that would leave the same.
#[derive(Clone)]
pub struct Note {
    at: u64,
    sealed: Arc<[u8]>,
    /// What it was sealed with, which is in use for as long as this may be written.
    _sealed_by: Option<Arc<MasterKeyRing>>,
    of: Option<Arc<ContentOf>>,
}

/// Where a note lies: a number first, which grows with each note of its store, then the time, then the
/// record's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotePlace([u8; NotePlace::LENGTH]);

/// A note as it lies in a store.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedNote {
    /// Where.
    pub place: NotePlace,
    /// The SHA-256 of the sealed record that has gone.
    pub removed: [u8; 32],
    /// Its content, sealed.
    pub sealed: Vec<u8>,
}

/// A note that was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it lies.
    pub place: NotePlace,
    /// The SHA-256 of the sealed record that has gone.
    pub removed: [u8; 32],
    /// What the caller wrote, or the code of the error that keeps it from being opened.
    pub content: Result<Vec<u8>, &'static str>,
}

impl Note {
    pub(crate) fn new(at: u64, sealed: Vec<u8>) -> Self {
        Self {
            at,
            sealed: sealed.into(),
            _sealed_by: None,
            of: None,
        }
    }

    /// The same, holding the ring that sealed it.
    pub(crate) fn sealed_by(self, ring: Arc<MasterKeyRing>) -> Self {
        Self {
            _sealed_by: Some(ring),
            ..self
        }
    }

    /// The same, with a content of its own for each record for which there is one.
    pub(crate) fn of_each(self, of: Arc<ContentOf>) -> Self {
        Self {
            of: Some(of),
            ..self
        }
    }

    /// The time, in Unix seconds.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether what it says depends on the record that goes.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_of_each(&self) -> bool {
        self.of.is_some()
    }

    /// The content, sealed.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    /// The bytes to keep where a record with these sealed bytes goes: [`SealedNote::from_value`] reads
    /// them.
    #[must_use]
    pub fn value(&self, key: &KeyBytes, removed: &[u8]) -> Vec<u8> {
        let own = self.of.as_ref().and_then(|of| of(key, removed));
        let mut value = digest_of(removed).to_vec();
        value.extend_from_slice(own.as_deref().unwrap_or(&self.sealed));
        value
    }
}

impl SealedNote {
    /// The bytes that it is kept as, with another content.
    #[must_use]
    pub fn value_with(&self, sealed: &[u8]) -> Vec<u8> {
        [&self.removed, sealed].concat()
    }

    /// The bytes that it is kept as.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        self.value_with(&self.sealed)
    }

    /// The note with this value; `None` where it can't be one.
    #[must_use]
    pub fn from_value(place: NotePlace, value: &[u8]) -> Option<Self> {
        let (removed, sealed) = value.split_first_chunk()?;
        Some(Self {
            place,
            removed: *removed,
            sealed: sealed.to_vec(),
        })
    }
}

/// The SHA-256 of a sealed record.
pub(crate) fn digest_of(sealed: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, sealed).as_ref());
    bytes
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
        place[..8].copy_from_slice(&number.to_be_bytes());
        place[8..16].copy_from_slice(&at.to_be_bytes());
        place[16..].copy_from_slice(key);
        Self(place)
    }

    /// The place of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, whose order is that of the ends.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// When the session ended, in Unix seconds.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.word(8)
    }

    /// The number, which tells this end from all others of its store.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.word(0)
    }

    fn word(&self, from: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.0[from..from + 8]);
        u64::from_be_bytes(word)
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
    fn places_are_ordered_by_number_whatever_the_time_and_tell_what_they_are_of() {
        let (low, high) = ([0; 32], [0xff; 32]);
        let places = [
            NotePlace::new(900, 0, &high),
            NotePlace::new(7, 1, &low),
            NotePlace::new(8, 2, &low),
            NotePlace::new(7, 256, &low),
        ];
        assert!(places.is_sorted());
        assert_eq!((places[3].at(), places[3].number()), (7, 256));
        assert_eq!(places[0].key(), RecordKey::from_bytes(&high));
        assert_eq!(NotePlace::from_bytes(places[2].as_bytes()), Some(places[2]));
        assert_eq!(NotePlace::from_bytes(&[0; 47]), None);
    }

    #[test]
    fn a_note_has_the_content_of_its_record_where_there_is_one() {
        let note = Note::new(1, vec![7]).of_each(Arc::new(|_, removed| {
            (removed == b"mine").then(|| b"own".to_vec())
        }));
        let place = NotePlace::new(1, 1, &[0; 32]);
        let kept = |removed: &[u8]| SealedNote::from_value(place, &note.value(&[0; 32], removed));
        assert_eq!(kept(b"mine").unwrap().sealed, b"own");
        assert_eq!(kept(b"other").unwrap().sealed, [7]);
        assert_eq!(kept(b"other").unwrap().removed, digest_of(b"other"));
        assert_eq!(SealedNote::from_value(place, &[0; 31]), None);
    }
}
