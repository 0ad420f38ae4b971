//! Many callers at once; where the store has a second writer, on both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::runtime::Handle;

use super::fixture::{
    Bench, Fixture, generation, keys_of, put, put_new, put_new_and_remove, put_several, remove,
    remove_beside, remove_user, seen, swap,
};
use super::samples::{key, record, user};
use crate::{KeystoreError, MasterKey, MasterKeyRing, PutOutcome, Swap};

/// How many tasks take part.
const TASKS: u64 = 64;

pub async fn of_many_puts_of_one_key_one_is_stored<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for round in 0..20 {
        let outcomes = bench
            .together(TASKS, move |keystore, task| async move {
                let outcome = put_new(&keystore, &key(1, round), &record(task)).await;
                (task, outcome)
            })
            .await;
        let winners: Vec<_> = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == PutOutcome::Stored)
            .collect();
        assert_eq!(winners.len(), 1);
        let stored = generation(&bench.keystore, &key(1, round)).await;
        assert_eq!(stored, Some(winners[0].0));
    }
    assert_eq!(bench.keystore.stats().await.unwrap().records, 20);
}

pub async fn of_many_swaps_of_one_version_one_wins<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    put(&bench.keystore, 1, 1).await;
    for round in 1..=20 {
        let read = seen(&bench.keystore, &key(1, 1)).await;
        let outcomes = bench
            .together(TASKS, |keystore, task| {
                let read = read.clone();
                async move {
                    let new = round * 1_000 + task;
                    let swap = swap(&keystore, &key(1, 1), &read, new).await;
                    (swap == Swap::Won).then_some(new)
                }
            })
            .await;
        let winners: Vec<_> = outcomes.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        let stored = generation(&bench.other, &key(1, 1)).await;
        assert_eq!(stored, Some(winners[0]));
    }
}

pub async fn a_chain_of_swaps_loses_no_step<F: Fixture>() {
    const STEPS: u64 = 25;
    let bench = Bench::<F>::new().await;
    put(&bench.keystore, 1, 0).await;
    bench
        .together(16, |keystore, _| async move {
            for _ in 0..STEPS {
                loop {
                    let read = seen(&keystore, &key(1, 0)).await;
                    let next = read.record.generation + 1;
                    if swap(&keystore, &key(1, 0), &read, next).await == Swap::Won {
                        break;
                    }
                }
            }
        })
        .await;
    let stored = generation(&bench.keystore, &key(1, 0)).await;
    assert_eq!(stored, Some(16 * STEPS));
}

pub async fn a_record_removed_among_swaps_never_comes_back<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for round in 0..50 {
        let name = key(1, round);
        put(&bench.keystore, 1, round).await;
        bench
            .together(8, move |keystore, task| async move {
                if task == round % 8 {
                    assert!(remove(&keystore, &name).await);
                    assert!(keystore.get(&name).await.unwrap().is_none());
                } else {
                    while let Some(read) = keystore.get(&name).await.unwrap() {
                        let next = read.record.generation + 1;
                        let _ = swap(&keystore, &name, &read, next).await;
                    }
                }
            })
            .await;
        assert!(bench.keystore.get(&name).await.unwrap().is_none());
    }
    assert_eq!(bench.keystore.stats().await.unwrap().records, 0);
}

pub async fn a_users_end_beats_all_swaps_under_way<F: Fixture>() {
    const SESSIONS: u64 = 6;
    let bench = Bench::<F>::new().await;
    for round in 0..20 {
        put_several(&bench.keystore, 1, 0..SESSIONS).await;
        bench
            .together(SESSIONS + 1, move |keystore, task| async move {
                if task == SESSIONS {
                    let removed = remove_user(&keystore, user(1)).await;
                    let all: Vec<_> = (0..SESSIONS).map(|session| key(1, session)).collect();
                    assert_eq!(removed, all, "round {round}");
                    assert_eq!(keys_of(&keystore, user(1)).await, []);
                    return;
                }
                let name = key(1, task);
                while let Some(read) = keystore.get(&name).await.unwrap() {
                    let next = read.record.generation + 1;
                    let _ = swap(&keystore, &name, &read, next).await;
                }
            })
            .await;
        assert_eq!(keys_of(&bench.keystore, user(1)).await, []);
    }
}

pub async fn readers_see_whole_records_while_they_change<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    put(&bench.keystore, 1, 0).await;
    let name = key(1, 0);
    let done = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..2)
        .map(|task| {
            let (keystore, runtime) = (bench.of(task), Handle::current());
            let (done, reads) = (Arc::clone(&done), Arc::clone(&reads));
            std::thread::spawn(move || {
                let mut latest = 0;
                while !done.load(Ordering::Relaxed) {
                    let found = runtime.block_on(generation(&keystore, &name)).unwrap();
                    assert!(found >= latest, "a record went back in time");
                    latest = found;
                    let page = keystore.list(user(1), None, 10);
                    let page = runtime.block_on(page).unwrap();
                    assert_eq!((page.entries.len(), page.damaged.len()), (1, 0));
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut step = 0;
    while step < 200 || reads.load(Ordering::Relaxed) < 200 {
        step += 1;
        let writer = bench.of(step);
        let read = seen(&writer, &name).await;
        assert_eq!(swap(&writer, &name, &read, step).await, Swap::Won);
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
}

pub async fn a_users_end_takes_what_was_put_before<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let removed = bench
        .together(TASKS, |keystore, task| async move {
            if task == TASKS - 1 {
                return remove_user(&keystore, user(1)).await;
            }
            put(&keystore, 1, task).await;
            Vec::new()
        })
        .await;
    // Each record was put before the removal, and is removed, or after it, and stays.
    let mut found: Vec<_> = removed.into_iter().flatten().collect();
    let left = keys_of(&bench.keystore, user(1)).await;
    found.extend(&left);
    found.sort();
    let all: Vec<_> = (0..TASKS - 1).map(|task| key(1, task)).collect();
    assert_eq!(found, all);
    assert_eq!(remove_user(&bench.other, user(1)).await, left);
    assert_eq!(keys_of(&bench.keystore, user(1)).await, []);
}

/// Two users' ends and one who removes all: every record is counted by one of them.
pub async fn each_removed_record_is_counted_by_one_caller<F: Fixture>() {
    const SESSIONS: u64 = 30;
    let bench = Bench::<F>::new().await;
    for _ in 0..10 {
        put_several(&bench.keystore, 1, 0..SESSIONS).await;
        let counts = bench
            .together(6, |keystore, task| async move {
                if task < 4 {
                    return remove_user(&keystore, user(1)).await.len() as u64;
                }
                let mut count = 0;
                for session in 0..SESSIONS {
                    count += u64::from(remove(&keystore, &key(1, session)).await);
                }
                count
            })
            .await;
        assert_eq!(counts.iter().sum::<u64>(), SESSIONS);
        assert_eq!(bench.other.stats().await.unwrap().records, 0);
    }
}

/// Each puts a session of its own in the place of the oldest: as many go as come.
pub async fn of_many_puts_that_remove_the_same_record_one_wins<F: Fixture>() {
    const SESSIONS: u64 = 4;
    let bench = Bench::<F>::new().await;
    put_several(&bench.keystore, 1, 0..SESSIONS).await;
    for round in 1..=20_u64 {
        let oldest = keys_of(&bench.keystore, user(1)).await[0];
        let others = [(oldest, seen(&bench.keystore, &oldest).await)];
        let outcomes = bench
            .together(16, |keystore, task| {
                let others = others.clone();
                async move {
                    let new = round * 1_000 + task;
                    put_new_and_remove(&keystore, &key(1, new), &record(new), &others).await
                }
            })
            .await;
        let won = outcomes.iter().filter(|outcome| **outcome == Swap::Won);
        assert_eq!(won.count(), 1);
        let left = keys_of(&bench.other, user(1)).await;
        assert_eq!(left.len() as u64, SESSIONS);
        assert!(!left.contains(&oldest));
    }
}

/// Each has put a record of its own, and finds that of the other one too many.
pub async fn of_many_who_remove_each_others_record_one_stays<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for _ in 0..20 {
        put_several(&bench.keystore, 1, 0..2).await;
        let both = [
            (key(1, 0), seen(&bench.keystore, &key(1, 0)).await),
            (key(1, 1), seen(&bench.keystore, &key(1, 1)).await),
        ];
        let outcomes = bench
            .together(2, |keystore, task| {
                let [one, two] = both.clone();
                let (own, other) = if task == 0 { (one, two) } else { (two, one) };
                async move { remove_beside(&keystore, &own.0, &own.1, &[other]).await }
            })
            .await;
        let won = outcomes.iter().filter(|outcome| **outcome == Swap::Won);
        assert_eq!(won.count(), 1);
        let left = keys_of(&bench.other, user(1)).await;
        assert_eq!(left.len(), 1);
        assert!(remove(&bench.other, &left[0]).await);
    }
}

pub async fn removing_all_takes_what_was_there_while_others_put<F: Fixture>() {
    const BEFORE: u64 = 600;
    const PUTS: u64 = 30;
    let bench = Bench::<F>::new().await;
    bench
        .together(BEFORE, |keystore, session| async move {
            put(&keystore, session.to_be_bytes()[7] % 16, session).await;
        })
        .await;
    let removed = bench
        .together(PUTS + 1, |keystore, task| async move {
            if task == PUTS {
                return keystore.remove_all().await.unwrap();
            }
            put(&keystore, 99, task).await;
            0
        })
        .await;
    let left = bench.keystore.list_all(None, 4_096).await.unwrap().entries;
    assert!(left.iter().all(|(key, _)| key.user == user(99)));
    let removed: u64 = removed.iter().sum();
    assert_eq!(removed + left.len() as u64, BEFORE + PUTS);
}

pub async fn two_who_remove_all_at_once_are_both_answered<F: Fixture>() {
    const RECORDS: u64 = 1_200;
    let bench = Bench::<F>::new().await;
    bench
        .together(RECORDS, |keystore, session| async move {
            put(&keystore, 1, session).await;
        })
        .await;
    let (one, two) = (bench.keystore.remove_all(), bench.other.remove_all());
    let (one, two) = tokio::join!(one, two);
    assert_eq!(one.unwrap() + two.unwrap(), RECORDS);
    assert_eq!(bench.keystore.is_empty().await, Ok(true));
    assert_eq!(bench.keystore.stats().await.unwrap().records, 0);
}

/// Records are swapped, removed and put, each by its task, while all are sealed under a new key.
pub async fn sealing_anew_loses_no_change_and_brings_nothing_back<F: Fixture>() {
    const SESSIONS: u64 = 24;
    let ring = |id: u8| MasterKeyRing::new(MasterKey::from_bytes(id.into(), [id; 32]));
    let bench = Bench::<F>::new().await;
    for id in 2..=6 {
        put_several(&bench.keystore, 1, 0..SESSIONS).await;
        for keystore in [&bench.keystore, &bench.other] {
            let before = MasterKey::from_bytes(u32::from(id) - 1, [id - 1; 32]);
            keystore.set_ring(ring(id).with_older(before).unwrap());
        }
        let kept = bench
            .together(SESSIONS + 1, |keystore, task| async move {
                if task == SESSIONS {
                    let mut after = None;
                    loop {
                        after = match keystore.rewrap(after, 3).await {
                            Err(KeystoreError::StoreContended) => after,
                            step => match step.unwrap().next {
                                None => return None,
                                next => next,
                            },
                        };
                    }
                }
                let name = key(1, task);
                for _ in 0..8 {
                    loop {
                        let read = seen(&keystore, &name).await;
                        let next = read.record.generation + 100;
                        if swap(&keystore, &name, &read, next).await == Swap::Won {
                            break;
                        }
                    }
                }
                if task % 3 == 0 {
                    assert!(remove(&keystore, &name).await);
                    assert_eq!(generation(&keystore, &name).await, None);
                    return None;
                }
                Some(task)
            })
            .await;
        let mut kept: Vec<_> = kept.into_iter().flatten().collect();
        kept.sort_unstable();
        let kept: Vec<_> = kept.into_iter().map(|task| key(1, task)).collect();
        assert_eq!(keys_of(&bench.keystore, user(1)).await, kept);
        for name in &kept {
            let number = u64::from_be_bytes(*name.session.as_bytes().last_chunk().unwrap());
            let left = generation(&bench.keystore, name).await;
            assert_eq!(left, Some(number + 800), "a step was lost");
        }
        let under = bench.keystore.sealed_under(None, 100).await.unwrap().keys;
        let under: Vec<_> = under.into_iter().collect();
        assert_eq!(under, [(id.into(), kept.len() as u64)]);
        remove_user(&bench.keystore, user(1)).await;
    }
}
