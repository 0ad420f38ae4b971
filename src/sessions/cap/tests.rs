use crate::lacre::testing::{Fixture, at_once, grant, on_behalf};
use crate::sessions::grant::{IssueError, Issued, Occasion};
use crate::sessions::rules::Rules;
use crate::token::TokenKind;
use lacre_keystore::{Change, Engine, KeyBytes, KeyRange, KeystoreError, MemoryEngine, PutOutcome};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

fn rules(max_per_user: usize) -> Rules {
    Rules {
        max_per_user,
        ..Rules::new("https://issuer.test", "api")
    }
}

fn at_most(max_per_user: usize) -> Fixture {
    Fixture::with_rules(rules(max_per_user))
}

async fn is_good(deployment: &Fixture, issued: &Issued) -> bool {
    let token = issued.access.token.expose().as_bytes();
    deployment
        .lacre
        .guard(token, TokenKind::Access)
        .await
        .is_ok()
}

async fn count(deployment: &Fixture, user: &str) -> usize {
    deployment.lacre.sessions_of(user).await.unwrap().len()
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest() {
    let deployment = at_most(3);
    let mut issued = Vec::new();
    for _ in 0..5 {
        deployment.clock.advance(1);
        issued.push(deployment.log_in("u1").await);
    }
    deployment.log_in("u2").await;
    let good: Vec<_> = issued
        .iter()
        .map(|one| at_once(is_good(&deployment, one)))
        .collect();
    assert_eq!(good, [false, false, true, true, true]);
    assert_eq!(issued[2].evicted, []);
    assert_eq!(issued[3].evicted, [issued[0].handle.clone()]);
    assert_eq!(issued[4].evicted, [issued[1].handle.clone()]);
}

#[tokio::test]
async fn the_new_session_stays_among_those_of_the_same_second() {
    let deployment = at_most(2);
    for _ in 0..20 {
        let issued = deployment.log_in("u1").await;
        assert!(is_good(&deployment, &issued).await);
    }
    assert_eq!(count(&deployment, "u1").await, 2);
}

#[tokio::test]
async fn a_named_session_that_is_replaced_pushes_nobody_out() {
    let deployment = at_most(2);
    let other = deployment.log_in("u1").await;
    for _ in 0..3 {
        let grant = on_behalf("u1", "s");
        let issued = deployment.lacre.issue(&grant).await.unwrap();
        assert_eq!(issued.evicted, []);
    }
    assert!(is_good(&deployment, &other).await);
}

#[tokio::test]
async fn expired_sessions_take_no_room() {
    let deployment = Fixture::with_rules(Rules {
        max_per_user: 2,
        refresh_ttl: 60,
        ..Rules::new("https://issuer.test", "api")
    });
    deployment.log_in("u1").await;
    deployment.log_in("u1").await;
    deployment.clock.advance(60);
    assert_eq!(deployment.log_in("u1").await.evicted, []);
    assert_eq!(deployment.log_in("u1").await.evicted, []);
    assert_eq!(deployment.log_in("u1").await.evicted.len(), 1);
}

#[tokio::test]
async fn a_lowered_cap_is_reached_at_the_next_log_in() {
    let deployment = at_most(5);
    let first = deployment.log_in("u1").await;
    let keystore = deployment.lacre.keystore();
    let handles = deployment.lacre.records().keyring().handles();
    let record = keystore.get(&first.key).await.unwrap().unwrap().record;
    for _ in 0..300 {
        let key = handles.new_session("u1", &mut deployment.lacre.rng());
        let stored = keystore.put_new(&key, &record).await.unwrap();
        assert_eq!(stored, PutOutcome::Stored);
    }
    let issued = deployment.log_in("u1").await;
    assert_eq!(issued.evicted.len(), 297);
    assert_eq!(count(&deployment, "u1").await, 5);
    assert!(is_good(&deployment, &issued).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_ins_at_once_leave_the_cap_and_not_one_less() {
    for cap in [1, 5, 1, 5, 1, 5, 1, 5] {
        let deployment = at_most(cap);
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let lacre = deployment.lacre.clone();
                tokio::spawn(async move {
                    let issued = lacre.issue(&grant("u1", Occasion::LogIn)).await.unwrap();
                    issued.evicted
                })
            })
            .collect();
        let mut ended = Vec::new();
        for task in tasks {
            ended.extend(task.await.unwrap());
        }
        assert_eq!(count(&deployment, "u1").await, cap);
        let each_once: HashSet<_> = ended.iter().collect();
        assert_eq!((ended.len(), each_once.len()), (16 - cap, 16 - cap));
    }
}

/// What a store is told to do with the session that a batch is about to end, just before it.
type Meddling = Box<dyn FnMut(&MemoryEngine, KeyBytes) + Send>;

/// A store in which somebody is quicker, and that counts the changes of each batch.
#[derive(Clone, Default)]
struct Meddled {
    engine: Arc<MemoryEngine>,
    meddling: Arc<Mutex<Option<Meddling>>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Meddled {
    fn with(&self, meddling: impl FnMut(&MemoryEngine, KeyBytes) + Send + 'static) {
        *self.meddling.lock().unwrap() = Some(Box::new(meddling));
    }

    fn batches(&self) -> Vec<usize> {
        std::mem::take(&mut *self.batches.lock().unwrap())
    }
}

impl Engine for Meddled {
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
        self.batches.lock().unwrap().push(changes.len());
        if let ([_, old, ..], Some(meddling)) = (changes, &mut *self.meddling.lock().unwrap()) {
            meddling(&self.engine, old.key);
        }
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
        self.engine.persist()
    }
    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        self.engine.size_on_disk()
    }
}

/// Gives a key another value, or none, whatever it has.
fn set(engine: &MemoryEngine, key: KeyBytes, new: Option<Vec<u8>>) {
    let expected = engine.get(&key).unwrap();
    let change = Change { key, expected, new };
    assert_eq!(engine.apply(&[change]), Ok(true));
}

/// A deployment with two sessions of one user, who may have two, the older first.
async fn full() -> (Fixture, Meddled, [Issued; 2]) {
    let store = Meddled::default();
    let deployment = Fixture::on(store.clone(), rules(2));
    let older = deployment.log_in("u1").await;
    deployment.clock.advance(1);
    let newer = deployment.log_in("u1").await;
    deployment.clock.advance(1);
    assert_eq!(store.batches(), [1, 1], "there was room");
    (deployment, store, [older, newer])
}

#[tokio::test]
async fn at_the_cap_the_new_and_the_end_of_the_oldest_are_one_change() {
    let (deployment, store, [older, newer]) = full().await;
    let issued = deployment.log_in("u1").await;
    assert_eq!(issued.evicted, [older.handle]);
    assert_eq!(store.batches(), [2]);
    let named = deployment.lacre.issue(&on_behalf("u1", "s")).await.unwrap();
    assert_eq!(named.evicted, [newer.handle]);
    assert_eq!(store.batches(), [2]);
    let again = deployment.lacre.issue(&on_behalf("u1", "s")).await.unwrap();
    assert_eq!((again.evicted, store.batches()), (vec![], vec![1]));
    assert_eq!(count(&deployment, "u1").await, 2);
}

#[tokio::test]
async fn where_the_oldest_goes_by_itself_nobody_is_pushed_out() {
    for named in [false, true] {
        let (deployment, store, [older, newer]) = full().await;
        store.with(|engine, oldest| set(engine, oldest, None));
        let grant = if named {
            on_behalf("u1", "s")
        } else {
            grant("u1", Occasion::LogIn)
        };
        let issued = deployment.lacre.issue(&grant).await.unwrap();
        assert_eq!(issued.evicted, []);
        assert_eq!(store.batches(), [2, 1], "refused, and then there was room");
        let good = [&older, &newer, &issued].map(|one| at_once(is_good(&deployment, one)));
        assert_eq!(good, [false, true, true]);
    }
}

#[tokio::test]
async fn where_the_oldest_changes_meanwhile_it_is_read_anew() {
    let (deployment, store, [older, newer]) = full().await;
    let name = older.key.to_bytes();
    let before = store.engine.get(&name).unwrap();
    deployment.lacre.revoke_access_of("u1").await.unwrap();
    store.batches();
    store.with({
        let mut before = Some(before);
        move |engine, oldest| {
            assert_eq!(oldest, name);
            if let Some(before) = before.take() {
                set(engine, oldest, before);
            }
        }
    });
    let issued = deployment.log_in("u1").await;
    assert_eq!(issued.evicted, [older.handle]);
    assert_eq!(store.batches(), [2, 2]);
    let left = deployment.lacre.sessions_of("u1").await.unwrap();
    let left: Vec<_> = left.into_iter().map(|session| session.key).collect();
    assert_eq!(left, [issued.key, newer.key]);
}

#[tokio::test]
async fn where_the_oldest_begins_anew_the_next_is_pushed_out() {
    let store = Meddled::default();
    let deployment = Fixture::on(store.clone(), rules(2));
    let first = deployment.lacre.issue(&on_behalf("u1", "s")).await.unwrap();
    let name = first.key.to_bytes();
    let before = store.engine.get(&name).unwrap();
    deployment.clock.advance(1);
    let other = deployment.log_in("u1").await;
    deployment.clock.advance(1);
    let second = deployment.lacre.issue(&on_behalf("u1", "s")).await.unwrap();
    // The named session was replaced; let it be as before until the batch comes.
    let mut after = Some(store.engine.get(&name).unwrap());
    set(&store.engine, name, before);
    store.with(move |engine, oldest| {
        if let Some(after) = after.take() {
            assert_eq!(oldest, name);
            set(engine, oldest, after);
        }
    });
    let issued = deployment.log_in("u1").await;
    assert_eq!(issued.evicted, std::slice::from_ref(&other.handle));
    let good = [&first, &other, &second, &issued].map(|one| at_once(is_good(&deployment, one)));
    assert_eq!(good, [false, false, true, true]);
}

#[tokio::test]
async fn a_log_in_that_is_always_too_late_fails_and_leaves_nothing() {
    let (deployment, store, [older, newer]) = full().await;
    let name = older.key.to_bytes();
    let mut other = store.engine.get(&name).unwrap();
    deployment.lacre.revoke_access_of("u1").await.unwrap();
    store.with(move |engine, oldest| {
        let now = engine.get(&oldest).unwrap();
        set(engine, oldest, std::mem::replace(&mut other, now));
    });
    let refused = deployment.lacre.issue(&grant("u1", Occasion::LogIn)).await;
    assert_eq!(refused.unwrap_err(), IssueError::Contended);
    let left = deployment.lacre.sessions_of("u1").await.unwrap();
    let left: Vec<_> = left.into_iter().map(|session| session.key).collect();
    assert_eq!(left, [newer.key, older.key]);
}
