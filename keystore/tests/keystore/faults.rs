//! Engines that fail, stall or panic: who hears what, and when.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use lacre_keystore::{
    Change, Current, Engine, KeyBytes, KeyRange, Keystore, KeystoreError, MemoryEngine, PutOutcome,
    Swap,
};
use tokio::task::JoinSet;

use crate::support::{Home, Kind, Memory, Sled, generation, key, keystore_on, record, user};

/// What goes wrong, switched from outside.
#[derive(Default)]
struct Faults {
    persist_fails: AtomicBool,
    apply_fails: AtomicBool,
    persist_panics: AtomicBool,
    reads_fail: AtomicBool,
    reopens: AtomicBool,
    read: AtomicU64,
    applied: AtomicU64,
    persisted: AtomicU64,
}

/// A real engine with faults put in front of it.
struct Faulty<E> {
    engine: E,
    faults: Arc<Faults>,
}

impl<E: Engine> Faulty<E> {
    fn new(engine: E) -> (Self, Arc<Faults>) {
        let faults = Arc::<Faults>::default();
        let this = Self {
            engine,
            faults: Arc::clone(&faults),
        };
        (this, faults)
    }
}

impl<E: Engine> Engine for Faulty<E> {
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError> {
        self.faults.read.fetch_add(1, Ordering::SeqCst);
        if self.faults.reads_fail.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable("the disk is away"));
        }
        self.engine.get(key)
    }
    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError> {
        self.engine.scan(range, limit)
    }
    fn count_up_to(&self, range: &KeyRange, most: usize) -> Result<usize, KeystoreError> {
        self.engine.count_up_to(range, most)
    }
    fn count(&self) -> Result<u64, KeystoreError> {
        self.engine.count()
    }
    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError> {
        if self.faults.apply_fails.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable("the disk is gone"));
        }
        self.faults.applied.fetch_add(1, Ordering::SeqCst);
        self.engine.apply(changes)
    }
    fn note_emptying(
        &self,
        under_way: bool,
        note: Option<&lacre_keystore::Note>,
    ) -> Result<(), KeystoreError> {
        self.engine.note_emptying(under_way, note)
    }
    fn persist(&self) -> Result<(), KeystoreError> {
        self.faults.persisted.fetch_add(1, Ordering::SeqCst);
        assert!(
            !self.faults.persist_panics.load(Ordering::SeqCst),
            "as it was told"
        );
        if self.faults.persist_fails.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable("the disk is full"));
        }
        self.engine.persist()
    }
    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        self.engine.size_on_disk()
    }
    fn may_reopen(&self) -> Result<(), KeystoreError> {
        let full = self.faults.persist_fails.load(Ordering::SeqCst);
        if full || !self.faults.reopens.load(Ordering::SeqCst) {
            return Err(KeystoreError::unavailable("the disk is full"));
        }
        self.engine.may_reopen()
    }
    fn reopen(&self) -> Result<(), KeystoreError> {
        self.engine.reopen()
    }
}

/// Puts 64 records at once and returns what each caller heard.
async fn put_many(keystore: &Keystore, user: u8) -> Vec<Result<PutOutcome, KeystoreError>> {
    let mut tasks = JoinSet::new();
    for session in 0..64 {
        let keystore = keystore.clone();
        tasks.spawn(async move {
            keystore
                .put_new(&key(user, session), &record(session))
                .await
        });
    }
    tasks.join_all().await
}

/// Every kind of change is refused, nothing reaches the engine, and reads go on.
async fn assert_closed_for_good(keystore: &Keystore, faults: &Faults) {
    assert_eq!(keystore.health().unwrap_err().code(), "store_unavailable");
    let applied = faults.applied.load(Ordering::SeqCst);
    let seen = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    let refusals = [
        keystore.put_new(&key(9, 9), &record(9)).await.unwrap_err(),
        keystore
            .compare_and_swap(&key(1, 0), &seen, &record(9))
            .await
            .unwrap_err(),
        keystore.remove(&key(1, 0)).await.unwrap_err(),
        keystore.remove(&key(9, 9)).await.unwrap_err(),
        keystore.remove_if(&key(1, 0), &seen).await.unwrap_err(),
        keystore.remove_user(user(1)).await.unwrap_err(),
        keystore
            .remove_user_but(user(1), &key(1, 0))
            .await
            .unwrap_err(),
        keystore
            .put_new_and_remove(&key(9, 9), &record(9), &[(key(1, 0), seen.clone())])
            .await
            .unwrap_err(),
        keystore.remove_all().await.unwrap_err(),
        keystore.sweep(u64::MAX).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.code(), "store_unavailable");
    }
    assert_eq!(faults.applied.load(Ordering::SeqCst), applied);
    assert_eq!(generation(keystore, &key(1, 0)).await, Some(0));
    assert!(keystore.get(&key(9, 9)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_success_when_a_persist_fails_and_all_writing_ends() {
    let (engine, faults) = Faulty::new(MemoryEngine::new());
    let keystore = keystore_on(engine);
    assert!(put_many(&keystore, 1).await.iter().all(Result::is_ok));
    faults.persist_fails.store(true, Ordering::SeqCst);
    for outcome in put_many(&keystore, 2).await {
        assert_eq!(outcome.unwrap_err().code(), "store_unavailable");
    }
    // A disk that works again doesn't help: nobody knows what of the lost write is on it.
    faults.persist_fails.store(false, Ordering::SeqCst);
    assert_closed_for_good(&keystore, &faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_fails_ends_all_writing() {
    let (engine, faults) = Faulty::new(MemoryEngine::new());
    let keystore = keystore_on(engine);
    assert!(put_many(&keystore, 1).await.iter().all(Result::is_ok));
    faults.apply_fails.store(true, Ordering::SeqCst);
    for outcome in put_many(&keystore, 2).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), "store_unavailable");
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    }
    faults.apply_fails.store(false, Ordering::SeqCst);
    assert_closed_for_good(&keystore, &faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_engine_leaves_nobody_waiting() {
    let (engine, faults) = Faulty::new(MemoryEngine::new());
    let keystore = keystore_on(engine);
    assert!(put_many(&keystore, 1).await.iter().all(Result::is_ok));
    faults.persist_panics.store(true, Ordering::SeqCst);
    for outcome in put_many(&keystore, 2).await {
        assert_eq!(outcome.unwrap_err().code(), "store_unavailable");
    }
    assert_closed_for_good(&keystore, &faults).await;
    keystore.close().await;
}

#[tokio::test]
async fn a_removal_of_everything_stops_where_a_step_fails() {
    let (engine, faults) = Faulty::new(MemoryEngine::new());
    for session in 0..2_000 {
        let change = Change {
            key: key(1, session).to_bytes(),
            expected: None,
            new: Some(vec![9; 100]),
        };
        assert_eq!(engine.apply(&[change]), Ok(true));
    }
    let keystore = keystore_on(engine);
    faults.persist_fails.store(true, Ordering::SeqCst);
    let error = keystore.remove_all().await.unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
    keystore.close().await;
    assert_eq!(faults.persisted.load(Ordering::SeqCst), 1);
    assert_eq!(keystore.is_empty().await, Ok(false));
}

/// An engine whose persist says that it has begun and waits until it is let go.
pub(crate) struct Gated {
    engine: MemoryEngine,
    begun: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Gated {
    /// The engine, where it says that a persist has begun, and where it is told to go on.
    pub(crate) fn new(engine: MemoryEngine) -> (Self, Receiver<()>, Sender<()>) {
        let (begun, has_begun) = channel();
        let (let_go, go) = channel();
        let go = Mutex::new(go);
        (Self { engine, begun, go }, has_begun, let_go)
    }
}

impl Engine for Gated {
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError> {
        self.engine.get(key)
    }
    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError> {
        self.engine.scan(range, limit)
    }
    fn count_up_to(&self, range: &KeyRange, most: usize) -> Result<usize, KeystoreError> {
        self.engine.count_up_to(range, most)
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
        self.engine.note_emptying(under_way, note)
    }
    fn persist(&self) -> Result<(), KeystoreError> {
        self.begun.send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        self.engine.persist()
    }
    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        self.engine.size_on_disk()
    }
}

#[tokio::test]
async fn nobody_is_answered_before_the_persist_not_even_who_lost() {
    let (gated, has_begun, let_go) = Gated::new(MemoryEngine::new());
    let keystore = keystore_on(gated);
    let mut context = Context::from_waker(Waker::noop());
    let (name, new) = (key(1, 1), record(1));

    // The first put holds the thread in its persist; the others gather meanwhile.
    let mut first = Box::pin(keystore.put_new(&name, &new));
    assert!(first.as_mut().poll(&mut context).is_pending());
    has_begun.recv().unwrap();
    let (second_name, third_name) = (key(1, 2), key(1, 3));
    let mut winner = Box::pin(keystore.put_new(&second_name, &new));
    let mut loser = Box::pin(keystore.put_new(&second_name, &new));
    let mut absent = Box::pin(keystore.remove(&third_name));
    assert!(winner.as_mut().poll(&mut context).is_pending());
    assert!(loser.as_mut().poll(&mut context).is_pending());
    assert!(absent.as_mut().poll(&mut context).is_pending());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let_go.send(()).unwrap();
    assert_eq!(first.await, Ok(PutOutcome::Stored));

    // Now the others are applied and wait for their persist: seen by reads, answered to nobody.
    has_begun.recv().unwrap();
    assert_eq!(generation(&keystore, &second_name).await, Some(1));
    assert!(winner.as_mut().poll(&mut context).is_pending());
    assert!(loser.as_mut().poll(&mut context).is_pending());
    assert!(absent.as_mut().poll(&mut context).is_pending());
    let_go.send(()).unwrap();
    assert_eq!(winner.await, Ok(PutOutcome::Stored));
    assert_eq!(loser.await, Ok(PutOutcome::Taken));
    assert_eq!(absent.await, Ok(false));

    // Who lost alone has nothing to wait for: what it lost to is durable.
    let mut late = Box::pin(keystore.put_new(&second_name, &new));
    assert_eq!(late.as_mut().await, Ok(PutOutcome::Taken));
    assert!(has_begun.try_recv().is_err());
}

#[tokio::test]
async fn a_change_whose_caller_has_gone_is_made_nevertheless() {
    let keystore = keystore_on(MemoryEngine::new());
    let (name, new) = (key(1, 1), record(1));
    let mut put = Box::pin(keystore.put_new(&name, &new));
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(outcome) = put.as_mut().poll(&mut context) {
        assert_eq!(outcome, Ok(PutOutcome::Stored));
    }
    drop(put);
    // The removal is made after the put.
    assert_eq!(keystore.remove(&name).await, Ok(true));
}

#[tokio::test]
async fn what_cannot_have_changed_is_not_read_again() {
    let (engine, faults) = Faulty::new(MemoryEngine::new());
    let keystore = keystore_on(engine);
    let reads = || faults.read.load(Ordering::SeqCst);
    let (name, neighbour) = (key(1, 1), key(1, 2));
    for name in [name, neighbour] {
        let put = keystore.put_new(&name, &record(1)).await;
        assert_eq!(put, Ok(PutOutcome::Stored));
    }
    let seen = keystore.get(&name).await.unwrap().unwrap();
    let before = reads();
    for _ in 0..10 {
        let current = keystore.get_if_changed(&name, &seen.version).await;
        assert!(matches!(current, Ok(Current::Same)));
    }
    assert_eq!(reads(), before);

    // One look after a change that may have been of this record, then none again.
    let other = keystore.get(&neighbour).await.unwrap().unwrap();
    let swap = keystore.compare_and_swap(&name, &other, &record(9)).await;
    assert_eq!(swap, Ok(Swap::Lost));
    let before = reads();
    for _ in 0..10 {
        let current = keystore.get_if_changed(&name, &seen.version).await;
        assert!(matches!(current, Ok(Current::Same)));
    }
    assert_eq!(reads(), before + 1);

    assert_eq!(keystore.remove(&name).await, Ok(true));
    let current = keystore.get_if_changed(&name, &seen.version).await;
    assert!(matches!(current, Ok(Current::Gone)));
    let put = keystore.put_new(&name, &record(1)).await;
    assert_eq!(put, Ok(PutOutcome::Stored));
    let current = keystore.get_if_changed(&name, &seen.version).await;
    assert!(matches!(current, Ok(Current::Changed(_))));
}

#[tokio::test]
async fn once_a_read_has_failed_nothing_is_answered_from_memory() {
    let (engine, faults) = Faulty::new(MemoryEngine::new());
    let keystore = keystore_on(engine);
    let put = keystore.put_new(&key(1, 1), &record(1)).await;
    assert_eq!(put, Ok(PutOutcome::Stored));
    let seen = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    faults.reads_fail.store(true, Ordering::SeqCst);
    assert!(keystore.get(&key(1, 2)).await.is_err());
    for _ in 0..2 {
        let current = keystore.get_if_changed(&key(1, 1), &seen.version).await;
        assert_eq!(current.unwrap_err().code(), "store_unavailable");
    }
    faults.reads_fail.store(false, Ordering::SeqCst);
    let current = keystore.get_if_changed(&key(1, 1), &seen.version).await;
    assert!(matches!(current, Ok(Current::Same)));
}

/// 64 tasks of 1000 durable puts each come to an end, and share their persists.
async fn many_writers_share_persists<K: Kind>() {
    let home = Home::new();
    let (engine, faults) = Faulty::new(K::engine(&home));
    let keystore = keystore_on(engine);
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let keystore = keystore.clone();
        tasks.spawn(async move {
            for session in 0..1_000 {
                let outcome = keystore
                    .put_new(&key(task, session), &record(session))
                    .await;
                assert_eq!(outcome, Ok(PutOutcome::Stored));
            }
        });
    }
    tasks.join_all().await;
    let persists = faults.persisted.load(Ordering::SeqCst);
    println!("64000 puts, {persists} persists");
    assert_eq!(keystore.stats().await.unwrap().records, 64_000);
    assert!(persists >= 1_000, "each task waits for each of its puts");
    assert!(persists < 32_000, "{persists} persists: nothing was shared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_persists_in_memory() {
    many_writers_share_persists::<Memory>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_persists_on_disk() {
    many_writers_share_persists::<Sled>().await;
}

async fn until_well(keystore: &Keystore) {
    let begun = std::time::Instant::now();
    while keystore.health().is_err() {
        assert!(begun.elapsed().as_secs() < 30, "not opened anew");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What was answered stays true, what wasn't may be either, and nothing is remembered of a state that
/// never was on the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_on_disk_is_opened_anew_when_the_disk_can_be_written_again() {
    let home = Home::new();
    let (engine, faults) = Faulty::new(Sled::engine(&home));
    faults.reopens.store(true, Ordering::SeqCst);
    let keystore = keystore_on(engine);
    assert!(put_many(&keystore, 1).await.iter().all(Result::is_ok));
    assert_eq!(keystore.remove(&key(1, 5)).await, Ok(true));
    faults.persist_fails.store(true, Ordering::SeqCst);
    for outcome in put_many(&keystore, 2).await {
        assert_eq!(outcome.unwrap_err().code(), "store_unavailable");
    }
    let lost = keystore.remove(&key(1, 6)).await;
    assert_eq!(lost.unwrap_err().code(), "store_unavailable");
    // It is tried in vain for as long as the disk is full, and reads go on.
    let seen = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert_eq!(keystore.health().unwrap_err().code(), "store_unavailable");
    assert_eq!(generation(&keystore, &key(1, 0)).await, Some(0));
    assert!(keystore.is_current(&key(1, 0), &seen.version));

    faults.persist_fails.store(false, Ordering::SeqCst);
    until_well(&keystore).await;
    assert!(!keystore.is_current(&key(1, 0), &seen.version));
    for session in 0..64 {
        let found = generation(&keystore, &key(1, session)).await;
        match session {
            5 => assert_eq!(found, None),
            6 => {}
            _ => assert_eq!(found, Some(session)),
        }
    }
    for outcome in put_many(&keystore, 3).await {
        assert_eq!(outcome, Ok(PutOutcome::Stored));
    }
    let seen = keystore.get(&key(3, 0)).await.unwrap().unwrap();
    assert!(
        keystore.is_current(&key(3, 0), &seen.version),
        "it is trusted again"
    );
    let counted = keystore.stats().await.unwrap().records;
    drop((seen, keystore));
    let keystore = keystore_on(Sled::engine(&home));
    assert_eq!(keystore.stats().await.unwrap().records, counted);
}

/// Where the store can't be opened anew, everything is refused, and it is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cant_be_opened_anew_answers_nothing_until_it_can() {
    let home = Home::new();
    let (engine, faults) = Faulty::new(Sled::engine(&home));
    faults.reopens.store(true, Ordering::SeqCst);
    let keystore = keystore_on(engine);
    assert!(put_many(&keystore, 1).await.iter().all(Result::is_ok));
    let seen = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    // The mark of a later store: what is there is behind it.
    let mark = home.path().join("mark");
    let good = std::fs::read(&mark).unwrap();
    let later = u128::from(u64::MAX) << 64;
    std::fs::write(&mark, later.to_be_bytes()).unwrap();
    faults.persist_fails.store(true, Ordering::SeqCst);
    assert!(keystore.remove(&key(1, 6)).await.is_err());
    faults.persist_fails.store(false, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    let refused = loop {
        match keystore.get(&key(1, 0)).await {
            Err(error) if error.code() == "store_corrupt" => break error,
            _ => assert!(begun.elapsed().as_secs() < 30),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(refused.to_string().contains("was durable"), "{refused}");
    assert!(!keystore.is_current(&key(1, 0), &seen.version));
    assert!(
        keystore
            .get_if_changed(&key(1, 0), &seen.version)
            .await
            .is_err()
    );
    assert!(keystore.health().is_err());
    std::fs::write(&mark, good).unwrap();
    until_well(&keystore).await;
    assert_eq!(generation(&keystore, &key(1, 0)).await, Some(0));
}
