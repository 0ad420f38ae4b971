//! A store that several writers share, in memory: two keystores on one map.
//!
//! Its changes are optimistic, as over a network: what a removal has read may be changed by another
//! writer before the removal is made. [`Meddling`] brings that about as often as a test wants.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lacre_keystore::conformance::Fixture;
use lacre_keystore::conformance::samples::{key, record, ring, user};
use lacre_keystore::store::{Answer, Found, RemovalWatcher, Sealed, Stamp, Write};
use lacre_keystore::{
    KeyRange, Keystore, KeystoreError, PutOutcome, RecordKey, Stats, Store, Swap, UserTag, Writes,
};
use rand::rngs::SysRng;
use tokio::sync::RwLock;
use tokio::task::yield_now;

/// How often a change that was overtaken is tried.
const MAX_ATTEMPTS: usize = 16;

/// What all writers share.
#[derive(Default)]
struct Table {
    records: Mutex<BTreeMap<RecordKey, Sealed>>,
    watchers: Mutex<Vec<RemovalWatcher>>,
}

impl Table {
    fn entries(&self, range: KeyRange, limit: usize) -> Vec<(RecordKey, Vec<u8>)> {
        let ends = [range.first(), range.last()].map(|key| RecordKey::from_bytes(&key));
        let records = self.records.lock().unwrap();
        let entries = records.range(ends[0]..=ends[1]).take(limit);
        entries
            .map(|(key, sealed)| (*key, sealed.bytes.clone()))
            .collect()
    }

    /// Makes all the writes or none, and tells every writer's watcher what went.
    fn commit(&self, writes: Vec<Write>) -> bool {
        let mut records = self.records.lock().unwrap();
        let fits = writes.iter().all(|write| {
            let found = records.get(&write.key).map(|sealed| &sealed.bytes);
            found == write.expected.as_ref()
        });
        if !fits {
            return false;
        }
        let mut gone = Vec::new();
        for Write { key, new, .. } in writes {
            if let Some(sealed) = new {
                records.insert(key, sealed);
            } else {
                records.remove(&key);
                gone.push(key);
            }
        }
        drop(records);
        self.tell(&gone);
        true
    }

    fn tell(&self, gone: &[RecordKey]) {
        for watcher in self.watchers.lock().unwrap().iter() {
            gone.iter().for_each(watcher);
        }
    }
}

/// Another writer that comes in between the read and the write of a removal.
struct Meddling {
    /// Seals the record that it finds once more: an equal one, and another version.
    keystore: Keystore,
    /// How many attempts of each removal are overtaken.
    attempts: Arc<AtomicUsize>,
}

impl Meddling {
    async fn overtake(&self, attempt: usize, keys: impl Iterator<Item = RecordKey>) {
        if attempt >= self.attempts.load(Ordering::SeqCst) {
            return;
        }
        for key in keys {
            if let Ok(Some(found)) = self.keystore.get(&key).await {
                let again = self.keystore.compare_and_swap(&key, &found, &found.record);
                let _ = again.await.unwrap();
            }
        }
    }
}

/// One writer.
pub(crate) struct SharedStore {
    table: Arc<Table>,
    meddling: Option<Meddling>,
    watches: AtomicBool,
    /// Held by each change, so that closing waits for those under way.
    open: RwLock<()>,
    closed: AtomicBool,
}

impl SharedStore {
    fn new(table: &Arc<Table>, meddling: Option<Meddling>) -> Self {
        Self {
            table: Arc::clone(table),
            meddling,
            watches: AtomicBool::new(false),
            open: RwLock::new(()),
            closed: AtomicBool::new(false),
        }
    }

    /// Removes what `read` finds, as one change; reads again where that has changed meanwhile.
    async fn remove_read(
        &self,
        read: impl Fn() -> Vec<(RecordKey, Vec<u8>)>,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        let _open = self.open.read().await;
        self.health()?;
        for attempt in 0..MAX_ATTEMPTS {
            let entries = read();
            yield_now().await;
            let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
            if let Some(meddling) = &self.meddling {
                meddling.overtake(attempt, keys.iter().copied()).await;
            }
            let writes = entries.into_iter().map(|(key, sealed)| Write {
                key,
                expected: Some(sealed),
                new: None,
                ends_tokens: true,
            });
            if self.table.commit(writes.collect()) {
                return Ok(keys);
            }
        }
        Err(KeystoreError::StoreContended)
    }
}

impl Store for SharedStore {
    fn get<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Found> {
        Box::pin(async move {
            yield_now().await;
            let records = self.table.records.lock().unwrap();
            Ok(Found {
                sealed: records.get(key).map(|sealed| sealed.bytes.clone()),
                stamp: Stamp::NEVER,
            })
        })
    }

    /// It can't know what the other writers do.
    fn is_current(&self, _: &RecordKey, _: Stamp) -> bool {
        false
    }

    fn apply(&self, writes: Vec<Write>) -> Answer<'_, bool> {
        Box::pin(async move {
            let _open = self.open.read().await;
            self.health()?;
            yield_now().await;
            Ok(self.table.commit(writes))
        })
    }

    fn remove(&self, key: RecordKey) -> Answer<'_, bool> {
        Box::pin(async move {
            let read = || {
                let records = self.table.records.lock().unwrap();
                let found = records.get(&key);
                let found = found.map(|sealed| (key, sealed.bytes.clone()));
                found.into_iter().collect()
            };
            Ok(!self.remove_read(read).await?.is_empty())
        })
    }

    fn remove_user(&self, user: UserTag, keep: Option<RecordKey>) -> Answer<'_, Vec<RecordKey>> {
        Box::pin(async move {
            let read = || {
                let mut entries = self.table.entries(KeyRange::of_user(user), usize::MAX);
                entries.retain(|(key, _)| Some(*key) != keep);
                entries
            };
            self.remove_read(read).await
        })
    }

    fn remove_all(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            let _open = self.open.read().await;
            self.health()?;
            let gone = std::mem::take(&mut *self.table.records.lock().unwrap());
            let gone: Vec<_> = gone.into_keys().collect();
            self.table.tell(&gone);
            Ok(gone.len() as u64)
        })
    }

    fn page(&self, range: KeyRange, limit: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            yield_now().await;
            Ok(self.table.entries(range, limit))
        })
    }

    /// By the column that says when a record expires.
    fn page_to_sweep(
        &self,
        range: KeyRange,
        now: u64,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            let mut entries = self.table.entries(range, usize::MAX);
            let records = self.table.records.lock().unwrap();
            entries.retain(|(key, _)| {
                let expires_at = records.get(key).map(|sealed| sealed.expires_at);
                expires_at.is_some_and(|expires_at| expires_at <= now)
            });
            entries.truncate(limit);
            Ok(entries)
        })
    }

    fn count(&self, user: UserTag, max: usize) -> Answer<'_, usize> {
        Box::pin(async move { Ok(self.table.entries(KeyRange::of_user(user), max).len()) })
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(async move {
            Ok(Stats {
                records: self.table.records.lock().unwrap().len() as u64,
                bytes_on_disk: 0,
                writes: Writes::default(),
            })
        })
    }

    fn health(&self) -> Result<(), KeystoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable("the store is closed"));
        }
        Ok(())
    }

    fn watch_removals(&self, watcher: RemovalWatcher) -> bool {
        if self.watches.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.table.watchers.lock().unwrap().push(watcher);
        true
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.closed.store(true, Ordering::SeqCst);
            let _none_under_way = self.open.write().await;
            Ok(())
        })
    }
}

/// A shared store of which the first attempts of each removal are overtaken.
pub(crate) struct Shared {
    table: Arc<Table>,
    attempts: Arc<AtomicUsize>,
}

impl Shared {
    fn overtaken(attempts: usize) -> Self {
        Self {
            table: Arc::default(),
            attempts: Arc::new(AtomicUsize::new(attempts)),
        }
    }

    fn writer(&self) -> SharedStore {
        let keystore = open(SharedStore::new(&self.table, None));
        let meddling = Meddling {
            keystore,
            attempts: Arc::clone(&self.attempts),
        };
        SharedStore::new(&self.table, Some(meddling))
    }
}

fn open(store: impl Store) -> Keystore {
    Keystore::open(store, ring(), SysRng).unwrap()
}

impl Fixture for Shared {
    type Store = SharedStore;

    async fn new() -> Self {
        Self::overtaken(2)
    }

    fn store(&self) -> Arc<SharedStore> {
        Arc::new(self.writer())
    }

    fn second(&self) -> Option<Arc<SharedStore>> {
        Some(self.store())
    }
}

#[tokio::test]
async fn a_removal_that_is_always_overtaken_is_answered_and_writing_goes_on() {
    let shared = Shared::overtaken(usize::MAX);
    let (keystore, other) = (open(shared.writer()), open(shared.writer()));
    for session in 0..3 {
        let put = keystore.put_new(&key(1, session), &record(session)).await;
        assert_eq!(put, Ok(PutOutcome::Stored));
    }
    for _ in 0..3 {
        let error = keystore.remove(&key(1, 0)).await.unwrap_err();
        assert_eq!(error.code(), "store_contended");
        let error = keystore.remove_user(user(1)).await.unwrap_err();
        assert_eq!(error.code(), "store_contended");
        let error = keystore.remove_user_but(user(1), &key(1, 0)).await;
        assert_eq!(error.unwrap_err().code(), "store_contended");
        assert_eq!(keystore.health(), Ok(()));
        assert_eq!(keystore.count(user(1), 9).await, Ok(3), "nothing changed");
    }
    // Changes that nobody overtakes are made meanwhile, by both writers.
    for keystore in [&keystore, &other] {
        let read = keystore.get(&key(1, 1)).await.unwrap().unwrap();
        let next = record(read.record.generation + 1);
        let swap = keystore.compare_and_swap(&key(1, 1), &read, &next).await;
        assert_eq!(swap, Ok(Swap::Won));
    }
    shared.attempts.store(0, Ordering::SeqCst);
    assert_eq!(keystore.remove(&key(1, 0)).await, Ok(true));
    assert_eq!(other.remove_user(user(1)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_last_attempt_may_still_succeed() {
    let shared = Shared::overtaken(MAX_ATTEMPTS - 1);
    let keystore = open(shared.writer());
    let put = keystore.put_new(&key(1, 1), &record(1)).await;
    assert_eq!(put, Ok(PutOutcome::Stored));
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(true));
}
