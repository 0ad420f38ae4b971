//! All records leave servers, or come to them: nobody changes any meanwhile, whoever asks, and nothing is used in two places.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lacre_keystore::moving::bring;
use lacre_keystore::{
    Keystore, LocalStore, MemoryEngine, Moved, PostgresMove, RecordKey, RedisMove, redis_look,
};
use rand::rngs::SysRng;

use super::beside::journal_url;
use super::cluster::repaired;
use super::faults::unavailable;
use super::server::{Cluster, Server, is_available};
use super::{LEASE, journal_at, keystore, opened, opened_with, options, put, with_stores};
use crate::support::{child, key, record, ring, user};

async fn mover(url: &str, holder: &str) -> RedisMove {
    RedisMove::open(url, holder).await.unwrap()
}

fn local() -> Keystore {
    let store = LocalStore::open(MemoryEngine::new()).unwrap();
    Keystore::open(store, ring(), SysRng).unwrap()
}

/// All that is there, as the servers have it.
async fn copied(moving: &RedisMove) -> Vec<(RecordKey, Vec<u8>)> {
    let copy = local();
    bring(moving, &copy, |_| Ok(())).await.unwrap();
    copy.export(None, 10_000).await.unwrap().entries
}

fn says(server: &Server, command: &[&str]) {
    let said = server.says(command);
    assert!(!said.contains("ERR"), "{command:?}: {said}");
}

/// Those of other processes are refused as well, and none comes late.
#[test]
fn nothing_changes_while_changes_are_held_and_everything_is_read() {
    with_stores(|stores| async move {
        let (one, two) = (keystore(&stores.one), keystore(&stores.two));
        for session in 0..40 {
            put(&one, &key(1, session)).await;
        }
        let read = two.get(&key(1, 0)).await.unwrap().unwrap();
        let over = Arc::<AtomicBool>::default();
        let writers: Vec<_> = [&one, &two, &one, &two]
            .into_iter()
            .enumerate()
            .map(|(writer, keystore)| {
                let (keystore, over) = (keystore.clone(), Arc::clone(&over));
                tokio::spawn(async move {
                    let (mut live, mut ended) = (Vec::new(), Vec::new());
                    for session in 0.. {
                        if over.load(Ordering::SeqCst) {
                            break;
                        }
                        let name = key(u8::try_from(20 * writer).unwrap(), 1_000 + session);
                        if keystore.put_new(&name, &record(1)).await.is_err() {
                            continue;
                        }
                        live.push(name);
                        if session % 2 == 0 && keystore.remove(&name).await == Ok(true) {
                            live.pop();
                            ended.push(name);
                        }
                    }
                    (live, ended)
                })
            })
            .collect();
        tokio::time::sleep(25 * LEASE).await;
        let moving = mover(&stores.server.url(), "me").await;
        moving.hold().await.unwrap();
        let held = copied(&moving).await;
        tokio::time::sleep(4 * LEASE).await;
        let mut refused = child(
            "redis::moving::a_process_that_is_refused",
            stores.server.url(),
        );
        assert!(refused.wait().unwrap().success());
        for keystore in [&one, &two] {
            unavailable(keystore.remove(&key(1, 0)).await, Instant::now());
            unavailable(keystore.remove_user(user(1)).await, Instant::now());
            unavailable(keystore.remove_all().await, Instant::now());
            unavailable(
                keystore.put_new(&key(1, 99), &record(1)).await,
                Instant::now(),
            );
            unavailable(
                keystore
                    .compare_and_swap(&key(1, 0), &read, &record(2))
                    .await,
                Instant::now(),
            );
            assert!(keystore.get(&key(1, 0)).await.unwrap().is_some());
            assert_eq!(keystore.health(), Ok(()));
        }
        // What is in use is let in. A busy machine lets a lease lapse, and then another look is taken.
        let begun = Instant::now();
        loop {
            let read = two.get(&key(1, 0)).await.unwrap().unwrap();
            if two.is_current(&key(1, 0), &read.version) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        assert_eq!(copied(&moving).await, held);
        over.store(true, Ordering::SeqCst);
        for writer in writers {
            let (live, ended) = writer.await.unwrap();
            let is_there = |name| held.iter().any(|(key, _)| *key == name);
            assert!(live.len() > 1 && !ended.is_empty());
            // The last one may have been refused its end.
            assert!(live[..live.len() - 1].iter().all(|name| is_there(*name)));
            assert!(!ended.iter().any(|name| is_there(*name)));
        }
        moving.release().await.unwrap();
        assert_eq!(one.remove(&key(1, 0)).await, Ok(true));
        // What was refused is not made by the journal, when a server is another one.
        let before = one.list_all(None, 10_000).await.unwrap().entries.len();
        stores.server.kill();
        assert!(stores.server.begin());
        let fresh = keystore(&Arc::new(opened(&stores.server.url()).await.unwrap()));
        assert_eq!(
            fresh.list_all(None, 10_000).await.unwrap().entries.len(),
            before
        );
    });
}

#[test]
#[ignore = "the other process of nothing_changes_while_changes_are_held_and_everything_is_read"]
fn a_process_that_is_refused() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    lacre_keystore::conformance::run(async {
        // It starts meanwhile, and has a lease.
        let other = keystore(&Arc::new(opened(line.trim()).await.unwrap()));
        unavailable(other.remove(&key(1, 0)).await, Instant::now());
        assert!(other.get(&key(1, 0)).await.unwrap().is_some());
    });
}

#[test]
fn a_hold_whose_holder_has_gone_ends_and_he_finds_out_if_he_hasnt() {
    with_stores(|stores| async move {
        let one = keystore(&stores.one);
        put(&one, &key(1, 1)).await;
        let moving = mover(&stores.server.url(), "me").await;
        moving.hold().await.unwrap();
        // As one that is killed.
        drop(moving);
        let begun = Instant::now();
        unavailable(one.remove(&key(1, 1)).await, begun);
        while one.remove(&key(1, 1)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(8));
            tokio::time::sleep(LEASE).await;
        }
        // One who stands still: his hold is over, and somebody has made a change.
        let moving = mover(&stores.server.url(), "me").await;
        moving.hold().await.unwrap();
        let over = ["HSET", "{lacre-00}:m", "hold_until", "1"];
        let begun = Instant::now();
        loop {
            says(&stores.server, &over);
            if put_another(&one).await {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        assert_eq!(moving.leave("7", "elsewhere").await, Ok(false));
        moving.release().await.unwrap();
        for session in 0..130 {
            put(
                &one,
                &key(u8::try_from(session * 2 % 255).unwrap(), 5 + session),
            )
            .await;
        }
        // Long, and nobody has changed anything.
        moving.hold().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        unavailable(one.remove(&key(0, 5)).await, Instant::now());
        assert_eq!(moving.leave("8", "elsewhere").await, Ok(true));
    });
}

async fn put_another(keystore: &Keystore) -> bool {
    // In the first bucket.
    keystore.put_new(&key(1, 77), &record(1)).await.is_ok()
}

#[test]
fn servers_that_were_left_answer_nothing_and_may_be_come_to_by_another_store() {
    with_stores(|stores| async move {
        let url = stores.server.url();
        let (one, two) = (keystore(&stores.one), keystore(&stores.two));
        put(&one, &key(1, 1)).await;
        put(&one, &key(200, 1)).await;
        let read = two.get(&key(200, 1)).await.unwrap().unwrap();
        let moving = mover(&url, "me").await;
        moving.hold().await.unwrap();
        assert_eq!(moving.leave("7", "elsewhere").await, Ok(true));
        assert!(!two.is_current(&key(200, 1), &read.version));
        for keystore in [&one, &two] {
            unavailable(keystore.get(&key(1, 1)).await, Instant::now());
            unavailable(keystore.remove(&key(200, 1)).await, Instant::now());
            unavailable(
                keystore.put_new(&key(9, 9), &record(1)).await,
                Instant::now(),
            );
        }
        let left = Moved::Left {
            id: "7".to_owned(),
            about: "elsewhere".to_owned(),
        };
        assert_eq!(moving.moved().await, Ok(Some(left.clone())));
        assert_eq!(redis_look(&url).await.unwrap().moved, Some(left));
        let refused = opened(&url).await.unwrap_err();
        assert_eq!(refused.code(), "store_moved");
        assert_eq!(
            moving.leave("7", "elsewhere").await,
            Ok(false),
            "nobody holds it"
        );
        // What a move leaves that was cut off isn't taken back where it had left.
        moving.release().await.unwrap();
        assert_eq!(opened(&url).await.unwrap_err().code(), "store_moved");
        assert_eq!(moving.begin(("9", "ours"), LEASE, 5).await, Ok(true));
        assert_eq!(moving.records().await, Ok(0));
        let mut other = options();
        other.deployment = "9".to_owned();
        let refused = opened_with(&url, other.clone()).await.unwrap_err();
        assert_eq!(refused.code(), "migration_unfinished");
        assert_eq!(
            mover(&url, "x")
                .await
                .begin(("10", "theirs"), LEASE, 5)
                .await,
            Ok(false)
        );
        assert_eq!(moving.ready("10").await, Ok(false));
        assert_eq!(moving.ready("9").await, Ok(true));
        assert_eq!(moving.ready("9").await, Ok(true));
        assert_eq!(
            moving.begin(("11", "ours"), LEASE, 5).await,
            Ok(false),
            "it is used"
        );
        assert!(opened_with(&url, other).await.is_ok());
        // Those of before know that it isn't theirs.
        for keystore in [&one, &two] {
            unavailable(keystore.get(&key(1, 1)).await, Instant::now());
        }
    });
}

#[test]
fn a_move_that_was_cut_off_while_it_left_is_taken_back_by_the_next() {
    with_stores(|stores| async move {
        let (one, url) = (keystore(&stores.one), stores.server.url());
        put(&one, &key(1, 1)).await;
        put(&one, &key(200, 1)).await;
        let moving = mover(&url, "me").await;
        moving.hold().await.unwrap();
        drop(moving);
        // That of user 200.
        let meta = "{lacre-50}:m";
        says(
            &stores.server,
            &[
                "HSET", meta, "moved", "7", "moved_to", "x", "leased", "40000",
            ],
        );
        says(
            &stores.server,
            &["HDEL", meta, "lease", "hold", "hold_until"],
        );
        unavailable(one.remove(&key(200, 1)).await, Instant::now());
        let journal = journal_at(&journal_url(&url), 7).await.unwrap();
        mover(&url, "me").await.prepare(&journal).await.unwrap();
        let begun = Instant::now();
        for name in [key(200, 1), key(1, 1)] {
            while one.remove(&name).await.is_err() {
                assert!(begun.elapsed() < Duration::from_secs(3));
            }
        }
    });
}

/// Records go round: what the journal says of ends of before they came is of others.
#[test]
fn records_go_from_servers_and_back_and_no_end_of_before_counts_against_them() {
    with_stores(|stores| async move {
        let (from, url) = (keystore(&stores.one), stores.server.url());
        for number in 0_u64..700 {
            put(
                &from,
                &key(u8::try_from(number % 250).unwrap(), number / 250),
            )
            .await;
        }
        let gone = from.remove_user(user(7)).await.unwrap();
        assert!(!gone.is_empty());
        let (moving, between) = (mover(&url, "me").await, local());
        let round = bring(&moving, &between, |_| Ok(())).await.unwrap();
        assert_eq!(round.records, 700 - gone.len() as u64);
        assert_eq!(from.remove(&key(9, 0)).await, Ok(true));
        moving.hold().await.unwrap();
        let round = bring(&moving, &between, |_| Ok(())).await.unwrap();
        assert_eq!((round.changes(), round.removed), (1, 1));
        assert_eq!(moving.leave("7", "elsewhere").await, Ok(true));
        // The user logs in again, meanwhile, and so does another under the very key that had ended.
        put(&between, &key(7, 50)).await;
        put(&between, &key(9, 0)).await;
        let theirs = between.export(None, 4096).await.unwrap();
        let rest = PostgresMove::open(&journal_url(&url), LEASE).await.unwrap();
        let journalled = rest.journalled().await.unwrap();
        assert!(journalled > 2);
        drop(rest);
        assert_eq!(
            moving.begin(("8", "ours"), LEASE, journalled).await,
            Ok(true)
        );
        bring(&between, &moving, |_| Ok(())).await.unwrap();
        let again = bring(&between, &moving, |_| Ok(())).await.unwrap();
        assert_eq!(
            (again.records, again.changes()),
            (theirs.entries.len() as u64, 0)
        );
        moving.confirm().await.unwrap();
        assert_eq!(moving.ready("8").await, Ok(true));
        let mut now = options();
        now.deployment = "8".to_owned();
        let back = keystore(&Arc::new(opened_with(&url, now).await.unwrap()));
        assert_eq!(back.export(None, 4096).await.unwrap(), theirs);
        assert_eq!(back.remove_user(user(7)).await, Ok(vec![key(7, 50)]));
        assert_eq!(back.remove(&key(9, 0)).await, Ok(true));
    });
}

/// The hold is on the replica that takes over. The store isn't left then, and changes are taken again; or whoever moves the
/// records holds them once more at the servers of then, reads everything again, and leaves those.
#[test]
fn a_hold_outlives_a_primary_and_a_move_doesnt_go_on_behind_it() {
    if !is_available() {
        return;
    }
    lacre_keystore::conformance::run(async {
        let cluster = Cluster::start(true);
        let one = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
        put(&one, &key(1, 1)).await;
        put(&one, &key(200, 1)).await;
        let moving = mover(&cluster.url(), "me").await;
        moving.hold().await.unwrap();
        let before = copied(&moving).await;
        assert_eq!(before.len(), 2);
        // The slot of user 1.
        let (primary, replica) = cluster.of(3_407);
        cluster.servers[primary].kill();
        cluster.wait(|cluster| cluster.of(3_407).0 != primary);
        let hold = ["HGET", "{lacre-00}:m", "hold"];
        assert_eq!(cluster.servers[replica.unwrap()].says(&hold).trim(), "me");
        assert_ne!(moving.leave("7", "elsewhere").await, Ok(true));
        moving.release().await.unwrap();
        let begun = Instant::now();
        for name in [key(1, 1), key(200, 1)] {
            while one.remove(&name).await.is_err() {
                assert!(begun.elapsed() < Duration::from_secs(15));
            }
        }
        // Another primary fails, and the move goes on.
        assert!(cluster.servers[primary].begin());
        repaired(&cluster);
        while one.put_new(&key(1, 2), &record(1)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(40));
        }
        let moving = mover(&cluster.url(), "me").await;
        moving.hold().await.unwrap();
        assert_eq!(copied(&moving).await.len(), 1);
        let (primary, _) = cluster.of(3_407);
        cluster.servers[primary].kill();
        cluster.wait(|cluster| cluster.of(3_407).0 != primary);
        assert_ne!(moving.leave("8", "elsewhere").await, Ok(true));
        let journal = journal_at(&journal_url(&cluster.url()), 7).await.unwrap();
        while moving.again().await.is_err() || moving.prepare(&journal).await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1));
        }
        // Nothing is held by the servers of now.
        while one.remove(&key(1, 2)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_mins(1));
        }
        put(&one, &key(1, 3)).await;
        moving.hold().await.unwrap();
        let found = copied(&moving).await;
        assert_eq!(
            found.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            [key(1, 3)]
        );
        assert_eq!(moving.leave("8", "elsewhere").await, Ok(true));
        unavailable(one.get(&key(1, 3)).await, Instant::now());
        assert_eq!(
            opened(&cluster.url()).await.unwrap_err().code(),
            "store_moved"
        );
    });
}
