//! Removing every record, in steps between which other changes get their turn.
//!
//! From the first step to the last a note stands in the store. Whoever opens a store with that note,
//! after a crash or because a step failed, removes what is left before anything is answered. The
//! thread goes on by itself once it has begun, so that no note outlives a caller who stopped waiting
//! and no session that begins later is removed by it.
//!
//! This room must never take the note away before the last record that it stands for is removed.

use std::collections::VecDeque;

use super::job::{Answer, Held, refuse};
use super::writer::Writer;
use crate::error::KeystoreError;
use crate::key::KeyRange;
use crate::note::Note;

/// How many records one step removes.
const STEP: usize = 512;

/// A removal of everything that is under way.
pub(super) struct Emptying {
    rest: KeyRange,
    noted: bool,
    removed: u64,
    note: Option<Note>,
    answer: Answer<u64>,
}

impl Emptying {
    pub(super) fn new(note: Option<Note>, answer: Answer<u64>) -> Self {
        Self {
            rest: KeyRange::ALL,
            noted: false,
            removed: 0,
            note,
            answer,
        }
    }
}

/// Takes the first of those that wait one step further; says whether that changed anything. The
/// others wait: each has the note for itself.
pub(super) fn step(
    writer: &Writer,
    waiting: &mut VecDeque<Emptying>,
    held: &mut Vec<Held>,
) -> bool {
    let Some(mut emptying) = waiting.pop_front() else {
        return false;
    };
    let step = writer.attempt(|| remove_some(writer, &mut emptying));
    // After a failure nothing is to be persisted; a conflict is none.
    let failed = matches!(&step, Err(error) if *error != KeystoreError::StoreContended);
    let changed = emptying.noted && !failed;
    match step {
        Ok(Some(rest)) => {
            emptying.rest = rest;
            waiting.push_front(emptying);
        }
        Ok(None) => held.push(Held::Count(emptying.removed, emptying.answer)),
        Err(error) => refuse(emptying.answer, error),
    }
    changed
}

/// One step; returns what is left.
///
/// After a conflict the note goes: writing goes on, and what is put from then on must not be removed
/// when the store is opened anew.
fn remove_some(
    writer: &Writer,
    emptying: &mut Emptying,
) -> Result<Option<KeyRange>, KeystoreError> {
    let entries = writer.engine.scan(&emptying.rest, STEP)?;
    let rest = match entries.last() {
        Some((last, _)) if entries.len() == STEP => emptying.rest.after(last),
        _ => None,
    };
    if !emptying.noted && !entries.is_empty() {
        writer.engine.note_emptying(true, emptying.note.as_ref())?;
        emptying.noted = true;
    }
    let mut removed = Ok(());
    for entry in entries {
        match writer.remove_as_read(entry, emptying.note.as_ref()) {
            Ok(was_there) => emptying.removed += u64::from(was_there),
            Err(KeystoreError::StoreContended) => {
                removed = Err(KeystoreError::StoreContended);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if emptying.noted && (rest.is_none() || removed.is_err()) {
        writer.engine.note_emptying(false, None)?;
    }
    removed.map(|()| rest)
}
