//! Nodes that can't be of the deployment are refused, and told why.

use super::Deployment;
use crate::support::database::Database;
use crate::support::preload::WallClock;
use crate::support::server::Setup;

const OTHER_KEY: &str = "1:D2mTCRxEnIhF0cLFmLpGXYqSe1xNLvWbiQ0n4MZ1f7k\n";

/// `setup` with this as its master key.
fn with_key(setup: Setup, text: &str) -> Setup {
    let path = setup.home().join("other.key");
    std::fs::write(&path, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).unwrap();
    setup.env("LACRE_MASTER_KEY_FILE", path.to_str().unwrap())
}

#[test]
fn a_node_that_would_be_no_node_of_the_deployment_is_refused() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [_running] = deployment.start();
    with_key(deployment.node(), OTHER_KEY)
        .start_refused()
        .with(78, "master_key_mismatch")
        .saying("another master key than the others, or keystore.url leads to the store of another deployment");
    let none = deployment.node();
    let path = none.home().join("none.key");
    none.env("LACRE_MASTER_KEY_FILE", path.to_str().unwrap())
        .start_refused()
        .with(78, "master_key_missing")
        .saying("copy the master key of its other nodes there");
    assert!(!path.exists(), "no key is made where there is a deployment");
    deployment
        .node()
        .env("LACRE_TOKEN__ISSUER", "https://other.test")
        .start_refused()
        .with(78, "node_settings_differ")
        .saying("token.issuer is `https://other.test` here and `http://lacre.test` at the node on");
    deployment
        .node()
        .env("LACRE_TOKEN__AUDIENCE", "other")
        .start_refused()
        .with(78, "node_settings_differ")
        .saying("token.audience");
    deployment
        .database
        .sql("UPDATE keystore_meta SET version = 9, oldest = 9");
    deployment.node().start_refused().with(78, "store_too_new");
}

#[test]
fn a_node_whose_clock_is_off_is_refused() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [_running] = deployment.start();
    let (setup, clock) = WallClock::of(deployment.node());
    for (off, how) in [(60, "ahead of"), (-60, "behind")] {
        clock.is_off_by(off);
        setup.start_refused().with(78, "clock_off").saying(how);
    }
    // The leeway, and the second that both are cut to.
    clock.is_off_by(1);
    setup.start().is_well();
}

#[test]
fn a_server_that_doesnt_keep_what_it_says_is_refused() {
    let Some(database) = Database::start_with("-c fsync=off") else {
        return;
    };
    let node = Setup::new()
        .env("LACRE_KEYSTORE__ENGINE", "postgres")
        .env("LACRE_ACCOUNTS__URL", &database.url());
    node.start_refused()
        .with(78, "store_not_durable")
        .saying("set fsync = on");
    let nothing = "SELECT to_regclass('keystore_meta') IS NULL";
    assert_eq!(database.sql(nothing), "t", "nothing was made");
}

#[test]
fn a_database_that_is_down_or_no_database_is_told_at_the_start() {
    let node = |url: &str| {
        Setup::new()
            .env("LACRE_KEYSTORE__ENGINE", "postgres")
            .env("LACRE_ACCOUNTS__URL", url)
    };
    node("postgres://lacre:secret-word@127.0.0.1:1/lacre")
        .start_refused()
        .with(69, "store_unavailable");
    let bad = node("postgres://lacre:secret-word@[/lacre").start_refused();
    assert!(!bad.stderr.contains("secret-word"), "{bad:?}");
    bad.with(78, "config_keystore_unusable");
    Setup::new()
        .env("LACRE_KEYSTORE__ENGINE", "postgres")
        .start_refused()
        .with(78, "config_keystore_unusable")
        .saying("accounts.url is a file of one");
    Setup::new()
        .env("LACRE_KEYSTORE__URL", "postgres://h/d")
        .start_refused()
        .with(78, "config_keystore_unusable")
        .saying("keystore.engine is neither");
}

#[test]
fn a_directory_with_sessions_of_its_own_is_not_taken_over() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let mut own = Setup::new().start();
    own.stop();
    let node = deployment.node().data_dir(own.data());
    node.start_refused()
        .with(78, "keystore_engine_changed")
        .saying("choose another data_dir");
}
