//! `lacre demo`: the story, and what becomes of its server.

use super::{Ran, run_with};
use crate::support::server::Setup;
use crate::support::wait;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// The demo with temporary files in the setup's own directory.
fn demo(setup: &Setup) -> Command {
    let mut command = setup.lacre(["demo"]);
    command.env("TMPDIR", setup.home());
    command
}

fn leftovers(setup: &Setup) -> usize {
    std::fs::read_dir(setup.home()).unwrap().count()
}

fn tells_the_story(told: &Ran) {
    let told = &told.stdout;
    let statuses: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("< "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(
        statuses,
        [
            "401 Unauthorized",
            "201 Created",
            "200 OK",
            "200 OK",
            "200 OK",
            "204 No Content",
            "401 Unauthorized"
        ],
        "{told}"
    );
    assert!(told.contains("\"password\": \"********\""), "{told}");
    assert!(told.contains("> Authorization: Bearer eyJ"), "{told}");
}

#[test]
fn the_story_is_told_and_nothing_stays() {
    // What its caller has set isn't for its server: this would keep it from starting.
    let setup = Setup::new().env("LACRE_ACCOUNTS__URL", "sqlite:/nowhere/at/all");
    let told = run_with(&mut demo(&setup), b"").ok();
    tells_the_story(&told);
    assert_eq!(told.stderr, "");
    assert_eq!(leftovers(&setup), 0);
}

#[test]
fn the_story_is_told_with_a_server_that_is_there() {
    let setup = Setup::new();
    let server = setup.start();
    let mut command = demo(&setup);
    let told = run_with(
        command.args(["--url", &format!("http://{}/", server.public)]),
        b"",
    )
    .ok();
    tells_the_story(&told);
    server.is_well();
}

#[test]
fn a_server_that_takes_no_strangers_is_named_as_such() {
    let setup = Setup::new().without_dev();
    let server = setup.start();
    let mut command = demo(&setup);
    let told = run_with(
        command.args(["--url", &format!("http://{}", server.public)]),
        b"",
    );
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(
        told.stderr.contains("--dev") && told.stderr.contains("(signup_closed)"),
        "{told:?}"
    );
}

#[test]
fn no_server_is_unreachable() {
    let setup = Setup::new();
    // Taken, so that nobody else is there, and never listened to.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut command = demo(&setup);
    let told = run_with(command.args(["--url", &format!("http://{port}")]), b"");
    assert_eq!(told.status, Some(69), "{told:?}");
    assert!(told.stderr.contains("(server_unreachable)"), "{told:?}");
}

#[test]
fn a_server_that_lets_everybody_in_fails_the_first_step() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let setup = Setup::new();
    let told = run_with(demo(&setup).args(["--url", &url]), b"");
    answering.join().unwrap();
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(
        told.stderr.contains("step 1: expected 401, got 200"),
        "{told:?}"
    );
    assert!(told.stderr.contains("(demo_step_failed)"), "{told:?}");
}

#[test]
fn whoever_breaks_it_off_leaves_nothing_behind() {
    let setup = Setup::new();
    let mut command = demo(&setup);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The signal is caught before the directory is made.
    wait::until("the demo's directory", || {
        (leftovers(&setup) > 0).then_some(())
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let mut told = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    let status = child.wait().unwrap();
    if !told.contains("Done") {
        assert_eq!(status.code(), Some(130), "{told}");
    }
    assert_eq!(leftovers(&setup), 0);
}
