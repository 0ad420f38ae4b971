//! All nodes replaced one after the other under load: no request fails, and nobody is logged out.
//!
//! The load comes through what a balancer does that takes the next node where a connection is refused, or ends before a
//! byte of the answer has come, as `retry-on conn-failure empty-response` has `HAProxy` do.

use super::{Deployment, EMAIL, PASSWORD};
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Token};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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

    /// Log-ins, refreshes and calls, until it is over. Returns how many sessions are all still good.
    fn load(&self, over: &AtomicBool) -> Vec<Token> {
        let log_in = serde_json::json!({"email": EMAIL, "password": PASSWORD});
        let log_in = Request::post("/getToken").json(log_in);
        let mut sessions = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let begun = Token::of(&self.send(&log_in));
            let refresh = Request::post("/refresh").bearer(begun.refresh.as_deref().unwrap());
            let token = Token::of(&self.send(&refresh));
            for _ in 0..5 {
                let call = Request::get("/headers").bearer(&token.auth);
                let answer = self.send(&call);
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            sessions.push(token);
            // Those of before are good as well.
            let earlier = &sessions[sessions.len() / 2];
            let answer = self.send(&Request::get("/headers").bearer(&earlier.auth));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        sessions
    }
}

/// Replaces the nodes one after the other while others log in, refresh and call; `between` comes before each start.
fn replaced(deployment: &Deployment, between: impl Fn(usize)) -> (Vec<Server>, Vec<Token>) {
    let mut nodes: Vec<Server> = (0..3)
        .map(|_| {
            let most = "10000".to_owned();
            let node = deployment.node();
            node.env("LACRE_SESSION__MAX_PER_USER", &most).start()
        })
        .collect();
    nodes[0].sign_up(EMAIL, PASSWORD);
    let balancer = Balancer::to(&nodes);
    let over = AtomicBool::new(false);
    let sessions = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| balancer.load(&over)))
            .collect();
        for (number, node) in nodes.iter_mut().enumerate() {
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert!(node.stop().success());
            between(number);
            node.restart();
            balancer.nodes.lock().unwrap()[number] = node.public;
        }
        over.store(true, Ordering::Relaxed);
        let sessions = loads.into_iter().flat_map(|load| load.join().unwrap());
        sessions.collect::<Vec<_>>()
    });
    assert!(balancer.refused.load(Ordering::Relaxed) > 0);
    for node in &nodes {
        for token in &sessions {
            node.accepts(&token.auth);
        }
    }
    println!(
        "{} sessions, {} connections refused, {} without an answer",
        sessions.len(),
        balancer.refused.load(Ordering::Relaxed),
        balancer.empty.load(Ordering::Relaxed)
    );
    (nodes, sessions)
}

#[test]
fn a_rolling_restart_under_load_fails_no_request_and_logs_nobody_out() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let (_, sessions) = replaced(&deployment, |_| {});
    assert!(sessions.len() >= 4);
}

/// A new master key is put on every node as it is restarted, then everything is sealed under it, under load.
#[test]
fn a_rolling_change_of_the_master_key_logs_nobody_out() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let path = deployment.master_key();
    let (nodes, sessions) = replaced(&deployment, |number| {
        if number == 0 {
            let before = std::fs::read_to_string(&path).unwrap();
            let newer = format!("{before}2:D2mTCRxEnIhF0cLFmLpGXYqSe1xNLvWbiQ0n4MZ1f7k\n");
            std::fs::write(&path, newer).unwrap();
        }
    });
    let balancer = Balancer::to(&nodes);
    let over = AtomicBool::new(false);
    let during = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| balancer.load(&over)))
            .collect();
        // One of the nodes may have begun with it already.
        nodes[1].operator(&["keys", "rotate", "--master"]);
        over.store(true, Ordering::Relaxed);
        let during = loads.into_iter().flat_map(|load| load.join().unwrap());
        during.collect::<Vec<_>>()
    });
    let sealed = "SELECT DISTINCT encode(substr(sealed, 1, 5), 'hex') FROM keystore_sessions";
    assert_eq!(deployment.database.sql(sealed), "0100000002");
    for node in &nodes {
        for token in sessions.iter().chain(&during) {
            node.accepts(&token.auth);
        }
    }
}
