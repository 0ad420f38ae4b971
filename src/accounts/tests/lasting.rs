use std::os::unix::fs::PermissionsExt as _;

use super::*;

on_every_engine!(
    a_restart_keeps_everything,
    a_second_opening_beside_the_first_sees_the_same,
    a_newer_schema_is_refused_and_left_alone,
    a_database_that_lost_its_tables_is_unavailable_and_not_wrong_credentials,
    a_spoilt_row_is_refused_and_not_guessed,
    closed_accounts_answer_nothing,
);

async fn a_restart_keeps_everything(engine: &Engine) {
    let first = engine.open().await;
    let ann = first.sign_up("ann@b", "correct horse").await;
    let shop = first
        .create_client(&ClientTerms::named("shop"))
        .await
        .unwrap();
    first.close().await;

    let again = engine.open().await;
    assert_eq!(again.log_in("ann@b", "correct horse").await, Ok(ann));
    let known = again.authenticate_client(shop.id.as_str(), shop.secret.expose());
    assert_eq!(known.await.unwrap().name, "shop");
}

async fn a_second_opening_beside_the_first_sees_the_same(engine: &Engine) {
    let (one, other) = (engine.open().await, engine.open().await);
    let ann = one.sign_up("ann@b", "correct horse").await;
    assert_eq!(other.get(&ann.id).await.unwrap(), Some(ann.clone()));
    let change = Change {
        name: Some("Ann".to_owned()),
        ..Change::default()
    };
    let changed = other.update(&ann.id, change).await.unwrap();
    assert_eq!(one.get(&ann.id).await.unwrap(), Some(changed));
}

async fn a_newer_schema_is_refused_and_left_alone(engine: &Engine) {
    let accounts = engine.open().await;
    accounts.sign_up("ann@b", "correct horse").await;
    accounts.close().await;
    engine
        .meddle(
            "INSERT INTO lacre_schema (version, description, success, checksum, execution_time) \
             SELECT 8, 'from the future', success, checksum, 0 FROM lacre_schema WHERE version = 1",
        )
        .await;
    let file = || {
        let dir = engine.dir.as_ref()?;
        std::fs::read(dir.path().join("accounts.sqlite")).ok()
    };
    let before = file();
    let error = engine.try_open(super::engine::cheap()).await.err();
    // What several nodes count together is in a server's database alone.
    let known = if engine.dir.is_some() { 6 } else { 7 };
    let expected = AccountsError::AccountsTooNew { found: 8, known };
    assert_eq!(error, Some(expected));
    assert!(file() == before, "not one byte was changed");

    engine
        .meddle("DELETE FROM lacre_schema WHERE version = 8")
        .await;
    let back = engine.open().await;
    assert!(back.log_in("ann@b", "correct horse").await.is_ok());
}

async fn a_database_that_lost_its_tables_is_unavailable_and_not_wrong_credentials(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    let shop = accounts
        .create_client(&ClientTerms::named("shop"))
        .await
        .unwrap();
    accounts.health().await.unwrap();
    engine.meddle("DROP TABLE links; DROP TABLE accounts").await;
    engine.meddle("DROP TABLE clients").await;

    let away = AccountsError::AccountsUnavailable;
    assert_eq!(accounts.health().await, Err(away.clone()));
    assert_eq!(accounts.get(&ann.id).await, Err(away.clone()));
    assert_eq!(accounts.remove(&ann.id).await, Err(away.clone()));
    assert_eq!(accounts.list(None, 1, None).await, Err(away.clone()));
    let log_in = accounts.log_in("ann@b", "correct horse").await;
    assert_eq!(log_in, Err(away.clone()));
    let client = accounts.authenticate_client(shop.id.as_str(), shop.secret.expose());
    assert_eq!(client.await, Err(away.clone()));
    assert!(
        !away.to_string().contains("table"),
        "no word of the database"
    );
}

async fn a_spoilt_row_is_refused_and_not_guessed(engine: &Engine) {
    let accounts = engine.open().await;
    for spoil in [
        "UPDATE accounts SET email = 'no address'",
        "UPDATE accounts SET revision = -1",
        "UPDATE accounts SET id = 'client_x'",
    ] {
        accounts.sign_up("ann@b", "correct horse").await;
        engine.meddle(spoil).await;
        let log_in = accounts.log_in("ann@b", "correct horse").await;
        assert_eq!(log_in, Err(AccountsError::AccountsUnavailable), "{spoil}");
        for nobody in ["a@b", "zoe@b"] {
            let log_in = accounts.log_in(nobody, "correct horse").await;
            assert_eq!(log_in, Err(AccountsError::InvalidCredentials), "{nobody}");
        }
        engine.meddle("DELETE FROM accounts").await;
    }
    accounts.sign_up("ann@b", "correct horse").await;
    engine
        .meddle("UPDATE accounts SET password_hash = 'correct horse'")
        .await;
    let log_in = accounts.log_in("ann@b", "correct horse").await;
    assert_eq!(log_in, Err(AccountsError::InvalidCredentials));
}

async fn closed_accounts_answer_nothing(engine: &Engine) {
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    accounts.close().await;
    accounts.close().await;
    let away = Err(AccountsError::AccountsUnavailable);
    assert_eq!(accounts.get(&ann.id).await.map(drop), away);
    assert_eq!(
        accounts.log_in("ann@b", "correct horse").await.map(drop),
        away
    );
    assert_eq!(accounts.health().await, away);
}

/// What a machine that dies now would find on its disk: the files as they are, nothing closed.
#[tokio::test]
async fn what_is_answered_survives_a_crash() {
    let engine = Engine::sqlite();
    let accounts = engine.open().await;
    let ann = accounts.sign_up("ann@b", "correct horse").await;
    for n in 0..20 {
        let change = Change {
            active: Some(n % 2 == 1),
            ..Change::default()
        };
        let changed = accounts.update(&ann.id, change).await.unwrap();
        let after = Engine::sqlite();
        for name in ["accounts.sqlite", "accounts.sqlite-wal"] {
            let path = |engine: &Engine| engine.dir.as_ref().unwrap().path().join(name);
            std::fs::copy(path(&engine), path(&after)).unwrap();
        }
        let found = after.open().await.get(&ann.id).await.unwrap();
        assert_eq!(found, Some(changed));
    }
}

#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    let engine = Engine::sqlite();
    let accounts = engine.open().await;
    accounts.sign_up("ann@b", "correct horse").await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(engine.dir.as_ref().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name());
    }
    assert!(names.len() >= 2, "the database and its journal: {names:?}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_unavailable() {
    let mut engine = Engine::sqlite();
    let missing = engine.dir.as_ref().unwrap().path().join("no/such/a.sqlite");
    engine.url = Accounts::sqlite_url(&missing);
    let error = engine.try_open(super::engine::cheap()).await.err();
    assert_eq!(error, Some(AccountsError::AccountsUnavailable));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_unavailable_and_left_alone() {
    let engine = Engine::sqlite();
    let path = engine.dir.as_ref().unwrap().path().join("accounts.sqlite");
    let text = "a letter to somebody\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = engine.try_open(super::engine::cheap()).await.err();
    assert_eq!(error, Some(AccountsError::AccountsUnavailable));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let mut engine = Engine::sqlite();
    // A port that was free a moment ago, and that nobody listens on now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    engine.url = format!("postgres://nobody:secret@127.0.0.1:{port}/none");
    let error = engine.try_open(super::engine::cheap()).await.err().unwrap();
    assert_eq!(error, AccountsError::AccountsUnavailable);
    assert!(!format!("{error:?} {error}").contains("secret"));
}
