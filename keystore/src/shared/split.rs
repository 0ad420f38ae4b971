//! Records on Redis, and in `PostgreSQL` what all processes go by: their keys, who is at work, and whose turn it is.
//!
//! Both have a lease, and a process uses what it keeps only while both hold. So an end is refused by all from its answer on,
//! by the lease on Redis, and so is a key that was taken away, by that on `PostgreSQL`: each change waits for the lease of
//! the store that it is made in.
//!
//! This room must never let what is kept be used by one lease alone.

use std::time::Duration;

use super::postgres::PostgresStore;
use super::redis::RedisStore;
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::{Note, NotePlace, SealedNote};
use crate::store::{Answer, Found, LeaseReport, RemovalWatcher, Stamp, Stats, Store, Write};

/// A [`Store`] on Redis, of which the rest is in `PostgreSQL`.
#[derive(Debug)]
pub struct SplitStore {
    records: RedisStore,
    rest: PostgresStore,
}

impl SplitStore {
    /// Both, opened.
    #[must_use]
    pub fn new(records: RedisStore, rest: PostgresStore) -> Self {
        Self { records, rest }
    }
}

impl Store for SplitStore {
    fn get<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Found> {
        Box::pin(async move {
            self.rest.leased().await?;
            self.records.get(key).await
        })
    }

    #[inline]
    fn is_current(&self, key: &RecordKey, stamp: Stamp) -> bool {
        self.rest.has_lease() && self.records.is_current(key, stamp)
    }

    fn apply(&self, writes: Vec<Write>) -> Answer<'_, bool> {
        self.records.apply(writes)
    }

    fn remove(&self, key: RecordKey) -> Answer<'_, bool> {
        self.records.remove(key)
    }

    fn remove_user(&self, user: UserTag, keep: Option<RecordKey>) -> Answer<'_, Vec<RecordKey>> {
        self.records.remove_user(user, keep)
    }

    fn remove_all(&self) -> Answer<'_, u64> {
        self.records.remove_all()
    }

    fn apply_noting(&self, writes: Vec<Write>, note: Note) -> Answer<'_, bool> {
        self.records.apply_noting(writes, note)
    }

    fn remove_noting(&self, key: RecordKey, note: Note) -> Answer<'_, bool> {
        self.records.remove_noting(key, note)
    }

    fn remove_user_noting(
        &self,
        user: UserTag,
        keep: Option<RecordKey>,
        note: Note,
    ) -> Answer<'_, Vec<RecordKey>> {
        self.records.remove_user_noting(user, keep, note)
    }

    fn remove_all_noting(&self, note: Note) -> Answer<'_, u64> {
        self.records.remove_all_noting(note)
    }

    fn notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        self.records.notes(after, limit)
    }

    fn own_notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        self.records.own_notes(after, limit)
    }

    fn replace_notes(&self, notes: Vec<(SealedNote, Vec<u8>)>) -> Answer<'_, u64> {
        self.records.replace_notes(notes)
    }

    fn forget_notes(&self, before: u64) -> Answer<'_, u64> {
        self.records.forget_notes(before)
    }

    fn settle_notes(&self) -> Answer<'_, Option<NotePlace>> {
        self.records.settle_notes()
    }

    fn keep_notes_from(&self, number: u64) {
        self.records.keep_notes_from(number);
    }

    fn keep_head(&self, head: Vec<u8>) -> Answer<'_, ()> {
        self.records.keep_head(head)
    }

    fn head(&self) -> Answer<'_, Option<Vec<u8>>> {
        self.records.head()
    }

    fn page(&self, range: KeyRange, limit: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        self.records.page(range, limit)
    }

    fn page_to_sweep(
        &self,
        range: KeyRange,
        now: u64,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        self.records.page_to_sweep(range, now, limit)
    }

    fn count(&self, user: UserTag, max: usize) -> Answer<'_, usize> {
        self.records.count(user, max)
    }

    fn stats(&self) -> Answer<'_, Stats> {
        self.records.stats()
    }

    fn health(&self) -> Result<(), KeystoreError> {
        self.rest.health()?;
        self.records.health()
    }

    fn settled(&self) -> Answer<'_, ()> {
        self.records.settled()
    }

    fn readable(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.rest.leased().await?;
            self.records.readable().await
        })
    }

    fn take_turn(&self, chore: &'static str, every: Duration) -> Answer<'_, bool> {
        self.rest.take_turn(chore, every)
    }

    /// How that on Redis has fared, the shorter one, and what has become of the other.
    fn lease(&self) -> Option<LeaseReport> {
        let (records, rest) = (self.records.lease()?, self.rest.lease()?);
        Some(LeaseReport {
            held: records.held && rest.held,
            age: if rest.held {
                records.age
            } else {
                records.age.max(rest.age)
            },
            rounds: records.rounds,
            lapses: records.lapses + rest.lapses,
            generations: records.generations + rest.generations,
            heard: records.heard + rest.heard,
        })
    }

    fn watch_removals(&self, watcher: RemovalWatcher) -> bool {
        self.records.watch_removals(watcher)
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.records.close().await?;
            self.rest.close().await
        })
    }
}
