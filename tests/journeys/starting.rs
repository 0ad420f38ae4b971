//! Starts that must be refused: with a status, a code and a hint, and without touching anything.

use super::PASSWORD;
use crate::support::server::{Refused, Server, Setup, Token};
use crate::support::snapshot::Snapshot;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A deployment with an account and a session, stopped.
fn stopped() -> (Server, Token) {
    let mut server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    assert_eq!(server.stop().code(), Some(0));
    (server, token)
}

/// Demands that a start is refused with this status and code and changes nothing, not even a time.
fn refused(setup: &Setup, status: i32, code: &str) -> Refused {
    // Who gets as far as the keys holds the lock, and writes its process id into it.
    let lock = setup.data().join("lock");
    let looked_at = || {
        let all = Snapshot::of(setup.home());
        if code.starts_with("data_dir") {
            all
        } else {
            all.without(&lock)
        }
    };
    let before = looked_at();
    let refused = setup.start_refused().with(status, code);
    looked_at().is_still(&before);
    refused
}

/// Spoils a file, demands the refusal, puts the file back and demands that the session lives.
fn spoiled(file: &str, spoil: impl Fn(&Path), status: i32, code: &str) {
    let (mut server, token) = stopped();
    let path = server.data().join(file);
    let good = std::fs::read(&path).unwrap();
    spoil(&path);
    refused(server.setup(), status, code);
    std::fs::write(&path, good).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    server.restart();
    server.accepts(&token.auth);
}

#[test]
fn a_directory_that_another_server_holds() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    let before = Snapshot::of(server.data());
    server
        .setup()
        .start_refused()
        .with(69, "data_dir_held")
        .saying(&format!("({})", server.pid()));
    Snapshot::of(server.data()).is_still(&before);
    server.accepts(&token.auth);
}

#[test]
fn a_file_where_the_directory_should_be() {
    let setup = Setup::new();
    std::fs::write(setup.data(), "a letter").unwrap();
    refused(&setup, 78, "data_dir_unwritable").saying(&setup.data().to_string_lossy());
}

#[test]
fn a_directory_that_can_not_be_made() {
    let setup = Setup::new().data_dir("/proc/lacre");
    setup
        .start_refused()
        .with(78, "data_dir_unwritable")
        .saying("/proc/lacre");
}

#[test]
fn a_directory_of_a_newer_version() {
    spoiled(
        "version",
        |path| std::fs::write(path, "2\n").unwrap(),
        78,
        "data_dir_too_new",
    );
}

#[test]
fn a_version_that_is_none() {
    spoiled(
        "version",
        |path| std::fs::write(path, "one\n").unwrap(),
        78,
        "data_dir_bad_version",
    );
}

#[test]
fn the_master_key_of_another_deployment() {
    let (other, _) = stopped();
    let key = std::fs::read(other.data().join("master.key")).unwrap();
    spoiled(
        "master.key",
        |path| std::fs::write(path, &key).unwrap(),
        78,
        "master_key_mismatch",
    );
}

#[test]
fn a_master_key_that_is_missing() {
    spoiled(
        "master.key",
        |path| std::fs::remove_file(path).unwrap(),
        78,
        "master_key_missing",
    );
}

#[test]
fn a_master_key_that_is_no_key() {
    spoiled(
        "master.key",
        |path| std::fs::write(path, "1:abc\n").unwrap(),
        78,
        "master_key_bad",
    );
    spoiled(
        "master.key",
        |path| std::fs::write(path, "").unwrap(),
        78,
        "master_key_bad",
    );
}

#[test]
fn a_master_key_that_others_may_read() {
    let open = |path: &Path| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    };
    spoiled("master.key", open, 78, "secret_exposed");
}

#[test]
fn a_keyring_with_a_flipped_bit() {
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    spoiled("keyring", flip, 78, "master_key_mismatch");
}

#[test]
fn a_keyring_that_is_missing() {
    spoiled(
        "keyring",
        |path| std::fs::remove_file(path).unwrap(),
        78,
        "keyring_missing",
    );
}

#[test]
fn accounts_that_are_missing() {
    spoiled(
        "accounts.sqlite",
        |path| std::fs::remove_file(path).unwrap(),
        78,
        "accounts_missing",
    );
}

#[test]
fn accounts_that_were_emptied() {
    spoiled(
        "accounts.sqlite",
        |path| std::fs::write(path, "").unwrap(),
        78,
        "accounts_missing",
    );
}

#[test]
fn accounts_of_another_deployment() {
    let (other, _) = stopped();
    let accounts = std::fs::read(other.data().join("accounts.sqlite")).unwrap();
    spoiled(
        "accounts.sqlite",
        |path| std::fs::write(path, &accounts).unwrap(),
        78,
        "accounts_foreign",
    );
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let setup = Setup::new().listen(&address);
    refused(&setup, 69, "address_in_use").saying(&address);
    assert!(!setup.data().exists(), "nothing was made");
}

#[test]
fn a_key_that_no_configuration_has() {
    let setup = Setup::new();
    let file = setup.home().join("lacre.toml");
    std::fs::write(&file, "[token]\naccess_tll = \"5m\"\n").unwrap();
    refused(&setup, 78, "config_unknown_key").saying("did you mean `token.access_ttl`?");
    std::fs::remove_file(file).unwrap();

    let setup = setup.env("LACRE_SESION__MAX_PER_USER", "5");
    refused(&setup, 78, "config_unknown_key").saying("LACRE_SESSION__MAX_PER_USER`?");
    assert!(!setup.data().exists(), "nothing was made");
}

#[test]
fn dev_on_an_address_that_others_reach() {
    let setup = Setup::new().listen("0.0.0.0:0");
    refused(&setup, 78, "config_dev_not_loopback").saying("loopback");
    assert!(!setup.data().exists(), "nothing was made");
    // Without --dev the same address is fine.
    Setup::new().without_dev().listen("0.0.0.0:0").start();
}

#[test]
fn an_argument_that_is_none() {
    let refused = Setup::new().arg("--no-such").start_refused();
    assert_eq!(refused.status, Some(2), "{refused:?}");
    let refused = Setup::new().listen("nonsense").start_refused();
    refused.with(78, "config_bad_value");
}
