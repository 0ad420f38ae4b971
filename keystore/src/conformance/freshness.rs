//! When a version may be called current without reading it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::runtime::Handle;

use super::fixture::{Bench, Fixture, put, put_new, put_several, remove, seen};
use super::samples::{key, record, user};
use crate::{Current, Keystore, PrivateScalar, PutOutcome, Record, Swap, Version};

async fn assert_not_same(keystore: &Keystore, session: u64, version: &Version) {
    let key = key(1, session);
    assert!(!keystore.is_current(&key, version), "session {session}");
    let current = keystore.get_if_changed(&key, version).await.unwrap();
    assert!(!matches!(current, Current::Same), "session {session}");
}

pub async fn after_a_swap_that_ends_tokens_the_version_is_not_current<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let before = record(1);
    let ending = [
        Record {
            generation: 2,
            ..before.clone()
        },
        Record {
            access_ended: true,
            ..before.clone()
        },
        Record {
            expires_at: 1_999,
            ..before.clone()
        },
        Record {
            ends_at: 1_999,
            ..before.clone()
        },
        Record {
            private_scalar: PrivateScalar::new([8; 32]),
            ..before.clone()
        },
        Record {
            user_id: "bob".to_owned(),
            ..before.clone()
        },
    ];
    for (session, new) in (0..).zip(&ending) {
        let outcome = put_new(&bench.other, &key(1, session), &before).await;
        assert_eq!(outcome, PutOutcome::Stored);
        let read = seen(&bench.keystore, &key(1, session)).await;
        let name = key(1, session);
        let swap = bench.other.compare_and_swap(&name, &read, new);
        assert_eq!(swap.await, Ok(Swap::Won));
        assert_not_same(&bench.keystore, session, &read.version).await;
    }
}

pub async fn after_any_removal_the_version_is_not_current<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (keystore, other) = (&bench.keystore, &bench.other);
    for way in 0..7 {
        put_several(keystore, 1, 0..3).await;
        let mut read = Vec::new();
        for session in 0..3 {
            read.push(seen(keystore, &key(1, session)).await);
        }
        match way {
            0 => assert_eq!(other.remove(&key(1, 0)).await, Ok(true)),
            1 => assert_eq!(other.remove_if(&key(1, 0), &read[0]).await, Ok(true)),
            2 => assert_eq!(other.remove_user(user(1)).await.unwrap().len(), 3),
            3 => {
                let removed = other.remove_user_but(user(1), &key(1, 2)).await;
                assert_eq!(removed.unwrap().len(), 2);
            }
            4 => {
                let others = [(key(1, 0), read[0].clone())];
                let (name, new) = (key(1, 9), record(9));
                let outcome = other.put_new_and_remove(&name, &new, &others);
                assert_eq!(outcome.await, Ok(Swap::Won));
            }
            5 => assert_eq!(other.remove_all().await, Ok(3)),
            _ => assert_eq!(other.sweep(2_000).await, Ok(3)),
        }
        let mut gone = 0;
        for (session, read) in (0..).zip(&read) {
            if other.get(&key(1, session)).await.unwrap().is_none() {
                assert_not_same(keystore, session, &read.version).await;
                gone += 1;
            }
        }
        assert!(gone > 0);
        let _ = other.remove_all().await.unwrap();
    }
}

pub async fn a_version_that_stands_is_the_same_and_another_is_told<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put(&bench.other, 1, 1).await;
    let first = seen(keystore, &key(1, 1)).await;
    for _ in 0..3 {
        let current = keystore.get_if_changed(&key(1, 1), &first.version).await;
        assert!(matches!(current, Ok(Current::Same)));
    }
    // It ends nothing, and its own writer sees it at once.
    let later = Record {
        last_seen_at: 1_500,
        ..first.record.clone()
    };
    let swap = keystore.compare_and_swap(&key(1, 1), &first, &later).await;
    assert_eq!(swap, Ok(Swap::Won));
    match keystore.get_if_changed(&key(1, 1), &first.version).await {
        Ok(Current::Changed(stored)) => assert_eq!(stored.record, later),
        other => panic!("{other:?}"),
    }
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(true));
    let current = keystore.get_if_changed(&key(1, 1), &first.version).await;
    assert!(matches!(current, Ok(Current::Gone)));
    let absent = keystore.get_if_changed(&key(1, 2), &first.version).await;
    assert!(matches!(absent, Ok(Current::Gone)));
}

/// Readers on threads of their own hold on to versions while the record is removed and put anew;
/// each notes, before it asks, which change was answered last.
pub async fn nobody_is_told_same_after_the_answer_to_a_change<F: Fixture>() {
    const ROUNDS: u64 = 300;
    let bench = Bench::<F>::new().await;
    let name = key(1, 1);
    // Even: the record is there, and its generation is this number; odd: it has been removed.
    let answered = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let outcome = put_new(&bench.keystore, &name, &record(0)).await;
    assert_eq!(outcome, PutOutcome::Stored);
    let read_until_done = |keystore: Keystore, count: Arc<AtomicU64>| {
        let (answered, done, runtime) =
            (Arc::clone(&answered), Arc::clone(&done), Handle::current());
        move || {
            while !done.load(Ordering::SeqCst) {
                let Some(read) = runtime.block_on(keystore.get(&name)).unwrap() else {
                    continue;
                };
                let generation = read.record.generation;
                for _ in 0..20 {
                    let due = answered.load(Ordering::SeqCst);
                    if keystore.is_current(&name, &read.version) {
                        assert!(generation >= due, "{generation} was over at {due}");
                    }
                    let due = answered.load(Ordering::SeqCst);
                    let current = keystore.get_if_changed(&name, &read.version);
                    if matches!(runtime.block_on(current).unwrap(), Current::Same) {
                        assert!(generation >= due, "{generation} was over at {due}");
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    };
    let (same, readers): (Vec<_>, Vec<_>) = (0..2)
        .map(|task| {
            let same = Arc::new(AtomicU64::new(0));
            let reader = read_until_done(bench.of(task), Arc::clone(&same));
            (same, std::thread::spawn(reader))
        })
        .unzip();
    // On a busy machine the readers may come late: the writers go on until both took part.
    let took_part = || same.iter().all(|count| count.load(Ordering::Relaxed) > 0);
    let mut round = 0;
    while round < ROUNDS || !took_part() {
        round += 1;
        let writer = bench.of(round / 2);
        assert!(remove(&writer, &name).await);
        answered.store(2 * round - 1, Ordering::SeqCst);
        let outcome = put_new(&writer, &name, &record(2 * round)).await;
        assert_eq!(outcome, PutOutcome::Stored);
        answered.store(2 * round, Ordering::SeqCst);
        assert!(round < 1000 * ROUNDS, "the readers never see the record");
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.join().unwrap();
    }
}
