//! What a test of the suite works on, and how it asks.

use std::sync::Arc;

use rand::rngs::SysRng;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};

use super::samples::{key, record, ring};
use crate::{Keystore, KeystoreError, PutOutcome, Record, RecordKey, Store, Stored, Swap, UserTag};

/// How often a change that was answered with `store_contended` is asked for again.
const MAX_TRIES: usize = 1_000;

/// How a test gets a store.
pub trait Fixture: Sized + 'static {
    /// The kind of store.
    type Store: Store;

    /// Whether the store keeps notes of ends. Otherwise the tests of notes do nothing.
    const KEEPS_NOTES: bool = false;

    /// Whether there is what such a store needs. Where it returns `false` it has said so, and the tests of
    /// the suite do nothing.
    #[must_use]
    fn is_available() -> bool {
        true
    }

    /// Makes an empty store for one test, with what it needs. That is released when the fixture is
    /// dropped, after every keystore on it.
    fn new() -> impl Future<Output = Self>;

    /// The store.
    fn store(&self) -> Arc<Self::Store>;

    /// Another store on the same records, as another process would have it. `None` for a kind of
    /// store that has one writer.
    fn second(&self) -> Option<Arc<Self::Store>> {
        None
    }
}

/// A store under test, and two keystores on it.
pub(super) struct Bench<F: Fixture> {
    pub(super) keystore: Keystore,
    /// The second writer's; where there is none, the same as the first.
    pub(super) other: Keystore,
    pub(super) store: Arc<F::Store>,
    pub(super) has_second: bool,
    // Dropped last.
    _fixture: F,
}

impl<F: Fixture> Bench<F> {
    pub(super) async fn new() -> Self {
        let fixture = F::new().await;
        let (store, second) = (fixture.store(), fixture.second());
        let keystore = open(Arc::clone(&store));
        let has_second = second.is_some();
        let other = second.map_or_else(|| keystore.clone(), open);
        Self {
            keystore,
            other,
            store,
            has_second,
            _fixture: fixture,
        }
    }

    /// The keystore for a task: of two tasks that follow each other, one has the second writer.
    pub(super) fn of(&self, task: u64) -> Keystore {
        if task.is_multiple_of(2) {
            self.keystore.clone()
        } else {
            self.other.clone()
        }
    }

    /// Starts that many tasks at one moment, on both writers, and returns what they return.
    pub(super) async fn together<T, W>(
        &self,
        tasks: u64,
        work: impl Fn(Keystore, u64) -> W,
    ) -> Vec<T>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(usize::try_from(tasks).unwrap()));
        let mut set = JoinSet::new();
        for task in 0..tasks {
            let (start, work) = (Arc::clone(&start), work(self.of(task), task));
            set.spawn(async move {
                start.wait().await;
                work.await
            });
        }
        set.join_all().await
    }
}

fn open(store: impl Store) -> Keystore {
    Keystore::open(store, ring(), SysRng).unwrap()
}

/// Asks again for as long as the answer is `store_contended`: then nothing was changed.
async fn settled<T, A: Future<Output = Result<T, KeystoreError>>>(ask: impl Fn() -> A) -> T {
    for _ in 0..MAX_TRIES {
        match ask().await {
            Err(KeystoreError::StoreContended) => yield_now().await,
            answer => return answer.unwrap(),
        }
    }
    panic!("the store answered store_contended {MAX_TRIES} times");
}

pub(super) async fn put_new(keystore: &Keystore, key: &RecordKey, record: &Record) -> PutOutcome {
    settled(|| keystore.put_new(key, record)).await
}

pub(super) async fn put_new_and_remove(
    keystore: &Keystore,
    key: &RecordKey,
    record: &Record,
    others: &[(RecordKey, Stored)],
) -> Swap {
    settled(|| keystore.put_new_and_remove(key, record, others)).await
}

pub(super) async fn remove_beside(
    keystore: &Keystore,
    kept: &RecordKey,
    version: &Stored,
    others: &[(RecordKey, Stored)],
) -> Swap {
    settled(|| keystore.remove_beside(kept, version, others)).await
}

/// Swaps the version that was seen for a record of that generation.
pub(super) async fn swap(
    keystore: &Keystore,
    key: &RecordKey,
    seen: &Stored,
    generation: u64,
) -> Swap {
    let new = record(generation);
    settled(|| keystore.compare_and_swap(key, seen, &new)).await
}

pub(super) async fn remove(keystore: &Keystore, key: &RecordKey) -> bool {
    settled(|| keystore.remove(key)).await
}

pub(super) async fn remove_user(keystore: &Keystore, user: UserTag) -> Vec<RecordKey> {
    settled(|| keystore.remove_user(user)).await
}

/// Puts a record, whose generation is the session's number, under a key that has none.
pub(super) async fn put(keystore: &Keystore, user: u8, session: u64) {
    let outcome = put_new(keystore, &key(user, session), &record(session)).await;
    assert_eq!(outcome, PutOutcome::Stored);
}

pub(super) async fn put_several(keystore: &Keystore, user: u8, sessions: std::ops::Range<u64>) {
    for session in sessions {
        put(keystore, user, session).await;
    }
}

/// A record that is there, as it is read now.
pub(super) async fn seen(keystore: &Keystore, key: &RecordKey) -> Stored {
    keystore.get(key).await.unwrap().unwrap()
}

/// The generation of the record under this key.
pub(super) async fn generation(keystore: &Keystore, key: &RecordKey) -> Option<u64> {
    let found = keystore.get(key).await.unwrap();
    found.map(|stored| stored.record.generation)
}

/// The keys of a user's records, none of which is damaged.
pub(super) async fn keys_of(keystore: &Keystore, user: UserTag) -> Vec<RecordKey> {
    let page = keystore.list(user, None, 4_096).await.unwrap();
    assert!(page.damaged.is_empty());
    page.entries.into_iter().map(|(key, _)| key).collect()
}
