//! A store in memory: for tests, examples and throw-away servers.
//!
//! This room must never pretend to be durable anywhere else: what it holds ends with the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::engine::{Change, Engine};
use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange};
use crate::note::{Note, NotePlace, SealedNote};

/// An engine whose records end with it.
#[derive(Default)]
pub struct MemoryEngine {
    records: RwLock<BTreeMap<KeyBytes, Vec<u8>>>,
    notes: RwLock<BTreeMap<NotePlace, Vec<u8>>>,
    noted: AtomicU64,
    head: RwLock<Option<Vec<u8>>>,
}

impl MemoryEngine {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A thread that panicked while it held the lock left the map whole: every change is one
    /// insert or one remove, and nothing between those of a batch can panic.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<KeyBytes, Vec<u8>>> {
        self.records.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError> {
        Ok(self.read().get(key).cloned())
    }

    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError> {
        Ok(self
            .read()
            .range(range.first()..=range.last())
            .take(limit)
            .map(|(key, value)| (*key, value.clone()))
            .collect())
    }

    fn count_up_to(&self, range: &KeyRange, most: usize) -> Result<usize, KeystoreError> {
        let records = self.read();
        let keys = records.range(range.first()..=range.last());
        Ok(keys.take(most).count())
    }

    fn count(&self) -> Result<u64, KeystoreError> {
        Ok(self.read().len() as u64)
    }

    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError> {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        if !changes
            .iter()
            .all(|change| records.get(&change.key) == change.expected.as_ref())
        {
            return Ok(false);
        }
        for Change { key, new, .. } in changes {
            match new {
                Some(value) => records.insert(*key, value.clone()),
                None => records.remove(key),
            };
        }
        Ok(true)
    }

    /// What ends with the process needn't be emptied later.
    fn note_emptying(&self, _under_way: bool, _note: Option<&Note>) -> Result<(), KeystoreError> {
        Ok(())
    }

    fn keep_note(
        &self,
        key: &KeyBytes,
        note: &Note,
        removed: &[u8],
    ) -> Result<Option<NotePlace>, KeystoreError> {
        let number = self.noted.fetch_add(1, Ordering::Relaxed);
        let place = NotePlace::new(note.at(), number, key);
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        notes.insert(place, note.value(key, removed));
        Ok(Some(place))
    }

    fn drop_note(&self, place: &NotePlace) -> Result<(), KeystoreError> {
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        notes.remove(place);
        Ok(())
    }

    fn replace_note(&self, note: &SealedNote, sealed: &[u8]) -> Result<bool, KeystoreError> {
        let mut notes = self.notes.write().unwrap_or_else(PoisonError::into_inner);
        let held = notes.get_mut(&note.place);
        let held = held.filter(|held| **held == note.value());
        Ok(held.map(|held| *held = note.value_with(sealed)).is_some())
    }

    fn count_notes(&self) -> Result<u64, KeystoreError> {
        let notes = self.notes.read().unwrap_or_else(PoisonError::into_inner);
        Ok(notes.len() as u64)
    }

    fn notes(
        &self,
        after: Option<&NotePlace>,
        limit: usize,
    ) -> Result<Vec<SealedNote>, KeystoreError> {
        let notes = self.notes.read().unwrap_or_else(PoisonError::into_inner);
        let from = after.map_or(Bound::Unbounded, |place| Bound::Excluded(*place));
        let found = notes.range((from, Bound::Unbounded)).take(limit);
        let found = found.filter_map(|(place, value)| SealedNote::from_value(*place, value));
        Ok(found.collect())
    }

    fn last_note(&self) -> Result<Option<NotePlace>, KeystoreError> {
        let notes = self.notes.read().unwrap_or_else(PoisonError::into_inner);
        Ok(notes.last_key_value().map(|(place, _)| *place))
    }

    fn keep_head(&self, head: &[u8]) -> Result<(), KeystoreError> {
        let mut kept = self.head.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(head.to_vec());
        Ok(())
    }

    fn head(&self) -> Result<Option<Vec<u8>>, KeystoreError> {
        let kept = self.head.read().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.clone())
    }

    fn persist(&self) -> Result<(), KeystoreError> {
        Ok(())
    }

    /// Nothing of it is on disk.
    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        Ok(0)
    }
}
