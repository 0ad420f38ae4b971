//! The journal's database stands still while ends, notes and ends taken back are on their way to it: everybody is answered in
//! time, and what is written down afterwards is what was made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lacre_keystore::{Keystore, Swap};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::sleep;

use super::beside::journal_url;
use super::faults::unavailable;
use super::journal::rows;
use super::server::Server;
use super::{Redis, keystore, opened, put, with_stores};
use crate::support::{key, record, user};

/// Nothing is written into the journal or read from it until this is over.
struct Locked(PgConnection);

impl Locked {
    async fn of(server: &Server) -> Self {
        let mut connection = PgConnection::connect(&journal_url(&server.url()))
            .await
            .unwrap();
        let lock = "BEGIN; LOCK TABLE keystore_journal, keystore_notes";
        connection.execute(lock).await.unwrap();
        Self(connection)
    }

    async fn ends(mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// Until the journal has so many ends.
async fn written_down(server: &Server, count: i64) {
    let begun = Instant::now();
    while rows(server).await != count {
        assert!(begun.elapsed() < Duration::from_secs(3), "not {count}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The number that was given last; 0 where none was.
async fn last_number(server: &Server) -> i64 {
    let mut connection = PgConnection::connect(&journal_url(&server.url()))
        .await
        .unwrap();
    let last = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM keystore_journal_number";
    let last = sqlx::query_scalar(last).fetch_one(&mut connection);
    last.await.unwrap()
}

/// Demands that these sessions of the user are there, also when all ends of the journal are made once more.
async fn there(server: &Server, ends: &Keystore, sessions: &[u64]) {
    for session in sessions {
        assert!(ends.get(&key(1, *session)).await.unwrap().is_some());
    }
    server.kill();
    assert!(server.begin());
    let fresh = keystore(&Arc::new(opened(&server.url()).await.unwrap()));
    for session in sessions {
        assert!(fresh.get(&key(1, *session)).await.unwrap().is_some());
    }
}

/// A note and an end taken back are waited for, one after the other; who comes meanwhile isn't kept waiting by both.
#[test]
fn an_end_that_comes_while_a_batch_is_under_way_is_answered_in_time() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        for session in 1..=4 {
            put(&ends, &key(1, session)).await;
        }
        let seen = ends.get(&key(1, 2)).await.unwrap().unwrap();
        let swap = ends.compare_and_swap(&key(1, 2), &seen, &record(2)).await;
        assert_eq!(swap, Ok(Swap::Won));
        // Both are written down, and wait for the server.
        server.pause();
        let ending = ends.clone();
        let noting = tokio::spawn(async move {
            let note = ending.note(1, b"x").unwrap();
            ending.noting(Some(note)).remove(&key(1, 1)).await
        });
        let ending = ends.clone();
        let unfit = tokio::spawn(async move { ending.remove_if(&key(1, 2), &seen).await });
        written_down(server, 2).await;
        let locked = Locked::of(server).await;
        server.go_on();
        let mut asked = Vec::new();
        for number in 0..10 {
            sleep(Duration::from_millis(100)).await;
            let ending = ends.clone();
            asked.push(tokio::spawn(async move {
                let begun = Instant::now();
                match number % 3 {
                    0 => unavailable(ending.remove_all().await, begun),
                    1 => unavailable(ending.remove_user(user(1)).await, begun),
                    _ => unavailable(ending.remove(&key(1, 3)).await, begun),
                }
            }));
        }
        for asked in asked {
            asked.await.unwrap();
        }
        assert_eq!(unfit.await.unwrap(), Ok(false));
        let noted = noting.await.unwrap().unwrap_err();
        assert_eq!(noted.code(), "store_unavailable", "its note isn't left yet");
        locked.ends().await;
        // What was refused is taken back, and the note of what was made is left.
        written_down(server, 1).await;
        let begun = Instant::now();
        while ends.left(None, 10).await.unwrap().len() != 1 {
            assert!(begun.elapsed() < Duration::from_secs(3));
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(ends.remove(&key(1, 1)).await, Ok(false), "it was made");
        there(server, &ends, &[2, 3, 4]).await;
        assert_eq!(ends.left(None, 10).await.unwrap().len(), 1, "and not twice");
    });
}

/// The database goes on with what it was asked for before whoever asked was told that it wasn't done.
#[test]
fn an_end_that_is_written_down_after_its_time_is_taken_back() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        for session in 1..=3 {
            put(&ends, &key(1, session)).await;
        }
        let before = last_number(server).await;
        let locked = Locked::of(server).await;
        let begun = Instant::now();
        let (name, whose) = (key(1, 1), user(1));
        let answers = tokio::join!(
            ends.remove(&name),
            ends.remove_user(whose),
            ends.remove_all()
        );
        unavailable(answers.0, begun);
        unavailable(answers.1, begun);
        unavailable(answers.2, begun);
        locked.ends().await;
        let begun = Instant::now();
        while last_number(server).await == before {
            assert!(
                begun.elapsed() < Duration::from_secs(3),
                "nothing is written"
            );
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(50)).await;
        written_down(server, 0).await;
        there(server, &ends, &[1, 2, 3]).await;
    });
}

/// The server refuses what comes too late. So it isn't made when ends are made once more, either.
#[test]
fn an_end_that_comes_to_the_server_after_its_time_is_taken_back() {
    with_stores(|stores| async move {
        let Redis { one, server, .. } = &*stores;
        let ends = keystore(one);
        put(&ends, &key(1, 1)).await;
        let locked = Locked::of(server).await;
        let begun = Instant::now();
        let ending = ends.clone();
        let removing = tokio::spawn(async move { ending.remove(&key(1, 1)).await });
        sleep(Duration::from_millis(500)).await;
        server.pause();
        locked.ends().await;
        written_down(server, 1).await;
        unavailable(removing.await.unwrap(), begun);
        sleep(Duration::from_millis(1_050).saturating_sub(begun.elapsed())).await;
        server.go_on();
        written_down(server, 0).await;
        there(server, &ends, &[1]).await;
    });
}
