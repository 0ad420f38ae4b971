//! What a local store keeps its bytes in: a map that one process alone has open.
//!
//! An engine maps keys of 32 bytes to values, in the order of the keys' bytes. It makes a batch of
//! changes wholly or not at all, and is told when to make the batches so far durable; grouping,
//! ordering and answering are the committer's work.
//!
//! This room must never interpret a value, and never answer "there is nothing" for a store that
//! it couldn't read.

use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange};
use crate::note::{Note, NotePlace, SealedNote};
use crate::store::Checked;

/// A store of sealed records.
///
/// One thread at a time calls [`apply`](Self::apply), [`note_emptying`](Self::note_emptying) and
/// [`persist`](Self::persist); any number of threads read meanwhile. A read sees every change whose
/// `apply` has returned, durable or not. After an error of these no more changes are asked for. All
/// calls may block for as long as a disk takes.
pub trait Engine: Send + Sync + 'static {
    /// The value of this key.
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError>;

    /// The first `limit` keys of the range and their values, in order.
    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError>;

    /// How many keys the range has, counted no further than `most`.
    fn count_up_to(&self, range: &KeyRange, most: usize) -> Result<usize, KeystoreError>;

    /// How many keys there are. It may walk over all of them.
    fn count(&self) -> Result<u64, KeystoreError>;

    /// Makes all the changes, in this order, where every key has the value that its change expects:
    /// true. Otherwise leaves everything as it is: false. No key stands twice among them.
    ///
    /// Whatever happens meanwhile, a store that is opened anew has all of them or none. A read that
    /// comes in between may see the first of them and not yet the last.
    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError>;

    /// Notes, in its turn among the changes, that the store is being emptied, or no longer. A store
    /// that is opened anew with that note removes all it has before it answers anything, and leaves the
    /// note that was given of each record.
    fn note_emptying(&self, under_way: bool, note: Option<&Note>) -> Result<(), KeystoreError>;

    /// Keeps a note of the record with this key, which goes with the sealed bytes `removed`, in its turn
    /// among the changes: where a change that was applied later survives, the note does. `None` where the
    /// engine keeps none.
    ///
    /// A store that is opened anew has no note of a record that is there with these bytes: what was to
    /// remove it was cut off.
    fn keep_note(
        &self,
        key: &KeyBytes,
        note: &Note,
        removed: &[u8],
    ) -> Result<Option<NotePlace>, KeystoreError> {
        let _ = (key, note, removed);
        Ok(None)
    }

    /// Takes a note away.
    fn drop_note(&self, place: &NotePlace) -> Result<(), KeystoreError> {
        let _ = place;
        Ok(())
    }

    /// Puts other bytes in the place of a note's, if they are still these; says whether it did.
    fn replace_note(&self, note: &SealedNote, sealed: &[u8]) -> Result<bool, KeystoreError> {
        let _ = (note, sealed);
        Ok(false)
    }

    /// How many notes there are. It may walk over all of them.
    fn count_notes(&self) -> Result<u64, KeystoreError> {
        Ok(0)
    }

    /// The notes behind a place, the oldest first, at most `limit`.
    fn notes(
        &self,
        after: Option<&NotePlace>,
        limit: usize,
    ) -> Result<Vec<SealedNote>, KeystoreError> {
        let _ = (after, limit);
        Ok(Vec::new())
    }

    /// The place of the last note, the latest end.
    fn last_note(&self) -> Result<Option<NotePlace>, KeystoreError> {
        Ok(None)
    }

    /// Keeps, in its turn among the changes, how far the notes are written down elsewhere, in the bytes
    /// of whoever writes them; they take the place of those of before.
    fn keep_head(&self, head: &[u8]) -> Result<(), KeystoreError> {
        let _ = head;
        Ok(())
    }

    /// What was kept last by [`keep_head`](Self::keep_head).
    fn head(&self) -> Result<Option<Vec<u8>>, KeystoreError> {
        Ok(None)
    }

    /// Looks whether the store holds what it has to hold, one step of at most `limit` records; the first one,
    /// and one that comes after the last, begins anew. Changes between two steps don't disturb it. The one thread
    /// that writes calls it.
    fn check(&self, begin: bool, limit: usize) -> Result<Checked, KeystoreError> {
        let _ = (begin, limit);
        Ok(Checked::Unkept)
    }

    /// Returns once every change applied so far survives a crash of the machine.
    fn persist(&self) -> Result<(), KeystoreError>;

    /// The bytes that the store takes on disk.
    fn size_on_disk(&self) -> Result<u64, KeystoreError>;

    /// Whether an opening anew has a chance now. Changes nothing, and costs no read.
    fn may_reopen(&self) -> Result<(), KeystoreError> {
        Err(KeystoreError::unavailable("it isn't opened anew"))
    }

    /// Closes the store and opens it anew, after an error that left unknown what is on the disk: what it
    /// holds then is what a start would find. Reads fail meanwhile, and go on failing where it can't be
    /// opened.
    fn reopen(&self) -> Result<(), KeystoreError> {
        Err(KeystoreError::unavailable("it isn't opened anew"))
    }

    /// Makes the store ready to be brought down to about the room that what is in it needs. `true` where it
    /// is when it is opened anew next, which must come before the next change. `progress` is told how many records
    /// are done, and of how many.
    fn compact(&self, progress: &dyn Fn(u64, u64)) -> Result<bool, KeystoreError> {
        let _ = progress;
        Ok(false)
    }
}

/// A compare-and-swap of one key. `None` stands for "no such key".
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: KeyBytes,
    /// What its value must be for the change to be made.
    pub expected: Option<Vec<u8>>,
    /// What its value is afterwards.
    pub new: Option<Vec<u8>>,
}
