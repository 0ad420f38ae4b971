//! Changes of several records in sled, made wholly or not at all.
//!
//! sled comes back from a crash with a prefix of what was written, in the order it was written. So
//! a plan goes into the state tree first, then the changes are made, then the plan goes. Where a
//! plan is found at the opening, every change before it is there too, and what it asks for is done
//! once more; where none is, the changes were all made or none was begun.
//!
//! The first part of a plan is written last and removed first: it stands for the whole. Parts
//! without it belong to a plan that was never begun, or is done.
//!
//! A removal of everything is too long for a plan; a note says that it has begun, and then the rest
//! is removed at the opening.
//!
//! The note of an end is written before its record goes. So the last notes may be of records that are
//! still there; at the opening those notes go, and every other one stands for an end.
//!
//! Before all of that stands the entry of the digest, which says what the store holds before and after.
//!
//! This room must never begin a change before its plan is whole, and never remove a plan before
//! the last of its changes is made.

use super::digest::Tally;
use super::{Change, DIGEST, KeyBytes, Note, NotePlace, Store, plan};
use crate::note::digest_of;

/// What the key of a plan's part begins with, in the state tree; the part's number follows.
const PLAN: &str = "plan";

/// The key of the note that everything is being removed, in the state tree.
const EMPTYING: &str = "emptying";

impl Store {
    /// Makes all the changes if every key has the value that its change expects.
    pub(super) fn apply(&self, changes: &[Change]) -> sled::Result<bool> {
        if changes.is_empty() {
            return Ok(true);
        }
        for Change { key, expected, .. } in changes {
            if self.records.get(key)?.as_deref() != expected.as_deref() {
                return Ok(false);
            }
        }
        self.note_change(changes)?;
        if let [Change { key, new, .. }] = changes {
            self.set(key, new.as_deref())?;
            return Ok(true);
        }
        let plan = plan::encode(changes);
        for (number, part) in plan.iter().enumerate().rev() {
            self.state.insert(part_key(number), part.as_slice())?;
        }
        for Change { key, new, .. } in changes {
            self.set(key, new.as_deref())?;
        }
        for number in 0..plan.len() {
            self.state.remove(part_key(number))?;
        }
        Ok(true)
    }

    /// Leaves a note of a record that goes with these sealed bytes.
    pub(super) fn keep_note(
        &self,
        key: &KeyBytes,
        note: &Note,
        removed: &[u8],
    ) -> sled::Result<NotePlace> {
        let place = NotePlace::new(note.at(), self.next_number()?, key);
        self.notes
            .insert(place.as_bytes(), note.value(key, removed))?;
        Ok(place)
    }

    /// Notes that everything is being removed, or no longer, and what is to be left of each record.
    pub(super) fn note_emptying(&self, under_way: bool, note: Option<&Note>) -> sled::Result<()> {
        if under_way {
            let left = note.map(|note| [&note.at().to_be_bytes(), note.sealed()].concat());
            self.state.insert(EMPTYING, left.unwrap_or_default())?;
        } else {
            self.state.remove(EMPTYING)?;
        }
        Ok(())
    }

    /// Does what a crash has left undone; says whether there was anything.
    pub(super) fn redo(&self) -> sled::Result<bool> {
        let planned = self.carry_out_plan()?;
        let void = self.drop_void_notes()?;
        let emptying = self.state.get(EMPTYING)?;
        if let Some(left) = &emptying {
            match left.split_first_chunk() {
                Some((at, sealed)) => {
                    let note = Note::new(u64::from_be_bytes(*at), sealed.to_vec());
                    for entry in &self.records {
                        let (key, value) = entry?;
                        if let Ok(name) = KeyBytes::try_from(key.as_ref()) {
                            self.keep_note(&name, &note, &value)?;
                        }
                        self.records.remove(key)?;
                    }
                }
                None => self.records.clear()?,
            }
            self.note_tally(Tally::default())?;
            self.note_emptying(false, None)?;
            log::info!("removed what a removal of everything had left");
        }
        Ok(planned || void || emptying.is_some())
    }

    /// Takes the last notes away, as long as their records are there as they were to go; says whether
    /// there was any.
    fn drop_void_notes(&self) -> sled::Result<bool> {
        let mut any = false;
        while let Some((place, note)) = self.notes.last()? {
            let key = NotePlace::from_bytes(&place).map(|place| place.key().to_bytes());
            let there = match key {
                Some(key) => self.records.get(key)?,
                None => None,
            };
            if !there.is_some_and(|record| note.starts_with(&digest_of(&record))) {
                break;
            }
            self.notes.remove(place)?;
            any = true;
        }
        Ok(any)
    }

    fn carry_out_plan(&self) -> sled::Result<bool> {
        let parts = self.state.scan_prefix(PLAN);
        let parts = parts.collect::<sled::Result<Vec<_>>>()?;
        if parts.first().is_some_and(|(key, _)| *key == part_key(0)) {
            let plan: Vec<_> = parts.iter().map(|(_, part)| part.as_ref()).collect();
            let outcomes = plan::decode(&plan.concat()).ok_or_else(|| {
                sled::Error::Unsupported("its plan of changes doesn't decode".to_owned())
            })?;
            for (key, new) in &outcomes {
                self.set(key, new.as_deref())?;
            }
            log::info!("carried out {} changes that were cut off", outcomes.len());
        }
        for (key, _) in &parts {
            self.state.remove(key)?;
        }
        Ok(!parts.is_empty())
    }

    /// Notes what the store is going to hold, before the changes are made.
    fn note_change(&self, changes: &[Change]) -> sled::Result<()> {
        let after = self.digest().after(changes);
        self.note_tally(after)?;
        self.digest().follow(changes);
        Ok(())
    }

    /// Notes what the store holds, or is about to.
    pub(super) fn note_tally(&self, tally: Tally) -> sled::Result<()> {
        let entry = self.digest().step(tally);
        let entry =
            entry.ok_or_else(|| sled::Error::Unsupported("its digest isn't sealed".to_owned()))?;
        self.state.insert(DIGEST, entry)?;
        Ok(())
    }

    fn set(&self, key: &KeyBytes, new: Option<&[u8]>) -> sled::Result<()> {
        match new {
            Some(value) => self.records.insert(key, value)?,
            None => self.records.remove(key)?,
        };
        Ok(())
    }
}

/// Whether something that was begun isn't finished, of which these are the names in the state tree.
pub(super) fn has_begun<'a>(mut names: impl Iterator<Item = &'a [u8]>) -> bool {
    names.any(|name| name == EMPTYING.as_bytes() || name.starts_with(PLAN.as_bytes()))
}

fn part_key(number: usize) -> Vec<u8> {
    [PLAN.as_bytes(), &(number as u64).to_be_bytes()].concat()
}
