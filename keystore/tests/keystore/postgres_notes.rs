//! Notes of ends where several processes leave some.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lacre_keystore::conformance::notes::settled;
use lacre_keystore::{Keystore, NotePlace, PostgresStore};
use sqlx::{Connection as _, Executor as _};

use crate::postgres::{Schema, is_available, open, put, with_stores};
use crate::support::key;

/// Two processes that write their notes down.
struct Writers {
    schema: Schema,
    one: Arc<PostgresStore>,
    two: Arc<PostgresStore>,
}

fn with_writers<A: Future<Output = ()>>(test: impl FnOnce(Arc<Writers>) -> A) {
    if is_available() {
        lacre_keystore::conformance::run(async {
            let schema = Schema::new().await;
            let writers = Writers {
                one: Arc::new(schema.open_writing("one").await.unwrap()),
                two: Arc::new(schema.open_writing("two").await.unwrap()),
                schema,
            };
            test(Arc::new(writers)).await;
        });
    }
}

/// Ends a session, which leaves a note of this time.
async fn end(keystore: &Keystore, session: u64, at: u64) {
    put(keystore, &key(1, session)).await;
    let noting = keystore.noting(Some(keystore.note(at, b"x").unwrap()));
    assert_eq!(noting.remove(&key(1, session)).await, Ok(true));
}

async fn to_write(keystore: &Keystore) -> Vec<NotePlace> {
    let notes = keystore.left_to_write(None, 100).await.unwrap();
    notes.iter().map(|note| note.place).collect()
}

fn sessions(places: &[NotePlace]) -> Vec<u64> {
    let of = |place: &NotePlace| (0..100).find(|session| key(1, *session) == place.key());
    places.iter().filter_map(of).collect()
}

#[test]
fn each_writes_down_the_notes_of_its_own_ends_and_all_read_them() {
    with_writers(|writers| async move {
        let (one, two) = (open(&writers.one), open(&writers.two));
        for session in 0..6 {
            end(if session % 2 == 0 { &one } else { &two }, session, 1).await;
        }
        assert_eq!(sessions(&to_write(&one).await), [0, 2, 4]);
        assert_eq!(sessions(&to_write(&two).await), [1, 3, 5]);
        for keystore in [&one, &two] {
            assert_eq!(keystore.left(None, 100).await.unwrap().len(), 6);
            let own = to_write(keystore).await;
            settled(keystore, own[2]).await;
        }
        one.keep_head(b"of one".to_vec()).await.unwrap();
        two.keep_head(b"of two".to_vec()).await.unwrap();
        assert_eq!(one.head().await, Ok(Some(b"of one".to_vec())));
        assert_eq!(two.head().await, Ok(Some(b"of two".to_vec())));
    });
}

/// One process forgets what is old for all, but for what another one has still to write down.
#[test]
fn a_note_stays_until_its_own_process_has_written_it_down() {
    with_writers(|writers| async move {
        let (one, two) = (open(&writers.one), open(&writers.two));
        one.keep_notes_from(0);
        for session in 0..4 {
            end(if session % 2 == 0 { &one } else { &two }, session, 1).await;
        }
        let own = to_write(&one).await;
        one.keep_notes_from(own[0].number() + 1);
        one.keep_head(b"written".to_vec()).await.unwrap();
        assert_eq!(
            two.forget(2).await,
            Ok(3),
            "its own two, and one that is written"
        );
        assert_eq!(sessions(&to_write(&one).await), [2]);
        // The name is there again after a restart, and so is what it has still to do.
        drop(one);
        let one = open(&Arc::new(writers.schema.open_writing("one").await.unwrap()));
        assert_eq!(one.head().await, Ok(Some(b"written".to_vec())));
        assert_eq!(sessions(&to_write(&one).await), [2]);
        assert_eq!(two.forget(2).await, Ok(0));
        drop(one);
        let mut by_hand = writers.schema.connection().await;
        by_hand
            .execute("UPDATE keystore_writers SET seen_at = seen_at - interval '31 days' WHERE name = 'one'")
            .await
            .unwrap();
        assert_eq!(two.forget(2).await, Ok(1), "it doesn't come back");
    });
}

/// A directory that was copied has the name of another process in it: the one that comes last goes on.
#[test]
fn of_two_processes_with_one_name_the_later_writes_down() {
    with_writers(|writers| async move {
        let (one, copy) = (
            open(&writers.one),
            open(&Arc::new(writers.schema.open_writing("one").await.unwrap())),
        );
        let error = one.keep_head(b"x".to_vec()).await.unwrap_err();
        assert!(error.to_string().contains("copied"), "{error}");
        copy.keep_head(b"y".to_vec()).await.unwrap();
        assert_eq!(one.head().await, Ok(Some(b"y".to_vec())));
    });
}

/// A note whose transaction began earlier and is committed later comes before those that are there already: until then
/// these aren't settled.
#[test]
fn a_note_that_comes_late_is_not_passed_over() {
    with_writers(|writers| async move {
        let one = open(&writers.one);
        end(&one, 0, 1).await;
        let first = to_write(&one).await[0];
        let mut by_hand = writers.schema.connection().await;
        let mut late = by_hand.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO keystore_notes (number, key, at, writer, value) \
             SELECT ((pg_current_xact_id()::text::bigint + note_base) << 16) + nextval('keystore_notes_number'), \
               $1, 1, 'one', decode(repeat('00', 90), 'hex') FROM keystore_meta",
        )
        .bind(key(1, 7).to_bytes().to_vec())
        .execute(&mut *late)
        .await
        .unwrap();
        end(&one, 1, 1).await;
        assert_eq!(sessions(&to_write(&one).await), [0, 1]);
        settled(&one, first).await;
        let begun = Instant::now();
        assert_eq!(one.settle_notes().await, Ok(Some(first)));
        assert!(begun.elapsed() < Duration::from_millis(900));
        late.commit().await.unwrap();
        let all = to_write(&one).await;
        assert_eq!(sessions(&all), [0, 7, 1]);
        settled(&one, all[2]).await;
    });
}

/// Tables that come from a server that was further, as by a dump: new notes lie behind those that came along, and its
/// feed of ends is none of this server's.
#[test]
fn notes_go_on_behind_those_of_another_server() {
    with_stores(|stores| async move {
        let one = open(&stores.one);
        end(&one, 0, 1).await;
        let mut by_hand = stores.schema.connection().await;
        for sql in [
            "UPDATE keystore_notes SET number = number + (1000000::bigint << 16)",
            "INSERT INTO keystore_ends SELECT '900000000', key, true, 1 FROM keystore_notes, generate_series(1, 20000)",
        ] {
            by_hand.execute(sql).await.unwrap();
        }
        let next = open(&Arc::new(stores.schema.open().await.unwrap()));
        end(&next, 1, 1).await;
        end(&one, 2, 1).await;
        let places: Vec<_> = next.left(None, 10).await.unwrap();
        let places: Vec<_> = places.iter().map(|note| note.place).collect();
        assert_eq!(sessions(&places), [0, 1, 2]);
        let feed: i64 =
            sqlx::query_scalar("SELECT count(*) FROM keystore_ends WHERE xid = '900000000'")
                .fetch_one(&mut by_hand)
                .await
                .unwrap();
        assert_eq!(feed, 0);
        settled(&next, places[2]).await;
    });
}

/// Whoever logs in and out without end fills no disk.
#[test]
#[allow(clippy::disallowed_methods)] // the test's own switch
fn there_are_a_million_notes_at_most() {
    if std::env::var_os("LACRE_TEST_FULL").is_none() {
        return;
    }
    with_stores(|stores| async move {
        let one = open(&stores.one);
        let mut by_hand = stores.schema.connection().await;
        by_hand
            .execute(
                "INSERT INTO keystore_notes SELECT n, decode(lpad(to_hex(n), 64, '0'), 'hex'), 9, '', '\\x00' \
                 FROM generate_series(1, 1005000) n",
            )
            .await
            .unwrap();
        assert_eq!(one.forget(1).await, Ok(5_000));
        let first: i64 = sqlx::query_scalar("SELECT min(number) FROM keystore_notes")
            .fetch_one(&mut by_hand)
            .await
            .unwrap();
        assert_eq!(first, 5_001);
    });
}
