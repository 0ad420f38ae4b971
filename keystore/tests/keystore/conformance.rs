//! One suite that every engine runs: what a keystore does, call by call.

use lacre_keystore::{Change, Engine, Keystore, MasterKey, MasterKeyRing, PutOutcome, Stats, Swap};

use crate::support::{Home, Kind, at_once, generation, key, keystore_on, record, ring, swap, user};

/// Runs each named test on each engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<$crate::support::Memory>().await;
            })+
        }
        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<$crate::support::Sled>().await;
            })+
        }
    };
}
pub(crate) use on_every_engine;

on_every_engine!(
    an_empty_keystore_has_nothing,
    a_record_that_is_put_is_read_as_it_was,
    a_put_never_overwrites,
    a_swap_needs_the_version_that_was_read,
    an_equal_record_put_anew_is_another_version,
    a_removed_record_is_gone_and_a_swap_doesnt_bring_it_back,
    a_record_is_removed_only_as_it_was_read,
    a_users_end_leaves_the_neighbours,
    removing_all_leaves_none,
    a_users_records_are_listed_page_by_page,
    all_records_are_listed_page_by_page,
    a_sweep_ends_what_is_over,
    a_record_that_is_too_large_is_refused,
    another_ring_opens_nothing_and_says_so,
    a_damaged_record_doesnt_hide_the_others,
    a_new_master_key_takes_over_record_by_record,
    records_move_to_another_keystore_sealed,
    a_closed_keystore_reads_and_changes_nothing,
);

async fn put(keystore: &Keystore, user: u8, session: u64) {
    let outcome = keystore
        .put_new(&key(user, session), &record(session))
        .await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
}

async fn an_empty_keystore_has_nothing<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    assert_eq!(keystore.is_empty().await, Ok(true));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(false));
    assert_eq!(keystore.remove_user(user(1)).await, Ok(vec![]));
    assert_eq!(keystore.remove_all().await, Ok(0));
    assert_eq!(keystore.sweep(u64::MAX).await, Ok(0));
    assert_eq!(keystore.verify_opens().await, Ok(()));
    assert_eq!(keystore.health(), Ok(()));
    let page = keystore.list_all(None, 10).await.unwrap();
    assert_eq!((page.entries.len(), page.next), (0, None));
}

async fn a_record_that_is_put_is_read_as_it_was<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 5).await;
    let stored = keystore.get(&key(1, 5)).await.unwrap().unwrap();
    assert_eq!(stored.record, record(5));
    assert_eq!(keystore.is_empty().await, Ok(false));
    assert_eq!(keystore.verify_opens().await, Ok(()));
    let Stats { records, .. } = keystore.stats().await.unwrap();
    assert_eq!(records, 1);
    assert!(keystore.get(&key(1, 4)).await.unwrap().is_none());
    assert!(keystore.get(&key(2, 5)).await.unwrap().is_none());
}

async fn a_put_never_overwrites<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    let again = keystore.put_new(&key(1, 1), &record(2)).await;
    assert_eq!(again, Ok(PutOutcome::Taken));
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(1));
    assert_eq!(keystore.stats().await.unwrap().records, 1);
}

async fn a_swap_needs_the_version_that_was_read<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    let first = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert_eq!(swap(&keystore, &key(1, 1), &first, 2).await, Ok(Swap::Won));
    assert_eq!(swap(&keystore, &key(1, 1), &first, 3).await, Ok(Swap::Lost));
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(2));
    let second = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert_eq!(swap(&keystore, &key(1, 1), &second, 4).await, Ok(Swap::Won));
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(4));
    assert_eq!(keystore.stats().await.unwrap().records, 1);
}

async fn an_equal_record_put_anew_is_another_version<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    let first = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(true));
    put(&keystore, 1, 1).await;
    assert_eq!(swap(&keystore, &key(1, 1), &first, 2).await, Ok(Swap::Lost));
    assert_eq!(keystore.remove_if(&key(1, 1), &first).await, Ok(false));
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(1));
}

async fn a_removed_record_is_gone_and_a_swap_doesnt_bring_it_back<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    let seen = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(true));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
    assert_eq!(swap(&keystore, &key(1, 1), &seen, 2).await, Ok(Swap::Lost));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(false));
    assert_eq!(keystore.stats().await.unwrap().records, 0);
}

async fn a_record_is_removed_only_as_it_was_read<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    let old = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert_eq!(swap(&keystore, &key(1, 1), &old, 2).await, Ok(Swap::Won));
    assert_eq!(keystore.remove_if(&key(1, 1), &old).await, Ok(false));
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(2));
    let now = keystore.get(&key(1, 1)).await.unwrap().unwrap();
    assert_eq!(keystore.remove_if(&key(1, 1), &now).await, Ok(true));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
}

async fn a_users_end_leaves_the_neighbours<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for user in [6, 7, 8] {
        for session in [0, 1, u64::MAX] {
            put(&keystore, user, session).await;
        }
    }
    let removed = keystore.remove_user(user(7)).await.unwrap();
    assert_eq!(removed, [key(7, 0), key(7, 1), key(7, u64::MAX)]);
    assert!(
        keystore
            .list(user(7), None, 9)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    for user_left in [6, 8] {
        let page = keystore.list(user(user_left), None, 9).await.unwrap();
        assert_eq!(page.entries.len(), 3);
    }
    assert_eq!(keystore.stats().await.unwrap().records, 6);
}

async fn removing_all_leaves_none<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    // More than two steps of a removal.
    let puts: Vec<_> = (0..1_100_u64)
        .map(|session| {
            let keystore = keystore.clone();
            let user = session.to_be_bytes()[7];
            tokio::spawn(async move { put(&keystore, user, session).await })
        })
        .collect();
    for put in puts {
        put.await.unwrap();
    }
    assert_eq!(keystore.stats().await.unwrap().records, 1_100);
    assert_eq!(keystore.remove_all().await, Ok(1_100));
    assert_eq!(keystore.is_empty().await, Ok(true));
    assert_eq!(keystore.stats().await.unwrap().records, 0);
}

async fn a_users_records_are_listed_page_by_page<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for session in 0..5 {
        put(&keystore, 7, session).await;
    }
    put(&keystore, 6, 9).await;
    put(&keystore, 8, 0).await;
    let first = keystore.list(user(7), None, 2).await.unwrap();
    assert_eq!(
        first.entries,
        [(key(7, 0), record(0)), (key(7, 1), record(1))]
    );
    assert_eq!(first.next, Some(key(7, 1)));
    let rest = keystore
        .list(user(7), first.next.map(|next| next.session), 3)
        .await
        .unwrap();
    assert_eq!(rest.entries.len(), 3);
    assert_eq!(rest.entries[0].0, key(7, 2));
    assert_eq!(
        rest.next, None,
        "a page that ends with the last has no next"
    );
    let counts = [0, 1, 5, 6, 100].map(|most| at_once(keystore.count(user(7), most)).unwrap());
    assert_eq!(counts, [0, 1, 5, 5, 5]);
    assert_eq!(keystore.count(user(99), 9).await, Ok(0));
    let beyond = keystore
        .list(user(7), Some(key(7, 9).session), 3)
        .await
        .unwrap();
    assert!(beyond.entries.is_empty());
    // A limit of nothing would never come to an end.
    assert_eq!(
        keystore.list(user(7), None, 0).await.unwrap().entries.len(),
        1
    );
}

async fn all_records_are_listed_page_by_page<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let mut expected = Vec::new();
    for user in [0, 1, 0xff] {
        for session in [0, 1, 2, u64::MAX] {
            put(&keystore, user, session).await;
            expected.push(key(user, session));
        }
    }
    for limit in 1..=13 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = keystore.list_all(after, limit).await.unwrap();
            assert!(page.entries.len() <= limit && page.damaged.is_empty());
            seen.extend(page.entries.iter().map(|(key, _)| *key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

async fn a_sweep_ends_what_is_over<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    let mut lasting = record(2);
    lasting.expires_at = 3_000;
    let outcome = keystore.put_new(&key(1, 2), &lasting).await;
    assert_eq!(outcome, Ok(PutOutcome::Stored));
    assert_eq!(keystore.sweep(1_999).await, Ok(0));
    assert_eq!(keystore.sweep(2_000).await, Ok(1));
    assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
    assert_eq!(generation(&keystore, &key(1, 2)).await, Some(2));
    assert_eq!(keystore.sweep(3_000).await, Ok(1));
    assert_eq!(keystore.is_empty().await, Ok(true));
}

async fn a_record_that_is_too_large_is_refused<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    let mut large = record(1);
    large.user_agent = Some("x".repeat(lacre_keystore::MAX_SEALED_RECORD));
    let error = keystore.put_new(&key(1, 1), &large).await.unwrap_err();
    assert_eq!(error.code(), "record_too_large");
    assert_eq!(error.record(), Some(key(1, 1)));
    assert_eq!(keystore.is_empty().await, Ok(true));
    assert_eq!(keystore.health(), Ok(()));
    put(&keystore, 1, 1).await;
}

async fn another_ring_opens_nothing_and_says_so<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    put(&keystore, 1, 2).await;
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
    assert_eq!(generation(&keystore, &key(1, 2)).await, Some(2));
    // What can't be read can still be ended.
    keystore.set_ring(MasterKeyRing::new(MasterKey::from_bytes(2, [2; 32])));
    assert_eq!(keystore.remove(&key(1, 1)).await, Ok(true));
    assert_eq!(keystore.remove_user(user(1)).await, Ok(vec![key(1, 2)]));
}

async fn a_damaged_record_doesnt_hide_the_others<K: Kind>() {
    let home = Home::new();
    let engine = K::engine(&home);
    // One before, one between and one after the good ones, each broken in its own way.
    for (session, bytes) in [(0, vec![]), (2, vec![9; 100]), (9, vec![1; 100])] {
        let change = Change {
            key: key(1, session).to_bytes(),
            expected: None,
            new: Some(bytes),
        };
        assert_eq!(engine.apply(&[change]), Ok(true));
    }
    let keystore = keystore_on(engine);
    assert_eq!(
        keystore.verify_opens().await.unwrap_err().code(),
        "record_damaged"
    );
    put(&keystore, 1, 1).await;
    put(&keystore, 1, 3).await;
    assert_eq!(keystore.verify_opens().await, Ok(()));
    assert_eq!(keystore.stats().await.unwrap().records, 5);
    let page = keystore.list(user(1), None, 10).await.unwrap();
    assert_eq!(
        page.entries,
        [(key(1, 1), record(1)), (key(1, 3), record(3))]
    );
    let damaged: Vec<_> = page
        .damaged
        .iter()
        .map(|error| (error.code(), error.record()))
        .collect();
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
    // A name is taken even by what can't be read, until it is removed.
    let taken = keystore.put_new(&key(1, 2), &record(2)).await;
    assert_eq!(taken, Ok(PutOutcome::Taken));
    assert_eq!(keystore.remove(&key(1, 2)).await, Ok(true));
    assert_eq!(keystore.remove_all().await, Ok(2));
}

async fn a_new_master_key_takes_over_record_by_record<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    for session in 0..5 {
        put(&keystore, 1, session).await;
    }
    let newer = || MasterKeyRing::new(MasterKey::from_bytes(2, [2; 32]));
    let both = newer()
        .with_older(MasterKey::from_bytes(1, [1; 32]))
        .unwrap();
    keystore.set_ring(both);
    put(&keystore, 1, 5).await;
    let (mut after, mut rewrapped) = (None, 0);
    loop {
        let step = keystore.rewrap(after, 2).await.unwrap();
        assert!(step.damaged.is_empty());
        rewrapped += step.rewrapped;
        after = step.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        rewrapped, 5,
        "the one sealed with the new key needs no work"
    );
    keystore.set_ring(newer());
    let page = keystore.list_all(None, 10).await.unwrap();
    assert_eq!((page.entries.len(), page.damaged.len()), (6, 0));
    let stored = keystore.get(&key(1, 0)).await.unwrap().unwrap();
    assert_eq!(stored.version.key_id(), Some(2));
    assert_eq!(stored.record, record(0));
}

async fn records_move_to_another_keystore_sealed<K: Kind>() {
    let (home, other_home) = (Home::new(), Home::new());
    let keystore = keystore_on(K::engine(&home));
    for session in 0..5 {
        put(&keystore, 1, session).await;
    }
    // The other one has a master key of its own and the first one's to open with.
    let other = keystore_on(K::engine(&other_home));
    let newer = MasterKeyRing::new(MasterKey::from_bytes(2, [2; 32]));
    let both = newer.with_older(MasterKey::from_bytes(1, [1; 32])).unwrap();
    other.set_ring(both);
    put(&other, 1, 4).await;
    let (mut after, mut taken) = (None, Vec::new());
    loop {
        let page = keystore.export(after, 2).await.unwrap();
        for (name, sealed) in &page.entries {
            assert!(!sealed.windows(5).any(|window| window == b"alice"));
            if other.import(name, sealed).await.unwrap() == PutOutcome::Taken {
                taken.push(*name);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }

    assert_eq!(taken, [key(1, 4)]);
    for session in 0..4 {
        let (here, there) = (
            keystore.get(&key(1, session)).await,
            other.get(&key(1, session)).await,
        );
        let (here, there) = (here.unwrap().unwrap(), there.unwrap().unwrap());
        assert_eq!(here.record, there.record);
        assert_ne!(here.version, there.version);
        assert_eq!(there.version.key_id(), Some(2));
    }
    // Under another name, or changed on the way, it is refused.
    let page = keystore.export(None, 1).await.unwrap();
    let (name, mut sealed) = page.entries[0].clone();
    let error = other.import(&key(2, 2), &sealed).await.unwrap_err();
    assert_eq!(error.code(), "record_damaged");
    assert_eq!(error.record(), Some(key(2, 2)));
    *sealed.last_mut().unwrap() ^= 1;
    assert_eq!(
        other.import(&name, &sealed).await.unwrap_err().code(),
        "record_damaged"
    );
    assert!(other.get(&key(2, 2)).await.unwrap().is_none());
}

async fn a_closed_keystore_reads_and_changes_nothing<K: Kind>() {
    let home = Home::new();
    let keystore = keystore_on(K::engine(&home));
    put(&keystore, 1, 1).await;
    keystore.close().await;
    keystore.close().await;
    assert_eq!(keystore.health().unwrap_err().code(), "store_unavailable");
    let refused = keystore.put_new(&key(1, 2), &record(2)).await.unwrap_err();
    assert_eq!(refused.code(), "store_unavailable");
    let refused = keystore.remove(&key(1, 1)).await.unwrap_err();
    assert_eq!(refused.code(), "store_unavailable");
    assert_eq!(generation(&keystore, &key(1, 1)).await, Some(1));
}
