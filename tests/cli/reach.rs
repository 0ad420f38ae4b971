//! How a command finds its way: through the directory, through the socket, or not at all.

use super::{add_user, lacre, log_in, run_with};
use crate::support::server::Setup;
use crate::support::skipped::cannot_run_here;
use lacre::internals::deployment::data_dir::DataDir;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

#[test]
fn a_command_that_only_looks_makes_no_deployment() {
    let setup = Setup::new();
    for words in [
        "users list",
        "users show ada",
        "users disable ada",
        "users delete ada",
        "clients list",
        "clients delete client_0123456789abcdef",
        "keystore list",
        "keystore stats",
        "keystore show abc",
        "sessions revoke --all",
    ] {
        lacre(&setup, words).failed(78, "deployment_missing");
        assert!(!setup.data().exists(), "{words}");
    }
    // An empty directory is none either, and stays empty.
    fs::create_dir(setup.data()).unwrap();
    lacre(&setup, "users list").failed(78, "deployment_missing");
    assert_eq!(fs::read_dir(setup.data()).unwrap().count(), 0);
    let made = lacre(&setup, "clients add first").ok().stderr;
    let first = made.lines().next().unwrap();
    assert!(first.ends_with("(deployment_made)"), "{made}");
    assert!(first.contains(setup.data().to_str().unwrap()), "{made}");
    let second = lacre(&setup, "clients add second").ok().stderr;
    assert!(!second.contains("deployment_made"), "{second}");
    lacre(&setup, "clients list").ok();
}

#[test]
fn a_held_directory_with_a_dead_socket_is_said_to_be_unreachable() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    let held = DataDir::open(setup.data()).unwrap();
    drop(UnixListener::bind(setup.data().join("admin.sock")).unwrap());
    let failed = lacre(&setup, "users list").failed(69, "server_unreachable");
    assert!(failed.stderr.contains("no server answers"), "{failed:?}");
    drop(held);
    lacre(&setup, "users list").ok();
}

#[test]
fn commands_without_a_server_take_their_turn() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    let add = |number: usize| add_user(&setup, &format!("u{number}@example.com"));
    std::thread::scope(|scope| {
        let adding: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || add(number)))
            .collect();
        for one in adding {
            one.join().unwrap();
        }
    });
    let users = lacre(&setup, "users list --json").ok().json();
    assert_eq!(users.as_array().unwrap().len(), 5);
}

#[test]
fn what_a_killed_server_left_is_no_obstacle() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    server.kill9();
    assert!(
        setup.data().join("admin.sock").exists(),
        "nobody could remove it"
    );
    let sessions = lacre(&setup, "keystore list --json").ok().json();
    assert_eq!(super::handles(&sessions), [token.crt]);
    server.restart();
    lacre(&setup, "users disable ada@example.com").ok();
    server.refuses(&token.auth);
}

#[test]
fn the_socket_is_private_and_goes_with_the_server() {
    let setup = Setup::new();
    let mut server = setup.start();
    let socket = setup.data().join("admin.sock");
    let mode = fs::symlink_metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(server.stop().success());
    assert!(!socket.exists());
}

#[test]
fn another_user_gets_nothing() {
    if !rustix::process::geteuid().is_root() || Command::new("setpriv").arg("-V").output().is_err()
    {
        return cannot_run_here(
            "nobody but root can act as another user",
            "run as root, with setpriv",
        );
    }
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let open = |path: &std::path::Path, mode: u32| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let program = setup.home().join("lacre");
    fs::copy(env!("CARGO_BIN_EXE_lacre"), &program).unwrap();
    open(&program, 0o755);
    open(setup.home(), 0o755);
    let nobody = || {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(["users", "list", "--data-dir"])
            .arg(setup.data())
            .env_clear()
            .current_dir(setup.home());
        run_with(&mut command, b"")
    };
    nobody().failed(78, "data_dir_unwritable");
    // Where anybody could have planted the socket, nothing is sent to it, by root neither.
    open(setup.data(), 0o777);
    for (name, mode) in [("version", 0o644), ("lock", 0o666)] {
        open(&setup.data().join(name), mode);
    }
    nobody().failed(78, "data_dir_exposed");
    lacre(&setup, "users list").failed(78, "data_dir_exposed");
    // Even to whom the directory belongs, and a group that root lets in: the server looks at who asks.
    open(setup.data(), 0o700);
    std::os::unix::fs::chown(setup.data(), Some(65534), None).unwrap();
    for (name, mode) in [("lock", 0o660), ("admin.sock", 0o660), ("keystore", 0o750)] {
        let path = setup.data().join(name);
        std::os::unix::fs::chown(&path, None, Some(65534)).unwrap();
        open(&path, mode);
    }
    nobody().failed(69, "admin_peer_refused");
    lacre(&setup, "users list").ok();
    server.stop();
    assert!(server.written().contains("refused another user"));
}
