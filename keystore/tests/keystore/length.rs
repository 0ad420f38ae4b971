//! The lease of a database whose records are elsewhere is longer than that of one that has them.

use std::time::{Duration, Instant};

use lacre_keystore::Cluster;
use sqlx::{Connection as _, Executor as _};

use crate::postgres::{LEASE, with_stores};

/// How long it is there.
const LONG: Duration = LEASE.saturating_mul(5);

async fn put_elsewhere(cluster: &Cluster) {
    let place = Some("redis:abc".to_owned());
    cluster.put_elsewhere(place).await.unwrap();
}

/// How long the answer to a change took that was made.
async fn put(cluster: &Cluster, seen: u64) -> Duration {
    let begun = Instant::now();
    let put = cluster.put_common(seen, vec![7]).await;
    assert_eq!(put, Ok(Some(seen + 1)));
    begun.elapsed()
}

#[test]
fn a_database_whose_records_are_elsewhere_has_a_longer_lease() {
    with_stores(|stores| async move {
        let (one, two) = (stores.one.cluster(), stores.two.cluster());
        let rounds = async |least: Duration| {
            let before = two.lease().rounds;
            let begun = Instant::now();
            while begun.elapsed() < least {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let polls = u32::try_from(two.lease().rounds - before).unwrap();
            begun.elapsed() / polls
        };
        one.lengthen().await.unwrap();
        assert!(
            put(&one, 0).await < LONG,
            "the records are in this database"
        );
        assert!(rounds(LONG * 5).await < LEASE);
        put_elsewhere(&one).await;
        for version in 1..3 {
            one.lengthen().await.unwrap();
            let took = put(&one, version).await;
            assert!(took >= LONG && took < LONG * 4, "{took:?}");
        }
        assert!(rounds(LONG * 5).await > LEASE);
        assert!(two.lease().held);
        // Also the place that was to be made, and is.
        put_elsewhere(&one).await;
        assert!(put(&one, 3).await >= LONG);
        one.put_elsewhere(None).await.unwrap();
        let took = put(&one, 4).await;
        assert!(took >= LEASE && took < LONG, "{took:?}");
    });
}

/// It may have read the shorter length, and a process that has the longer one must find it made.
#[test]
fn a_change_under_way_is_waited_for() {
    with_stores(|stores| async move {
        let cluster = stores.one.cluster();
        put(&cluster, 0).await;
        put_elsewhere(&cluster).await;
        let mut by_hand = stores.schema.connection().await;
        let mut change = by_hand.begin().await.unwrap();
        let changed = "UPDATE keystore_common SET version = version + 1";
        change.execute(changed).await.unwrap();
        let lengthening = tokio::spawn({
            let cluster = cluster.clone();
            async move { cluster.lengthen().await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!lengthening.is_finished());
        change.commit().await.unwrap();
        assert_eq!(lengthening.await.unwrap(), Ok(()));
        assert!(put(&cluster, 2).await >= LONG);
    });
}

/// Whatever the plan of its statement is: the first one, or one that is kept.
#[test]
fn a_change_that_comes_meanwhile_waits_for_the_longer_lease() {
    for before in [0, 1, 12] {
        with_stores(|stores| async move {
            let cluster = stores.one.cluster();
            for version in 0..before {
                put(&cluster, version).await;
            }
            put_elsewhere(&cluster).await;
            let mut by_hand = stores.schema.connection().await;
            let mut holding = by_hand.begin().await.unwrap();
            holding
                .execute("SELECT 1 FROM keystore_meta FOR UPDATE")
                .await
                .unwrap();
            let lengthening = tokio::spawn({
                let cluster = cluster.clone();
                async move { cluster.lengthen().await }
            });
            tokio::time::sleep(Duration::from_millis(100)).await;
            let putting = tokio::spawn(async move {
                let put = cluster.put_common(before, vec![8]).await;
                (put, Instant::now())
            });
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!lengthening.is_finished() && !putting.is_finished());
            let begun = Instant::now();
            holding.commit().await.unwrap();
            assert_eq!(lengthening.await.unwrap(), Ok(()));
            let (put, answered) = putting.await.unwrap();
            assert_eq!(put, Ok(Some(before + 1)));
            assert!(answered - begun >= LONG);
        });
    }
}
