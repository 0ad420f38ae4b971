//! A command beside a server that is stopped, or slow: it says what it waits for, and ends.

use super::{PASSWORD, Ran, add_user, lacre};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;
use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A command that is under way.
fn begin(setup: &Setup, words: &str, input: &str) -> Child {
    let mut command = setup.lacre(words.split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    child
}

/// Waits until it says this on standard error, then does `then`, and waits for its end.
fn says(mut child: Child, code: &str, then: impl FnOnce()) -> Ran {
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut stderr = String::new();
    while !stderr.contains(code) {
        assert!(errors.read_line(&mut stderr).unwrap() > 0, "{stderr}");
    }
    then();
    errors.read_to_string(&mut stderr).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr,
    }
}

fn server() -> (Setup, Server) {
    let setup = Setup::new();
    let server = setup.start();
    (setup, server)
}

#[test]
fn a_stopped_server_keeps_no_command_waiting_for_long() {
    let (setup, server) = server();
    add_user(&setup, "ada@example.com");
    server.signal(Signal::STOP);
    let began = Instant::now();
    let list = begin(&setup, "users list", "");
    let ran = says(list, "(server_silent)", || {
        let told = began.elapsed();
        assert!(told < Duration::from_secs(6), "{told:?}");
    });
    let ran = ran.failed(69, "admin_no_answer");
    assert!(
        ran.stderr
            .contains("doesn't answer; waiting 9 seconds more"),
        "{ran:?}"
    );
    assert!(
        ran.stderr.contains("may be done when it goes on"),
        "{ran:?}"
    );
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    server.signal(Signal::CONT);
    let listed = lacre(&setup, "users list").ok();
    assert!(listed.stdout.contains("ada@example.com"));
    assert_eq!(listed.stderr, "", "a server that answers is not spoken of");
}

#[test]
fn a_server_that_goes_on_in_time_answers() {
    let (setup, server) = server();
    add_user(&setup, "ada@example.com");
    server.signal(Signal::STOP);
    let disable = begin(&setup, "users disable ada@example.com", "");
    let ran = says(disable, "(server_silent)", || server.signal(Signal::CONT)).ok();
    assert!(ran.stdout.contains("is disabled"), "{ran:?}");
}

#[test]
fn a_full_queue_before_a_stopped_server_is_no_endless_wait() {
    let (setup, server) = server();
    server.signal(Signal::STOP);
    let socket = setup.data().join("admin.sock");
    let mut queue = Vec::new();
    // As long as one fits in: a blocking connect would wait for ever.
    until("the queue is full", || {
        let socket = socket.clone();
        let flags = rustix::net::SocketFlags::NONBLOCK;
        let (family, kind) = (
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
        );
        let fd = rustix::net::socket_with(family, kind, flags, None).unwrap();
        let address = rustix::net::SocketAddrUnix::new(socket).unwrap();
        let connected = rustix::net::connect(&fd, &address);
        queue.push(fd);
        (connected == Err(rustix::io::Errno::AGAIN)).then_some(())
    });
    let began = Instant::now();
    let list = begin(&setup, "users list", "");
    says(list, "(server_silent)", || {}).failed(69, "admin_no_answer");
    assert!(began.elapsed() < Duration::from_secs(20));
    server.signal(Signal::CONT);
    drop(queue);
    lacre(&setup, "users list").ok();
}

#[tokio::test]
async fn a_server_that_works_says_so_and_is_waited_for() {
    let (setup, _server) = server();
    let database = setup.data().join("accounts.sqlite");
    let url = format!("sqlite:{}", database.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    // Who writes waits for it, five seconds at most.
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let add = begin(
        &setup,
        "users add ada@example.com --password-stdin",
        PASSWORD,
    );
    let (tell, told) = tokio::sync::oneshot::channel();
    let ended =
        tokio::task::spawn_blocking(move || says(add, "(server_works)", || tell.send(()).unwrap()));
    told.await.unwrap();
    other.execute("ROLLBACK").await.unwrap();
    let ran = ended.await.unwrap().ok();
    assert!(ran.stdout.contains("ada@example.com is added"), "{ran:?}");
    assert!(!ran.stderr.contains("server_silent"), "{ran:?}");
}
