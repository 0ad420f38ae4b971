//! The journal of ends: what it keeps, for how long, and what becomes of the store without it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lacre_keystore::{Journal, JournalOptions, Swap};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::beside::journal_url;
use super::faults::{back, unavailable};
use super::relay::{Relay, Way};
use super::server::{Server, copied};
use super::{LEASE, Redis, keystore, opened, opened_beside, options, put, with_stores};
use crate::support::{key, record};

async fn by_hand(server: &Server) -> PgConnection {
    PgConnection::connect(&journal_url(&server.url()))
        .await
        .unwrap()
}

pub(crate) async fn rows(server: &Server) -> i64 {
    let mut connection = by_hand(server).await;
    sqlx::query_scalar("SELECT count(*) FROM keystore_journal")
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

/// Also where the database stands still, and where it answers nothing: no end is made, and everything else goes on.
#[test]
fn without_its_journal_a_store_ends_nothing_and_goes_on_with_all_else() {
    with_stores(|stores| async move {
        let url = stores.server.url();
        let relay = Relay::before(&journal_url(&url)).await;
        let store = Arc::new(opened_beside(&relay.url, &url, options()).await.unwrap());
        let (ends, other) = (keystore(&store), keystore(&stores.two));
        for way in [Way::Cut, Way::Stalled] {
            put(&ends, &key(1, 1)).await;
            put(&ends, &key(1, 2)).await;
            assert_eq!(ends.remove(&key(1, 2)).await, Ok(true));
            let seen = ends.get(&key(1, 1)).await.unwrap().unwrap();
            relay.set(way);
            let before = Instant::now();
            unavailable(ends.remove(&key(1, 1)).await, before);
            let before = Instant::now();
            unavailable(ends.remove_user(crate::support::user(1)).await, before);
            let before = Instant::now();
            unavailable(ends.remove_if(&key(1, 1), &seen).await, before);
            let before = Instant::now();
            unavailable(ends.remove_all().await, before);
            for keystore in [&ends, &other] {
                let found = keystore.get(&key(1, 1)).await.unwrap();
                assert!(found.is_some(), "an error says that nothing has ended");
            }
            // Who logs in or refreshes isn't kept from it.
            put(&ends, &key(1, 3)).await;
            let read = ends.get(&key(1, 3)).await.unwrap().unwrap();
            let swap = ends.compare_and_swap(&key(1, 3), &read, &record(2)).await;
            assert_eq!(swap, Ok(Swap::Won));
            assert_eq!(ends.health(), Ok(()));
            relay.set(Way::Open);
            let begun = Instant::now();
            for session in [1, 3] {
                while ends.remove(&key(1, session)).await.is_err() {
                    assert!(begun.elapsed() < Duration::from_secs(3));
                }
            }
            assert_eq!(other.is_empty().await, Ok(true));
        }
    });
}

/// The ends that may be missing can't be read: nobody is let in until they can.
#[test]
fn without_its_journal_there_is_no_lease_on_a_server_that_was_started_anew() {
    with_stores(|stores| async move {
        let url = stores.server.url();
        let relay = Relay::before(&journal_url(&url)).await;
        let store = Arc::new(opened_beside(&relay.url, &url, options()).await.unwrap());
        let reads = keystore(&store);
        put(&reads, &key(1, 1)).await;
        let earlier = copied(stores.server.home());
        assert_eq!(reads.remove(&key(1, 1)).await, Ok(true));
        relay.set(Way::Cut);
        stores.server.put_back(earlier.path());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            let found = reads.get(&key(1, 1)).await;
            assert_eq!(found.unwrap_err().code(), "store_unavailable");
            tokio::time::sleep(LEASE).await;
        }
        relay.set(Way::Open);
        assert!(back(&reads, &key(1, 1)).await < Duration::from_secs(4));
        assert!(reads.get(&key(1, 1)).await.unwrap().is_none());
    });
}

/// More ends than are made with one question, all of them after the copy.
#[test]
fn very_many_ends_are_made_once_more_before_the_first_lease() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        for session in 0..40 {
            put(&ends, &key(u8::try_from(session * 6).unwrap(), session)).await;
        }
        let earlier = copied(server.home());
        let many = "INSERT INTO keystore_journal (number, place, key) \
                    SELECT nextval('keystore_journal_number'), place, sha256(place::text::bytea) \
                    FROM generate_series(1, 4500) AS place";
        let mut by_hand = by_hand(server).await;
        for session in 0..40 {
            let name = key(u8::try_from(session * 6).unwrap(), session);
            assert_eq!(ends.remove(&name).await, Ok(true));
            if session % 20 == 0 {
                by_hand.execute(many).await.unwrap();
            }
        }
        server.put_back(earlier.path());
        let fresh = keystore(&Arc::new(opened(&server.url()).await.unwrap()));
        assert_eq!(fresh.is_empty().await, Ok(true));
    });
}

/// As after the promotion of a standby that lacked some of the journal: numbers come again, and an end counts all the same.
#[test]
fn an_end_counts_also_where_numbers_have_gone_back() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        for session in 0..5 {
            put(&ends, &key(1, session)).await;
            assert_eq!(ends.remove(&key(1, session)).await, Ok(true));
        }
        put(&ends, &key(1, 7)).await;
        let earlier = copied(server.home());
        let back =
            "DELETE FROM keystore_journal; ALTER SEQUENCE keystore_journal_number RESTART WITH 1";
        by_hand(server)
            .await
            .execute(AssertSqlSafe(back))
            .await
            .unwrap();
        assert_eq!(ends.remove(&key(1, 7)).await, Ok(true));
        server.put_back(earlier.path());
        let fresh = keystore(&Arc::new(opened(&server.url()).await.unwrap()));
        assert!(fresh.get(&key(1, 7)).await.unwrap().is_none());
    });
}

/// A swap that was lost is no end: its record stays also when the ends are made once more.
#[test]
fn what_did_not_fit_is_no_end() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        put(&ends, &key(1, 1)).await;
        let read = ends.get(&key(1, 1)).await.unwrap().unwrap();
        let swap = ends.compare_and_swap(&key(1, 1), &read, &record(2)).await;
        assert_eq!(swap, Ok(Swap::Won));
        assert_eq!(ends.remove_if(&key(1, 1), &read).await, Ok(false));
        let begun = Instant::now();
        while rows(server).await > 0 {
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
        server.kill();
        assert!(server.begin());
        let fresh = keystore(&Arc::new(opened(&server.url()).await.unwrap()));
        assert!(fresh.get(&key(1, 1)).await.unwrap().is_some());
    });
}

#[test]
fn an_end_stays_written_down_for_as_long_as_any_process_says() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        put(&ends, &key(1, 1)).await;
        assert_eq!(ends.remove(&key(1, 1)).await, Ok(true));
        let mut by_hand = by_hand(server).await;
        let kept = |seconds| format!("UPDATE keystore_meta SET journal_kept = {seconds}");
        let older = "UPDATE keystore_journal SET written_at = written_at - interval '100 seconds'";
        by_hand.execute(AssertSqlSafe(kept(10))).await.unwrap();
        for (longest, left) in [(1_000, 1), (1, 1)] {
            by_hand.execute(older).await.unwrap();
            trimmed(server, longest).await;
            assert_eq!(rows(server).await, left, "{longest}");
        }
        by_hand.execute(AssertSqlSafe(kept(150))).await.unwrap();
        trimmed(server, 1).await;
        assert_eq!(rows(server).await, 0);
    });
}

/// What an opening takes away that says so.
async fn trimmed(server: &Server, longest: u64) {
    let options = JournalOptions {
        node: 7,
        writer: None,
        longest: Duration::from_secs(longest),
    };
    drop(
        Journal::open(&journal_url(&server.url()), options)
            .await
            .unwrap(),
    );
}
