use super::*;
use futures_util::future::{join_all, try_join_all};
use std::sync::mpsc::channel;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

on_every_engine!(a_connection_outlives_the_worker_that_asked_for_it_first);

/// As many as there are at once on either engine.
const AT_ONCE: usize = 4;

/// A worker has drained and ended, others still answer.
async fn a_connection_outlives_the_worker_that_asked_for_it_first(engine: &Engine) {
    let accounts = engine.open().await;
    accounts.sign_up("ann@b", "correct horse").await;
    let (made, is_made) = channel();
    let (over, is_over) = channel::<()>();
    let of_worker = accounts.clone();
    let worker = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let held = try_join_all((0..AT_ONCE).map(|_| of_worker.snapshot()));
            drop(held.await.unwrap());
            // Until they are back in the pool.
            let asked = (0..AT_ONCE).map(|_| of_worker.health());
            assert_eq!(join_all(asked).await, [const { Ok(()) }; AT_ONCE]);
            made.send(()).unwrap();
            spawn_blocking(move || is_over.recv()).await.unwrap()
        })
    });
    spawn_blocking(move || is_made.recv().unwrap())
        .await
        .unwrap();
    let held = try_join_all((0..AT_ONCE).map(|_| accounts.snapshot()));
    let mut held = held.await.unwrap();
    over.send(()).unwrap();
    let ended = spawn_blocking(|| worker.join().unwrap()).await;
    ended.unwrap().unwrap();
    for snapshot in &mut held {
        let rows = snapshot.next().await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
    }
}
