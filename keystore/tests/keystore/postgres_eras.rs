//! The end of all records as a new era.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lacre_keystore::conformance::notes::left;
use lacre_keystore::{KeyRange, MasterKey, MasterKeyRing, Note, Store as _};
use sqlx::Executor as _;

use crate::postgres::{LEASE, Postgres, open, put, with_stores};
use crate::support::{key, user};

/// What a process does that is killed when it has begun an era: nothing was taken away yet.
async fn begun_and_killed(stores: &Postgres) {
    let ring = Arc::new(MasterKeyRing::new(MasterKey::from_bytes(1, [1; 32])));
    let note = Note::sealed_under(&ring, 7, b"all", [9; 12]).unwrap();
    let mut by_hand = stores.schema.connection().await;
    sqlx::query(
        "WITH c AS (UPDATE keystore_meta SET era = era + 1 RETURNING era - 1 AS era) \
         INSERT INTO keystore_emptied SELECT era, 7, 'killed', $1, clock_timestamp() - interval '1 minute' FROM c",
    )
    .bind(note.sealed())
    .execute(&mut by_hand)
    .await
    .unwrap();
}

#[test]
fn records_of_an_era_that_has_ended_are_nowhere_though_nothing_was_taken_away() {
    with_stores(|stores| async move {
        let (one, two) = (open(&stores.one), open(&stores.two));
        for session in 0..3 {
            put(&one, &key(1, session)).await;
        }
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        assert!(two.is_current(&key(1, 1), &read.version));
        begun_and_killed(&stores).await;
        tokio::time::sleep(LEASE + LEASE / 100).await;
        assert!(!two.is_current(&key(1, 1), &read.version));
        for keystore in [&one, &two] {
            assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
            assert!(keystore.is_empty().await.unwrap());
            assert_eq!(keystore.stats().await.unwrap().records, 0);
            assert_eq!(
                keystore
                    .list(user(1), None, 10)
                    .await
                    .unwrap()
                    .entries
                    .len(),
                0
            );
        }
        let mut later = read.record.clone();
        later.last_seen_at += 1;
        let swap = one.compare_and_swap(&key(1, 1), &read, &later).await;
        assert_eq!(swap, Ok(lacre_keystore::Swap::Lost));
        assert_eq!(one.remove(&key(1, 2)).await, Ok(false));
        assert_eq!(one.remove_user(user(1)).await, Ok(Vec::new()));
        assert_eq!(
            one.sweep_step(KeyRange::ALL, u64::MAX)
                .await
                .unwrap()
                .removed
                .len(),
            0
        );
    });
}

/// Another process goes on: each record goes with the note of the end of all, one in whose place another comes at once.
#[test]
fn what_an_era_leaves_behind_is_taken_away_by_another_process_with_its_notes() {
    with_stores(|stores| async move {
        let (one, two) = (open(&stores.one), open(&stores.two));
        let told = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&told);
        assert!(two.watch_removals(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
        }));
        for session in 0..5 {
            put(&one, &key(1, session)).await;
        }
        begun_and_killed(&stores).await;
        tokio::time::sleep(2 * LEASE).await;
        put(&two, &key(1, 3)).await;
        let notes = left(&one).await;
        assert_eq!(
            notes,
            [(7, key(1, 3), "all".to_owned())],
            "of the one whose place was taken"
        );
        assert_eq!(one.forget(0).await, Ok(4));
        assert_eq!(left(&one).await.len(), 5);
        assert_eq!(one.stats().await.unwrap().records, 1);
        assert!(two.get(&key(1, 3)).await.unwrap().is_some());
        let begun = Instant::now();
        while told.load(Ordering::SeqCst) < 5 {
            assert!(begun.elapsed() < Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut by_hand = stores.schema.connection().await;
        let rest: i64 = sqlx::query_scalar("SELECT count(*) FROM keystore_emptied")
            .fetch_one(&mut by_hand)
            .await
            .unwrap();
        assert_eq!(rest, 0);
    });
}

/// However many there are: refused everywhere when it is answered, counted once, each told of at the other process.
#[test]
fn very_many_records_end_at_once_and_each_is_told_of() {
    const MANY: u64 = 30_000;
    with_stores(|stores| async move {
        let two = open(&stores.two);
        put(&two, &key(1, 1)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        let told = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&told);
        assert!(two.watch_removals(move |_| {
            counts.fetch_add(1, Ordering::SeqCst);
        }));
        let mut by_hand = stores.schema.connection().await;
        by_hand
            .execute(
                "INSERT INTO keystore_sessions SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), '\\x00', 1 \
                 FROM generate_series(1, 30000) n",
            )
            .await
            .unwrap();
        assert_eq!(stores.one.remove_all().await, Ok(MANY + 1));
        assert!(!two.is_current(&key(1, 1), &read.version));
        assert!(two.get(&key(1, 1)).await.unwrap().is_none());
        let begun = Instant::now();
        while told.load(Ordering::SeqCst) < MANY + 1 {
            assert!(begun.elapsed() < Duration::from_secs(5), "{told:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(told.load(Ordering::SeqCst), MANY + 1);
    });
}
