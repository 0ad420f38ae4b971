//! One server that crashes, stands still, or comes back as it was earlier.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lacre_keystore::{Keystore, KeystoreError, RecordKey, RedisOptions, Store, Swap};

use super::server::{Server, copied, is_available};
use super::{LEASE, Redis, keystore, opened, opened_with, options, put, with_stores};
use crate::support::{key, record, user};

/// As long as a caller may have to wait for an error.
const ERROR_WITHIN: Duration = Duration::from_millis(1_300);

/// Asks until it is answered, and says how long that took.
pub(crate) async fn back(keystore: &Keystore, key: &RecordKey) -> Duration {
    let begun = Instant::now();
    while keystore.get(key).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

pub(crate) fn unavailable<T: std::fmt::Debug>(answer: Result<T, KeystoreError>, begun: Instant) {
    assert_eq!(answer.unwrap_err().code(), "store_unavailable");
    let took = begun.elapsed();
    assert!(took < ERROR_WITHIN, "{took:?}");
}

#[test]
fn what_was_answered_is_there_after_a_crash_and_everything_is_read_once_more() {
    with_stores(|stores| async move {
        let Redis { one, two, server } = &*stores;
        let (ends, reads) = (keystore(one), keystore(two));
        for session in 0..40 {
            put(&ends, &key(1, session)).await;
        }
        for round in 0..4 {
            let generations = two.lease().unwrap().generations;
            let name = key(1, 39);
            let read = reads.get(&name).await.unwrap().unwrap();
            for session in round * 5..round * 5 + 5 {
                assert_eq!(ends.remove(&key(1, session)).await, Ok(true));
            }
            server.kill();
            tokio::time::sleep(2 * LEASE).await;
            assert!(!reads.is_current(&name, &read.version));
            unavailable(reads.get(&name).await, Instant::now());
            unavailable(ends.remove(&name).await, Instant::now());
            assert!(server.begin());
            assert!(back(&reads, &name).await < Duration::from_secs(2));
            back(&ends, &name).await;
            assert!(two.lease().unwrap().generations > generations);
            assert!(!reads.is_current(&name, &read.version));
            for session in 0..round * 5 + 5 {
                for keystore in [&ends, &reads] {
                    assert!(keystore.get(&key(1, session)).await.unwrap().is_none());
                }
            }
            assert_eq!(reads.health(), Ok(()));
        }
    });
}

#[test]
fn while_a_server_stands_still_nobody_is_let_in_and_errors_come_within_a_second() {
    with_stores(|stores| async move {
        let (one, two) = (keystore(&stores.one), keystore(&stores.two));
        put(&one, &key(1, 1)).await;
        put(&one, &key(1, 2)).await;
        let read = two.get(&key(1, 1)).await.unwrap().unwrap();
        stores.server.pause();
        let paused = Instant::now();
        tokio::time::sleep(2 * LEASE).await;
        assert!(!two.is_current(&key(1, 1), &read.version));
        let begun = Instant::now();
        unavailable(two.get(&key(1, 1)).await, begun);
        let begun = Instant::now();
        unavailable(one.remove(&key(1, 2)).await, begun);
        let begun = Instant::now();
        unavailable(one.settled().await, begun);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(two.health().unwrap_err().code(), "store_unavailable");
        // Longer than the server may still make the removal.
        tokio::time::sleep(Duration::from_millis(3_500).saturating_sub(paused.elapsed())).await;
        stores.server.go_on();
        assert!(back(&two, &key(1, 1)).await < Duration::from_secs(2));
        assert!(
            !two.is_current(&key(1, 1), &read.version),
            "it was read before"
        );
        let late = two.get(&key(1, 2)).await.unwrap();
        assert_eq!(two.health(), Ok(()));
        // What came too late isn't made. If it was written down before the server was missed, the journal has made it.
        let begun = Instant::now();
        let removed = loop {
            match one.remove(&key(1, 2)).await {
                Ok(removed) => break removed,
                Err(_) => assert!(begun.elapsed() < Duration::from_secs(2)),
            }
        };
        assert_eq!(removed, late.is_some());
        assert!(two.get(&key(1, 2)).await.unwrap().is_none());
    });
}

/// Sessions have ended since the copy was made, in every way in which sessions end. None is let in, neither by the
/// processes that were at work nor by one that is started afterwards; and who has logged in anew stays.
#[test]
fn no_end_that_was_answered_is_back_in_a_server_as_it_was_earlier() {
    with_stores(|stores| async move {
        let Redis { one, two, server } = &*stores;
        let (ends, reads) = (keystore(one), keystore(two));
        for session in 0..10 {
            put(&ends, &key(1, session)).await;
            put(&ends, &key(2, session)).await;
        }
        put(&ends, &key(90, 0)).await;
        let earlier = copied(server.home());
        let mut warm = Vec::new();
        for session in 0..10 {
            warm.push(reads.get(&key(1, session)).await.unwrap().unwrap());
        }
        assert_eq!(ends.remove(&key(1, 0)).await, Ok(true));
        assert_eq!(ends.remove_if(&key(1, 1), &warm[1]).await, Ok(true));
        let others = [(key(1, 2), warm[2].clone())];
        let (name, new) = (key(1, 20), record(3));
        let swap = ends.put_new_and_remove(&name, &new, &others).await;
        assert_eq!(swap, Ok(Swap::Won));
        let note = ends.note(1, b"x").unwrap();
        let swap = ends.noting(Some(note));
        let swap = swap.replace(&key(1, 3), &warm[3], &record(7)).await;
        assert_eq!(swap, Ok(Swap::Won));
        let gone = ends.remove_user_but(user(2), &key(2, 5)).await;
        assert_eq!(gone.unwrap().len(), 9);
        // Who has ended and logs in anew under the same name.
        put(&ends, &key(2, 4)).await;
        let ended = |session| session < 4;
        server.put_back(earlier.path());
        let begun = Instant::now();
        while reads.get(&key(1, 9)).await.is_err() {
            for session in 0..4 {
                assert!(!reads.is_current(
                    &key(1, session),
                    &warm[usize::try_from(session).unwrap()].version
                ));
            }
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        let fresh = keystore(&Arc::new(opened(&server.url()).await.unwrap()));
        back(&ends, &key(1, 9)).await;
        for keystore in [&reads, &ends, &fresh] {
            for session in 0..10 {
                let found = keystore.get(&key(1, session)).await.unwrap();
                assert_eq!(found.is_none(), ended(session), "{session}");
                let found = keystore.get(&key(2, session)).await.unwrap();
                assert_eq!(found.is_some(), session == 5, "{session}");
            }
            assert!(keystore.get(&key(90, 0)).await.unwrap().is_some());
            assert_eq!(keystore.health(), Ok(()));
        }
        // They log in anew, and another restart takes nothing from them.
        for name in [key(1, 0), key(1, 3), key(2, 4)] {
            put(&ends, &name).await;
        }
        server.kill();
        assert!(server.begin());
        back(&reads, &key(1, 0)).await;
        let fresh = keystore(&Arc::new(opened(&server.url()).await.unwrap()));
        for name in [key(1, 0), key(1, 3), key(2, 4)] {
            assert!(fresh.get(&name).await.unwrap().is_some(), "{name}");
        }
    });
}

/// All have ended since, and whoever has logged in afterwards hasn't.
#[test]
fn the_end_of_all_is_made_once_more_and_spares_who_came_later() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        for name in 0..40 {
            put(&ends, &key(name * 6, 1)).await;
        }
        let earlier = copied(server.home());
        assert_eq!(ends.remove_all().await, Ok(40));
        put(&ends, &key(6, 2)).await;
        let later = copied(server.home());
        for (files, left) in [(later.path(), 1), (earlier.path(), 0)] {
            server.put_back(files);
            let fresh = keystore(&Arc::new(opened(&server.url()).await.unwrap()));
            assert_eq!(fresh.stats().await.unwrap().records, left);
        }
    });
}

#[test]
fn a_server_that_was_emptied_is_refused_until_a_process_is_started_anew() {
    with_stores(|stores| async move {
        let one = keystore(&stores.one);
        put(&one, &key(2, 1)).await;
        assert_eq!(one.remove_all().await, Ok(1));
        put(&one, &key(1, 1)).await;
        let read = one.get(&key(1, 1)).await.unwrap().unwrap();
        assert_eq!(stores.server.says(&["FLUSHALL"]).trim(), "OK");
        tokio::time::sleep(3 * LEASE).await;
        assert!(!one.is_current(&key(1, 1), &read.version));
        assert!(one.get(&key(1, 1)).await.is_err());
        assert!(one.put_new(&key(1, 2), &read.record).await.is_err());
        assert_eq!(stores.server.says(&["DBSIZE"]).trim(), "0");
        // Whoever is started anew makes it once more, empty, and all go on. What had ended before ends nobody who comes now.
        assert!(stores.two.remove_all().await.is_err());
        let two = keystore(&Arc::new(opened(&stores.server.url()).await.unwrap()));
        back(&one, &key(1, 1)).await;
        for keystore in [&one, &two] {
            assert!(keystore.get(&key(1, 1)).await.unwrap().is_none());
        }
        put(&one, &key(1, 1)).await;
        stores.server.kill();
        assert!(stores.server.begin());
        back(&two, &key(1, 1)).await;
        assert!(two.get(&key(1, 1)).await.unwrap().is_some());
    });
}

/// Without the confirmation of its replica a change isn't answered, nor a poll counted.
#[test]
fn a_replica_that_stands_still_holds_up_answers_and_leases() {
    with_stores(|stores| async move {
        let (one, two) = (keystore(&stores.one), keystore(&stores.two));
        let port = stores.server.port.to_string();
        let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {port}")]);
        let begun = Instant::now();
        while !replica.says(&["ROLE"]).contains("connected") {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(20));
        }
        // One that has just come confirms nothing while it writes down what it has got.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut in_a_row = 0;
        while in_a_row < 3 {
            in_a_row = if one.settled().await.is_ok() {
                in_a_row + 1
            } else {
                0
            };
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
        back(&two, &key(1, 1)).await;
        for session in 1..3 {
            put(&one, &key(1, session)).await;
        }
        assert_eq!(one.remove(&key(1, 1)).await, Ok(true));
        let read = two.get(&key(1, 2)).await.unwrap().unwrap();
        replica.pause();
        let begun = Instant::now();
        unavailable(one.remove(&key(1, 2)).await, begun);
        assert!(!two.is_current(&key(1, 2), &read.version));
        let begun = Instant::now();
        unavailable(two.get(&key(1, 2)).await, begun);
        replica.go_on();
        back(&two, &key(1, 2)).await;
        let begun = Instant::now();
        while one.remove(&key(1, 2)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
        assert_eq!(two.get(&key(1, 2)).await.unwrap().map(|_| ()), None);
        // The replica itself is no server to ask.
        let refused = opened(&replica.url()).await.unwrap_err();
        assert_eq!(refused.code(), "store_unavailable");
    });
}

/// Also where a lease is longer than replicas are waited for: polls go on, and don't count.
#[test]
fn a_poll_that_no_replica_confirms_renews_no_lease() {
    const LONG: Duration = Duration::from_secs(1);
    if !is_available() {
        return;
    }
    lacre_keystore::conformance::run(async {
        let server = Server::start(&[]);
        let options = RedisOptions {
            lease: LONG,
            ..options()
        };
        let one = opened_with(&server.url(), options).await;
        let one = one.unwrap();
        let port = server.port.to_string();
        let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {port}")]);
        let begun = Instant::now();
        while !replica.says(&["ROLE"]).contains("connected") || one.settled().await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
        tokio::time::sleep(LONG).await;
        assert!(one.lease().unwrap().held);
        replica.pause();
        tokio::time::sleep(LONG + LONG / 5).await;
        for _ in 0..20 {
            assert!(!one.lease().unwrap().held);
            tokio::time::sleep(LONG / 20).await;
        }
        replica.go_on();
        while !one.lease().unwrap().held {
            assert!(begun.elapsed() < Duration::from_mins(1));
            tokio::time::sleep(LONG / 20).await;
        }
    });
}

/// A removal is made and the connection breaks before its answer: its process knows it all the same.
#[test]
fn a_removal_whose_answer_is_lost_is_known_to_the_process_that_made_it() {
    with_stores(|stores| async move {
        let (one, two) = (Arc::new(keystore(&stores.one)), keystore(&stores.two));
        for round in 0..20 {
            let name = key(1, round);
            put(&one, &name).await;
            let read = one.get(&name).await.unwrap().unwrap();
            let asking = Arc::clone(&one);
            let asked = tokio::spawn(async move { asking.remove(&name).await });
            tokio::time::sleep(Duration::from_micros(400 * round)).await;
            stores.server.says(&["CLIENT", "KILL", "TYPE", "normal"]);
            let answer = asked.await.unwrap();
            let begun = Instant::now();
            let gone = loop {
                // Whether or not it was made: one that is answered now says it, and is known here.
                match two.remove(&name).await {
                    Ok(removed) => break removed,
                    Err(error) => assert_eq!(error.code(), "store_unavailable"),
                }
                assert!(begun.elapsed() < Duration::from_secs(5));
            };
            assert!(answer != Ok(true) || !gone, "it was answered, and so made");
            assert!(!one.is_current(&name, &read.version));
            back(&one, &name).await;
            assert!(one.get(&name).await.unwrap().is_none());
        }
    });
}
