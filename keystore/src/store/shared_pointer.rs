//! A store behind a shared pointer: who keeps the pointer can use the store beside the keystore.

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Found, LeaseReport, Progress, RemovalWatcher, Stamp, Stats, Store, Write};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::{Note, NotePlace, SealedNote};

impl<S: Store + ?Sized> Store for Arc<S> {
    fn get<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Found> {
        (**self).get(key)
    }

    fn is_current(&self, key: &RecordKey, stamp: Stamp) -> bool {
        (**self).is_current(key, stamp)
    }

    fn apply(&self, writes: Vec<Write>) -> Answer<'_, bool> {
        (**self).apply(writes)
    }

    fn remove(&self, key: RecordKey) -> Answer<'_, bool> {
        (**self).remove(key)
    }

    fn remove_user(&self, user: UserTag, keep: Option<RecordKey>) -> Answer<'_, Vec<RecordKey>> {
        (**self).remove_user(user, keep)
    }

    fn remove_all(&self) -> Answer<'_, u64> {
        (**self).remove_all()
    }

    fn apply_noting(&self, writes: Vec<Write>, note: Note) -> Answer<'_, bool> {
        (**self).apply_noting(writes, note)
    }

    fn remove_noting(&self, key: RecordKey, note: Note) -> Answer<'_, bool> {
        (**self).remove_noting(key, note)
    }

    fn remove_user_noting(
        &self,
        user: UserTag,
        keep: Option<RecordKey>,
        note: Note,
    ) -> Answer<'_, Vec<RecordKey>> {
        (**self).remove_user_noting(user, keep, note)
    }

    fn remove_all_noting(&self, note: Note) -> Answer<'_, u64> {
        (**self).remove_all_noting(note)
    }

    fn notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        (**self).notes(after, limit)
    }

    fn own_notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        (**self).own_notes(after, limit)
    }

    fn replace_notes(&self, notes: Vec<(SealedNote, Vec<u8>)>) -> Answer<'_, u64> {
        (**self).replace_notes(notes)
    }

    fn forget_notes(&self, before: u64) -> Answer<'_, u64> {
        (**self).forget_notes(before)
    }

    fn settle_notes(&self) -> Answer<'_, Option<NotePlace>> {
        (**self).settle_notes()
    }

    fn keep_notes_from(&self, number: u64) {
        (**self).keep_notes_from(number);
    }

    fn keep_head(&self, head: Vec<u8>) -> Answer<'_, ()> {
        (**self).keep_head(head)
    }

    fn head(&self) -> Answer<'_, Option<Vec<u8>>> {
        (**self).head()
    }

    fn page(&self, range: KeyRange, limit: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        (**self).page(range, limit)
    }

    fn page_to_sweep(
        &self,
        range: KeyRange,
        now: u64,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        (**self).page_to_sweep(range, now, limit)
    }

    fn count(&self, user: UserTag, max: usize) -> Answer<'_, usize> {
        (**self).count(user, max)
    }

    fn stats(&self) -> Answer<'_, Stats> {
        (**self).stats()
    }

    fn settled(&self) -> Answer<'_, ()> {
        (**self).settled()
    }

    fn readable(&self) -> Answer<'_, ()> {
        (**self).readable()
    }

    fn take_turn(&self, chore: &'static str, every: Duration) -> Answer<'_, bool> {
        (**self).take_turn(chore, every)
    }

    fn lease(&self) -> Option<LeaseReport> {
        (**self).lease()
    }

    fn health(&self) -> Result<(), KeystoreError> {
        (**self).health()
    }

    fn watch_removals(&self, watcher: RemovalWatcher) -> bool {
        (**self).watch_removals(watcher)
    }

    fn compact(&self, progress: Progress) -> Answer<'_, ()> {
        (**self).compact(progress)
    }

    fn hold_changes(&self, hold: bool) -> Answer<'_, ()> {
        (**self).hold_changes(hold)
    }

    fn leave(&self) -> Answer<'_, ()> {
        (**self).leave()
    }

    fn close(&self) -> Answer<'_, ()> {
        (**self).close()
    }
}
