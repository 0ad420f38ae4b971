//! An engine whose values change between the committer's read and its change: the local store
//! reads again, gives up after some attempts, and takes the next change nevertheless.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lacre_keystore::{
    Change, Engine, KeyBytes, KeyRange, Keystore, KeystoreError, MemoryEngine, PutOutcome,
};

use crate::support::{key, keystore_on, record, user};

/// How often the local store tries a change that was overtaken.
const MAX_ATTEMPTS: usize = 16;

#[derive(Default)]
struct Meddled {
    engine: MemoryEngine,
    switches: Arc<Switches>,
}

#[derive(Default)]
struct Switches {
    /// How many reads of the committer are followed by a change of what it read.
    overtakes: AtomicUsize,
    is_emptying: AtomicBool,
}

impl Meddled {
    /// Changes what the committer has just read, unless it has been let alone.
    fn meddle(&self, read: &[(KeyBytes, Vec<u8>)]) {
        let is_committer = std::thread::current().name() == Some("lacre-committer");
        if !is_committer || read.is_empty() {
            return;
        }
        let left = &self.switches.overtakes;
        let step = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        if step.is_err() {
            return;
        }
        for (key, value) in read {
            let change = Change {
                key: *key,
                expected: Some(value.clone()),
                new: Some([&value[..], &[0]].concat()),
            };
            assert_eq!(self.engine.apply(&[change]), Ok(true));
        }
    }
}

impl Engine for Meddled {
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError> {
        let value = self.engine.get(key)?;
        if let Some(value) = &value {
            self.meddle(&[(*key, value.clone())]);
        }
        Ok(value)
    }
    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError> {
        let entries = self.engine.scan(range, limit)?;
        self.meddle(&entries);
        Ok(entries)
    }
    fn count_up_to(&self, range: &KeyRange, max: usize) -> Result<usize, KeystoreError> {
        self.engine.count_up_to(range, max)
    }
    fn count(&self) -> Result<u64, KeystoreError> {
        self.engine.count()
    }
    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError> {
        self.engine.apply(changes)
    }
    fn note_emptying(
        &self,
        under_way: bool,
        note: Option<&lacre_keystore::Note>,
    ) -> Result<(), KeystoreError> {
        self.switches.is_emptying.store(under_way, Ordering::SeqCst);
        self.engine.note_emptying(under_way, note)
    }
    fn persist(&self) -> Result<(), KeystoreError> {
        self.engine.persist()
    }
    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        self.engine.size_on_disk()
    }
}

/// A keystore of three records on a meddled engine.
async fn three() -> (Keystore, Arc<Switches>) {
    let engine = Meddled::default();
    let switches = Arc::clone(&engine.switches);
    let keystore = keystore_on(engine);
    for session in 0..3 {
        put(&keystore, session).await;
    }
    (keystore, switches)
}

async fn put(keystore: &Keystore, session: u64) {
    let put = keystore.put_new(&key(1, session), &record(session)).await;
    assert_eq!(put, Ok(PutOutcome::Stored));
}

#[tokio::test]
async fn a_removal_that_is_overtaken_is_tried_again() {
    let (keystore, switches) = three().await;
    switches.overtakes.store(MAX_ATTEMPTS - 1, Ordering::SeqCst);
    assert_eq!(keystore.remove(&key(1, 0)).await, Ok(true));
    switches.overtakes.store(MAX_ATTEMPTS - 1, Ordering::SeqCst);
    assert_eq!(keystore.remove_user(user(1)).await.unwrap().len(), 2);
    assert_eq!(keystore.is_empty().await, Ok(true));
}

#[tokio::test]
async fn after_the_last_attempt_nothing_is_changed_and_the_next_change_is_taken() {
    let (keystore, switches) = three().await;
    for round in 0..3 {
        switches.overtakes.store(usize::MAX, Ordering::SeqCst);
        let error = keystore.remove(&key(1, 0)).await.unwrap_err();
        assert_eq!(error.code(), "store_contended");
        let error = keystore.remove_user(user(1)).await.unwrap_err();
        assert_eq!(error.code(), "store_contended");
        let error = keystore.remove_user_but(user(1), &key(1, 0)).await;
        assert_eq!(error.unwrap_err().code(), "store_contended");
        assert_eq!(keystore.health(), Ok(()));
        assert_eq!(keystore.stats().await.unwrap().records, 3 + round);
        put(&keystore, 10 + round).await;
    }
    switches.overtakes.store(0, Ordering::SeqCst);
    assert_eq!(keystore.remove(&key(1, 0)).await, Ok(true));
    assert_eq!(keystore.remove_user(user(1)).await.unwrap().len(), 5);
}

/// A note that stayed behind would, at the next opening, remove what was put after the answer.
#[tokio::test]
async fn a_removal_of_all_that_gives_up_leaves_no_note_behind() {
    let (keystore, switches) = three().await;
    switches.overtakes.store(usize::MAX, Ordering::SeqCst);
    let error = keystore.remove_all().await.unwrap_err();
    assert_eq!(error.code(), "store_contended");
    assert!(!switches.is_emptying.load(Ordering::SeqCst));
    assert_eq!(keystore.health(), Ok(()));
    put(&keystore, 9).await;
    switches.overtakes.store(0, Ordering::SeqCst);
    assert_eq!(keystore.remove_all().await, Ok(4));
    assert_eq!(keystore.is_empty().await, Ok(true));
}
