//! A store of one process on one machine: an engine, the one thread that writes to it, and stamps
//! that say whether a record has changed.
//!
//! | file | holds |
//! |---|---|
//! | `engine` | what is asked of an engine |
//! | `memory`, `sled` | the two engines |
//! | `committer` | the one thread that writes, in groups |
//! | `counts` | how many records each user has |
//! | `gate` | whether changes are taken, and whether anything is answered |
//! | `epoch` | how far a store has come, noted outside of its folder |
//!
//! This room must never write from two threads, and never answer a change before it is durable.

mod committer;
mod counts;
pub(crate) mod engine;
pub(crate) mod epoch;
mod gate;
pub(crate) mod memory;
pub(crate) mod sled;

use std::future::ready;
use std::sync::Arc;

use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::{Note, NotePlace, SealedNote};
use crate::stamps::Stamps;
use crate::store::{Answer, Checked, Found, Progress, RemovalWatcher, Stamp, Stats, Store, Write};
use committer::Committer;
use counts::Counts;
use engine::{Change, Engine};
use gate::Gate;

/// A [`Store`] on an [`Engine`] that nothing else writes to.
///
/// Reads go straight to the engine and may block for as long as a disk takes; changes go through
/// one thread, which makes them durable in groups. When a write fails, what is on the disk is
/// unknown: from then on every change is refused with `store_unavailable`, until the thread has opened the
/// store anew, which it tries again and again where the engine can. Reads go on but for the time of
/// an opening.
pub struct LocalStore {
    // Before the engine: it is dropped first, and its thread ends then.
    committer: Committer,
    stamps: Arc<Stamps>,
    counts: Arc<Counts>,
    gate: Gate,
    engine: Arc<dyn Engine>,
}

impl LocalStore {
    /// Starts the writing thread on this engine. The records are counted once.
    pub fn open(engine: impl Engine) -> Result<Self, KeystoreError> {
        let engine: Arc<dyn Engine> = Arc::new(engine);
        let (stamps, counts) = (Arc::new(Stamps::new()), Arc::new(Counts::new()));
        let follow = (Arc::clone(&stamps), Arc::clone(&counts));
        Ok(Self {
            committer: Committer::start(Arc::clone(&engine), follow)?,
            stamps,
            counts,
            gate: Gate::default(),
            engine,
        })
    }

    fn read(&self, key: &RecordKey) -> Result<Found, KeystoreError> {
        let key = key.to_bytes();
        let (found, stamp) = self.stamps.around(&key, || self.engine.get(&key));
        // After the stamp: whoever leaves takes the trust in all stamps away afterwards.
        self.gate.answers()?;
        match found {
            Ok(sealed) => Ok(Found { sealed, stamp }),
            Err(error) => {
                self.stamps.distrust();
                Err(error)
            }
        }
    }
}

/// Changes, with a note or without one.
impl LocalStore {
    async fn change(&self, writes: Vec<Write>, note: Option<Note>) -> Result<bool, KeystoreError> {
        let changes = writes.into_iter().map(|write| Change {
            key: write.key.to_bytes(),
            expected: write.expected,
            new: write.new.map(|sealed| sealed.bytes),
        });
        let changes = changes.collect();
        let queued = {
            let _open = self.gate.enter().await?;
            self.committer.apply(changes, note).await?
        };
        queued.wait().await
    }

    async fn take(&self, key: RecordKey, note: Option<Note>) -> Result<bool, KeystoreError> {
        let removed = {
            let _open = self.gate.enter().await?;
            self.committer.remove(key.to_bytes(), note).await?
        };
        removed.wait().await
    }

    async fn take_user(
        &self,
        user: UserTag,
        keep: Option<RecordKey>,
        note: Option<Note>,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        let (range, keep) = (KeyRange::of_user(user), keep.map(|key| key.to_bytes()));
        let removed = {
            let _open = self.gate.enter().await?;
            self.committer.remove_all_but(range, keep, note).await?
        };
        let keys = removed.wait().await?;
        Ok(keys.iter().map(RecordKey::from_bytes).collect())
    }

    async fn take_all(&self, note: Option<Note>) -> Result<u64, KeystoreError> {
        let removed = {
            let _open = self.gate.enter().await?;
            self.committer.empty(note).await?
        };
        removed.wait().await
    }

    async fn hold(&self, hold: bool) -> Result<(), KeystoreError> {
        self.gate.hold(hold).await;
        if hold {
            // Behind all that was let through before.
            let none = self.committer.apply(Vec::new(), None).await?;
            none.wait().await?;
        }
        Ok(())
    }

    async fn end(&self) -> Result<(), KeystoreError> {
        self.gate.hold(true).await;
        self.gate.leave();
        self.stamps.distrust();
        // Nothing gives the trust back where nothing is written any more.
        self.committer.close().await;
        Ok(())
    }
}

impl Store for LocalStore {
    fn get<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Found> {
        Box::pin(ready(self.read(key)))
    }

    fn is_current(&self, key: &RecordKey, stamp: Stamp) -> bool {
        self.stamps.holds(&key.to_bytes(), stamp)
    }

    fn apply(&self, writes: Vec<Write>) -> Answer<'_, bool> {
        Box::pin(self.change(writes, None))
    }

    fn apply_noting(&self, writes: Vec<Write>, note: Note) -> Answer<'_, bool> {
        Box::pin(self.change(writes, Some(note)))
    }

    fn remove(&self, key: RecordKey) -> Answer<'_, bool> {
        Box::pin(self.take(key, None))
    }

    fn remove_noting(&self, key: RecordKey, note: Note) -> Answer<'_, bool> {
        Box::pin(self.take(key, Some(note)))
    }

    fn remove_user(&self, user: UserTag, keep: Option<RecordKey>) -> Answer<'_, Vec<RecordKey>> {
        Box::pin(self.take_user(user, keep, None))
    }

    fn remove_user_noting(
        &self,
        user: UserTag,
        keep: Option<RecordKey>,
        note: Note,
    ) -> Answer<'_, Vec<RecordKey>> {
        Box::pin(self.take_user(user, keep, Some(note)))
    }

    fn remove_all(&self) -> Answer<'_, u64> {
        Box::pin(self.take_all(None))
    }

    fn remove_all_noting(&self, note: Note) -> Answer<'_, u64> {
        Box::pin(self.take_all(Some(note)))
    }

    fn notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        Box::pin(ready(self.engine.notes(after.as_ref(), limit)))
    }

    fn replace_notes(&self, notes: Vec<(SealedNote, Vec<u8>)>) -> Answer<'_, u64> {
        Box::pin(async move { self.committer.replace_notes(notes).await?.wait().await })
    }

    fn forget_notes(&self, before: u64) -> Answer<'_, u64> {
        Box::pin(async move { self.committer.forget(before).await?.wait().await })
    }

    fn settle_notes(&self) -> Answer<'_, Option<NotePlace>> {
        Box::pin(async move { self.committer.settle().await?.wait().await })
    }

    fn keep_notes_from(&self, number: u64) {
        self.committer.keep_notes_from(number);
    }

    fn keep_head(&self, head: Vec<u8>) -> Answer<'_, ()> {
        Box::pin(async move {
            let kept = self.committer.keep_head(head).await?;
            kept.wait().await.map(drop)
        })
    }

    fn head(&self) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(ready(self.engine.head()))
    }

    fn page(&self, range: KeyRange, limit: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        if let Err(gone) = self.gate.answers() {
            return Box::pin(ready(Err(gone)));
        }
        let entries = self.engine.scan(&range, limit).map(|entries| {
            let named = entries
                .into_iter()
                .map(|(key, sealed)| (RecordKey::from_bytes(&key), sealed));
            named.collect()
        });
        Box::pin(ready(entries))
    }

    fn count(&self, user: UserTag, max: usize) -> Answer<'_, usize> {
        let walk = || self.engine.count_up_to(&KeyRange::of_user(user), max);
        Box::pin(ready(self.counts.up_to(max, &user, walk)))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(ready(self.engine.size_on_disk().map(|bytes_on_disk| {
            Stats {
                records: self.committer.records(),
                bytes_on_disk,
                writes: self.committer.writes(),
            }
        })))
    }

    fn health(&self) -> Result<(), KeystoreError> {
        self.gate.health()?;
        self.committer.health()
    }

    fn watch_removals(&self, watcher: RemovalWatcher) -> bool {
        let watcher = move |key: &_| watcher(&RecordKey::from_bytes(key));
        self.committer.watch_removals(Box::new(watcher))
    }

    fn compact(&self, progress: Progress) -> Answer<'_, ()> {
        Box::pin(async move {
            self.committer
                .compact(progress)
                .await?
                .wait()
                .await
                .map(drop)
        })
    }

    fn check(&self, begin: bool) -> Answer<'_, Checked> {
        Box::pin(async move { self.committer.check(begin).await?.wait().await })
    }

    fn hold_changes(&self, hold: bool) -> Answer<'_, ()> {
        Box::pin(self.hold(hold))
    }

    fn leave(&self) -> Answer<'_, ()> {
        Box::pin(self.end())
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.committer.close().await;
            Ok(())
        })
    }
}
