//! `lacre health` against a real server in each of its states.

use super::{lacre, run_with};
use crate::support::server::{Server, Setup};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

fn health(arguments: &[&str]) -> super::Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lacre"));
    run_with(command.arg("health").args(arguments), b"")
}

#[test]
fn a_ready_server_is_0_and_a_stopped_one_69() {
    let server = Server::start();
    let management = format!("http://{}", server.management);
    for url in [
        management.clone(),
        format!("{management}/"),
        format!("{management}/readyz"),
    ] {
        assert_eq!(health(&[&url]).ok().stdout, "ready\n");
    }
    drop(server);
    let gone = health(&[&management]).failed(69, "server_unreachable");
    assert!(gone.stderr.contains("refused"), "{gone:?}");
}

#[test]
fn without_a_url_the_configuration_says_where() {
    let setup = Setup::new();
    let folder = tempfile::TempDir::new().unwrap();
    let socket = folder.path().join("management.sock");
    let listen = format!("unix:{}", socket.display());
    let file = setup.data().parent().unwrap().join("health.toml");
    std::fs::write(&file, format!("management_listen = '{listen}'\n")).unwrap();
    let config = file.to_str().unwrap();
    let before = health(&["--config", config]).failed(69, "server_unreachable");
    assert!(before.stderr.contains("No such file"), "{before:?}");

    let mut server = Command::new(env!("CARGO_BIN_EXE_lacre"))
        .args(["serve", "--config", config, "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(setup.data())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ready = crate::support::wait::until("the server is ready", || {
        Some(health(&["--config", config])).filter(|ran| ran.status == Some(0))
    });
    assert_eq!(ready.stdout, "ready\n");
    health(&[&listen]).ok();
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn who_answers_something_else_is_not_ready() {
    for (answer, code) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "not_lacre",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            "not_lacre",
        ),
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 46\r\n\r\n{\"code\":\"store_timeout\",\"stores\":{},\"ready\":0}",
            "store_timeout",
        ),
        ("nonsense\r\n\r\n", "server_unreachable"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let _ = peer.read(&mut [0; 1024]);
            peer.write_all(answer.as_bytes()).unwrap();
        });
        health(&[&url]).failed(69, code);
        answering.join().unwrap();
    }
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    health(&[&format!("http://{}", silent.local_addr().unwrap())]).failed(69, "server_unreachable");
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn what_is_no_url_is_misuse() {
    for bad in ["127.0.0.1:9090", "ftp://a", "http://a?b"] {
        assert_eq!(health(&[bad]).status, Some(2), "{bad}");
    }
    // It looks, and makes no deployment.
    let setup = Setup::new();
    assert_eq!(lacre(&setup, "health http://127.0.0.1:1").status, Some(69));
    assert!(!setup.data().exists());
}

/// Each part of the answer comes in time, and the whole of it never.
#[test]
fn an_answer_that_never_ends_is_given_up_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dripping = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let _ = peer.read(&mut [0; 1024]);
        let mut sent = peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while sent.is_ok() {
            std::thread::sleep(Duration::from_millis(200));
            sent = peer.write_all(b" ");
        }
    });
    let began = Instant::now();
    health(&[&url]).failed(69, "server_unreachable");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    dripping.join().unwrap();
}
