//! The trait itself, on bytes that are no records: a store doesn't look into them.

use super::fixture::{Bench, Fixture};
use super::samples::{key, user};
use crate::store::{Sealed, Stamp, Write};
use crate::{KeyRange, RecordKey, Store};

fn write(key: RecordKey, expected: Option<&[u8]>, new: Option<&[u8]>) -> Write {
    Write {
        key,
        expected: expected.map(<[u8]>::to_vec),
        new: new.map(|bytes| Sealed {
            bytes: bytes.to_vec(),
            expires_at: 2_000,
        }),
        ends_tokens: new.is_none(),
    }
}

async fn contents(store: &impl Store) -> Vec<(RecordKey, Vec<u8>)> {
    store.page(KeyRange::ALL, usize::MAX).await.unwrap()
}

pub async fn one_write_that_doesnt_fit_keeps_all_from_being_made<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = &*bench.store;
    let puts: Vec<_> = (1..=3)
        .map(|session| write(key(1, session), None, Some(b"first")))
        .collect();
    assert_eq!(store.apply(puts.clone()).await, Ok(true));
    let before = contents(store).await;
    assert_eq!(before.len(), 3);
    assert_eq!(store.apply(puts).await, Ok(false), "they are there now");

    let good = [
        write(key(1, 1), Some(b"first"), None),
        write(key(1, 2), Some(b"first"), Some(b"second")),
        write(key(1, 4), None, Some(b"fourth")),
    ];
    for place in 0..good.len() {
        for wrong in [None, Some(b"another".to_vec()), Some(Vec::new())] {
            let mut writes = good.to_vec();
            if writes[place].expected == wrong {
                continue;
            }
            writes[place].expected = wrong;
            assert_eq!(store.apply(writes).await, Ok(false));
            assert_eq!(contents(store).await, before);
        }
    }
    assert_eq!(store.apply(good.to_vec()).await, Ok(true));
    assert_eq!(
        contents(store).await,
        [
            (key(1, 2), b"second".to_vec()),
            (key(1, 3), b"first".to_vec()),
            (key(1, 4), b"fourth".to_vec()),
        ]
    );
}

pub async fn no_writes_are_made_at_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    assert_eq!(bench.store.apply(Vec::new()).await, Ok(true));
    assert_eq!(contents(&*bench.store).await, []);
}

pub async fn bytes_are_kept_as_they_are<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = &*bench.store;
    let all: Vec<u8> = (0..=u8::MAX).collect();
    for (session, bytes) in [(1, &all[..]), (2, b""), (3, &[0; 4_096])] {
        let put = write(key(1, session), None, Some(bytes));
        assert_eq!(store.apply(vec![put]).await, Ok(true));
        let found = store.get(&key(1, session)).await.unwrap();
        assert_eq!(found.sealed.as_deref(), Some(bytes));
    }
    assert_eq!(store.get(&key(1, 4)).await.unwrap().sealed, None);
}

pub async fn pages_and_counts_keep_to_the_order_and_the_limit<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = &*bench.store;
    let mut keys = Vec::new();
    // Put in another order than that of the keys.
    for session in [u64::MAX, 1, 1 << 40, 0] {
        for number in [0xff, 0, 7] {
            let put = write(key(number, session), None, Some(b"bytes"));
            assert_eq!(store.apply(vec![put]).await, Ok(true));
            keys.push(key(number, session));
        }
    }
    keys.sort();
    for (range, expected) in [
        (KeyRange::ALL, &keys[..]),
        (KeyRange::of_user(user(7)), &keys[4..8]),
        (KeyRange::of_user(user(8)), &[]),
    ] {
        for limit in [1, 3, 4, 5, 100] {
            let expected = &expected[..limit.min(expected.len())];
            let page = store.page(range, limit).await.unwrap();
            let found: Vec<_> = page.iter().map(|(key, _)| *key).collect();
            assert_eq!(found, expected);
            // All of them have expired then, so none may be left out.
            let page = store.page_to_sweep(range, 2_000, limit).await.unwrap();
            let found: Vec<_> = page.iter().map(|(key, _)| *key).collect();
            assert_eq!(found, expected);
        }
    }
    for (max, count) in [(0, 0), (1, 1), (4, 4), (5, 4), (100, 4)] {
        assert_eq!(store.count(user(7), max).await, Ok(count));
    }
    assert_eq!(store.stats().await.unwrap().records, 12);
}

pub async fn the_stamp_never_is_never_current<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let put = write(key(1, 1), None, Some(b"bytes"));
    assert_eq!(bench.store.apply(vec![put]).await, Ok(true));
    assert!(!bench.store.is_current(&key(1, 1), Stamp::NEVER));
    assert!(!bench.store.is_current(&key(1, 2), Stamp::NEVER));
}
