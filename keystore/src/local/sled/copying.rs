//! A store copied whole into a fresh one, which takes less room.
//!
//! This room must never call a copy whole that wasn't compared with the digest.

use super::{BASE, DIGEST, GROUP, Store};

/// How many records are written between two flushes.
const STEP: u64 = 512;

impl Store {
    /// Copies everything into a fresh store, and checks that it is the same.
    pub(super) fn copy_into(&self, into: &Self, progress: &dyn Fn(u64, u64)) -> sled::Result<()> {
        // All keys first, with nothing: a leaf is split where it has 17 entries, and both halves are written
        // once more. With the values in it that would take twice the room of what stays.
        //
        // What is written over is free for what follows once it is flushed: without that a copy of some MiB takes a
        // tenth more.
        for (done, key) in (1_u64..).zip(self.records.iter().keys()) {
            into.records.insert(key?, &[])?;
            if done % STEP == 0 {
                into.db.flush()?;
            }
        }
        let total = self.digest().tally().records;
        for (done, record) in (1..).zip(&self.records) {
            let (key, value) = record?;
            into.records.insert(key, value)?;
            if done % STEP == 0 {
                into.db.flush()?;
                progress(done, total.max(done));
            }
        }
        for note in &self.notes {
            let (place, note) = note?;
            into.notes.insert(place, note)?;
        }
        for entry in &self.state {
            let (key, value) = entry?;
            into.state.insert(key, value)?;
        }
        // The notes themselves may all be forgotten by the time of the next one.
        let base = self.next_number()?.saturating_add(1);
        into.state.insert(BASE, &base.to_be_bytes())?;
        into.db.flush()?;
        let same = into.tally()? == self.digest().tally()
            && into.notes.len() == self.notes.len()
            && [DIGEST, GROUP]
                .iter()
                .all(|key| into.state.get(key) == self.state.get(key));
        if same {
            return Ok(());
        }
        Err(sled::Error::Unsupported(
            "a copy of it isn't what it holds".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::SledEngine;
    use crate::local::engine::Engine as _;
    use crate::note::Note;

    #[test]
    fn notes_stay_and_later_ones_come_behind_them() {
        let home = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(home.path()).unwrap();
        let keep = |at| {
            let note = Note::new(at, vec![7]);
            engine
                .keep_note(&[9; 32], &note, b"removed")
                .unwrap()
                .unwrap()
        };
        let before = [keep(5), keep(5), keep(5)];
        engine.persist().unwrap();
        assert_eq!(engine.compact(&|_, _| ()), Ok(true));
        engine.reopen().unwrap();
        let after = keep(5);
        assert!(before.is_sorted() && before[2] < after);
        let found = engine.notes(None, 10).unwrap();
        let found: Vec<_> = found.into_iter().map(|note| note.place).collect();
        assert_eq!(found, [&before[..], &[after]].concat());
        // Also where none is left, and however often.
        for place in &found {
            engine.drop_note(place).unwrap();
        }
        engine.persist().unwrap();
        let mut last = after;
        for _ in 0..2 {
            assert_eq!(engine.compact(&|_, _| ()), Ok(true));
            for _ in 0..2 {
                engine.reopen().unwrap();
                let next = keep(5);
                assert!(last < next);
                engine.drop_note(&next).unwrap();
                engine.persist().unwrap();
                last = next;
            }
        }
    }
}
