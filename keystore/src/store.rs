//! What the keystore asks of a store: sealed bytes under record keys, changed by compare-and-swap.
//!
//! The keystore seals and opens records above this trait; a store below it never sees a plaintext.
//! One store may be a directory that belongs to one process (`local`), another a database that
//! several processes write to at once. Both keep this contract.
//!
//! # How to write a store
//!
//! 1. Keep a map from [`RecordKey`] to sealed bytes, ordered by the 32 bytes of the key, so that
//!    the records of one user are neighbours.
//! 2. Implement [`apply`](Store::apply): all writes of the call, or none. Compare the sealed bytes
//!    themselves: no two versions of a record are ever equal.
//! 3. Answer a change only when it is durable, or known not to have been made. A caller that stops
//!    waiting takes nothing back.
//! 4. Where a value has changed between your read and your write, read again. After a bounded
//!    number of attempts answer [`KeystoreError::StoreContended`]. Such a conflict is no damage: it
//!    must not keep the store from taking the next change.
//! 5. Give each read a [`Stamp`], and say in [`is_current`](Store::is_current) whether nothing can
//!    have changed the record since. A store that can't know answers `false`, and is then asked
//!    again on each request.
//! 6. Run the conformance suite, with a second writer where your store can have one: enable this
//!    crate's feature `conformance` in your dev-dependencies, describe your store in a
//!    `conformance::Fixture`, and put `lacre_keystore::conformance_suite!(YourFixture);` into a
//!    test. The module `conformance` has an example.
//!
//! # What a store that several processes share needs besides
//!
//! A [`Write`] says when the new record expires, so that a sweep can select by a column, and whether
//! it [ends tokens](Write::ends_tokens), so that the store can tell the other processes of it. From
//! the moment that such a write is answered, no process's `is_current` may say `true` for a stamp of
//! before. Changes that end nothing needn't be told: a kept record may be behind in them.
//!
//! The same holds for an answer that says that nothing had to be changed: of a removal that found
//! nothing, and of a change that [ends tokens](Write::ends_tokens) and was lost to another. Who goes by
//! what it has read alone asks [`settled`](Store::settled) before it answers.

mod shared_pointer;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::{Note, NotePlace, SealedNote};

/// An answer to come from a store.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeystoreError>> + Send + 'a>>;

/// Told the key of each record that goes.
pub type RemovalWatcher = Box<dyn Fn(&RecordKey) + Send + Sync>;

/// Told how many records are done, and of how many.
pub type Progress = Box<dyn Fn(u64, u64) + Send>;

/// Sealed records, kept somewhere.
///
/// All changes are made one after the other. A read sees every change that was answered
/// before the read began, and may see one that hasn't been answered yet.
pub trait Store: Send + Sync + 'static {
    /// What there is under this key, and a stamp of the read.
    fn get<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Found>;

    /// Whether the record is certainly still what was read with this stamp. Answers without I/O and
    /// without waiting: it is asked on each guarded request.
    ///
    /// `false` may be said of a record that hasn't changed. `true` is never said once a change that
    /// [ends tokens](Write::ends_tokens) or a removal has been answered, nor once the store has
    /// failed to answer a read.
    fn is_current(&self, key: &RecordKey, stamp: Stamp) -> bool;

    /// Makes all the writes, of one user's records, where every record is what its write expects:
    /// `true`. Otherwise makes none: `false`. No key stands twice among them.
    ///
    /// A crash leaves all of them or none. No writes at all are answered once every change that was
    /// asked for before is made or never will be, those included whose callers wait no more.
    fn apply(&self, writes: Vec<Write>) -> Answer<'_, bool>;

    /// Removes a record whatever its bytes; `false` where there was none.
    fn remove(&self, key: RecordKey) -> Answer<'_, bool>;

    /// Removes all records of a user but `keep`, as one change, and returns which.
    fn remove_user(&self, user: UserTag, keep: Option<RecordKey>) -> Answer<'_, Vec<RecordKey>>;

    /// Removes every record that is there when it begins, and returns how many. It may run in
    /// steps. Once begun it goes on to its end, whether or not anybody waits for it, and also after
    /// a crash; unless it is answered with [`KeystoreError::StoreContended`], after which some
    /// records may be gone and no more go.
    fn remove_all(&self) -> Answer<'_, u64>;

    /// As [`apply`](Self::apply), and leaves the note of each record that goes or whose place another one
    /// takes, in the same change.
    ///
    /// A store that keeps no notes removes all the same; so it is with those that follow.
    fn apply_noting(&self, writes: Vec<Write>, note: Note) -> Answer<'_, bool> {
        drop(note);
        self.apply(writes)
    }

    /// As [`remove`](Self::remove), leaving a note.
    fn remove_noting(&self, key: RecordKey, note: Note) -> Answer<'_, bool> {
        drop(note);
        self.remove(key)
    }

    /// As [`remove_user`](Self::remove_user), leaving a note of each.
    fn remove_user_noting(
        &self,
        user: UserTag,
        keep: Option<RecordKey>,
        note: Note,
    ) -> Answer<'_, Vec<RecordKey>> {
        drop(note);
        self.remove_user(user, keep)
    }

    /// As [`remove_all`](Self::remove_all), leaving a note of each, also of those that are removed by an
    /// opening after a crash.
    fn remove_all_noting(&self, note: Note) -> Answer<'_, u64> {
        drop(note);
        self.remove_all()
    }

    /// The notes behind a place, the oldest first, at most `limit`.
    fn notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        let _ = (after, limit);
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// As [`notes`](Self::notes), those alone that this process is to write down elsewhere: where several have one
    /// store, each has those of its own ends.
    fn own_notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        self.notes(after, limit)
    }

    /// Puts other bytes in the place of each note's, where the note is still there with these; answers
    /// how many, durably. Each is changed for itself.
    fn replace_notes(&self, notes: Vec<(SealedNote, Vec<u8>)>) -> Answer<'_, u64> {
        drop(notes);
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Takes some of the oldest notes away whose time is before this one; returns how many, and 0 when
    /// there are no more.
    fn forget_notes(&self, before: u64) -> Answer<'_, u64> {
        let _ = before;
        Box::pin(std::future::ready(Ok(0)))
    }

    /// The place of the last of this process's [own notes](Self::own_notes), once all up to there are durable, and the
    /// ends that they are of as well; `None` where there is no note. None comes before that place any more.
    fn settle_notes(&self) -> Answer<'_, Option<NotePlace>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Keeps this process's own notes from this number on, whatever is to be forgotten, until it is told another number.
    fn keep_notes_from(&self, number: u64) {
        let _ = number;
    }

    /// Keeps how far its own notes are written down elsewhere, as bytes of whoever writes them. After a crash
    /// earlier ones may be back.
    fn keep_head(&self, head: Vec<u8>) -> Answer<'_, ()> {
        drop(head);
        Box::pin(std::future::ready(Ok(())))
    }

    /// What was kept last by [`keep_head`](Self::keep_head).
    fn head(&self) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// The first `limit` records of the range, in the order of their keys.
    fn page(&self, range: KeyRange, limit: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>>;

    /// As [`page`](Self::page), for a sweep: records that can't have expired at `now` may be left
    /// out. A store that doesn't know when a record expires leaves out none.
    fn page_to_sweep(
        &self,
        range: KeyRange,
        now: u64,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        let _ = now;
        self.page(range, limit)
    }

    /// How many records the user has, counted no further than `max`.
    fn count(&self, user: UserTag, max: usize) -> Answer<'_, usize>;

    /// The size of the store.
    fn stats(&self) -> Answer<'_, Stats>;

    /// Whether changes are taken now.
    fn health(&self) -> Result<(), KeystoreError>;

    /// Answers when no process goes by an earlier state of what this one has read: for whoever answers by a change
    /// that another process has made, and may not have answered yet. Where one process has the store to itself,
    /// that is so at once.
    fn settled(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Answers as soon as a read can be made; where one has to fail now, with its error. For whoever holds up others
    /// while reading, and is to wait for the store before that. Where one process has the store to itself, that is at once.
    fn readable(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether this process is to do now what one process does for all of a store, such as a sweep; it is then
    /// nobody else's turn for the time `every`. Who has the store to itself always is.
    fn take_turn(&self, chore: &'static str, every: Duration) -> Answer<'_, bool> {
        let _ = (chore, every);
        Box::pin(std::future::ready(Ok(true)))
    }

    /// How the lease fares by which this process uses what it keeps; `None` where it has the store to itself.
    fn lease(&self) -> Option<LeaseReport> {
        None
    }

    /// Has `watcher` told of each record that is removed through this store from now on, before the
    /// removal is answered. A store that other processes write to as well also tells it of their
    /// removals, as soon as it hears of them. `false`, and nothing changed, where another watcher is
    /// told already.
    fn watch_removals(&self, watcher: RemovalWatcher) -> bool;

    /// Brings what the store takes on disk down to about the room that it needs. Changes wait meanwhile, and reads
    /// may fail for a moment. A store whose room isn't its own does nothing.
    fn compact(&self, progress: Progress) -> Answer<'_, ()> {
        drop(progress);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Looks whether all records are there that have to be, one step of it; see
    /// [`Keystore::check`](crate::Keystore::check). A store that keeps no account of them says so.
    fn check(&self, begin: bool) -> Answer<'_, Checked> {
        let _ = begin;
        Box::pin(std::future::ready(Ok(Checked::Unkept)))
    }

    /// Takes no more changes of records until it is told otherwise, so that all can be brought elsewhere; with `true`
    /// answers once those under way are made or never will be. Reads go on, and so do notes. Where other processes
    /// write to the store as well, this can't be done from one of them.
    fn hold_changes(&self, hold: bool) -> Answer<'_, ()> {
        let _ = hold;
        Box::pin(std::future::ready(Err(KeystoreError::unavailable(
            "its changes can't be held from here",
        ))))
    }

    /// Answers nothing any more, for good: the records live on elsewhere. From the answer on no stamp holds.
    fn leave(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Err(KeystoreError::unavailable(
            "it can't be left from here",
        ))))
    }

    /// Takes no more changes; answers once those under way are answered.
    fn close(&self) -> Answer<'_, ()>;
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The sealed bytes; `None` where there is no such record.
    pub sealed: Option<Vec<u8>>,
    /// For how long that can be relied on: see [`Store::is_current`].
    pub stamp: Stamp,
}

/// When a record was read, in a store's own reckoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// The stamp of a read that can't be relied on at all: a store says `false` to it. It is odd;
    /// a store's own stamps are even.
    pub const NEVER: Self = Self(1);

    /// The stamp as a number, to be kept in an atomic.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The stamp of this number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A compare-and-swap of one record. `None` stands for "no such record".
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The record's key.
    pub key: RecordKey,
    /// The sealed bytes that the write expects.
    pub expected: Option<Vec<u8>>,
    /// What takes their place.
    pub new: Option<Sealed>,
    /// Whether tokens that were good before aren't any more: the record goes, its private scalar or
    /// its generation becomes another, its access tokens end, or it expires earlier.
    pub ends_tokens: bool,
}

/// A sealed record and when it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// The earlier of the record's two ends, in Unix seconds.
    pub expires_at: u64,
}

/// How far a check of a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The store keeps no account of what it has to hold.
    Unkept,
    /// So many records were looked at, and there are more.
    Going(u64),
    /// All were.
    Done {
        /// How many records there have to be.
        expected: u64,
        /// How many there are.
        found: u64,
        /// Whether they are those that there have to be, each as it was written last.
        agrees: bool,
    },
}

/// The size of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// How many records there are, expired ones that haven't been swept included.
    pub records: u64,
    /// The bytes that the store's files take on this machine; 0 where there are none.
    pub bytes_on_disk: u64,
    /// What this process has written.
    pub writes: Writes,
}

/// What a process has written since it opened the store; all 0 where the store doesn't say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Records put, changed and removed.
    pub changes: u64,
    /// Groups of changes that were made durable together.
    pub groups: u64,
    /// How long making them durable took, all together.
    pub time: Duration,
}

/// How the lease of a process has fared that shares its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseReport {
    /// Whether there is a lease now.
    pub held: bool,
    /// How long ago the poll was sent that it is by.
    pub age: Duration,
    /// How often it was renewed.
    pub rounds: u64,
    /// How often it had run out before it was renewed.
    pub lapses: u64,
    /// How often something may have been missed, so that everything was read once more.
    pub generations: u64,
    /// How many ends and changes polls have brought.
    pub heard: u64,
}
