//! Removals of several records as one change, and who is told of them.

use std::sync::{Arc, Mutex};

use super::fixture::{
    Bench, Fixture, generation, keys_of, put, put_several, remove, remove_user, seen, swap,
};
use super::samples::{key, record, user};
use crate::store::{Sealed, Write};
use crate::{Current, Keystore, RecordKey, Store, Stored, Swap};

/// How many records stand in the way of a removal of everything: more than a store may remove in
/// one step.
const MANY: u64 = 1_100;

async fn with_key(keystore: &Keystore, key: RecordKey) -> (RecordKey, Stored) {
    (key, seen(keystore, &key).await)
}

pub async fn a_users_end_leaves_the_neighbours<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for user in [6, 7, 8] {
        for session in [0, 1, u64::MAX] {
            put(&bench.keystore, user, session).await;
        }
    }
    let removed = bench.other.remove_user(user(7)).await.unwrap();
    assert_eq!(removed, [key(7, 0), key(7, 1), key(7, u64::MAX)]);
    assert_eq!(keys_of(&bench.keystore, user(7)).await, []);
    for user_left in [6, 8] {
        assert_eq!(keys_of(&bench.keystore, user(user_left)).await.len(), 3);
    }
    assert_eq!(bench.keystore.stats().await.unwrap().records, 6);
}

pub async fn all_of_a_users_records_but_one_end_together<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let damaged = Write {
        key: key(2, 7),
        expected: None,
        new: Some(Sealed {
            bytes: vec![9; 100],
            expires_at: 2_000,
        }),
        ends_tokens: false,
    };
    assert_eq!(bench.store.apply(vec![damaged]).await, Ok(true));
    let keystore = &bench.keystore;
    put_several(keystore, 1, 0..2).await;
    put_several(keystore, 2, 0..5).await;
    put_several(keystore, 3, 0..2).await;
    let ended = bench.other.remove_user_but(user(2), &key(2, 3)).await;
    assert_eq!(
        ended,
        Ok([0, 1, 2, 4, 7].map(|session| key(2, session)).to_vec())
    );
    assert_eq!(keys_of(keystore, user(2)).await, [key(2, 3)]);
    assert_eq!(generation(keystore, &key(2, 3)).await, Some(3));
    assert_eq!(keys_of(keystore, user(1)).await.len(), 2);
    assert_eq!(keys_of(keystore, user(3)).await.len(), 2);
    assert_eq!(keystore.stats().await.unwrap().records, 5);
    let again = keystore.remove_user_but(user(2), &key(2, 3)).await;
    assert_eq!(again, Ok(vec![]));
}

pub async fn the_one_that_stays_neednt_be_there<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for keep in [key(1, 99), key(2, 0)] {
        put_several(&bench.keystore, 1, 0..3).await;
        let ended = bench.other.remove_user_but(user(1), &keep).await.unwrap();
        assert_eq!(ended.len(), 3);
        assert_eq!(keys_of(&bench.keystore, user(1)).await, []);
    }
}

pub async fn removing_all_leaves_none<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    bench
        .together(MANY, |keystore, session| async move {
            let user = session.to_be_bytes()[7];
            put(&keystore, user, session).await;
        })
        .await;
    assert_eq!(bench.keystore.stats().await.unwrap().records, MANY);
    assert_eq!(bench.other.remove_all().await, Ok(MANY));
    assert_eq!(bench.keystore.is_empty().await, Ok(true));
    assert_eq!(bench.keystore.stats().await.unwrap().records, 0);
}

pub async fn a_put_that_removes_others_does_all_of_it<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put_several(keystore, 1, 0..4).await;
    let others = [
        with_key(keystore, key(1, 0)).await,
        with_key(keystore, key(1, 2)).await,
    ];
    let outcome = bench
        .other
        .put_new_and_remove(&key(1, 9), &record(9), &others)
        .await;
    assert_eq!(outcome, Ok(Swap::Won));
    assert_eq!(
        keys_of(keystore, user(1)).await,
        [key(1, 1), key(1, 3), key(1, 9)]
    );
    assert_eq!(generation(keystore, &key(1, 9)).await, Some(9));
    let alone = keystore
        .put_new_and_remove(&key(1, 10), &record(10), &[])
        .await;
    assert_eq!(alone, Ok(Swap::Won));
    assert_eq!(keystore.stats().await.unwrap().records, 4);
}

pub async fn a_put_that_removes_others_does_nothing_where_one_has_changed<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put_several(keystore, 1, 0..4).await;
    let mut all = Vec::new();
    for session in 0..3 {
        all.push(with_key(keystore, key(1, session)).await);
    }
    let swapped = swap(&bench.other, &key(1, 1), &all[1].1, 50).await;
    assert_eq!(swapped, Swap::Won);
    assert!(remove(&bench.other, &key(1, 2)).await);

    let changed = [all[0].clone(), all[1].clone()];
    let gone = [all[0].clone(), all[2].clone()];
    let itself = [with_key(keystore, key(1, 3)).await];
    for (new, others) in [
        (key(1, 9), &changed[..]),
        (key(1, 9), &gone[..]),
        (key(1, 3), &all[..1]),
        (key(1, 3), &itself[..]),
    ] {
        let outcome = keystore.put_new_and_remove(&new, &record(9), others).await;
        assert_eq!(outcome, Ok(Swap::Lost));
    }
    assert_eq!(
        keys_of(keystore, user(1)).await,
        [key(1, 0), key(1, 1), key(1, 3)]
    );
    assert_eq!(generation(keystore, &key(1, 1)).await, Some(50));
    assert_eq!(keystore.stats().await.unwrap().records, 3);
}

pub async fn a_removal_beside_a_record_is_made_while_all_are_as_they_were<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (keystore, other) = (&bench.keystore, &bench.other);
    put_several(keystore, 1, 0..5).await;
    let [kept, one, two] = [
        with_key(keystore, key(1, 4)).await,
        with_key(keystore, key(1, 0)).await,
        with_key(keystore, key(1, 1)).await,
    ];
    let others = [one.clone(), two.clone()];
    let outcome = other.remove_beside(&kept.0, &kept.1, &others).await;
    assert_eq!(outcome, Ok(Swap::Won));
    let left = [key(1, 2), key(1, 3), key(1, 4)];
    assert_eq!(keys_of(keystore, user(1)).await, left);
    assert_eq!(generation(keystore, &kept.0).await, Some(4));

    // It was sealed anew; and what has gone can't be removed once more.
    let third = with_key(keystore, key(1, 2)).await;
    let now = with_key(keystore, kept.0).await;
    for (seen, others) in [
        (&kept.1, vec![third.clone()]),
        (&now.1, vec![third.clone(), two]),
    ] {
        let outcome = keystore.remove_beside(&kept.0, seen, &others).await;
        assert_eq!(outcome, Ok(Swap::Lost));
        assert_eq!(keys_of(other, user(1)).await, left);
    }
    assert!(remove(other, &kept.0).await);
    let outcome = keystore.remove_beside(&kept.0, &now.1, &[third]).await;
    assert_eq!(outcome, Ok(Swap::Lost));
    assert_eq!(keys_of(other, user(1)).await, left[..2]);
    assert_eq!(keystore.stats().await.unwrap().records, 2);
}

/// A watcher that collects keys; what it returns takes what has been collected so far.
fn watch(keystore: &Keystore) -> impl Fn() -> Vec<RecordKey> + use<> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let collects = Arc::clone(&told);
    assert!(keystore.watch_removals(move |key| collects.lock().unwrap().push(*key)));
    move || std::mem::take(&mut *told.lock().unwrap())
}

pub async fn each_record_that_goes_is_told_and_counted_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put_several(keystore, 1, 0..6).await;
    let told = watch(keystore);

    // Given twice, removed once.
    let one = with_key(keystore, key(1, 0)).await;
    let outcome = keystore
        .put_new_and_remove(&key(1, 9), &record(9), &[one.clone(), one.clone()])
        .await;
    assert_eq!(outcome, Ok(Swap::Won));
    assert_eq!(told(), [key(1, 0)]);
    assert_eq!(keystore.stats().await.unwrap().records, 6);

    let outcome = keystore
        .put_new_and_remove(&key(1, 10), &record(9), &[one])
        .await;
    assert_eq!((outcome, told()), (Ok(Swap::Lost), vec![]));
    let ended = keystore.remove_user_but(user(1), &key(1, 9)).await.unwrap();
    assert_eq!(told(), ended);
    assert_eq!(keystore.stats().await.unwrap().records, 1);
    assert_eq!(keystore.remove_user(user(1)).await, Ok(vec![key(1, 9)]));
    assert_eq!(told(), [key(1, 9)]);
    assert_eq!(keystore.stats().await.unwrap().records, 0);
}

pub async fn every_kind_of_removal_is_told_before_its_answer<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    let told = watch(keystore);
    put_several(keystore, 1, 0..3).await;
    assert_eq!(told(), []);
    assert_eq!(keystore.remove(&key(1, 0)).await, Ok(true));
    assert_eq!(told(), [key(1, 0)]);
    assert_eq!(keystore.remove(&key(1, 0)).await, Ok(false));
    assert_eq!(told(), []);

    let read = seen(keystore, &key(1, 1)).await;
    assert_eq!(swap(keystore, &key(1, 1), &read, 7).await, Swap::Won);
    assert_eq!(keystore.remove_if(&key(1, 1), &read).await, Ok(false));
    assert_eq!(told(), [], "a swap removes nothing, nor a lost removal");
    let read = seen(keystore, &key(1, 1)).await;
    assert_eq!(keystore.remove_if(&key(1, 1), &read).await, Ok(true));
    assert_eq!(told(), [key(1, 1)]);
    assert_eq!(keystore.sweep(2_000).await, Ok(1));
    assert_eq!(told(), [key(1, 2)]);
    put_several(keystore, 1, 5..8).await;
    assert_eq!(keystore.remove_all().await, Ok(3));
    let mut all = told();
    all.sort();
    assert_eq!(all, [key(1, 5), key(1, 6), key(1, 7)]);
}

pub async fn a_second_watcher_is_refused_and_the_first_goes_on<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let told = watch(&bench.keystore);
    assert!(!bench.keystore.watch_removals(|_| panic!("it was refused")));
    put(&bench.keystore, 1, 1).await;
    assert_eq!(bench.keystore.remove(&key(1, 1)).await, Ok(true));
    assert_eq!(told(), [key(1, 1)]);
}

pub async fn none_of_the_records_passes_for_unchanged<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put_several(keystore, 1, 0..4).await;
    let mut all = Vec::new();
    for session in 0..4 {
        all.push(with_key(keystore, key(1, session)).await);
    }
    let outcome = bench
        .other
        .put_new_and_remove(&key(1, 9), &record(9), &all[..2])
        .await;
    assert_eq!(outcome, Ok(Swap::Won));
    for (place, (key, stored)) in all.iter().enumerate() {
        let current = keystore.get_if_changed(key, &stored.version).await.unwrap();
        match current {
            Current::Gone => assert!(place < 2),
            Current::Same => assert!(place >= 2),
            Current::Changed(_) => panic!("nothing was swapped"),
        }
    }
}

/// Each task removes its own user and looks at once whether the watcher has heard of it.
pub async fn a_watcher_hears_of_a_removal_before_its_caller<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let told = Arc::new(Mutex::new(Vec::<RecordKey>::new()));
    let collects = Arc::clone(&told);
    let watcher = move |key: &_| collects.lock().unwrap().push(*key);
    assert!(bench.keystore.watch_removals(watcher.clone()));
    if bench.has_second {
        assert!(bench.other.watch_removals(watcher));
    }
    let heard = Arc::clone(&told);
    bench
        .together(32, move |keystore, task| {
            let heard = Arc::clone(&heard);
            async move {
                let number = task.to_be_bytes()[7];
                put_several(&keystore, number, 0..3).await;
                let removed = remove_user(&keystore, user(number)).await;
                assert_eq!(removed.len(), 3);
                let heard = heard.lock().unwrap();
                assert!(removed.iter().all(|key| heard.contains(key)));
            }
        })
        .await;
}
