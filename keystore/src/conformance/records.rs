//! What is done with one record: get, put, swap, remove.

use super::fixture::{Bench, Fixture, generation, put, seen};
use super::samples::{key, record, ring, user};
use crate::{
    KeystoreError, MAX_SEALED_RECORD, MasterKey, MasterKeyRing, PutOutcome, Record, Stored, Swap,
};

async fn swap(
    keystore: &crate::Keystore,
    key: &crate::RecordKey,
    seen: &Stored,
    generation: u64,
) -> Result<Swap, KeystoreError> {
    let new = record(generation);
    keystore.compare_and_swap(key, seen, &new).await
}

pub async fn an_empty_keystore_has_nothing<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for keystore in [&bench.keystore, &bench.other] {
        assert_eq!(keystore.is_empty().await, Ok(true));
        assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
        assert_eq!(keystore.remove(&key(1, 1)).await, Ok(false));
        assert_eq!(keystore.remove_user(user(1)).await, Ok(vec![]));
        assert_eq!(keystore.remove_all().await, Ok(0));
        assert_eq!(keystore.sweep(u64::MAX).await, Ok(0));
        assert_eq!(keystore.verify_opens().await, Ok(()));
        assert_eq!(keystore.health(), Ok(()));
        assert_eq!(keystore.stats().await.unwrap().records, 0);
        let page = keystore.list_all(None, 10).await.unwrap();
        assert_eq!((page.entries.len(), page.next), (0, None));
    }
}

pub async fn a_record_that_is_put_is_read_as_it_was<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    put(&bench.other, 1, 5).await;
    for keystore in [&bench.keystore, &bench.other] {
        let stored = seen(keystore, &key(1, 5)).await;
        assert_eq!(stored.record, record(5));
        assert_eq!(keystore.is_empty().await, Ok(false));
        assert_eq!(keystore.verify_opens().await, Ok(()));
        assert_eq!(keystore.stats().await.unwrap().records, 1);
        assert!(keystore.get(&key(1, 4)).await.unwrap().is_none());
        assert!(keystore.get(&key(2, 5)).await.unwrap().is_none());
    }
}

pub async fn a_put_never_overwrites<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    put(&bench.other, 1, 1).await;
    for keystore in [&bench.keystore, &bench.other] {
        let again = keystore.put_new(&key(1, 1), &record(2)).await;
        assert_eq!(again, Ok(PutOutcome::Taken));
        assert_eq!(generation(keystore, &key(1, 1)).await, Some(1));
        assert_eq!(keystore.stats().await.unwrap().records, 1);
    }
}

pub async fn a_swap_needs_the_version_that_was_read<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (keystore, other) = (&bench.keystore, &bench.other);
    put(keystore, 1, 1).await;
    let first = seen(keystore, &key(1, 1)).await;
    assert_eq!(swap(other, &key(1, 1), &first, 2).await, Ok(Swap::Won));
    assert_eq!(swap(keystore, &key(1, 1), &first, 3).await, Ok(Swap::Lost));
    assert_eq!(generation(keystore, &key(1, 1)).await, Some(2));
    // Losing is an answer and no failure: who reads again wins.
    assert_eq!(keystore.health(), Ok(()));
    let second = seen(keystore, &key(1, 1)).await;
    assert_eq!(swap(keystore, &key(1, 1), &second, 4).await, Ok(Swap::Won));
    assert_eq!(generation(other, &key(1, 1)).await, Some(4));
    assert_eq!(keystore.stats().await.unwrap().records, 1);
}

pub async fn several_swaps_of_a_user_are_all_made_or_none<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let names = [key(1, 1), key(1, 2), key(1, 3)];
    for session in 1..4 {
        put(&bench.other, 1, session).await;
    }
    let mut changes = Vec::new();
    for name in names {
        changes.push((name, seen(&bench.keystore, &name).await, record(7)));
    }
    let first = swap(&bench.other, &names[1], &changes[1].1, 5).await;
    assert_eq!(first, Ok(Swap::Won));
    let lost = bench.keystore.compare_and_swap_all(&changes).await;
    assert_eq!(lost, Ok(Swap::Lost));
    for (name, due) in names.iter().zip([1, 5, 3]) {
        assert_eq!(generation(&bench.other, name).await, Some(due));
    }
    changes[1].1 = seen(&bench.keystore, &names[1]).await;
    let won = bench.keystore.compare_and_swap_all(&changes).await;
    assert_eq!(won, Ok(Swap::Won));
    for name in names {
        assert_eq!(generation(&bench.other, &name).await, Some(7));
    }
    assert_eq!(
        bench.keystore.compare_and_swap_all(&[]).await,
        Ok(Swap::Won)
    );
}

pub async fn an_equal_record_put_anew_is_another_version<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (keystore, other) = (&bench.keystore, &bench.other);
    put(keystore, 1, 1).await;
    let first = seen(keystore, &key(1, 1)).await;
    assert_eq!(other.remove(&key(1, 1)).await, Ok(true));
    put(other, 1, 1).await;
    assert_ne!(seen(keystore, &key(1, 1)).await.version, first.version);
    assert_eq!(swap(keystore, &key(1, 1), &first, 2).await, Ok(Swap::Lost));
    assert_eq!(keystore.remove_if(&key(1, 1), &first).await, Ok(false));
    assert_eq!(generation(keystore, &key(1, 1)).await, Some(1));
}

pub async fn a_removed_record_is_gone_and_a_swap_doesnt_bring_it_back<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (keystore, other) = (&bench.keystore, &bench.other);
    put(keystore, 1, 1).await;
    let before = seen(keystore, &key(1, 1)).await;
    assert_eq!(other.remove(&key(1, 1)).await, Ok(true));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
    assert_eq!(swap(keystore, &key(1, 1), &before, 2).await, Ok(Swap::Lost));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(false));
    assert_eq!(keystore.stats().await.unwrap().records, 0);
    // Only a put uses the key again.
    put(keystore, 1, 1).await;
    assert_eq!(generation(other, &key(1, 1)).await, Some(1));
}

pub async fn a_record_is_removed_only_as_it_was_read<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let (keystore, other) = (&bench.keystore, &bench.other);
    put(keystore, 1, 1).await;
    let old = seen(keystore, &key(1, 1)).await;
    assert_eq!(swap(other, &key(1, 1), &old, 2).await, Ok(Swap::Won));
    assert_eq!(keystore.remove_if(&key(1, 1), &old).await, Ok(false));
    assert_eq!(generation(keystore, &key(1, 1)).await, Some(2));
    let now = seen(keystore, &key(1, 1)).await;
    assert_eq!(keystore.remove_if(&key(1, 1), &now).await, Ok(true));
    assert!(other.get(&key(1, 1)).await.unwrap().is_none());
}

pub async fn a_record_that_is_too_large_is_refused<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    let large = Record {
        user_agent: Some("x".repeat(MAX_SEALED_RECORD)),
        ..record(1)
    };
    let error = keystore.put_new(&key(1, 1), &large).await.unwrap_err();
    assert_eq!(error.code(), "record_too_large");
    assert_eq!(error.record(), Some(key(1, 1)));
    assert_eq!(keystore.is_empty().await, Ok(true));
    assert_eq!(keystore.health(), Ok(()));
    put(keystore, 1, 1).await;
}

pub async fn a_record_of_the_maximum_size_is_kept<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let mut large = record(1);
    large.user_agent = Some("x".repeat(MAX_SEALED_RECORD - 200));
    let put = bench.other.put_new(&key(1, 1), &large).await;
    assert_eq!(put, Ok(PutOutcome::Stored));
    let small = seen(&bench.keystore, &key(1, 1)).await;
    let room = MAX_SEALED_RECORD - small.version.len();
    large.user_agent = Some("x".repeat(MAX_SEALED_RECORD - 200 + room));
    let name = key(1, 1);
    let swap = bench.keystore.compare_and_swap(&name, &small, &large);
    assert_eq!(swap.await, Ok(Swap::Won));
    let found = seen(&bench.other, &key(1, 1)).await;
    assert_eq!(found.version.len(), MAX_SEALED_RECORD);
    assert_eq!(found.record, large);
}

pub async fn another_ring_opens_nothing_and_says_so<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let keystore = &bench.keystore;
    put(keystore, 1, 1).await;
    put(keystore, 1, 2).await;
    for (id, code) in [(1, "record_damaged"), (2, "record_unknown_key")] {
        keystore.set_ring(MasterKeyRing::new(MasterKey::from_bytes(id, [2; 32])));
        assert_eq!(keystore.verify_opens().await.unwrap_err().code(), code);
        let error = keystore.get(&key(1, 1)).await.unwrap_err();
        assert_eq!((error.code(), error.record()), (code, Some(key(1, 1))));
        let page = keystore.list_all(None, 10).await.unwrap();
        assert_eq!((page.entries.len(), page.damaged.len()), (0, 2));
        assert_eq!(page.damaged[1].record(), Some(key(1, 2)));
        assert_eq!(keystore.sweep(u64::MAX).await, Ok(0), "nothing was touched");
    }
    keystore.set_ring(ring());
    assert_eq!(generation(keystore, &key(1, 2)).await, Some(2));
    // A record that doesn't open can still be removed.
    keystore.set_ring(MasterKeyRing::new(MasterKey::from_bytes(2, [2; 32])));
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(true));
    assert_eq!(keystore.remove_user(user(1)).await, Ok(vec![key(1, 2)]));
}
