//! Tables of an earlier version of this program, and an earlier version on the tables of this one.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _};

use crate::postgres::{Schema, is_available, open, put};
use crate::support::key;

/// The layouts before this one, as their versions made them.
const EARLIER: [&str; 5] = [
    include_str!("../../src/shared/postgres/schema/1.sql"),
    include_str!("../../src/shared/postgres/schema/2.sql"),
    include_str!("../../src/shared/postgres/schema/3.sql"),
    include_str!("../../src/shared/postgres/schema/4.sql"),
    include_str!("../../src/shared/postgres/schema/5.sql"),
];

#[test]
fn tables_of_an_earlier_layout_are_brought_to_this_one_and_keep_what_they_have() {
    if !is_available() {
        return;
    }
    lacre_keystore::conformance::run(async {
        for layout in 1..=EARLIER.len() {
            let schema = Schema::new().await;
            let fresh = open(&Arc::new(schema.open().await.unwrap()));
            put(&fresh, &key(1, 1)).await;
            let before = fresh.get(&key(1, 1)).await.unwrap().unwrap();
            drop(fresh);
            let earlier = Schema::new().await;
            let mut by_hand = earlier.connection().await;
            for sql in &EARLIER[..layout] {
                by_hand.execute(*sql).await.unwrap();
            }
            let copied = format!(
                "INSERT INTO keystore_meta (version, oldest, lease_us) VALUES ({layout}, 1, 20000); \
                 INSERT INTO keystore_sessions (key, sealed, expires_at) \
                 SELECT key, sealed, expires_at FROM {}.keystore_sessions",
                schema.name()
            );
            by_hand.execute(AssertSqlSafe(copied)).await.unwrap();
            let opening: Vec<_> = (0..3).map(|_| earlier.open()).collect();
            let opened = futures_util::future::join_all(opening).await;
            for store in opened {
                let keystore = open(&Arc::new(store.unwrap()));
                let read = keystore.get(&key(1, 1)).await.unwrap().unwrap();
                assert_eq!(read.record, before.record);
            }
            let version: i32 = sqlx::query_scalar("SELECT version FROM keystore_meta")
                .fetch_one(&mut by_hand)
                .await
                .unwrap();
            assert_eq!(version, 1 + i32::try_from(EARLIER.len()).unwrap());
        }
    });
}

/// What a process of the first layout does, on the tables of this version: a record that it puts is there, and one that it
/// ends is not current here from the time on at which it answers.
#[test]
fn a_process_of_the_first_layout_goes_on_beside_this_one() {
    if !is_available() {
        return;
    }
    lacre_keystore::conformance::run(async {
        let schema = Schema::new().await;
        let keystore = open(&Arc::new(schema.open().await.unwrap()));
        let mut by_hand = schema.connection().await;
        for round in 0..3 {
            put(&keystore, &key(1, round)).await;
            let read = keystore.get(&key(1, round)).await.unwrap().unwrap();
            // It takes the record away, and puts it again, by the statements of its version.
            let sealed: Vec<u8> = sqlx::query_scalar(
                "WITH c AS (DELETE FROM keystore_sessions WHERE key = $1 RETURNING key, sealed), \
                 e AS (INSERT INTO keystore_ends (key, gone, node) SELECT key, true, 77 FROM c RETURNING xid) \
                 SELECT sealed FROM c",
            )
            .bind(&key(1, round).to_bytes()[..])
            .fetch_one(&mut by_hand)
            .await
            .unwrap();
            tokio::time::sleep(Duration::from_millis(21)).await;
            assert!(!keystore.is_current(&key(1, round), &read.version));
            assert!(keystore.get(&key(1, round)).await.unwrap().is_none());
            sqlx::query(
                "INSERT INTO keystore_sessions (key, sealed, expires_at) VALUES ($1, $2, 1)",
            )
            .bind(&key(1, round).to_bytes()[..])
            .bind(sealed)
            .execute(&mut by_hand)
            .await
            .unwrap();
            assert!(keystore.get(&key(1, round)).await.unwrap().is_some());
            // All records end for it as well: it sees none when that is answered.
            assert_eq!(keystore.remove_all().await, Ok(1));
            let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM keystore_sessions")
                .fetch_one(&mut by_hand)
                .await
                .unwrap();
            assert_eq!(seen, 0);
        }
    });
}
