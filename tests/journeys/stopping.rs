//! Stopping: what is under way is answered, nothing new is taken, and the status says so.

use super::PASSWORD;
use crate::support::http::{Connection, Request};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A request whose head and a part of whose body are sent: in flight for as long as we like.
fn half_a_log_in(server: &Server) -> (Connection, Vec<u8>) {
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let bytes = Request::post("/getToken").json(body).bytes();
    let (half, rest) = bytes.split_at(bytes.len() - 10);
    let mut connection = Connection::open(server.public).unwrap();
    connection.write(half).unwrap();
    until("the request is in flight", || {
        let metrics = server.manage("/metrics").expect(200);
        metrics
            .text()
            .lines()
            .any(|line| line == "lacre_http_requests_in_flight 1")
            .then_some(())
    });
    (connection, rest.to_vec())
}

/// Waits until nobody is let in any more.
fn until_closed(server: &Server) {
    until("new connections are refused", || {
        TcpStream::connect(server.public).err().map(|_| ())
    });
}

fn drains(signal: Signal) {
    let mut server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let (mut slow, rest) = half_a_log_in(&server);

    server.signal(signal);
    until_closed(&server);
    let ready = server.manage("/readyz");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["draining"], true);
    assert_eq!(server.manage("/livez").status, 200);

    slow.write(&rest).unwrap();
    let answer = slow.answer(false).unwrap().expect(200);
    assert!(slow.is_closed());
    assert_eq!(server.ended().code(), Some(0));

    // The session of the last answer is as durable as any.
    server.restart();
    server.accepts(answer.json()["auth"].as_str().unwrap());
}

#[test]
fn sigterm_answers_what_is_in_flight() {
    drains(Signal::TERM);
}

#[test]
fn sigint_answers_what_is_in_flight() {
    drains(Signal::INT);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // The drain is longer than the patience of this test.
    let mut server = Setup::new().env("LACRE_SERVER__DRAIN", "10m").start();
    server.sign_up("ada@example.com", PASSWORD);
    let (mut slow, _) = half_a_log_in(&server);
    server.signal(Signal::TERM);
    until_closed(&server);
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(0));
    assert!(slow.is_closed(), "what was in flight is dropped");
    server.restart();
    server.get_token("ada@example.com", PASSWORD);
}

/// A delay that is longer than the patience of a test.
fn with_a_long_delay() -> Server {
    let server = Setup::new().env("LACRE_SERVER__STOP_DELAY", "10m").start();
    server.sign_up("ada@example.com", PASSWORD);
    server
}

/// Waits until readiness says that it stops.
fn until_not_ready(server: &Server) {
    let ready = until("readiness says no", || {
        let ready = server.manage("/readyz");
        (ready.status == 503).then_some(ready)
    });
    let ready = ready.json();
    assert_eq!(ready["code"], "stopping", "{ready}");
    assert_eq!(ready["draining"], true, "{ready}");
}

#[test]
fn in_the_delay_after_sigterm_readiness_says_no_and_everything_is_served() {
    let mut server = with_a_long_delay();
    let mut kept = Connection::open(server.public).unwrap();
    kept.send(&Request::get("/open")).unwrap().expect(200);
    server.signal(Signal::TERM);
    until_not_ready(&server);
    assert_eq!(server.manage("/livez").status, 200);
    for _ in 0..3 {
        // New connections, one that was open, changes and commands.
        let token = server.get_token("ada@example.com", PASSWORD);
        server.accepts(&token.auth);
        kept.send(&Request::get("/open")).unwrap().expect(200);
        server.call("POST", "/logout", &token.auth).expect(204);
        assert!(server.operator(&["users", "list"]).contains("ada@"));
    }
    // A second signal ends the delay, and no request.
    let (mut slow, rest) = half_a_log_in(&server);
    server.signal(Signal::TERM);
    until_closed(&server);
    slow.write(&rest).unwrap();
    slow.answer(false).unwrap().expect(200);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn the_delay_ends_by_itself() {
    let mut server = Setup::new().env("LACRE_SERVER__STOP_DELAY", "2s").start();
    let began = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(2));
}

#[test]
fn who_presses_ctrl_c_does_not_wait_for_the_delay() {
    let mut server = with_a_long_delay();
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(0));
    // Also in the middle of it.
    let mut server = with_a_long_delay();
    server.signal(Signal::TERM);
    until_not_ready(&server);
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn sighup_ends_nothing_while_it_serves_and_while_it_stops() {
    let mut server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    for _ in 0..3 {
        server.signal(Signal::HUP);
        server.is_well();
    }
    until("the signal is logged", || {
        server.written().contains("SIGHUP").then_some(())
    });
    let (mut slow, rest) = half_a_log_in(&server);
    server.signal(Signal::TERM);
    until_closed(&server);
    server.signal(Signal::HUP);
    slow.write(&rest).unwrap();
    slow.answer(false).unwrap().expect(200);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn sighup_ends_nothing_while_it_starts() {
    let setup = Setup::new();
    let any = "127.0.0.1:0";
    let mut command = setup.lacre(["serve", "--listen", any, "--management-listen", any]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let status = format!("/proc/{}/status", child.id());
    until("the signal is caught", || {
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught?.trim(), 16).unwrap();
        // The signal's number counts from one.
        (caught & 1 == 1).then_some(())
    });
    // Nothing was opened or made before.
    let pid = Pid::from_child(&child);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let sending = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while sending.load(Ordering::Relaxed) {
                let _ = kill_process(pid, Signal::HUP);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let listens = lines.any(|line| line.is_ok_and(|line| line.starts_with("listening on ")));
        sending.store(false, Ordering::Relaxed);
        assert!(listens, "it ended");
    });
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// What can be done before the signal is caught is little: at a moment when it is, the program has one
/// thread, and so has neither read its configuration nor made the runtime.
#[test]
fn sighup_is_caught_first_of_all() {
    let setup = Setup::new();
    let first = (0..50).any(|_| {
        let mut command = setup.lacre(["serve", "--config", "missing.toml"]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let alone = loop {
            // An ended process has a status as well, without these lines.
            let status = std::fs::read_to_string(&status).unwrap();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                u64::from_str_radix(line.trim(), 16).ok()
            };
            match (field("SigCgt:"), field("Threads:"), field("State:")) {
                (Some(caught), Some(threads), _) if caught & 1 == 1 => break threads == 1,
                (Some(_), _, _) if !status.contains("(zombie)") => {}
                _ => break false,
            }
        };
        child.wait().unwrap();
        alone
    });
    assert!(first);
}

/// The lines that say where the service is go into a pipe that is full.
#[test]
fn a_reader_who_does_not_read_where_the_service_is_does_not_hold_its_end_up() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut full = writer.try_clone().unwrap();
    std::thread::spawn(move || while std::io::Write::write(&mut full, &[b'x'; 4096]).is_ok() {});
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = address.to_string();
    let setup = Setup::new();
    let arguments = [
        "serve",
        "--listen",
        &listen,
        "--management-listen",
        "127.0.0.1:0",
    ];
    let mut command = setup.lacre(arguments);
    let mut child = command
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it serves", || {
        let mut connection = Connection::open(address).ok()?;
        connection.send(&Request::get("/open")).ok()
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let status = until("it ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_drain_ends_when_its_time_is_up() {
    let mut server = Setup::new().env("LACRE_SERVER__DRAIN", "1s").start();
    server.sign_up("ada@example.com", PASSWORD);
    let (mut slow, _) = half_a_log_in(&server);
    assert_eq!(server.stop().code(), Some(0));
    assert!(slow.is_closed());
}

#[test]
fn an_idle_server_ends_at_once_and_an_idle_connection_does_not_hold_it() {
    let mut server = Setup::new().env("LACRE_SERVER__DRAIN", "10m").start();
    let mut idle = Connection::open(server.public).unwrap();
    idle.send(&Request::get("/open")).unwrap().expect(200);
    assert_eq!(server.stop().code(), Some(0));
    assert!(idle.is_closed());
}
