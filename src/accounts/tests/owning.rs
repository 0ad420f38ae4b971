use super::*;

on_every_engine!(
    what_was_never_opened_has_no_accounts_and_is_left_alone,
    accounts_are_theirs_who_have_claimed_them,
    a_database_that_is_older_than_claims_is_nobodys,
    a_database_whose_tables_are_gone_has_no_accounts,
);

impl Engine {
    async fn owner(&self, deployment: &str) -> Owner {
        Accounts::owner(&self.url, deployment).await.unwrap()
    }
}

async fn what_was_never_opened_has_no_accounts_and_is_left_alone(engine: &Engine) {
    for _ in 0..2 {
        assert_eq!(engine.owner("one").await, Owner::NoAccounts);
    }
    if let Some(dir) = &engine.dir {
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
    }
}

async fn accounts_are_theirs_who_have_claimed_them(engine: &Engine) {
    let accounts = engine.open().await;
    assert_eq!(engine.owner("one").await, Owner::Nobody);
    accounts.claim("one").await.unwrap();
    accounts.close().await;
    assert_eq!(engine.owner("one").await, Owner::Ours);
    assert_eq!(engine.owner("other").await, Owner::Another);
    assert_eq!(engine.owner("unclaimed").await, Owner::Another);

    let accounts = engine.open().await;
    for _ in 0..2 {
        accounts.claim("other").await.unwrap();
    }
    for name in ["one", "other"] {
        assert_eq!(engine.owner(name).await, Owner::Ours, "{name}");
    }
}

async fn a_database_that_is_older_than_claims_is_nobodys(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    accounts.close().await;
    if engine.dir.is_none() {
        engine.meddle("DROP TABLE attempts").await;
        engine.meddle("DROP FUNCTION count_attempt").await;
    }
    engine.meddle("DROP TABLE links").await;
    engine.meddle("DROP TABLE lacre_deployments").await;
    for column in ["own_users", "services"] {
        let drop = format!("ALTER TABLE clients DROP COLUMN {column}");
        engine.meddle(&drop).await;
    }
    engine
        .meddle("DELETE FROM lacre_schema WHERE version >= 4")
        .await;
    assert_eq!(engine.owner("one").await, Owner::Nobody);

    // Killed after the schema was brought up to date, and before it was claimed.
    engine.open().await.close().await;
    assert_eq!(engine.owner("one").await, Owner::Nobody);
    let accounts = engine.open().await;
    accounts.claim("one").await.unwrap();
    assert_eq!(engine.owner("one").await, Owner::Ours);
    assert_eq!(engine.owner("other").await, Owner::Another);
    assert_eq!(accounts.get(&ann.id).await.unwrap(), Some(ann));
}

async fn a_database_whose_tables_are_gone_has_no_accounts(engine: &Engine) {
    let accounts = engine.open().await;
    accounts.claim("one").await.unwrap();
    accounts.close().await;
    for spoil in [
        "DELETE FROM lacre_deployments",
        "DROP TABLE lacre_deployments",
        "DROP TABLE links; DROP TABLE accounts",
        "DROP TABLE lacre_schema",
    ] {
        engine.meddle(spoil).await;
        assert_eq!(engine.owner("one").await, Owner::NoAccounts, "{spoil}");
    }
}

/// `SQLite` removes a journal that it finds beside an empty database.
#[tokio::test]
async fn an_emptied_file_has_no_accounts_and_keeps_its_journal() {
    let engine = Engine::sqlite();
    let accounts = engine.open().await;
    accounts.claim("one").await.unwrap();
    let place = |name: &str| engine.dir.as_ref().unwrap().path().join(name);
    // As a killed process leaves them.
    let journal = std::fs::read(place("accounts.sqlite-wal")).unwrap();
    accounts.close().await;
    std::fs::write(place("accounts.sqlite-wal"), &journal).unwrap();
    std::fs::write(place("accounts.sqlite"), "").unwrap();
    assert_eq!(engine.owner("one").await, Owner::NoAccounts);
    assert_eq!(
        std::fs::read(place("accounts.sqlite-wal")).unwrap(),
        journal
    );
    assert_eq!(std::fs::read(place("accounts.sqlite")).unwrap(), b"");
}
