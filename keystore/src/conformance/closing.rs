//! What closing waits for, and what follows; callers that stop waiting.

use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::fixture::{Bench, Fixture, generation, keys_of, put, put_new, put_several, seen};
use super::samples::{key, record, user};
use crate::{KeystoreError, PutOutcome};

/// How many tasks put records while the keystore is closed.
const TASKS: u64 = 64;

pub async fn a_closed_keystore_reads_and_changes_nothing<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put(keystore, 1, 1).await;
    let stored = seen(keystore, &key(1, 1)).await;
    keystore.close().await;
    keystore.close().await;
    assert_eq!(keystore.health().unwrap_err().code(), "store_unavailable");
    let (one, two) = (key(1, 1), key(1, 2));
    let refusals: [KeystoreError; 8] = [
        keystore.put_new(&two, &record(2)).await.unwrap_err(),
        keystore
            .compare_and_swap(&one, &stored, &record(2))
            .await
            .unwrap_err(),
        keystore
            .put_new_and_remove(&two, &record(2), &[(one, stored.clone())])
            .await
            .unwrap_err(),
        keystore.remove(&one).await.unwrap_err(),
        keystore.remove_if(&one, &stored).await.unwrap_err(),
        keystore.remove_user(user(1)).await.unwrap_err(),
        keystore.remove_all().await.unwrap_err(),
        keystore.sweep(u64::MAX).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.code(), "store_unavailable");
    }
    assert_eq!(generation(keystore, &one).await, Some(1));
    assert_eq!(keys_of(keystore, user(1)).await, [one]);
}

pub async fn one_writer_that_closes_leaves_the_other_at_work<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    if !bench.has_second {
        return;
    }
    bench.keystore.close().await;
    assert_eq!(bench.other.health(), Ok(()));
    put(&bench.other, 1, 1).await;
    assert_eq!(generation(&bench.keystore, &key(1, 1)).await, Some(1));
    assert_eq!(bench.other.remove(&key(1, 1)).await, Ok(true));
}

pub async fn closing_answers_everything_that_was_queued<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let start = Arc::new(Barrier::new(usize::try_from(TASKS).unwrap()));
    let mut set = JoinSet::new();
    for task in 0..TASKS {
        let (start, keystore) = (Arc::clone(&start), bench.keystore.clone());
        set.spawn(async move {
            start.wait().await;
            if task == TASKS / 2 {
                keystore.close().await;
                return Err(keys_of(&keystore, user(1)).await);
            }
            let outcome = keystore.put_new(&key(1, task), &record(task)).await;
            Ok((task, outcome))
        });
    }
    let mut at_the_close = Vec::new();
    for answer in set.join_all().await {
        let (task, outcome) = match answer {
            Ok(answer) => answer,
            Err(keys) => {
                at_the_close = keys;
                continue;
            }
        };
        let found = generation(&bench.other, &key(1, task)).await;
        match outcome {
            Ok(outcome) => {
                assert_eq!(outcome, PutOutcome::Stored);
                assert_eq!(found, Some(task));
            }
            Err(error) => {
                let codes = ["store_unavailable", "store_contended"];
                assert!(codes.contains(&error.code()), "{error}");
                assert_eq!(found, None);
            }
        }
    }
    // What was under way had been made when the closing was answered.
    assert_eq!(keys_of(&bench.other, user(1)).await, at_the_close);
}

/// The caller of a put that removes others stops waiting, at once or after its first step.
pub async fn a_change_whose_caller_has_gone_is_whole_or_absent<F: Fixture>() {
    for polled in [false, true] {
        let bench = Bench::<F>::new().await;
        put_several(&bench.keystore, 1, 0..3).await;
        let others = [
            (key(1, 0), seen(&bench.keystore, &key(1, 0)).await),
            (key(1, 1), seen(&bench.keystore, &key(1, 1)).await),
        ];
        let (new_key, new) = (key(1, 9), record(9));
        let put = bench.keystore.put_new_and_remove(&new_key, &new, &others);
        let mut put = Box::pin(put);
        if polled {
            let _ = put.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        drop(put);
        // What is under way is over then.
        bench.keystore.close().await;
        let before = vec![key(1, 0), key(1, 1), key(1, 2)];
        let after = vec![key(1, 2), key(1, 9)];
        let found = keys_of(&bench.other, user(1)).await;
        assert!(found == before || (polled && found == after), "{found:?}");
    }
}

/// And the caller of a removal of everything.
pub async fn a_removal_of_all_whose_caller_has_gone_removes_nothing_later<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    put_several(&bench.keystore, 1, 0..20).await;
    let mut removal = Box::pin(bench.keystore.remove_all());
    let _ = removal
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    drop(removal);
    let _ = bench.keystore.remove_all().await.unwrap();
    assert_eq!(bench.other.is_empty().await, Ok(true));
    let outcome = put_new(&bench.keystore, &key(2, 1), &record(1)).await;
    assert_eq!(outcome, PutOutcome::Stored);
    bench.keystore.close().await;
    assert_eq!(generation(&bench.other, &key(2, 1)).await, Some(1));
}
