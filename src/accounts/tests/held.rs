use super::*;
use sqlx::{AnyConnection, Connection as _, Executor as _};
use std::time::{Duration, Instant};

on_every_engine!(what_was_refused_while_the_database_was_held_is_not_done_afterwards);

/// Another writer holds the database for longer than anybody waits.
async fn what_was_refused_while_the_database_was_held_is_not_done_afterwards(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let mut holder = AnyConnection::connect(&engine.url).await.unwrap();
    let (open, hold) = if engine.dir.is_some() {
        ("BEGIN IMMEDIATE", "SELECT 1")
    } else {
        ("BEGIN", "LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
    };
    holder.execute(open).await.unwrap();
    holder.execute(hold).await.unwrap();
    let asked = Instant::now();
    let rename = Change {
        name: Some("Ann".to_owned()),
        ..Change::default()
    };
    // Several at once: the later ones wait for the first one's connection besides.
    let new = accounts.create(NewAccount::with_email(email("bob@b")));
    let renamed = accounts.update(&ann.id, rename);
    let (new, renamed, deleted) = tokio::join!(new, renamed, accounts.remove(&ann.id));
    let refused = AccountsError::AccountsUnavailable;
    assert_eq!(new, Err(refused.clone()));
    assert_eq!(renamed, Err(refused.clone()));
    assert_eq!(deleted, Err(refused));
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    holder.execute("ROLLBACK").await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(accounts.get(&ann.id).await.unwrap(), Some(ann));
    assert_eq!(accounts.find("bob@b").await.unwrap(), None);
    // And it goes on.
    accounts.sign_up("bob@b", "correct horse").await;
}
