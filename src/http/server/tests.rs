use super::*;
use crate::http::body::BodyLimits;
use crate::http::live::{Live, answer, connect};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

const SHORT: Duration = Duration::from_millis(100);

/// A request that is held at the gate, known to be in its handler.
fn held(live: &Live) -> TcpStream {
    let mut stream = connect(live.public);
    stream
        .write_all(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    live.gate.entered.lock().unwrap().recv().unwrap();
    stream
}

/// Waits until readiness tells that the drain has begun.
fn wait_for_drain(live: &Live) {
    while live.ask("/readyz").json()["draining"] != true {
        std::thread::yield_now();
    }
}

#[test]
fn a_port_in_use_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = Listen::Tcp(holder.local_addr().unwrap());
    let free = "127.0.0.1:0".parse().unwrap();
    for (public, management) in [(&taken, &free), (&free, &taken)] {
        let error = Listeners::bind(public, management).unwrap_err();
        assert_eq!(error.code(), "address_in_use");
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }
}

#[test]
fn a_foreign_address_is_refused() {
    let error = Listeners::bind(
        &"192.0.2.1:1".parse().unwrap(),
        &"127.0.0.1:0".parse().unwrap(),
    );
    assert_eq!(error.unwrap_err().code(), "address_unusable");
}

#[test]
fn an_ordinary_client_is_served() {
    let live = Live::start();
    let client = reqwest::blocking::Client::new();
    let url = |path: &str| format!("http://{}{path}", live.public);
    let answer = client
        .post(url("/json"))
        .json(&json!({"email": "a@b"}))
        .send()
        .unwrap();
    assert_eq!(answer.text().unwrap(), "a@b");
    let answer = client.get(url("/me")).bearer_auth("a.b").send().unwrap();
    assert_eq!(answer.status(), 200);
    drop(client);
    live.stop();
    assert_eq!(live.ended(), Ended::Drained);
}

#[test]
fn the_management_listener_has_its_own_routes() {
    let live = Live::start();
    assert_eq!(live.ask("/livez").body, "ok\n");
    assert_eq!(
        live.ask("/metrics").header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(live.ask("/me").problem(), "not_found");
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(
            live.call("GET", target).problem(),
            "not_found",
            "{target} is not public"
        );
    }
}

#[test]
fn readiness_says_which_store_is_down() {
    let live = Live::start();
    let ready = live.ask("/readyz");
    let stores = json!({"accounts": "up", "keystore": "up"});
    assert_eq!((ready.status, &ready.json()["stores"]), (200, &stores));
    live.keystore_up.store(false, Ordering::SeqCst);
    let ready = live.ask("/readyz");
    let expected = json!({
        "ready": false, "code": "store_unavailable", "draining": false, "stores": {"accounts": "up", "keystore": "down"}
    });
    assert_eq!((ready.status, ready.json()), (503, expected));
    assert_eq!(live.ask("/livez").status, 200, "alive all the same");
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let live = Live::start();
    let mut held = held(&live);
    let mut idle = connect(live.public);
    live.stop();
    wait_for_drain(&live);
    assert_eq!(live.ask("/readyz").status, 503);
    live.gate.open.add_permits(1);
    let answer = answer(&mut held);
    assert_eq!((answer.status, answer.body.as_str()), (200, "through"));
    assert_eq!(
        answer.header("connection"),
        Some("close"),
        "no further request here"
    );
    let mut nothing = Vec::new();
    assert_eq!(idle.read_to_end(&mut nothing).unwrap_or(0), 0);
    let public = live.public;
    assert_eq!(live.ended(), Ended::Drained);
    assert!(
        TcpStream::connect(public).is_err(),
        "nobody listens any more"
    );
}

#[test]
fn a_second_stop_drops_what_is_in_flight() {
    let live = Live::start();
    let mut held = held(&live);
    live.stop();
    wait_for_drain(&live);
    live.stop();
    assert_eq!(live.ended(), Ended::Forced);
    let mut nothing = Vec::new();
    let read = held.read_to_end(&mut nothing);
    assert!(nothing.is_empty(), "{read:?}");
}

#[test]
fn a_drain_ends_with_its_timeout() {
    let settings = Settings {
        workers: 1,
        drain_timeout: SHORT,
        ..Settings::default()
    };
    let live = Live::with(settings);
    let _held = held(&live);
    live.stop();
    assert_eq!(live.ended(), Ended::Drained);
}

#[test]
fn a_slow_head_is_cut_off() {
    let settings = Settings {
        workers: 1,
        head_timeout: SHORT,
        ..Settings::default()
    };
    let live = Live::with(settings);
    let mut stream = connect(live.public);
    stream.write_all(b"GET /id HTTP/1.1\r\nHost: ").unwrap();
    assert_eq!(answer(&mut stream).status, 408);
}

/// Impatient enough that a test needn't wait.
fn impatient() -> Settings {
    Settings {
        workers: 1,
        keep_alive: SHORT,
        head_timeout: SHORT,
        ..Settings::default()
    }
}

/// Sends a whole request and a part of a second one, and returns when the server has cut it off.
fn send_one_and_a_part(live: &Live) {
    let mut stream = connect(live.public);
    stream
        .write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut last = *b" ";
    while last != *b"}" {
        stream.read_exact(&mut last).unwrap();
    }
    stream.write_all(b"GET /id HTTP/1.1\r\nHost: ").unwrap();
    let mut rest = Vec::new();
    stream
        .read_to_end(&mut rest)
        .expect("closed, not left open");
}

#[test]
fn a_slow_second_head_is_cut_off_too() {
    send_one_and_a_part(&Live::with(impatient()));
}

#[test]
fn a_request_in_flight_is_never_cut_off() {
    let live = Live::with(impatient());
    let mut held = held(&live);
    // Whatever began after it has reached the deadline, so it has reached it too.
    send_one_and_a_part(&live);
    live.gate.open.add_permits(1);
    live.stop();
    assert_eq!(answer(&mut held).body, "through");
}

#[test]
fn a_slow_body_is_cut_off() {
    let body = BodyLimits {
        read_timeout: SHORT,
        ..BodyLimits::default()
    };
    let live = Live::with(Settings {
        workers: 1,
        body,
        ..Settings::default()
    });
    let mut stream = connect(live.public);
    stream
        .write_all(
            b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
              Content-Length: 10\r\n\r\n{",
        )
        .unwrap();
    let answer = answer(&mut stream);
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (408, "request_timeout")
    );
}

#[test]
fn times_are_rounded_up() {
    assert_eq!(whole_seconds(SHORT), 1);
    assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
    assert_eq!(whole_seconds(Duration::ZERO), 0);
}

#[tokio::test]
async fn signals_are_stops() {
    let mut stops = stop_signals().unwrap();
    let send = |signal| rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
    for (signal, stop) in [
        (rustix::process::Signal::TERM, Stop::AfterDelay),
        (rustix::process::Signal::INT, Stop::Now),
    ] {
        // Ends nothing, neither the process nor the wait.
        send(rustix::process::Signal::HUP);
        send(signal);
        assert_eq!(stops.next().await, Some(stop));
    }
}
