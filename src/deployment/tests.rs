use super::*;
use crate::accounts::{Email, NewAccount};
use crate::clock::FixedClock;
use crate::config::Sources;
use crate::config::{Config, Engine};
use crate::entropy;
use crate::lacre::testing::{NOW, grant};
use crate::sessions::grant::Issued;
use crate::sessions::grant::Occasion;
use crate::token::TokenKind;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn config(directory: &Path) -> Config {
    Config::resolve(Sources {
        file: None,
        env: std::iter::empty(),
        flags: vec![("data_dir".into(), directory.to_str().unwrap().into())],
        dev: false,
    })
    .unwrap()
}

async fn open(directory: &Path) -> Result<Deployment, OpenError> {
    let clock = Arc::new(FixedClock::at(NOW));
    Deployment::open(&config(directory), clock, entropy::system()).await
}

async fn session_in(directory: &Path) -> Issued {
    let deployment = open(directory).await.unwrap();
    let issued = deployment
        .service()
        .lacre()
        .issue(&grant("u1", Occasion::LogIn))
        .await
        .unwrap();
    deployment.close().await;
    issued
}

/// Every file below `directory` with its bytes, the lock's aside: it names who looked last.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// Opening must fail with this code and leave every file as it was.
async fn refuses_untouched(directory: &Path, code: &str) {
    let before = contents(directory);
    assert_eq!(open(directory).await.unwrap_err().code(), code);
    assert_eq!(contents(directory), before, "{code}: something was changed");
}

#[tokio::test]
async fn a_session_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let issued = session_in(directory.path()).await;
    let deployment = open(directory.path()).await.unwrap();
    let token = issued.access.token.expose().as_bytes();
    assert!(
        deployment
            .service()
            .lacre()
            .guard(token, TokenKind::Access)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let held = open(directory.path()).await.unwrap();
    refuses_untouched(directory.path(), "data_dir_held").await;
    held.close().await;
    assert!(open(directory.path()).await.is_ok());
}

#[tokio::test]
async fn another_master_key_touches_nothing() {
    let directory = tempfile::tempdir().unwrap();
    session_in(directory.path()).await;
    let other = tempfile::tempdir().unwrap();
    session_in(other.path()).await;
    fs::copy(
        other.path().join("master.key"),
        directory.path().join("master.key"),
    )
    .unwrap();
    refuses_untouched(directory.path(), "master_key_mismatch").await;
}

#[tokio::test]
async fn no_new_key_is_made_where_an_old_one_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    session_in(directory.path()).await;
    let master = fs::read(directory.path().join("master.key")).unwrap();
    fs::remove_file(directory.path().join("master.key")).unwrap();
    refuses_untouched(directory.path(), "master_key_missing").await;

    crate::deployment::data_dir::write_secret(&directory.path().join("master.key"), &master)
        .unwrap();
    let keyring = fs::read(directory.path().join("keyring")).unwrap();
    fs::remove_file(directory.path().join("keyring")).unwrap();
    refuses_untouched(directory.path(), "keyring_missing").await;

    crate::deployment::data_dir::write_secret(&directory.path().join("keyring"), &keyring).unwrap();
    assert!(
        open(directory.path()).await.is_ok(),
        "put back, everything works again"
    );
}

#[tokio::test]
async fn records_of_another_deployment_are_noticed_at_the_start() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    session_in(one.path()).await;
    session_in(two.path()).await;
    fs::remove_dir_all(one.path().join("keystore")).unwrap();
    fs::rename(two.path().join("keystore"), one.path().join("keystore")).unwrap();
    let refused = open(one.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Keystore(_)), "{refused:?}");
}

#[tokio::test]
async fn the_memory_engine_forgets_and_the_rest_stays() {
    let directory = tempfile::tempdir().unwrap();
    let issued = session_in(directory.path()).await;
    let mut config = config(directory.path());
    config.keystore.engine = Engine::Memory;
    let clock = Arc::new(FixedClock::at(NOW));
    let deployment = Deployment::open(&config, clock, entropy::system())
        .await
        .unwrap();
    let token = issued.access.token.expose().as_bytes();
    assert!(
        deployment
            .service()
            .lacre()
            .guard(token, TokenKind::Access)
            .await
            .is_err()
    );
}

/// Whether a token is good in the deployment of this directory, which is opened for the question.
async fn is_good_in(directory: &Path, issued: &Issued) -> bool {
    let deployment = open(directory).await.unwrap();
    let token = issued.access.token.expose().as_bytes();
    let verified = deployment
        .service()
        .lacre()
        .guard(token, TokenKind::Access)
        .await;
    deployment.close().await;
    verified.is_ok()
}

#[tokio::test]
async fn without_its_keystore_a_deployment_starts_and_all_sessions_have_ended() {
    let directory = tempfile::tempdir().unwrap();
    let issued = session_in(directory.path()).await;
    fs::remove_dir_all(directory.path().join("keystore")).unwrap();
    assert!(!is_good_in(directory.path(), &issued).await);
    let issued = session_in(directory.path()).await;
    assert!(is_good_in(directory.path(), &issued).await);
}

#[tokio::test]
async fn without_any_key_and_record_new_keys_are_made_and_accounts_stay() {
    let directory = tempfile::tempdir().unwrap();
    let issued = session_in(directory.path()).await;
    let deployment = open(directory.path()).await.unwrap();
    let new = NewAccount::with_email(Email::parse("ada@example.com").unwrap());
    let ada = deployment.service().accounts().create(new).await.unwrap();
    deployment.close().await;
    fs::remove_dir_all(directory.path().join("keystore")).unwrap();
    for name in ["master.key", "keyring"] {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    assert!(!is_good_in(directory.path(), &issued).await);
    let deployment = open(directory.path()).await.unwrap();
    let found = deployment.service().accounts().get(&ada.id).await.unwrap();
    assert_eq!(found, Some(ada));
    deployment.close().await;
}

#[tokio::test]
async fn no_accounts_are_made_where_those_of_before_are_missing() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let issued = session_in(directory.path()).await;
    session_in(other.path()).await;
    let file = directory.path().join("accounts.sqlite");
    let kept = fs::read(&file).unwrap();

    fs::remove_file(&file).unwrap();
    refuses_untouched(directory.path(), "accounts_missing").await;
    fs::write(&file, "").unwrap();
    refuses_untouched(directory.path(), "accounts_missing").await;
    fs::copy(other.path().join("accounts.sqlite"), &file).unwrap();
    refuses_untouched(directory.path(), "accounts_foreign").await;

    fs::write(&file, kept).unwrap();
    assert!(is_good_in(directory.path(), &issued).await, "put back");
}

#[tokio::test]
async fn without_keyring_and_keystore_a_deployment_begins_with_the_accounts_that_it_finds() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let issued = session_in(directory.path()).await;
    session_in(other.path()).await;
    for accounts in [None, Some(other.path().join("accounts.sqlite"))] {
        fs::remove_file(directory.path().join("keyring")).unwrap();
        fs::remove_dir_all(directory.path().join("keystore")).unwrap();
        let file = directory.path().join("accounts.sqlite");
        fs::remove_file(&file).unwrap();
        if let Some(accounts) = accounts {
            fs::copy(accounts, &file).unwrap();
        }
        // Twice: what the first start has made is what the second expects.
        for _ in 0..2 {
            assert!(!is_good_in(directory.path(), &issued).await);
        }
    }
}

/// Nothing in the directory can tell; `docs/operating.md` says what to do instead.
#[tokio::test]
async fn a_whole_old_keystore_put_back_brings_ended_sessions_back() {
    let directory = tempfile::tempdir().unwrap();
    let issued = session_in(directory.path()).await;
    let keystore = directory.path().join("keystore");
    let backup = contents(&keystore);

    let deployment = open(directory.path()).await.unwrap();
    assert!(
        deployment
            .service()
            .lacre()
            .revoke(&issued.key)
            .await
            .unwrap()
    );
    deployment.close().await;
    assert!(!is_good_in(directory.path(), &issued).await);

    for path in contents(&keystore).keys() {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in backup {
        fs::write(path, bytes).unwrap();
    }
    assert!(is_good_in(directory.path(), &issued).await);
}

/// Every file below `directory` with its bytes and the time of its last change.
fn stamped(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            found.extend(stamped(&path));
            found.insert(path, (Vec::new(), changed));
        } else {
            found.insert(path.clone(), (fs::read(&path).unwrap(), changed));
        }
    }
    found
}

async fn inspect(directory: &Path, scratch: &Path) -> Result<Inspected, OpenError> {
    let clock = Arc::new(FixedClock::at(NOW));
    let config = config(directory);
    Inspected::open(&config, clock, entropy::system(), scratch).await
}

#[tokio::test]
async fn a_look_changes_no_byte_and_leaves_no_copy() {
    let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let issued = session_in(directory.path()).await;
    let before = stamped(directory.path());
    let inspected = inspect(directory.path(), scratch.path()).await.unwrap();
    let lacre = inspected.service().lacre();
    assert!(lacre.session(&issued.handle).await.unwrap().is_some());
    // What is changed of the copy is lost.
    assert!(lacre.revoke(&issued.key).await.unwrap());
    inspected.close().await;
    assert_eq!(stamped(directory.path()), before);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    assert!(is_good_in(directory.path(), &issued).await);
}

#[tokio::test]
async fn a_look_goes_on_from_the_latest_time_and_leaves_it() {
    let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    session_in(directory.path()).await;
    let mark = directory.path().join("clock");
    assert!(!mark.exists(), "only who serves writes it");
    let later = NOW + 3_600;
    fs::write(&mark, format!("{later}\n")).unwrap();
    let before = stamped(directory.path());
    let inspected = inspect(directory.path(), scratch.path()).await.unwrap();
    assert_eq!(inspected.service().lacre().now(), later);
    inspected.close().await;
    assert_eq!(stamped(directory.path()), before);
    fs::write(&mark, format!("{}\n", NOW + 90_000)).unwrap();
    let refused = inspect(directory.path(), scratch.path()).await.unwrap_err();
    assert_eq!(refused.code(), "clock_far_behind");
    refuses_untouched(directory.path(), "clock_far_behind").await;
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_deployment_keeps_its_time_from_when_it_is_told_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::at(NOW));
    let config = config(directory.path());
    let opened = Deployment::open(&config, clock.clone(), entropy::system()).await;
    let mut deployment = opened.unwrap();
    deployment.keep_time().unwrap();
    clock.advance(30);
    deployment.close().await;
    let text = fs::read_to_string(directory.path().join("clock")).unwrap();
    assert_eq!(text, format!("{}\n", NOW + 30));
    let later = open(directory.path()).await.unwrap();
    assert_eq!(later.service().lacre().now(), NOW + 30);
}

#[tokio::test]
async fn a_look_makes_nothing_where_something_is_missing() {
    let (directory, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let look = async || inspect(directory.path(), scratch.path()).await.unwrap_err();
    assert_eq!(look().await.code(), "deployment_missing");
    assert_eq!(stamped(directory.path()), BTreeMap::new());
    session_in(directory.path()).await;
    for (missing, code) in [
        ("master.key", "master_key_missing"),
        ("keyring", "keyring_missing"),
    ] {
        let path = directory.path().join(missing);
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let before = stamped(directory.path());
        assert_eq!(look().await.code(), code);
        assert_eq!(stamped(directory.path()), before, "{code}");
        crate::deployment::data_dir::write_secret(&path, &kept).unwrap();
    }
    let path = directory.path().join("accounts.sqlite");
    let kept = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let refused = look().await;
    assert_eq!(refused.code(), "accounts_missing");
    assert!(
        refused.to_string().contains(path.to_str().unwrap()),
        "{refused}"
    );
    assert!(!path.exists());
    fs::write(&path, kept).unwrap();
    let held = open(directory.path()).await.unwrap();
    assert_eq!(look().await.code(), "data_dir_held");
    held.close().await;
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_deployment_that_nobody_named_keeps_its_own_name() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let issuer = async |directory: &Path, listen: &str| {
        let mut config = config(directory);
        config.listen = listen.parse().unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let opened = Deployment::open(&config, clock, entropy::system()).await;
        let deployment = opened.unwrap();
        let issuer = deployment.service().lacre().rules().issuer.clone();
        deployment.close().await;
        issuer
    };
    let first = issuer(one.path(), "127.0.0.1:8080").await;
    assert!(
        first.starts_with("urn:lacre:") && first.len() > 25,
        "{first}"
    );
    assert_eq!(
        issuer(one.path(), "127.0.0.1:9999").await,
        first,
        "it has moved"
    );
    assert_ne!(issuer(other.path(), "127.0.0.1:8080").await, first);

    let mut named = config(one.path());
    named.token.issuer = Some("https://login.example".to_owned());
    let clock = Arc::new(FixedClock::at(NOW));
    let opened = Deployment::open(&named, clock, entropy::system()).await;
    let issuer = opened.unwrap().service().lacre().rules().issuer.clone();
    assert_eq!(issuer, "https://login.example");
}
