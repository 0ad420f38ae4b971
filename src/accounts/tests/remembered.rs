//! What is remembered of a row is what the database says: whoever commits, at the next question.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

on_every_engine!(
    a_change_by_another_opening_is_seen_at_the_next_question,
    a_change_by_hand_is_seen_at_the_next_question,
    what_begins_after_a_change_was_answered_never_sees_the_row_of_before,
    a_client_that_was_deleted_or_has_another_secret_proves_nothing,
    a_password_that_was_changed_while_it_was_compared_proves_nothing,
);

fn active(active: bool) -> Change {
    Change {
        active: Some(active),
        ..Change::default()
    }
}

async fn a_change_by_another_opening_is_seen_at_the_next_question(engine: &Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let ann = one.sign_up("ann@b", "correct horse").await;
    for turn in 0..100 {
        for accounts in [&one, &other] {
            let known = accounts.get(&ann.id).await.unwrap().unwrap();
            assert_eq!(known.active, turn % 2 == 0, "{turn}");
        }
        let changing = if turn % 3 == 0 { &one } else { &other };
        let change = active(turn % 2 == 1);
        changing.update(&ann.id, change).await.unwrap();
    }
    assert!(other.remove(&ann.id).await.unwrap());
    assert_eq!(one.get(&ann.id).await, Ok(None));
}

async fn a_change_by_hand_is_seen_at_the_next_question(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    for _ in 0..10 {
        for state in [0, 1] {
            let by_hand = format!("UPDATE accounts SET active = {state}");
            engine.meddle(&by_hand).await;
            let known = accounts.get(&ann.id).await.unwrap().unwrap();
            assert_eq!(known.active, state == 1);
        }
    }
    engine.meddle("DELETE FROM accounts").await;
    assert_eq!(accounts.get(&ann.id).await, Ok(None));
}

/// One opening changes an account as fast as it can, and says what is answered; readers of another
/// compare.
async fn what_begins_after_a_change_was_answered_never_sees_the_row_of_before(engine: &Engine) {
    let (writer, reader) = (engine.open().await, engine.open().await);
    let ann = writer.sign_up("ann@b", "correct horse").await;
    let answered = Arc::new(AtomicU64::new(ann.revision));
    let over = Arc::new(AtomicBool::new(false));
    // A commit is made on a thread of the database's, so a reader may be anywhere when it comes.
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (reader, id) = (reader.clone(), ann.id.clone());
            let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
            tokio::spawn(async move {
                let mut seen = 0_u64;
                while !over.load(SeqCst) {
                    let floor = answered.load(SeqCst);
                    let found = reader.get(&id).await.unwrap().unwrap();
                    assert!(found.revision >= floor, "a row of before");
                    seen += 1;
                    tokio::task::yield_now().await;
                }
                seen
            })
        })
        .collect();
    for turn in 0..150 {
        let changed = writer.update(&ann.id, active(turn % 2 == 0)).await.unwrap();
        answered.store(changed.revision, SeqCst);
    }
    over.store(true, SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

async fn a_client_that_was_deleted_or_has_another_secret_proves_nothing(engine: &Engine) {
    let (accounts, other) = (engine.open().await, engine.open().await);
    let refused = Err(AccountsError::InvalidCredentials);
    let shop = accounts.create_client(&ClientTerms::named("shop")).await;
    let desk = accounts.create_client(&ClientTerms::named("desk")).await;
    let (shop, desk) = (shop.unwrap(), desk.unwrap());
    let proof = |secret: &'static str| async {
        accounts.authenticate_client(shop.id.as_str(), secret).await
    };
    for _ in 0..3 {
        let known = accounts.authenticate_client(shop.id.as_str(), shop.secret.expose());
        assert_eq!(known.await.unwrap().name, "shop");
        // A wrong secret of a client that is remembered.
        assert_eq!(proof("wrong").await, refused);
    }
    engine
        .meddle("UPDATE clients SET secret_sha256 = (SELECT secret_sha256 FROM clients WHERE name = 'desk')")
        .await;
    let (id, own) = (shop.id.as_str(), shop.secret.expose());
    assert_eq!(accounts.authenticate_client(id, own).await, refused);
    let others = accounts.authenticate_client(id, desk.secret.expose());
    assert_eq!(others.await.unwrap().id, shop.id);
    assert_eq!(accounts.has_client(&shop.id).await, Ok(true));
    other
        .delete_client(&shop.id, "here".to_owned())
        .await
        .unwrap();
    assert_eq!(accounts.has_client(&shop.id).await, Ok(false));
    let gone = accounts.authenticate_client(id, desk.secret.expose());
    assert_eq!(gone.await, refused);
}

async fn a_password_that_was_changed_while_it_was_compared_proves_nothing(engine: &Engine) {
    let (accounts, other) = (engine.open().await, engine.open().await);
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    accounts.log_in("ann@b", "correct horse").await.unwrap();
    accounts.get(&ann.id).await.unwrap();
    for _ in 0..3 {
        for (now, new) in [
            ("correct horse", "battery staple"),
            ("battery staple", "correct horse"),
        ] {
            let named = accounts.look_up(&LoginName::parse("ann@b")).await.unwrap();
            other.set_password(&ann.id, password(new)).await.unwrap();
            let late = accounts.authenticate(named, presented(now)).await;
            assert_eq!(late, Err(AccountsError::InvalidCredentials));
            assert!(accounts.log_in("ann@b", new).await.is_ok());
        }
    }
}

/// Rows that nobody has changed are not asked for: with its readers gone, the database can't be.
#[tokio::test]
async fn what_nobody_has_changed_is_not_asked_for_again() {
    let engine = Engine::sqlite();
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let bob = accounts.sign_up("bob@b", "correct horse").await;
    let shop = accounts.create_client(&ClientTerms::named("shop")).await;
    let shop = shop.unwrap();
    let prove = || accounts.authenticate_client(shop.id.as_str(), shop.secret.expose());
    accounts.get(&ann.id).await.unwrap();
    prove().await.unwrap();
    accounts.inner.store.close_readers().await;
    assert_eq!(accounts.get(&ann.id).await, Ok(Some(ann.clone())));
    assert_eq!(prove().await.unwrap().name, "shop");
    let away = AccountsError::AccountsUnavailable;
    assert_eq!(accounts.get(&bob.id).await, Err(away.clone()));
    // Anybody's commit, whatever row it is of.
    engine
        .meddle("UPDATE accounts SET name = 'Bob' WHERE email = 'bob@b'")
        .await;
    assert_eq!(accounts.get(&ann.id).await, Err(away.clone()));
    assert_eq!(prove().await, Err(away));
}

#[tokio::test]
async fn closed_accounts_remember_nothing() {
    let engine = Engine::sqlite();
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    accounts.get(&ann.id).await.unwrap();
    accounts.close().await;
    let away = Err(AccountsError::AccountsUnavailable);
    assert_eq!(accounts.get(&ann.id).await, away);
}
