//! Single changes of the engine, made by the one thread that writes.
//!
//! This room must never change the engine again once a write has failed: what is on the disk then
//! is unknown, so every later change is refused until the store is opened anew. A value
//! that was found changed is no failure: it is read again.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::job::Shared;
use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange};
use crate::local::counts::Counts;
use crate::local::engine::{Change, Engine};
use crate::note::{Note, NotePlace, SealedNote};
use crate::stamps::Stamps;

/// How often a change that was overtaken is tried.
const MAX_ATTEMPTS: usize = 16;

/// The most notes that a store keeps, some 200 MB of them. One more takes the oldest away: whoever logs in
/// and out without end must not fill the disk. Those that have to be written down elsewhere stay until they
/// are.
pub(super) const MAX_NOTES: u64 = 1_000_000;

/// Makes changes and notes that they were made.
pub(super) struct Writer {
    pub(super) engine: Arc<dyn Engine>,
    /// Told of each change before the engine is.
    pub(super) stamps: Arc<Stamps>,
    counts: Arc<Counts>,
    pub(super) shared: Arc<Shared>,
    /// How many notes there are, and may be.
    notes: Cell<u64>,
    max_notes: u64,
    /// The place of the last one.
    last: Cell<Option<NotePlace>>,
}

impl Writer {
    /// Counts the notes of a store that nobody else writes to.
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        (stamps, counts): (Arc<Stamps>, Arc<Counts>),
        shared: Arc<Shared>,
        max_notes: u64,
    ) -> Result<Self, KeystoreError> {
        Ok(Self {
            notes: engine.count_notes()?.into(),
            last: engine.last_note()?.into(),
            engine,
            stamps,
            counts,
            shared,
            max_notes,
        })
    }

    /// Makes one change, unless writing has ended. An error ends writing, unless it says that
    /// others changed the same records meanwhile.
    pub(super) fn attempt<T>(
        &self,
        work: impl FnOnce() -> Result<T, KeystoreError>,
    ) -> Result<T, KeystoreError> {
        if self.shared.failure.get().is_some() {
            return Err(self.shared.refusal());
        }
        work().map_err(|error| match error {
            KeystoreError::StoreContended => error,
            error => self.fail(error),
        })
    }

    /// Returns once all changes so far are durable.
    pub(super) fn persist(&self) -> Result<(), KeystoreError> {
        let began = Instant::now();
        self.engine.persist().map_err(|error| self.fail(error))?;
        self.shared.written.group(began.elapsed());
        Ok(())
    }

    /// Opens the store anew after a failure; says whether changes are taken again.
    pub(super) fn reopen(&self) -> bool {
        let opened = self.engine.may_reopen().and_then(|()| {
            self.stamps.during_all(|| {
                self.engine.reopen()?;
                self.counts.forget();
                let notes = (self.engine.count_notes()?, self.engine.last_note()?);
                Ok((self.engine.count()?, notes))
            })
        });
        match opened {
            Ok((records, (notes, last))) => {
                self.shared.records.store(records, Ordering::Relaxed);
                self.notes.set(notes);
                self.last.set(last);
                self.shared.failure.clear();
                log::warn!("the keystore was opened anew and takes changes again");
                true
            }
            Err(error) => {
                log::warn!("the keystore can't be opened anew yet: {error}");
                false
            }
        }
    }

    /// Brings the store down to the room that it needs. Writing ends only where the store can't be
    /// opened again.
    pub(super) fn compact(&self, progress: &dyn Fn(u64, u64)) -> Result<(), KeystoreError> {
        if self.shared.failure.get().is_some() {
            return Err(self.shared.refusal());
        }
        if self.engine.compact(progress)? {
            let opened = self.stamps.during_all(|| self.engine.reopen());
            self.counts.forget();
            opened.map_err(|error| self.fail(error))?;
        }
        Ok(())
    }

    fn fail(&self, error: KeystoreError) -> KeystoreError {
        log::error!("the keystore takes no more changes until it is opened anew: {error}");
        self.shared.failure.set(error);
        self.shared.refusal()
    }

    /// Makes all the changes where every key has the value that is expected; says whether it did.
    ///
    /// The note of each record that goes, or whose place another one takes, is left before that, so that a
    /// crash which takes the note takes the change as well. Where nothing was changed the notes go again.
    pub(super) fn apply(
        &self,
        changes: &[Change],
        note: Option<&Note>,
    ) -> Result<bool, KeystoreError> {
        let mut left = Vec::new();
        if let Some(note) = note {
            for change in changes {
                if let Some(removed) = &change.expected {
                    left.extend(self.keep_note(&change.key, note, removed)?);
                }
            }
        }
        let keys = changes.iter().map(|change| &change.key);
        let apply = || self.stamps.during(keys, || self.engine.apply(changes));
        let made = self.counts.during(changes, apply)?;
        if made {
            for change in changes {
                self.note(change);
            }
            self.drop_oldest(self.notes.get().saturating_sub(self.max_notes))?;
        } else {
            for place in left {
                self.drop_note(&place)?;
            }
        }
        Ok(made)
    }

    fn keep_note(
        &self,
        key: &KeyBytes,
        note: &Note,
        removed: &[u8],
    ) -> Result<Option<NotePlace>, KeystoreError> {
        let place = self.engine.keep_note(key, note, removed)?;
        if place.is_some() {
            self.notes.update(|notes| notes + 1);
            self.last.set(place);
        }
        Ok(place)
    }

    /// The place of the last note.
    pub(super) fn last_note(&self) -> Option<NotePlace> {
        self.last.get()
    }

    /// Whether a note may go as far as others need it.
    fn may_go(&self, place: &NotePlace) -> bool {
        place.number() < self.shared.kept_from.load(Ordering::Relaxed)
    }

    fn drop_note(&self, place: &NotePlace) -> Result<(), KeystoreError> {
        self.engine.drop_note(place)?;
        self.notes.update(|notes| notes.saturating_sub(1));
        Ok(())
    }

    /// Takes so many of the oldest notes away.
    fn drop_oldest(&self, mut many: u64) -> Result<(), KeystoreError> {
        while many > 0 {
            let step = usize::try_from(many).unwrap_or(STEP).min(STEP);
            let notes = self.engine.notes(None, step)?;
            if notes.is_empty() {
                return Ok(());
            }
            for note in &notes {
                if !self.may_go(&note.place) {
                    return Ok(());
                }
                self.drop_note(&note.place)?;
            }
            many = many.saturating_sub(notes.len() as u64);
        }
        Ok(())
    }

    /// Counts a change that was made, and tells of a record that went.
    fn note(&self, change: &Change) {
        match (&change.expected, &change.new) {
            (None, Some(_)) => self.shared.records.fetch_add(1, Ordering::Relaxed),
            (Some(_), None) => self.shared.records.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        self.shared.written.changes.fetch_add(1, Ordering::Relaxed);
        if let (None, Some(watcher)) = (&change.new, self.shared.watcher.get()) {
            watcher(&change.key);
        }
    }

    /// Removes a key whatever its value; says whether there was one.
    pub(super) fn remove(
        &self,
        key: &KeyBytes,
        note: Option<&Note>,
    ) -> Result<bool, KeystoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(value) = self.engine.get(key)? else {
                return Ok(false);
            };
            if self.apply(&[removal((*key, value))], note)? {
                return Ok(true);
            }
        }
        Err(KeystoreError::StoreContended)
    }

    /// Removes a key that was read with this value, whatever its value is now.
    pub(super) fn remove_as_read(
        &self,
        (key, value): (KeyBytes, Vec<u8>),
        note: Option<&Note>,
    ) -> Result<bool, KeystoreError> {
        if self.apply(&[removal((key, value))], note)? {
            return Ok(true);
        }
        self.remove(&key, note)
    }

    /// Removes all keys of the range but `keep`, as one change; returns which.
    pub(super) fn remove_all_but(
        &self,
        range: &KeyRange,
        keep: Option<KeyBytes>,
        note: Option<&Note>,
    ) -> Result<Vec<KeyBytes>, KeystoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let mut entries = self.engine.scan(range, usize::MAX)?;
            entries.retain(|(key, _)| Some(*key) != keep);
            let removals: Vec<_> = entries.into_iter().map(removal).collect();
            if self.apply(&removals, note)? {
                return Ok(removals.iter().map(|change| change.key).collect());
            }
        }
        Err(KeystoreError::StoreContended)
    }

    /// Puts other bytes in the place of the notes that are still as they were read; returns how many.
    pub(super) fn replace_notes(
        &self,
        notes: &[(SealedNote, Vec<u8>)],
    ) -> Result<u64, KeystoreError> {
        let mut count = 0;
        for (note, sealed) in notes {
            count += u64::from(self.engine.replace_note(note, sealed)?);
        }
        Ok(count)
    }

    /// Takes the oldest notes away whose time is before this one, some at most; returns how many. What
    /// ended before one of those goes with it, also where the clock was ahead then.
    pub(super) fn forget(&self, before: u64) -> Result<u64, KeystoreError> {
        let notes = self.engine.notes(None, STEP)?;
        let may_go = notes.iter().take_while(|note| self.may_go(&note.place));
        let may_go = may_go.count();
        let old = |note: &SealedNote| note.place.at() < before;
        let count = notes[..may_go].iter().rposition(old).map_or(0, |it| it + 1);
        for note in &notes[..count] {
            self.drop_note(&note.place)?;
        }
        Ok(count as u64)
    }
}

/// How many notes one step takes away.
const STEP: usize = 512;

/// The removal of a record as it was read.
fn removal((key, value): (KeyBytes, Vec<u8>)) -> Change {
    Change {
        key,
        expected: Some(value),
        new: None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::local::memory::MemoryEngine;

    fn writer(engine: &Arc<MemoryEngine>, max_notes: u64) -> Writer {
        let shared = Shared {
            failure: super::super::job::Failure::default(),
            records: 0.into(),
            written: super::super::job::Written::default(),
            watcher: OnceLock::new(),
            kept_from: u64::MAX.into(),
        };
        let engine = Arc::clone(engine);
        let follow = (Arc::new(Stamps::new()), Arc::new(Counts::new()));
        Writer::new(engine, follow, shared.into(), max_notes).unwrap()
    }

    /// Ends a session at this time, which leaves a note.
    fn end(writer: &Writer, at: u8) {
        let record = vec![at];
        let begun = Change {
            key: [at; 32],
            expected: None,
            new: Some(record.clone()),
        };
        assert!(writer.apply(&[begun], None).unwrap());
        let note = Note::new(at.into(), vec![at]);
        assert!(
            writer
                .apply(&[removal(([at; 32], record))], Some(&note))
                .unwrap()
        );
    }

    fn times(engine: &MemoryEngine) -> Vec<u64> {
        let notes = engine.notes(None, 100).unwrap();
        notes.iter().map(|note| note.place.at()).collect()
    }

    #[test]
    fn whoever_logs_in_and_out_without_end_fills_no_disk() {
        let engine = Arc::new(MemoryEngine::default());
        let first = writer(&engine, 3);
        for at in 1..=20 {
            end(&first, at);
            assert!(times(&engine).len() <= 3, "{at}");
        }
        assert_eq!(times(&engine), [18, 19, 20], "the latest stay");
        // Another process counts what is there, and a smaller bound is kept as well.
        let next = writer(&engine, 2);
        end(&next, 21);
        assert_eq!(times(&engine), [20, 21]);
        assert_eq!(next.forget(21).unwrap(), 1);
        end(&next, 22);
        assert_eq!(times(&engine), [21, 22], "what was forgotten isn't counted");
    }

    #[test]
    fn a_note_that_is_not_written_down_yet_stays_whatever_the_bound() {
        let engine = Arc::new(MemoryEngine::default());
        let writer = writer(&engine, 2);
        writer.shared.kept_from.store(1, Ordering::Relaxed);
        for at in 1..=5 {
            end(&writer, at);
        }
        assert_eq!(times(&engine), [2, 3, 4, 5], "the first alone may go");
        assert_eq!(writer.forget(9).unwrap(), 0);
        writer.shared.kept_from.store(3, Ordering::Relaxed);
        assert_eq!(writer.forget(9).unwrap(), 2);
        end(&writer, 6);
        assert_eq!(times(&engine), [4, 5, 6]);
        writer.shared.kept_from.store(u64::MAX, Ordering::Relaxed);
        end(&writer, 7);
        assert_eq!(times(&engine), [6, 7]);
    }

    #[test]
    fn a_clock_that_was_far_ahead_keeps_no_note_from_being_forgotten() {
        let engine = Arc::new(MemoryEngine::default());
        let writer = writer(&engine, 100);
        for at in [10, 200, 11, 12] {
            end(&writer, at);
        }
        assert_eq!(
            times(&engine),
            [10, 200, 11, 12],
            "in the order of the ends"
        );
        assert_eq!(writer.forget(12).unwrap(), 3);
        assert_eq!(times(&engine), [12]);
    }

    #[test]
    fn the_note_of_a_change_that_is_not_made_is_not_counted() {
        let engine = Arc::new(MemoryEngine::default());
        let writer = writer(&engine, 1);
        end(&writer, 1);
        let note = Note::new(2, vec![2]);
        let gone = removal(([9; 32], vec![9]));
        assert!(!writer.apply(&[gone], Some(&note)).unwrap());
        assert_eq!((times(&engine), writer.notes.get()), (vec![1], 1));
    }
}
