//! What the writing thread is asked to do, and what it shares with those who ask.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange};
use crate::local::engine::Change;
use crate::note::{Note, NotePlace, SealedNote};
use crate::store::{Checked, Progress, Writes};

/// Where an answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, KeystoreError>>;

/// Told the key of a record that has just been removed.
pub(crate) type Watcher = Box<dyn Fn(&KeyBytes) + Send + Sync>;

/// What the thread is asked to do.
pub(super) enum Job {
    /// Compare-and-swaps, all of them or none; answers whether they were made. The note is left of
    /// each record that goes, here and below.
    Apply(Vec<Change>, Option<Note>, Answer<bool>),
    /// Removes a key whatever its value; answers whether there was one.
    Remove(KeyBytes, Option<Note>, Answer<bool>),
    /// Removes all keys of a range but this one, or none; answers which.
    RemoveAllBut(
        KeyRange,
        Option<KeyBytes>,
        Option<Note>,
        Answer<Vec<KeyBytes>>,
    ),
    /// Removes all keys, in steps; answers how many.
    Empty(Option<Note>, Answer<u64>),
    /// Takes the notes away whose time is before this one, in steps; answers how many one step took.
    Forget(u64, Answer<u64>),
    /// Puts other bytes in the place of notes that are still as they were read; answers how many.
    ReplaceNotes(Vec<(SealedNote, Vec<u8>)>, Answer<u64>),
    /// Answers the place of the last note so far, once all notes up to there are durable.
    Settle(Answer<Option<NotePlace>>),
    /// Keeps how far the notes are written down elsewhere. Nothing waits for it to be durable.
    KeepHead(Vec<u8>, Answer<bool>),
    /// Brings the store down to the room that it needs; tells how far it is.
    Compact(Progress, Answer<bool>),
    /// Takes one step of a check, or the first one.
    Check(bool, Answer<Checked>),
    /// Takes no more jobs; answered once all those queued before are.
    Close(oneshot::Sender<()>),
}

impl Job {
    /// Whether it may wait for others that share its persist: what stores a record may, also where it ends another in the
    /// same step. What only ends may not.
    pub(super) fn may_wait(&self) -> bool {
        let stores = |change: &Change| change.new.is_some();
        matches!(self, Self::Apply(changes, ..) if changes.iter().any(stores))
    }
}

/// What the thread and its callers both know.
pub(super) struct Shared {
    /// The error that ended all writing, until the store is opened anew.
    pub(super) failure: Failure,
    /// How many records there are, as far as they are applied.
    pub(super) records: AtomicU64,
    /// What was written so far.
    pub(super) written: Written,
    /// Who is told of each record that goes, before anybody is answered.
    pub(super) watcher: OnceLock<Watcher>,
    /// The number of the first note that has to stay.
    pub(super) kept_from: AtomicU64,
}

/// Why nothing is written, where something failed.
#[derive(Default)]
pub(super) struct Failure(Mutex<Option<KeystoreError>>);

impl Failure {
    pub(super) fn get(&self) -> Option<KeystoreError> {
        self.held().clone()
    }

    /// Notes an error. The first one counts.
    pub(super) fn set(&self, error: KeystoreError) {
        self.held().get_or_insert(error);
    }

    pub(super) fn clear(&self) {
        *self.held() = None;
    }

    fn held(&self) -> MutexGuard<'_, Option<KeystoreError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`Writes`], as the thread counts them.
#[derive(Default)]
pub(super) struct Written {
    pub(super) changes: AtomicU64,
    groups: AtomicU64,
    micros: AtomicU64,
}

impl Written {
    /// A group became durable in this time.
    pub(super) fn group(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.groups.fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn read(&self) -> Writes {
        Writes {
            changes: self.changes.load(Relaxed),
            groups: self.groups.load(Relaxed),
            time: Duration::from_micros(self.micros.load(Relaxed)),
        }
    }
}

impl Shared {
    /// The error of a change that isn't taken.
    pub(super) fn refusal(&self) -> KeystoreError {
        match self.failure.get() {
            Some(cause) => KeystoreError::unavailable(format!("an earlier write failed: {cause}")),
            None => KeystoreError::unavailable("the keystore is closed"),
        }
    }
}

/// An answer that is held back until its group is durable.
pub(super) enum Held {
    Flag(bool, Answer<bool>),
    Count(u64, Answer<u64>),
    Keys(Vec<KeyBytes>, Answer<Vec<KeyBytes>>),
    Place(Option<NotePlace>, Answer<Option<NotePlace>>),
}

impl Held {
    /// Answers; with the group's error where it failed. A caller that has gone is not an error.
    pub(super) fn send(self, durable: &Result<(), KeystoreError>) {
        match self {
            Self::Flag(flag, answer) => drop(answer.send(durable.clone().map(|()| flag))),
            Self::Count(count, answer) => drop(answer.send(durable.clone().map(|()| count))),
            Self::Keys(keys, answer) => drop(answer.send(durable.clone().map(|()| keys))),
            Self::Place(place, answer) => drop(answer.send(durable.clone().map(|()| place))),
        }
    }
}

/// Answers with an error at once: a change that wasn't made has nothing to wait for.
pub(super) fn refuse<T>(answer: Answer<T>, error: KeystoreError) {
    let _ = answer.send(Err(error));
}
