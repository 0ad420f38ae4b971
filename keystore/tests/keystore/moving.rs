//! A store that all records leave: it takes no more changes, and then answers nothing; and a whole move between a
//! directory and a database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lacre_keystore::moving::bring;
use lacre_keystore::{Keystore, KeystoreError, LocalStore, MemoryEngine, Moved, PostgresMove};
use rand::rngs::SysRng;

use crate::postgres::{LEASE, open, put, with_stores};
use crate::support::{key, ring};

fn unavailable<T: std::fmt::Debug>(answer: Result<T, KeystoreError>) {
    assert_eq!(answer.unwrap_err().code(), "store_unavailable");
}

fn local() -> Keystore {
    let store = LocalStore::open(MemoryEngine::new()).unwrap();
    Keystore::open(store, ring(), SysRng).unwrap()
}

#[tokio::test]
async fn changes_are_held_and_taken_again_and_reads_go_on() {
    let keystore = local();
    put(&keystore, &key(1, 1)).await;
    let read = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    // What was asked for before is made before.
    let before: Vec<_> = (2..40)
        .map(|number| {
            let keystore = keystore.clone();
            tokio::spawn(async move { keystore.remove(&key(1, number)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    keystore.hold_changes(true).await.unwrap();
    for answer in before {
        // Made, or never will be.
        let _ = answer.await.unwrap();
    }
    unavailable(keystore.remove(&key(1, 1)).await);
    unavailable(keystore.remove_all().await);
    unavailable(keystore.remove_user(key(1, 1).user).await);
    unavailable(keystore.noting(None).remove(&key(1, 1)).await);
    unavailable(keystore.health());
    assert!(keystore.is_current(&key(1, 1), &read.version));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_some());
    keystore.hold_changes(false).await.unwrap();
    assert!(keystore.health().is_ok());
    assert!(keystore.remove(&key(1, 1)).await.unwrap());
}

#[tokio::test]
async fn a_store_that_was_left_answers_nothing_and_no_version_is_current() {
    let keystore = local();
    put(&keystore, &key(1, 1)).await;
    let read = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert!(keystore.is_current(&key(1, 1), &read.version));
    keystore.leave().await.unwrap();
    assert!(!keystore.is_current(&key(1, 1), &read.version));
    unavailable(keystore.get(&key(1, 1)).await);
    unavailable(keystore.remove(&key(1, 1)).await);
    unavailable(keystore.list_all(None, 10).await);
    unavailable(keystore.health());
    keystore.hold_changes(false).await.unwrap();
    unavailable(keystore.remove(&key(1, 1)).await);
    assert!(!keystore.is_current(&key(1, 1), &read.version));
}

#[test]
fn records_go_into_a_database_and_back_as_they_are() {
    with_stores(|stores| async move {
        let (from, back) = (local(), local());
        for number in 0_u64..700 {
            let user = u8::try_from(number % 250).unwrap();
            put(&from, &key(user, number / 250)).await;
        }
        let database = PostgresMove::open(&stores.schema.url, LEASE).await.unwrap();
        let round = bring(&from, &database, |_| Ok(())).await.unwrap();
        assert_eq!((round.records, round.written), (700, 700));
        from.remove(&key(3, 0)).await.unwrap();
        let round = bring(&from, &database, |_| Ok(())).await.unwrap();
        assert_eq!((round.records, round.changes(), round.removed), (699, 1, 1));
        let node = open(&stores.one);
        let theirs = from.export(None, 4096).await.unwrap();
        assert_eq!(node.export(None, 4096).await.unwrap(), theirs);
        bring(&database, &back, |_| Ok(())).await.unwrap();
        assert_eq!(back.export(None, 4096).await.unwrap(), theirs);
    });
}

#[test]
fn a_database_that_is_left_has_no_lease_any_more_and_one_that_is_let_go_goes_on() {
    with_stores(|stores| async move {
        let (one, two) = (open(&stores.one), open(&stores.two));
        put(&one, &key(1, 1)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        let moving = PostgresMove::open(&stores.schema.url, LEASE).await.unwrap();
        moving.hold().await.unwrap();
        let begun = Instant::now();
        unavailable(one.remove(&key(1, 1)).await);
        assert!(begun.elapsed() < Duration::from_millis(1_500));
        assert!(two.is_current(&key(1, 1), &read.version));
        // Who is killed lets go.
        drop(moving);
        let again = loop {
            match PostgresMove::open(&stores.schema.url, LEASE).await {
                Ok(again) => break again,
                Err(error) => assert_eq!(error.code(), "store_held"),
            }
        };
        let begun = Instant::now();
        while put_another(&one).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
        again.hold().await.unwrap();
        again.release().await.unwrap();
        put(&one, &key(2, 1)).await;
        let read = two.get(&key(2, 1)).await.unwrap().unwrap();
        again.hold().await.unwrap();
        again.leave("7", "elsewhere").await.unwrap();
        assert!(!two.is_current(&key(2, 1), &read.version));
        unavailable(one.get(&key(2, 1)).await);
        unavailable(two.remove(&key(2, 1)).await);
        let left = Moved::Left {
            id: "7".to_owned(),
            about: "elsewhere".to_owned(),
        };
        assert_eq!(again.moved().await.unwrap(), Some(left.clone()));
        let looked = lacre_keystore::look(&stores.schema.url).await.unwrap();
        assert_eq!(looked.moved, Some(left));
        // It is never arrived at again.
        assert_eq!(again.begin("8", "a").await.unwrap(), None);
    });
}

async fn put_another(keystore: &Keystore) -> Result<lacre_keystore::PutOutcome, KeystoreError> {
    let record = lacre_keystore::conformance::samples::record(1);
    keystore.put_new(&key(9, 9), &record).await
}

#[test]
fn a_database_is_arrived_at_once_and_by_the_same_deployment() {
    with_stores(|stores| async move {
        let arriving = Arc::new(PostgresMove::open(&stores.schema.url, LEASE).await.unwrap());
        let begun = |id: &'static str, about: &'static str| {
            let arriving = Arc::clone(&arriving);
            async move { arriving.begin(id, about).await.unwrap() }
        };
        assert_eq!(begun("1", "a").await.as_deref(), Some("1"));
        assert_eq!(begun("2", "a").await.as_deref(), Some("1"));
        assert_eq!(begun("2", "b").await, None);
        assert!(!arriving.ready("2", None).await.unwrap());
        assert!(
            !arriving.ready("1", None).await.unwrap(),
            "there is no keyring"
        );
        assert_eq!(arriving.common().await.unwrap(), None);
        arriving.furnish(b"sealed").await.unwrap();
        assert!(!arriving.ready("2", None).await.unwrap());
        assert!(arriving.ready("1", None).await.unwrap());
        assert!(arriving.ready("1", None).await.unwrap());
        let common = arriving.common().await.unwrap().unwrap();
        assert_eq!((common.version, &common.sealed[..]), (1, &b"sealed"[..]));
        let came = Moved::Came { id: "1".to_owned() };
        assert_eq!(arriving.moved().await.unwrap(), Some(came));
        assert_eq!(begun("3", "a").await, None);
    });
}
