//! One suite that every engine runs: changes of several records that are one change.

use std::sync::{Arc, Mutex};

use lacre_keystore::{Change, Current, Engine, Keystore, PutOutcome, RecordKey, Stored, Swap};

use crate::conformance::on_every_engine;
use crate::support::{Home, Kind, at_once, generation, key, keystore_on, record, swap, user};

on_every_engine!(
    all_of_a_users_records_but_one_end_together,
    the_one_that_stays_neednt_be_there,
    a_put_that_removes_others_does_all_of_it,
    a_put_that_removes_others_does_nothing_where_one_has_changed,
    each_record_that_goes_is_told_and_counted_once,
    none_of_the_records_passes_for_unchanged,
);

async fn put(keystore: &Keystore, user: u8, sessions: std::ops::Range<u64>) {
    for session in sessions {
        let put = keystore
            .put_new(&key(user, session), &record(session))
            .await;
        assert_eq!(put, Ok(PutOutcome::Stored));
    }
}

fn seen(keystore: &Keystore, key: RecordKey) -> (RecordKey, Stored) {
    (key, at_once(keystore.get(&key)).unwrap().unwrap())
}

fn names(keystore: &Keystore, number: u8) -> Vec<RecordKey> {
    let page = at_once(keystore.list(user(number), None, 4_096)).unwrap();
    assert!(page.damaged.is_empty());
    page.entries.into_iter().map(|(name, _)| name).collect()
}

async fn all_of_a_users_records_but_one_end_together<K: Kind>() {
    let home = Home::new();
    let engine = K::engine(&home);
    let damaged = Change {
        key: key(2, 7).to_bytes(),
        expected: None,
        new: Some(vec![9; 100]),
    };
    assert_eq!(engine.apply(&[damaged]), Ok(true));
    let keystore = keystore_on(engine);
    put(&keystore, 1, 0..2).await;
    put(&keystore, 2, 0..5).await;
    put(&keystore, 3, 0..2).await;
    let ended = keystore.remove_user_but(user(2), &key(2, 3)).await;
    assert_eq!(
        ended,
        Ok([0, 1, 2, 4, 7].map(|session| key(2, session)).to_vec())
    );
    assert_eq!(names(&keystore, 2), [key(2, 3)]);
    assert_eq!(generation(&keystore, &key(2, 3)).await, Some(3));
    assert_eq!(
        (names(&keystore, 1).len(), names(&keystore, 3).len()),
        (2, 2)
    );
    assert_eq!(keystore.stats().await.unwrap().records, 5);
    let again = keystore.remove_user_but(user(2), &key(2, 3)).await;
    assert_eq!(again, Ok(vec![]));
}

async fn the_one_that_stays_neednt_be_there<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for keep in [key(1, 99), key(2, 0)] {
        put(&keystore, 1, 0..3).await;
        let ended = keystore.remove_user_but(user(1), &keep).await.unwrap();
        assert_eq!(ended.len(), 3);
        assert_eq!(names(&keystore, 1), []);
    }
}

async fn a_put_that_removes_others_does_all_of_it<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 0..4).await;
    let others = [seen(&keystore, key(1, 0)), seen(&keystore, key(1, 2))];
    let outcome = keystore
        .put_new_and_remove(&key(1, 9), &record(9), &others)
        .await;
    assert_eq!(outcome, Ok(Swap::Won));
    assert_eq!(names(&keystore, 1), [key(1, 1), key(1, 3), key(1, 9)]);
    assert_eq!(generation(&keystore, &key(1, 9)).await, Some(9));
    let alone = keystore
        .put_new_and_remove(&key(1, 10), &record(10), &[])
        .await;
    assert_eq!(alone, Ok(Swap::Won));
    assert_eq!(keystore.stats().await.unwrap().records, 4);
}

async fn a_put_that_removes_others_does_nothing_where_one_has_changed<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 0..4).await;
    let all = [0, 1, 2].map(|session| seen(&keystore, key(1, session)));
    let swapped = swap(&keystore, &key(1, 1), &all[1].1, 50).await;
    assert_eq!(swapped, Ok(Swap::Won));
    assert_eq!(keystore.remove(&key(1, 2)).await, Ok(true));

    let (changed, gone) = (
        [all[0].clone(), all[1].clone()],
        [all[0].clone(), all[2].clone()],
    );
    let itself = [seen(&keystore, key(1, 3))];
    for (name, others) in [
        (key(1, 9), &changed[..]),
        (key(1, 9), &gone[..]),
        (key(1, 3), &all[..1]),
        (key(1, 3), &itself[..]),
    ] {
        let outcome = keystore.put_new_and_remove(&name, &record(9), others).await;
        assert_eq!(outcome, Ok(Swap::Lost));
    }
    assert_eq!(names(&keystore, 1), [key(1, 0), key(1, 1), key(1, 3)]);
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(50));
    assert_eq!(keystore.stats().await.unwrap().records, 3);
}

async fn each_record_that_goes_is_told_and_counted_once<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 0..6).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    assert!(keystore.watch_removals(move |name| ear.lock().unwrap().push(*name)));
    let heard = || std::mem::take(&mut *told.lock().unwrap());

    // Given twice, removed once.
    let one = seen(&keystore, key(1, 0));
    let outcome = keystore
        .put_new_and_remove(&key(1, 9), &record(9), &[one.clone(), one.clone()])
        .await;
    assert_eq!(outcome, Ok(Swap::Won));
    assert_eq!(heard(), [key(1, 0)]);
    assert_eq!(keystore.stats().await.unwrap().records, 6);

    let outcome = keystore
        .put_new_and_remove(&key(1, 10), &record(9), &[one])
        .await;
    assert_eq!((outcome, heard()), (Ok(Swap::Lost), vec![]));
    let ended = keystore.remove_user_but(user(1), &key(1, 9)).await.unwrap();
    assert_eq!(heard(), ended);
    assert_eq!(keystore.stats().await.unwrap().records, 1);
    assert_eq!(keystore.remove_user(user(1)).await, Ok(vec![key(1, 9)]));
    assert_eq!(heard(), [key(1, 9)]);
    assert_eq!(keystore.stats().await.unwrap().records, 0);
}

/// The ids of these sessions begin alike, so all the records share a counter.
async fn none_of_the_records_passes_for_unchanged<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 0..4).await;
    let all = [0, 1, 2, 3].map(|session| seen(&keystore, key(1, session)));
    let outcome = keystore
        .put_new_and_remove(&key(1, 9), &record(9), &all[..2])
        .await;
    assert_eq!(outcome, Ok(Swap::Won));
    for (place, (name, stored)) in all.iter().enumerate() {
        let current = keystore
            .get_if_changed(name, &stored.version)
            .await
            .unwrap();
        match current {
            Current::Gone => assert!(place < 2),
            Current::Same => assert!(place >= 2),
            Current::Changed(_) => panic!("nothing was swapped"),
        }
    }
}
