use super::*;

on_every_engine!(
    a_row_is_there_until_it_is_delivered,
    a_change_that_is_refused_writes_no_row,
    a_deletion_writes_a_row_also_where_the_account_is_gone,
    each_keystore_has_rows_of_its_own,
    a_change_and_its_row_are_one_transaction,
    a_spoilt_row_is_refused_and_not_guessed,
    one_change_has_the_password_and_the_rest,
    a_proof_of_the_password_before_changes_no_password,
);

fn ends(keystore: &str, reach: Reach) -> Ends {
    Ends {
        keystore: keystore.to_owned(),
        reach,
    }
}

fn but(handle: &str) -> Reach {
    Reach::AllBut(Kept {
        handle: handle.to_owned(),
        since: 7,
    })
}

fn closed() -> Change {
    Change {
        active: Some(false),
        ..Change::default()
    }
}

async fn a_row_is_there_until_it_is_delivered(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let reaches = [Reach::All, but("a-handle"), Reach::Access];
    let mut written = Vec::new();
    for reach in reaches {
        let ends = ends("here", reach.clone());
        let change = accounts.change(&ann.id, closed(), None, Some(ends));
        let row = change.await.unwrap().1.unwrap();
        assert_eq!(row.target, Target::User(ann.id.clone(), reach));
        written.push(row);
        engine.clock.advance(1);
    }
    accounts.close().await;

    // As after a crash.
    let accounts = engine.open().await;
    assert_eq!(accounts.outbox("here", u64::MAX).await.unwrap(), written);
    let earlier = accounts
        .outbox("here", engine.clock.now() - 1)
        .await
        .unwrap();
    assert_eq!(earlier, written[..2]);
    for row in &written {
        accounts.delivered(row).await.unwrap();
        accounts.delivered(row).await.unwrap();
    }
    assert_eq!(accounts.outbox("here", u64::MAX).await.unwrap(), []);
}

async fn a_change_that_is_refused_writes_no_row(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    accounts.sign_up("bob@b", "correct horse").await;
    let taken = Change {
        email: Some(email("bob@b")),
        ..closed()
    };
    let ends = || Some(ends("here", Reach::All));
    let refused = accounts.change(&ann.id, taken, None, ends()).await;
    assert_eq!(refused.unwrap_err(), AccountsError::AccountExists);
    let nobody = UserId::parse("nobody").unwrap();
    let refused = accounts.change(&nobody, closed(), None, ends()).await;
    assert_eq!(refused.unwrap_err(), AccountsError::AccountUnknown);
    let own = Some(password("ann.ann@b.example"));
    let moved = Change {
        email: Some(email("ann.ann@b.example")),
        ..Change::default()
    };
    let refused = accounts.change(&ann.id, moved, own, ends()).await;
    assert_eq!(refused.unwrap_err().field(), Some("password"));
    let nothing = accounts.change(&ann.id, Change::default(), None, ends());
    assert_eq!(nothing.await.unwrap(), (ann.clone(), None));

    assert_eq!(accounts.outbox("here", u64::MAX).await.unwrap(), []);
    assert_eq!(accounts.get(&ann.id).await.unwrap(), Some(ann));
}

async fn a_deletion_writes_a_row_also_where_the_account_is_gone(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    for there in [true, false] {
        let (deleted, row) = accounts
            .delete(&ann.id, ends("here", Reach::All))
            .await
            .unwrap();
        let target = Target::User(ann.id.clone(), Reach::All);
        assert_eq!((deleted, &row.target), (there, &target));
        assert_eq!(accounts.outbox("here", u64::MAX).await.unwrap().len(), 1);
        accounts.delivered(&row).await.unwrap();
    }
}

async fn each_keystore_has_rows_of_its_own(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let there = ends("there", Reach::All);
    let change = accounts.change(&ann.id, closed(), None, Some(there));
    let row = change.await.unwrap().1.unwrap();
    assert_eq!(accounts.outbox("here", u64::MAX).await.unwrap(), []);
    assert_eq!(accounts.outbox("there", u64::MAX).await.unwrap(), [row]);
}

/// Without the table the row can't be written, and then the change isn't made either.
async fn a_change_and_its_row_are_one_transaction(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    engine.meddle("DROP TABLE owed_ends").await;
    let ends = || ends("here", Reach::All);
    let away = AccountsError::AccountsUnavailable;
    let change = accounts.change(&ann.id, closed(), None, Some(ends())).await;
    assert_eq!(change.unwrap_err(), away);
    let deletion = accounts.delete(&ann.id, ends()).await;
    assert_eq!(deletion.unwrap_err(), away);
    assert_eq!(accounts.get(&ann.id).await.unwrap(), Some(ann.clone()));
    // Nor is the writer stuck in a transaction.
    assert!(!accounts.update(&ann.id, closed()).await.unwrap().active);
}

async fn a_spoilt_row_is_refused_and_not_guessed(engine: &Engine) {
    let accounts = engine.open().await;
    let good = "INSERT INTO owed_ends VALUES ('a', 'here', 'u1', 'all', NULL, NULL, 1)";
    engine.meddle(good).await;
    assert_eq!(accounts.outbox("here", u64::MAX).await.unwrap().len(), 1);
    for spoilt in [
        "('b', 'here', 'u1', 'everything', NULL, NULL, 1)",
        "('b', 'here', 'u1', 'all_but', NULL, NULL, 1)",
        "('b', 'here', 'u1', 'all_but', 'handle', NULL, 1)",
        "('b', 'here', 'u1', 'all_but', 'handle', -1, 1)",
        "('b', 'here', 'u1', 'all', 'handle', 7, 1)",
        "('b', 'here', 'no user', 'all', NULL, NULL, 1)",
    ] {
        engine
            .meddle(&format!("INSERT INTO owed_ends VALUES {spoilt}"))
            .await;
        let refused = accounts.outbox("here", u64::MAX).await;
        assert_eq!(refused, Err(AccountsError::AccountsUnavailable), "{spoilt}");
        engine.meddle("DELETE FROM owed_ends WHERE id = 'b'").await;
    }
}

async fn one_change_has_the_password_and_the_rest(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let change = Change {
        roles: Some(vec!["clerk".to_owned()]),
        ..Change::default()
    };
    let new = Some(password("another horse"));
    let (changed, row) = accounts.change(&ann.id, change, new, None).await.unwrap();
    assert_eq!((changed.revision, row), (ann.revision + 1, None));
    assert_eq!(changed.roles, ["clerk"]);
    assert_eq!(accounts.log_in("ann@b", "another horse").await, Ok(changed));
}

/// The proof is old where the hash of the new password had to wait and the account was changed: by an
/// administrator who shuts a thief out, for instance.
async fn a_proof_of_the_password_before_changes_no_password(engine: &Engine) {
    let accounts = engine.open().await;
    let proven = accounts.sign_up("ann@b", "correct horse").await;
    accounts
        .set_password(&proven.id, password("another horse"))
        .await
        .unwrap();
    let own = |proven| {
        let others = but("a-handle");
        accounts.change_own_password(proven, password("stolen horse"), ends("here", others))
    };
    let late = own(&proven).await;
    assert_eq!(late, Err(AccountsError::InvalidCredentials));
    assert_eq!(accounts.outbox("here", u64::MAX).await.unwrap(), []);
    let now = accounts.log_in("ann@b", "another horse").await.unwrap();

    let (changed, row) = own(&now).await.unwrap();
    assert_eq!((changed.revision, row.is_some()), (now.revision + 1, true));
    assert!(accounts.log_in("ann@b", "stolen horse").await.is_ok());
    accounts.remove(&now.id).await.unwrap();
    assert_eq!(own(&changed).await, Err(AccountsError::InvalidCredentials));
}
