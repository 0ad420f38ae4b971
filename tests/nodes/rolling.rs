//! All nodes replaced one after the other under load: no request fails, and nobody is logged out.
//!
//! The load comes through what a balancer does that takes the next node where a connection is refused, or ends before a
//! byte of the answer has come, as `retry-on conn-failure empty-response` has `HAProxy` do; and through `HAProxy`.

use super::ends::{Over, never_after, rounds};
use super::{Deployment, EMAIL, PASSWORD, Store};
use crate::support::http::{Answer, Connection, Request, send};
use crate::support::proxy::Haproxy;
use crate::support::server::{Server, Setup, Token};
use serde_json::Value;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

on_every_engine!(
    postgres:
        a_rolling_restart_under_load_fails_no_request_and_logs_nobody_out,
        a_rolling_change_of_the_master_key_logs_nobody_out;
    redis:
        a_rolling_restart_under_load_fails_no_request_and_logs_nobody_out,
        a_rolling_change_of_the_master_key_logs_nobody_out;
    cluster:
        a_rolling_restart_under_load_fails_no_request_and_logs_nobody_out,
        a_rolling_change_of_the_master_key_logs_nobody_out;
);

/// The nodes behind one address.
struct Balancer {
    nodes: Mutex<Vec<SocketAddr>>,
    next: AtomicUsize,
    /// How often a connection was refused, and how often it ended without an answer.
    refused: AtomicUsize,
    empty: AtomicUsize,
}

impl Balancer {
    fn to(nodes: &[Server]) -> Self {
        Self {
            nodes: Mutex::new(nodes.iter().map(|node| node.public).collect()),
            next: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            empty: AtomicUsize::new(0),
        }
    }

    fn send(&self, request: &Request) -> Answer {
        for _ in 0..100 {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let node = {
                let nodes = self.nodes.lock().unwrap();
                nodes[turn % nodes.len()]
            };
            let Ok(mut connection) = Connection::open(node) else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            match connection.send(request) {
                Ok(answer) => return answer,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset
                            | ErrorKind::UnexpectedEof
                            | ErrorKind::BrokenPipe
                    ) =>
                {
                    self.empty.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => panic!("{request:?}: {error}"),
            }
        }
        panic!("no node takes {request:?}");
    }
}

/// Log-ins, refreshes and calls, until it is over. Returns how many sessions are all still good.
fn load(send: impl Fn(&Request) -> Answer, over: &AtomicBool) -> Vec<Token> {
    let log_in = serde_json::json!({"email": EMAIL, "password": PASSWORD});
    let log_in = Request::post("/getToken").json(log_in);
    let mut sessions = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begun = Token::of(&send(&log_in));
        let refresh = Request::post("/refresh").bearer(begun.refresh.as_deref().unwrap());
        let token = Token::of(&send(&refresh));
        for _ in 0..5 {
            let call = Request::get("/headers").bearer(&token.auth);
            let answer = send(&call);
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        sessions.push(token);
        // Those of before are good as well.
        let earlier = &sessions[sessions.len() / 2];
        let answer = send(&Request::get("/headers").bearer(&earlier.auth));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    sessions
}

/// Four of those at once, for as long as `meanwhile` takes.
fn loaded<T>(
    send: impl Fn(&Request) -> Answer + Sync,
    meanwhile: impl FnOnce() -> T,
) -> (T, Vec<Token>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let loads: Vec<_> = (0..4).map(|_| scope.spawn(|| load(&send, &over))).collect();
        let not_yet = Over(&over);
        let done = meanwhile();
        drop(not_yet);
        let sessions = loads.into_iter().flat_map(|load| load.join().unwrap());
        (done, sessions.collect())
    })
}

/// Replaces the nodes one after the other while others log in, refresh and call. `again` starts the one of this number, which
/// was stopped.
fn replaced(nodes: &mut [Server], again: impl Fn(usize, &mut Server)) -> Vec<Token> {
    nodes[0].sign_up(EMAIL, PASSWORD);
    let balancer = Balancer::to(nodes);
    let ((), sessions) = loaded(
        |request| balancer.send(request),
        || {
            for (number, node) in nodes.iter_mut().enumerate() {
                std::thread::sleep(Duration::from_millis(300));
                assert!(node.stop().success());
                again(number, node);
                balancer.nodes.lock().unwrap()[number] = node.public;
            }
        },
    );
    assert!(balancer.refused.load(Ordering::Relaxed) > 0);
    all_good(nodes, &sessions);
    println!(
        "{} sessions, {} connections refused, {} without an answer",
        sessions.len(),
        balancer.refused.load(Ordering::Relaxed),
        balancer.empty.load(Ordering::Relaxed)
    );
    sessions
}

fn all_good(nodes: &[Server], sessions: &[Token]) {
    for node in nodes {
        for token in sessions {
            node.accepts(&token.auth);
        }
    }
}

/// Three nodes, on whose sessions there is no bound that matters.
fn nodes(deployment: &Deployment) -> Vec<Server> {
    let node = || node(deployment).start();
    vec![node(), node(), node()]
}

fn node(deployment: &Deployment) -> Setup {
    let node = deployment.node();
    node.env("LACRE_SESSION__MAX_PER_USER", "10000")
}

fn a_rolling_restart_under_load_fails_no_request_and_logs_nobody_out(deployment: &Deployment) {
    let sessions = replaced(&mut nodes(deployment), |_, node| node.restart());
    assert!(sessions.len() >= 4);
}

/// The same behind a real balancer, by the recipe of the documentation.
#[test]
fn a_rolling_restart_behind_haproxy_fails_no_request_and_logs_nobody_out() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let Some(haproxy) = Haproxy::before_nodes() else {
        return;
    };
    let nodes = haproxy.nodes.iter().map(|(public, management)| {
        let node = node(&deployment).env("LACRE_TRUSTED_PROXIES", "127.0.0.1");
        node.listen(public).management(management).start()
    });
    let mut nodes: Vec<_> = nodes.collect();
    nodes[0].sign_up(EMAIL, PASSWORD);
    haproxy.sees_all();
    let (rounds, sessions) = loaded(
        |request| send(haproxy.address, request),
        || {
            let rounds = rounds(1, 20);
            for _ in 0..rounds {
                for node in &mut nodes {
                    std::thread::sleep(Duration::from_millis(300));
                    assert!(node.stop().success());
                    node.restart();
                    haproxy.sees_all();
                }
            }
            rounds
        },
    );
    assert!(sessions.len() >= 4);
    all_good(&nodes, &sessions);
    println!("{} sessions, {rounds} times all nodes", sessions.len());
}

/// From an earlier version to this one, node by node: nodes of both are at work beside each other.
#[test]
#[ignore = "needs the program of an earlier commit: make cluster-upgrade FROM=commit"]
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
fn an_upgrade_under_load_fails_no_request_and_logs_nobody_out() {
    let earlier = std::env::var_os("LACRE_TEST_EARLIER").expect("LACRE_TEST_EARLIER is set");
    for deployment in [Deployment::new(), Deployment::redis()] {
        let deployment = deployment.expect("PostgreSQL and Redis are installed");
        let start = || node(&deployment).program(Path::new(&earlier)).start();
        let mut nodes = [start(), start(), start()];
        let own = std::fs::read(env!("CARGO_BIN_EXE_lacre")).unwrap();
        assert_ne!(
            std::fs::read(&earlier).unwrap(),
            own,
            "it is the same program"
        );
        let sessions = replaced(&mut nodes, |_, node| node.upgrade());
        assert!(sessions.len() >= 4);
        // Beside each other once more, and what one of them ends both refuse.
        let old = start();
        for (at, by) in [(&old, &nodes[0]), (&nodes[0], &old)] {
            let token = at.get_token(EMAIL, PASSWORD);
            never_after(&[at, by], &token.auth, || {
                by.revoke(&token.auth, &token.crt).expect(204);
            });
        }
    }
}

/// A new master key is put on every node as it is restarted, then everything is sealed under it, under load.
fn a_rolling_change_of_the_master_key_logs_nobody_out(deployment: &Deployment) {
    let (path, mut nodes) = (deployment.master_key(), nodes(deployment));
    let sessions = replaced(&mut nodes, |number, node| {
        if number == 0 {
            let before = std::fs::read_to_string(&path).unwrap();
            let newer = format!("{before}2:D2mTCRxEnIhF0cLFmLpGXYqSe1xNLvWbiQ0n4MZ1f7k\n");
            std::fs::write(&path, newer).unwrap();
        }
        node.restart();
    });
    let balancer = Balancer::to(&nodes);
    // One of the nodes may have begun with it already.
    let rotate = || nodes[1].operator(&["keys", "rotate", "--master"]);
    let (_, during) = loaded(|request| balancer.send(request), rotate);
    let status: Value =
        serde_json::from_str(&nodes[2].operator(&["keys", "status", "--json"])).unwrap();
    let masters = status["master"].as_array().unwrap();
    let newest = (&masters[0]["id"], &masters[1]["records"]);
    assert_eq!(newest, (&Value::from(2), &Value::from(0)), "{status}");
    if matches!(deployment.store, Store::Database) {
        let sealed = "SELECT DISTINCT encode(substr(sealed, 1, 5), 'hex') FROM keystore_sessions";
        assert_eq!(deployment.database.sql(sealed), "0100000002");
    }
    all_good(&nodes, &[sessions, during].concat());
}
