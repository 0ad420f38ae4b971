//! A store that is refused, gone on with because somebody says so.
//!
//! What is refused could have sessions in it that have ended: records are missing or are earlier ones, or the
//! whole store is. Which these are is not known. So all sessions in it end, unless somebody knows that none
//! has ended since. What can't be read at all is beyond this.
//!
//! The ends come first, as a removal of everything that a crash cuts off is: a store in which that has begun
//! is finished by whoever opens it next, and is refused until then.
//!
//! This room must never make a store agree with its marks while a session in it may have to end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;

use super::mark::Mark;
use super::opening::{last_group, look, not_tried, open_itself, open_sled};
use super::trial::{Trial, wait_until_let_go};
use super::{Opened, SledEngine, SledOptions, Store, guarded, io_error, swap};
use crate::error::KeystoreError;
use crate::key::{KeyBytes, RecordKey};
use crate::local::epoch::{Epoch, GoOn};
use crate::note::Note;

/// What becomes of the sessions in a store that was refused.
#[derive(Clone)]
pub enum Sessions {
    /// Nothing is done: it is only told what is there.
    Look,
    /// All of them end; the note is left of each.
    End(Option<Note>),
    /// They stay as they are: somebody knows that none has ended since.
    Keep,
}

/// A store that was refused, and is no longer.
#[derive(Debug)]
pub struct Accepted {
    /// Why it was refused.
    pub refusal: KeystoreError,
    /// The records that are in it, or were.
    pub records: Vec<RecordKey>,
}

impl SledEngine {
    /// Goes on with the store in this folder, which an opening refuses. `None` where none would, and then
    /// nothing was changed.
    ///
    /// Fails where somebody has it open, where the digest was made with another key, and where it can't be read
    /// to its end.
    pub fn accept(
        folder: impl AsRef<Path>,
        options: &SledOptions,
        sessions: &Sessions,
    ) -> Result<Option<Accepted>, KeystoreError> {
        let folder = folder.as_ref();
        if !folder.is_dir() {
            return Ok(None);
        }
        let _lock = Opened::lock(folder)?;
        swap::finish(folder)
            .map_err(|error| io_error("put the compacted store in place", &error))?;
        let noted = Mark::noted(folder).map_err(|error| io_error("read the mark", &error))?;
        let refusal = match look(folder, options, noted) {
            Ok(_) => return Ok(None),
            Err(error) if error.may_be_accepted() => error,
            Err(error) => return Err(error),
        };
        let records = names(folder, options)?;
        if !matches!(sessions, Sessions::Look) {
            take_as_it_is(folder, options, noted, sessions)?;
            wait_until_let_go(folder);
        }
        Ok(Some(Accepted { refusal, records }))
    }
}

/// The records of a store, whatever is missing, once what a crash left undone is done.
fn names(folder: &Path, options: &SledOptions) -> Result<Vec<RecordKey>, KeystoreError> {
    let copy = Trial::of(folder).map_err(|why| not_tried(folder, why))?;
    let store = open_sled(copy.folder(), options)?;
    let read = guarded(|| {
        store.redo()?;
        let mut names = Vec::new();
        for key in store.records.iter().keys() {
            names.extend(KeyBytes::try_from(key?.as_ref()).ok());
        }
        Ok(names)
    });
    let _ = catch_unwind(AssertUnwindSafe(move || drop(store)));
    copy.wait_until_let_go();
    Ok(read?.iter().map(RecordKey::from_bytes).collect())
}

fn take_as_it_is(
    folder: &Path,
    options: &SledOptions,
    noted: Option<u64>,
    sessions: &Sessions,
) -> Result<(), KeystoreError> {
    let itself = open_itself(folder, options)?;
    let group = guarded(|| last_group(&itself.0))?;
    if let Sessions::End(note) = sessions {
        // Before anything makes it look whole.
        let (store, database) = &itself;
        guarded(|| {
            store.note_emptying(true, note.as_ref())?;
            store.db.flush()
        })?;
        database
            .sync_data()
            .map_err(|error| io_error("sync the store", &error))?;
    }
    // No number comes twice, also not one that only a mark still has.
    let outside = options.epoch.noted_group(&options.digest_key);
    let latest = group
        .number
        .max(noted.unwrap_or(0))
        .max(outside.unwrap_or(0));
    guarded(|| {
        let store = &itself.0;
        store.redo()?;
        let found = store.tally()?;
        store.take_up_as_found(found, group.changes);
        store.note_tally(found)
    })?;
    let opened = Opened::take(folder, itself, latest)?;
    let go_on = match (&options.epoch, opened.ask(Store::line)?) {
        (Epoch::At { fresh, .. }, _) => GoOn::Begin(*fresh),
        (Epoch::Nowhere, Some(_)) => GoOn::Leave,
        (Epoch::Nowhere, None) | (Epoch::Unasked, _) => GoOn::Apart,
    };
    let (opened, _) = opened.go_on(options, go_on)?;
    opened.group.store(latest, Ordering::Relaxed);
    opened.persist()
}
