//! One suite that every engine runs: what a keystore does when many ask at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lacre_keystore::{Current, Keystore, PutOutcome, Swap};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::conformance::on_every_engine;
use crate::support::{Home, Kind, at_once, generation, key, keystore_on, record, swap, user};

const TASKS: u64 = 64;

on_every_engine!(
    of_many_puts_of_one_name_one_is_stored,
    of_many_swaps_of_one_version_one_wins,
    a_chain_of_swaps_loses_no_step,
    a_record_removed_among_swaps_never_comes_back,
    readers_see_whole_records_while_they_change,
    a_users_end_takes_what_was_put_before,
    closing_answers_everything_that_was_queued,
    nobody_is_told_same_after_the_answer_to_a_change,
);

/// Starts that many tasks at one moment and returns what they return.
async fn together<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    keystore: &Keystore,
    tasks: u64,
    work: impl Fn(Keystore, u64) -> F,
) -> Vec<T> {
    let start = Arc::new(Barrier::new(usize::try_from(tasks).unwrap()));
    let mut set = JoinSet::new();
    for task in 0..tasks {
        let (start, work) = (Arc::clone(&start), work(keystore.clone(), task));
        set.spawn(async move {
            start.wait().await;
            work.await
        });
    }
    set.join_all().await
}

async fn of_many_puts_of_one_name_one_is_stored<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for round in 0..20 {
        let outcomes = together(&keystore, TASKS, move |keystore, task| async move {
            let outcome = keystore.put_new(&key(1, round), &record(task)).await;
            (task, outcome.unwrap())
        })
        .await;
        let winners: Vec<_> = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == PutOutcome::Stored)
            .collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(
            generation(&keystore, &key(1, round)).await,
            Some(winners[0].0)
        );
    }
    assert_eq!(keystore.stats().await.unwrap().records, 20);
}

async fn of_many_swaps_of_one_version_one_wins<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let outcome = keystore.put_new(&key(1, 1), &record(0)).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
    for round in 1..=20 {
        let seen = keystore.get(&key(1, 1)).await.unwrap().unwrap();
        let outcomes = together(&keystore, TASKS, |keystore, task| {
            let seen = seen.clone();
            async move {
                let new = record(round * 1_000 + task);
                let swap = keystore.compare_and_swap(&key(1, 1), &seen, &new).await;
                (swap.unwrap() == Swap::Won).then_some(new.generation)
            }
        })
        .await;
        let winners: Vec<_> = outcomes.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(generation(&keystore, &key(1, 1)).await, Some(winners[0]));
    }
}

async fn a_chain_of_swaps_loses_no_step<K: Kind>() {
    const STEPS: u64 = 25;
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let outcome = keystore.put_new(&key(1, 1), &record(0)).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
    together(&keystore, 16, |keystore, _| async move {
        for _ in 0..STEPS {
            loop {
                let seen = keystore.get(&key(1, 1)).await.unwrap().unwrap();
                let new = record(seen.record.generation + 1);
                let swap = keystore.compare_and_swap(&key(1, 1), &seen, &new).await;
                if swap.unwrap() == Swap::Won {
                    break;
                }
            }
        }
    })
    .await;
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(16 * STEPS));
}

async fn a_record_removed_among_swaps_never_comes_back<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for round in 0..50 {
        let name = key(1, round);
        let outcome = keystore.put_new(&name, &record(0)).await;
        assert_eq!(outcome, Ok(PutOutcome::Stored));
        together(&keystore, 8, move |keystore, task| async move {
            if task == 0 {
                assert_eq!(keystore.remove(&name).await, Ok(true));
                assert!(keystore.get(&name).await.unwrap().is_none());
            } else {
                while let Some(seen) = keystore.get(&name).await.unwrap() {
                    let new = record(seen.record.generation + 1);
                    let swap = keystore.compare_and_swap(&name, &seen, &new).await;
                    let _ = swap.unwrap();
                }
            }
        })
        .await;
        assert!(keystore.get(&name).await.unwrap().is_none());
    }
    assert_eq!(keystore.stats().await.unwrap().records, 0);
}

async fn readers_see_whole_records_while_they_change<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let outcome = keystore.put_new(&key(1, 1), &record(0)).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
    let done = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (keystore, done) = (keystore.clone(), Arc::clone(&done));
            let reads = Arc::clone(&reads);
            std::thread::spawn(move || {
                let mut latest = 0;
                while !done.load(Ordering::Relaxed) {
                    let seen = at_once(generation(&keystore, &key(1, 1))).unwrap();
                    assert!(seen >= latest, "a record went back in time");
                    latest = seen;
                    let page = at_once(keystore.list(user(1), None, 10)).unwrap();
                    assert_eq!((page.entries.len(), page.damaged.len()), (1, 0));
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut step = 0;
    while step < 200 || reads.load(Ordering::Relaxed) < 200 {
        let seen = keystore.get(&key(1, 1)).await.unwrap().unwrap();
        step += 1;
        assert_eq!(
            swap(&keystore, &key(1, 1), &seen, step).await,
            Ok(Swap::Won)
        );
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
}

async fn a_users_end_takes_what_was_put_before<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let removed = together(&keystore, TASKS, |keystore, task| async move {
        if task == TASKS - 1 {
            return keystore.remove_user(user(1)).await.unwrap();
        }
        let outcome = keystore.put_new(&key(1, task), &record(task)).await;
        assert_eq!(outcome, Ok(PutOutcome::Stored));
        Vec::new()
    })
    .await;
    // Each record had its turn before the removal, and went, or after it, and stays.
    let mut seen: Vec<_> = removed.into_iter().flatten().collect();
    let left = keystore.list(user(1), None, 100).await.unwrap().entries;
    seen.extend(left.iter().map(|(key, _)| *key));
    seen.sort();
    let all: Vec<_> = (0..TASKS - 1).map(|task| key(1, task)).collect();
    assert_eq!(seen, all);
    assert_eq!(
        keystore.remove_user(user(1)).await.unwrap().len(),
        left.len()
    );
    assert!(
        keystore
            .list(user(1), None, 1)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}

async fn closing_answers_everything_that_was_queued<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let outcomes = together(&keystore, TASKS, |keystore, task| async move {
        if task == TASKS / 2 {
            keystore.close().await;
            return None;
        }
        let outcome = keystore.put_new(&key(1, task), &record(task)).await;
        Some((task, outcome))
    })
    .await;
    for (task, outcome) in outcomes.into_iter().flatten() {
        match outcome {
            Ok(outcome) => {
                assert_eq!(outcome, PutOutcome::Stored);
                assert_eq!(generation(&keystore, &key(1, task)).await, Some(task));
            }
            Err(error) => {
                assert_eq!(error.code(), "store_unavailable");
                assert_eq!(generation(&keystore, &key(1, task)).await, None);
            }
        }
    }
}

/// Readers hold on to versions while the record changes and ends; each notes, before it asks, how
/// far the writer had heard.
async fn nobody_is_told_same_after_the_answer_to_a_change<K: Kind>() {
    const ROUNDS: u64 = 300;
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let name = key(1, 1);
    // Even: the record is there, and its generation is this number; odd: it has been removed.
    let (answered, done) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let outcome = keystore.put_new(&name, &record(0)).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
    let (same, readers): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (keystore, answered) = (keystore.clone(), Arc::clone(&answered));
            let done = Arc::clone(&done);
            let same = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&same);
            let reader = std::thread::spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let Some(seen) = at_once(keystore.get(&name)).unwrap() else {
                        continue;
                    };
                    for _ in 0..20 {
                        let due = answered.load(Ordering::SeqCst);
                        let current = at_once(keystore.get_if_changed(&name, &seen.version));
                        if matches!(current.unwrap(), Current::Same) {
                            let generation = seen.record.generation;
                            assert!(generation >= due, "{generation} was over at {due}");
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
            (same, reader)
        })
        .unzip();
    // On a busy machine the readers may come late: the writer goes on until both took part.
    let took_part = || same.iter().all(|count| count.load(Ordering::Relaxed) > 0);
    let mut round = 0;
    while round < ROUNDS || !took_part() {
        round += 1;
        assert_eq!(keystore.remove(&name).await, Ok(true));
        answered.store(2 * round - 1, Ordering::SeqCst);
        let outcome = keystore.put_new(&name, &record(2 * round)).await;
        assert_eq!(outcome, Ok(PutOutcome::Stored));
        answered.store(2 * round, Ordering::SeqCst);
        assert!(round < 1000 * ROUNDS, "the readers never see the record");
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.join().unwrap();
    }
}
