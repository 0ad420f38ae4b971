//! Stopping: what is under way is answered, nothing new is taken, and the status says so.

use super::PASSWORD;
use crate::support::http::{Connection, Request};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;
use rustix::process::Signal;
use serde_json::json;
use std::net::TcpStream;

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
