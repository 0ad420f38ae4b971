//! A cluster of three primaries and their replicas, of which one after the other fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lacre_keystore::{Keystore, RedisWeakness, redis_weaknesses};

use super::server::{Cluster, copied, is_available};
use super::{LEASE, keystore, opened, put};
use crate::support::key;

/// How often each fault comes: once here, and often by `make cluster`, or as often as `LACRE_TEST_CLUSTER` says above 1.
#[allow(clippy::disallowed_methods)] // the test's own switch
fn times(full: u64) -> u64 {
    match std::env::var("LACRE_TEST_CLUSTER") {
        Ok(asked) => asked
            .parse()
            .ok()
            .filter(|times| *times > 1)
            .unwrap_or(full),
        Err(_) => 1,
    }
}

/// The slot of the first bucket, where the sessions of user 1 are.
const SLOT: u16 = 3_407;

fn with_cluster<A: Future<Output = ()>>(test: impl FnOnce(Arc<Cluster>) -> A) {
    if is_available() {
        lacre_keystore::conformance::run(async { test(Arc::new(Cluster::start(true))).await });
    }
}

async fn back(keystore: &Keystore, within: Duration) {
    let begun = Instant::now();
    while keystore.get(&key(1, u64::MAX)).await.is_err() {
        assert!(begun.elapsed() < within, "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sessions of all parts end one after the other at one node, while another looks after each answer whether it would let
/// anybody in; meanwhile `fault` comes. In the end nothing that was answered is back.
async fn drill<A: Future<Output = ()>>(cluster: &Cluster, round: u64, fault: A) {
    const SESSIONS: u64 = 400;
    let one = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
    let two = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
    let name = move |session: u64| {
        let user = u8::try_from(session % 13 * 20 + 1).unwrap_or(1);
        key(user, round * SESSIONS + session)
    };
    let mut warm = Vec::new();
    for session in 0..SESSIONS {
        put(&one, &name(session)).await;
        let read = two.get(&name(session)).await.unwrap().unwrap();
        warm.push(read.version);
    }
    let over = Arc::<AtomicBool>::default();
    let answered = Arc::<AtomicU64>::default();
    let (stop, count) = (Arc::clone(&over), Arc::clone(&answered));
    let ending = one.clone();
    let ends = tokio::spawn(async move {
        let mut ended = Vec::new();
        for (session, version) in (0..SESSIONS).zip(warm) {
            if stop.load(Ordering::SeqCst) && ended.len() > 40 {
                break;
            }
            if ending.remove(&name(session)).await.is_ok() {
                assert!(
                    !two.is_current(&name(session), &version),
                    "let in, {session}"
                );
                let found = two.get(&name(session)).await;
                assert!(!found.is_ok_and(|found| found.is_some()), "read, {session}");
                ended.push(session);
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
        ended
    });
    while answered.load(Ordering::SeqCst) < 5 {
        tokio::time::sleep(LEASE).await;
    }
    fault.await;
    back(&one, Duration::from_secs(15)).await;
    over.store(true, Ordering::SeqCst);
    let ended = ends.await.unwrap();
    let fresh = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
    for session in &ended {
        let found = fresh.get(&name(*session)).await.unwrap();
        assert!(found.is_none(), "{session} is back");
    }
    assert_eq!(one.health(), Ok(()));
    assert!(ended.len() >= 5, "{}", ended.len());
}

/// A server that was away is there again, and a replica.
pub(super) fn repaired(cluster: &Cluster) {
    cluster.wait(|cluster| {
        let roles = cluster.servers.iter().map(|server| server.says(&["ROLE"]));
        let roles: Vec<_> = roles.collect();
        let linked = |role: &&String| role.starts_with("slave") && role.contains("connected");
        let primaries = roles.iter().filter(|role| role.starts_with("master"));
        let well = cluster.servers.iter().all(|server| {
            let nodes = server.says(&["CLUSTER", "NODES"]);
            !nodes.contains("fail")
                && server
                    .says(&["CLUSTER", "INFO"])
                    .contains("cluster_state:ok")
        });
        well && roles.iter().filter(linked).count() == 3 && primaries.count() == 3
    });
}

#[test]
fn nothing_that_was_answered_is_let_in_when_a_primary_is_killed() {
    with_cluster(|cluster| async move {
        for round in 0..times(100) {
            let (primary, _) = cluster.of(SLOT);
            drill(&cluster, round, async { cluster.servers[primary].kill() }).await;
            assert_ne!(cluster.of(SLOT).0, primary);
            assert!(cluster.servers[primary].begin());
            repaired(&cluster);
        }
    });
}

#[test]
fn nothing_that_was_answered_is_let_in_when_a_primary_stands_still_and_comes_back() {
    with_cluster(|cluster| async move {
        for round in 0..times(50) {
            let (primary, _) = cluster.of(SLOT);
            drill(&cluster, round, async {
                cluster.servers[primary].pause();
                tokio::time::sleep(Duration::from_secs(4)).await;
                cluster.servers[primary].go_on();
            })
            .await;
            repaired(&cluster);
        }
    });
}

#[test]
fn nothing_that_was_answered_is_let_in_when_a_replica_is_promoted_by_hand() {
    with_cluster(|cluster| async move {
        // With the primary's consent, and without asking it.
        let hows = (0..times(40)).map(|_| None);
        let hows = hows.chain((0..times(20)).map(|_| Some("FORCE")));
        for (round, how) in (0..).zip(hows) {
            let (primary, replica) = cluster.of(SLOT);
            let command: Vec<_> = ["CLUSTER", "FAILOVER"].into_iter().chain(how).collect();
            let server = &cluster.servers[replica.unwrap()];
            drill(&cluster, round, async {
                assert_eq!(server.says(&command).trim(), "OK");
                tokio::time::sleep(Duration::from_millis(500)).await;
            })
            .await;
            assert_ne!(cluster.of(SLOT).0, primary, "{how:?}");
            repaired(&cluster);
        }
    });
}

/// Both are put back to a copy of before, the primary and its replica: two faults at once.
#[test]
fn no_end_that_was_answered_is_back_where_a_primary_and_its_replica_are_as_they_were_earlier() {
    with_cluster(|cluster| async move {
        for round in 0..times(20) {
            let one = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
            let two = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
            let name = |session: u64| {
                let user = u8::try_from(session % 13 * 20 + 1).unwrap();
                key(user, round * 100 + session)
            };
            for session in 0..60 {
                put(&one, &name(session)).await;
            }
            let (primary, replica) = cluster.of(SLOT);
            let both = [primary, replica.unwrap()];
            let earlier = both.map(|server| copied(cluster.servers[server].home()));
            for session in 0..30 {
                assert_eq!(one.remove(&name(session)).await, Ok(true));
            }
            for server in both {
                cluster.servers[server].kill();
            }
            for (server, earlier) in both.iter().zip(&earlier) {
                cluster.servers[*server].put_back(earlier.path());
            }
            repaired(&cluster);
            back(&one, Duration::from_secs(15)).await;
            back(&two, Duration::from_secs(15)).await;
            let fresh = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
            for keystore in [&one, &two, &fresh] {
                for session in 0..60 {
                    let found = keystore.get(&name(session)).await.unwrap();
                    assert_eq!(found.is_some(), session >= 30, "{session}");
                }
            }
            assert_eq!(one.remove_all().await, Ok(30));
        }
    });
}

/// The replica's word is waited for until the cluster has agreed that it has failed.
#[test]
fn a_replica_that_stands_still_holds_up_ends_until_it_counts_as_failed() {
    with_cluster(|cluster| async move {
        let one = keystore(&Arc::new(opened(&cluster.url()).await.unwrap()));
        put(&one, &key(1, 1)).await;
        let (primary, replica) = cluster.of(SLOT);
        let replica = replica.unwrap();
        cluster.servers[replica].pause();
        let begun = Instant::now();
        let error = one.remove(&key(1, 1)).await.unwrap_err();
        assert_eq!(error.code(), "store_unavailable");
        assert!(begun.elapsed() < Duration::from_millis(1_300));
        while one.remove(&key(1, 1)).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(15));
        }
        let nodes = cluster.servers[primary].says(&["CLUSTER", "NODES"]);
        assert!(nodes.contains("slave,fail "), "{nodes}");
        back(&one, Duration::from_secs(2)).await;
        cluster.servers[replica].go_on();
        repaired(&cluster);
        assert!(one.get(&key(1, 1)).await.unwrap().is_none());
    });
}

#[test]
fn a_cluster_whose_settings_are_wrong_is_refused() {
    if !is_available() {
        return;
    }
    lacre_keystore::conformance::run(async {
        let cluster = Cluster::start(false);
        let refused = opened(&cluster.url()).await.unwrap_err();
        assert_eq!(refused.code(), "store_not_durable");
        assert!(refused.to_string().contains("replica"), "{refused}");
        let server = &cluster.servers[2];
        let one = redis_weaknesses(&server.url()).await.unwrap();
        assert_eq!(one, [RedisWeakness::OneOfACluster, RedisWeakness::Alone]);
        let factor = ["CONFIG", "SET", "cluster-replica-validity-factor", "0"];
        assert_eq!(server.says(&factor).trim(), "OK");
        let found = redis_weaknesses(&cluster.url()).await.unwrap();
        assert_eq!(
            found,
            [RedisWeakness::NoReplica, RedisWeakness::StaleReplicas]
        );
        assert_eq!(server.says(&["DBSIZE"]).trim(), "0", "nothing was made");
        // And one server isn't a cluster.
        let alone = super::server::Server::start(&[]);
        let url = alone.url().replace("redis:", "redis+cluster:");
        let refused = opened(&url).await.unwrap_err();
        assert_eq!(refused.code(), "store_not_durable");
        assert!(refused.to_string().contains("redis://"), "{refused}");
    });
}
