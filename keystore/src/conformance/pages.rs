//! Listing, sweeping, re-sealing, moving records; records that are damaged among them.

use futures_util::FutureExt as _;

use super::fixture::{Bench, Fixture, generation, keys_of, put, put_several, seen};
use super::samples::{key, record, user};
use crate::store::{Sealed, Write};
use crate::{
    Keystore, KeystoreError, MasterKey, MasterKeyRing, PutOutcome, Record, RecordKey, Store,
};

/// A ring of a newer master key, which also opens what the first one sealed.
fn both() -> MasterKeyRing {
    newer()
        .with_older(MasterKey::from_bytes(1, [1; 32]))
        .unwrap()
}

/// Under which keys records are sealed, and how many.
async fn under(keystore: &Keystore) -> Vec<(u32, u64)> {
    let page = keystore.sealed_under(None, 100).await.unwrap();
    assert_eq!(page.next, None);
    page.keys.into_iter().collect()
}

fn newer() -> MasterKeyRing {
    MasterKeyRing::new(MasterKey::from_bytes(2, [2; 32]))
}

pub async fn a_users_records_are_listed_page_by_page<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put_several(&bench.other, 7, 0..5).await;
    put(keystore, 6, 9).await;
    put(keystore, 8, 0).await;
    let first = keystore.list(user(7), None, 2).await.unwrap();
    assert_eq!(
        first.entries,
        [(key(7, 0), record(0)), (key(7, 1), record(1))]
    );
    assert_eq!(first.next, Some(key(7, 1)));
    let after = first.next.map(|next| next.session);
    let rest = keystore.list(user(7), after, 3).await.unwrap();
    assert_eq!(rest.entries.len(), 3);
    assert_eq!(rest.entries[0].0, key(7, 2));
    assert_eq!(
        rest.next, None,
        "a page that ends with the last has no next"
    );
    for (max, count) in [(0, 0), (1, 1), (5, 5), (6, 5), (100, 5)] {
        assert_eq!(keystore.count(user(7), max).await, Ok(count));
    }
    assert_eq!(keystore.count(user(99), 9).await, Ok(0));
    let beyond = Some(key(7, 9).session);
    let beyond = keystore.list(user(7), beyond, 3).await.unwrap();
    assert!(beyond.entries.is_empty());
    // A limit of nothing would never come to an end.
    let one = keystore.list(user(7), None, 0).await.unwrap();
    assert_eq!(one.entries.len(), 1);
}

/// The keys of all records, read in pages of this size.
async fn all_keys(keystore: &Keystore, limit: usize) -> Vec<RecordKey> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = keystore.list_all(after, limit).await.unwrap();
        assert!(page.entries.len() <= limit && page.damaged.is_empty());
        found.extend(page.entries.iter().map(|(key, _)| *key));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

pub async fn all_records_are_listed_page_by_page<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let mut expected = Vec::new();
    for user in [0, 1, 0xff] {
        for session in [0, 1, 2, u64::MAX] {
            put(&bench.other, user, session).await;
            expected.push(key(user, session));
        }
    }
    for limit in 1..=13 {
        assert_eq!(all_keys(&bench.keystore, limit).await, expected);
    }
}

pub async fn a_sweep_ends_what_is_over<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put(keystore, 1, 1).await;
    let lasting = Record {
        expires_at: 3_000,
        ..record(2)
    };
    let outcome = bench.other.put_new(&key(1, 2), &lasting).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
    // It would be idle later than it ends.
    let bounded = Record {
        ends_at: 2_500,
        ..lasting
    };
    let outcome = bench.other.put_new(&key(1, 3), &bounded).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
    assert_eq!(keystore.sweep(1_999).await, Ok(0));
    assert_eq!(keystore.sweep(2_000).await, Ok(1));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
    assert_eq!(keystore.sweep(2_499).await, Ok(0));
    assert_eq!(keystore.sweep(2_500).await, Ok(1));
    assert_eq!(generation(keystore, &key(1, 2)).await, Some(2));
    assert_eq!(bench.other.sweep(3_000).await, Ok(1));
    assert_eq!(keystore.is_empty().await, Ok(true));
}

pub async fn a_sweep_takes_a_record_whose_expiry_was_brought_forward<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    put(&bench.keystore, 1, 1).await;
    put(&bench.keystore, 1, 2).await;
    for (session, expires_at) in [(1, 1_500), (2, 2_500)] {
        let found = seen(&bench.keystore, &key(1, session)).await;
        let moved = Record {
            expires_at,
            ..found.record.clone()
        };
        let name = key(1, session);
        let swap = bench.other.compare_and_swap(&name, &found, &moved);
        assert_eq!(swap.await, Ok(crate::Swap::Won));
    }
    assert_eq!(bench.keystore.sweep(2_000).await, Ok(1));
    assert_eq!(keys_of(&bench.other, user(1)).await, [key(1, 2)]);
}

pub async fn a_damaged_record_doesnt_hide_the_others<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    // One before, one between and one after the good ones, each broken in its own way.
    for (session, bytes) in [(0, vec![]), (2, vec![9; 100]), (9, vec![1; 100])] {
        let write = Write {
            key: key(1, session),
            expected: None,
            new: Some(Sealed {
                bytes,
                expires_at: 2_000,
            }),
            ends_tokens: false,
        };
        assert_eq!(bench.store.apply(vec![write]).await, Ok(true));
    }
    let error = keystore.verify_opens().await.unwrap_err();
    assert_eq!(error.code(), "record_damaged");
    put(keystore, 1, 1).await;
    put(keystore, 1, 3).await;
    assert_eq!(keystore.verify_opens().await, Ok(()));
    assert_eq!(keystore.stats().await.unwrap().records, 5);
    let page = bench.other.list(user(1), None, 10).await.unwrap();
    assert_eq!(
        page.entries,
        [(key(1, 1), record(1)), (key(1, 3), record(3))]
    );
    let code = |error: &KeystoreError| (error.code(), error.record());
    let damaged: Vec<_> = page.damaged.iter().map(code).collect();
    assert_eq!(
        damaged,
        [
            ("record_damaged", Some(key(1, 0))),
            ("record_unknown_version", Some(key(1, 2))),
            ("record_unknown_key", Some(key(1, 9))),
        ]
    );
    let step = keystore.rewrap(None, 10).await.unwrap();
    assert_eq!((step.rewrapped, step.damaged), (0, page.damaged));
    assert_eq!(keystore.sweep(u64::MAX).await, Ok(2));
    // A key is taken even by what can't be read, until that is removed.
    let taken = keystore.put_new(&key(1, 2), &record(2)).await;
    assert_eq!(taken, Ok(PutOutcome::Taken));
    assert_eq!(keystore.remove(&key(1, 2)).await, Ok(true));
    assert_eq!(keystore.remove_all().await, Ok(2));
}

pub async fn a_new_master_key_takes_over_record_by_record<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put_several(keystore, 1, 0..5).await;
    let former = keystore.set_ring(both());
    assert!(!former.is_in_use(), "every put was answered");
    put(keystore, 1, 5).await;
    assert_eq!(under(keystore).await, [(1, 5), (2, 1)]);
    let (mut after, mut rewrapped, mut looked_at) = (None, 0, 0);
    loop {
        let step = keystore.rewrap(after, 2).await.unwrap();
        assert!(step.damaged.is_empty());
        rewrapped += step.rewrapped;
        looked_at += step.seen;
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        rewrapped, 5,
        "the one sealed with the new key needs no work"
    );
    assert_eq!(looked_at, 6);
    assert_eq!(under(keystore).await, [(2, 6)]);
    keystore.set_ring(newer());
    let page = keystore.list_all(None, 10).await.unwrap();
    assert_eq!((page.entries.len(), page.damaged.len()), (6, 0));
    let stored = seen(keystore, &key(1, 0)).await;
    assert_eq!(stored.version.key_id(), Some(2));
    assert_eq!(stored.record, record(0));
}

pub async fn what_was_asked_for_before_is_settled_where_nobody_waits_for_it<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    for session in 0..50 {
        let (name, new) = (key(1, session), record(session));
        let mut put = Box::pin(keystore.put_new(&name, &new));
        // It is under way once it was polled, and its caller goes.
        let _ = (&mut put).now_or_never();
        drop(put);
    }
    let former = keystore.set_ring(both());
    keystore.settle().await.unwrap();
    assert!(!former.is_in_use());
    let before = keystore.list_all(None, 100).await.unwrap();
    put(keystore, 2, 0).await;
    let after = keystore.list_all(None, 100).await.unwrap();
    assert_eq!(after.entries.len(), before.entries.len() + 1);
}

pub async fn records_move_to_another_keystore_sealed<F: Fixture>() {
    let (bench, other_bench) = (Bench::<F>::new().await, Bench::<F>::new().await);
    let keystore = &bench.keystore;
    put_several(keystore, 1, 0..5).await;
    // The other one has a master key of its own and the first one's to open with.
    let other = &other_bench.keystore;
    other.set_ring(both());
    put(other, 1, 4).await;
    let (mut after, mut taken) = (None, Vec::new());
    loop {
        let page = keystore.export(after, 2).await.unwrap();
        for (key, sealed) in &page.entries {
            assert!(!sealed.windows(5).any(|window| window == b"alice"));
            if other.import(key, sealed).await.unwrap() == PutOutcome::Taken {
                taken.push(*key);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }

    assert_eq!(taken, [key(1, 4)]);
    for session in 0..4 {
        let here = seen(keystore, &key(1, session)).await;
        let there = seen(other, &key(1, session)).await;
        assert_eq!(here.record, there.record);
        assert_ne!(here.version, there.version);
        assert_eq!(there.version.key_id(), Some(2));
    }
    // Under another key, or changed on the way, it is refused.
    let page = keystore.export(None, 1).await.unwrap();
    let (first, mut sealed) = page.entries[0].clone();
    let error = other.import(&key(2, 2), &sealed).await.unwrap_err();
    assert_eq!(error.code(), "record_damaged");
    assert_eq!(error.record(), Some(key(2, 2)));
    *sealed.last_mut().unwrap() ^= 1;
    let error = other.import(&first, &sealed).await.unwrap_err();
    assert_eq!(error.code(), "record_damaged");
    assert!(other.get(&key(2, 2)).await.unwrap().is_none());
}

/// Records of even numbers stay all the time, those of odd numbers come and go.
pub async fn pages_show_each_record_that_stays_once_while_others_change<F: Fixture>() {
    const RECORDS: u64 = 40;
    const READERS: u64 = 2;
    let bench = Bench::<F>::new().await;
    let staying: Vec<_> = (0..RECORDS).step_by(2).map(|n| key(1, n)).collect();
    for session in (0..RECORDS).step_by(2) {
        put(&bench.keystore, 1, session).await;
    }
    let expected = staying.clone();
    bench
        .together(READERS + 4, move |keystore, task| {
            let expected = expected.clone();
            async move {
                if task < READERS {
                    for round in 0..60 {
                        let found = all_keys(&keystore, 1 + round % 7).await;
                        assert!(found.is_sorted_by(|a, b| a < b), "one of them twice");
                        let is_stable = |key: &&RecordKey| expected.contains(key);
                        let stable: Vec<_> = found.iter().filter(is_stable).collect();
                        assert_eq!(stable.len(), expected.len());
                        tokio::task::yield_now().await;
                    }
                    return;
                }
                for round in 0..60 {
                    // Each of these tasks has odd numbers of its own.
                    let session = (task - READERS) * 10 + 1 + 2 * (round % 5);
                    put(&keystore, 1, session).await;
                    assert!(super::fixture::remove(&keystore, &key(1, session)).await);
                }
            }
        })
        .await;
    assert_eq!(keys_of(&bench.keystore, user(1)).await, staying);
}
