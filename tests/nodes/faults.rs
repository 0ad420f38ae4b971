//! Nodes and databases that fail: nobody is let in after the answer of an end, and what can't be known is 503.

use super::ends::{never_after, rounds};
use super::failover::{ended_at_last, lets_in};
use super::{Deployment, EMAIL, Outage, PASSWORD};
use crate::pages::page;
use crate::support::http::{Request, send};
use crate::support::server::{Client, Server, Token};
use crate::support::wait::until;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

on_every_engine!(
    postgres:
        without_the_store_it_is_503_within_a_second_and_back_within_two,
        a_node_that_stood_still_lets_nobody_in_who_has_ended_meanwhile,
        a_node_that_is_killed_leaves_the_others_as_they_are,
        an_end_that_wasnt_answered_is_repeated_at_another_node,
        a_refresh_or_a_log_in_that_wasnt_answered_is_repeated_at_another_node;
    redis:
        without_the_store_it_is_503_within_a_second_and_back_within_two,
        a_node_that_stood_still_lets_nobody_in_who_has_ended_meanwhile,
        a_node_that_is_killed_leaves_the_others_as_they_are,
        an_end_that_wasnt_answered_is_repeated_at_another_node,
        a_refresh_or_a_log_in_that_wasnt_answered_is_repeated_at_another_node;
    cluster:
        without_the_store_it_is_503_within_a_second_and_back_within_two;
);

/// A second, and what a busy machine of two cores needs besides: more where a password is hashed, on all nodes at once,
/// before the store is asked that is away.
fn within(request: &Request) -> Duration {
    let bytes = request.bytes();
    let hashing = ["POST /signup ", "POST /getToken ", "POST /login "];
    let hashes = hashing
        .iter()
        .any(|line| bytes.starts_with(line.as_bytes()));
    Duration::from_millis(if hashes { 1_600 } else { 1_300 })
}

/// Who asks while a store is away.
struct Askers {
    /// An administrator's.
    token: Token,
    /// A back end with users of its own.
    client: Client,
    /// An account, and the session of a user of the back end's.
    account: String,
    own: Token,
}

impl Askers {
    /// A good request for each public route but `GET /openapi.json`, which needs no store. That of `POST /signup` needs none
    /// of sessions.
    fn of_the_public_routes(&self, outage: Outage) -> Vec<Request> {
        let text = std::fs::read_to_string(page::root().join("docs/openapi.json")).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut requests = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let of_sessions = matches!(outage, Outage::RedisHalted | Outage::RedisDown);
                let needless =
                    path == "/openapi.json" || (of_sessions && path.as_str() == "/signup");
                if !needless && operation["responses"].is_object() {
                    requests.push(self.request(&method.to_uppercase(), path));
                }
            }
        }
        assert!(requests.len() > 20, "{}", requests.len());
        requests.push(self.by_client(
            Request::post("/getToken").json(json!({"id": "7", "user_session": "till"})),
        ));
        requests
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let (id, crt) = if path.starts_with("/client/") {
            ("7", &self.own.crt)
        } else {
            (self.account.as_str(), &self.token.crt)
        };
        let request = Request::new(method, &path.replace("{id}", id).replace("{crt}", crt));
        let log_in = json!({"email": EMAIL, "password": PASSWORD});
        let new = json!({"email": "new@example.com", "password": PASSWORD});
        match (method, path) {
            (_, "/signup") => return request.json(new),
            (_, "/getToken" | "/login") => return request.json(log_in),
            (_, "/refresh") => return request.bearer(self.token.refresh.as_deref().unwrap()),
            _ => {}
        }
        let request = match (method, path) {
            (_, "/reauth") => request.json(json!({"password": PASSWORD})),
            (_, "/me/password") => request.json(json!({"current": PASSWORD, "new": PASSWORD})),
            ("POST", "/admin/users") => request.json(new),
            ("PUT", "/admin/users/{id}" | "/client/users/{id}") => {
                request.json(json!({"name": "Ann"}))
            }
            _ => request,
        };
        if path.starts_with("/client/") {
            self.by_client(request)
        } else {
            request.bearer(&self.token.auth)
        }
    }

    fn of_the_gateway(&self) -> Vec<Request> {
        let told = |path: &str| Request::post(path).form(&[("token", &self.token.auth)]);
        vec![
            Request::get("/authz/wiki").bearer(&self.token.auth),
            self.by_client(told("/oauth2/introspect")),
            self.by_client(told("/oauth2/revoke")),
        ]
    }

    fn by_client(&self, request: Request) -> Request {
        request.basic(&self.client.id, &self.client.secret)
    }

    /// Demands 503 within a second of many who show a token at once.
    fn are_told_at_once(&self, node: &Server) {
        let request = Request::get("/headers").bearer(&self.token.auth);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| told(node.public, &request));
            }
        });
    }

    /// Demands 503 within a second on every route that needs a store.
    fn are_told(&self, node: &Server, outage: Outage) {
        let public = self.of_the_public_routes(outage).into_iter();
        let public = public.map(|request| (request, node.public));
        let gateway = self.of_the_gateway().into_iter();
        let gateway = gateway.map(|request| (request, node.gateway()));
        let asked = Mutex::new(public.chain(gateway));
        let next = || asked.lock().unwrap().next();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some((request, address)) = next() {
                        told(address, &request);
                    }
                });
            }
        });
    }
}

fn told(address: SocketAddr, request: &Request) {
    let begun = Instant::now();
    let answer = send(address, request);
    let took = begun.elapsed();
    assert_eq!(answer.status, 503, "{request:?}: {answer:?}");
    assert!(took < within(request), "{request:?} took {took:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

/// Demands that the nodes go by this token again within two seconds of the store, and that no answer before was another than
/// 503; and that they log in then.
fn are_back(nodes: &[Server], token: &Token) {
    let begun = Instant::now();
    for node in nodes {
        // A log-out that was sent while nobody answered may have ended it: then all refuse it.
        until("an answer", || {
            let answer = node.call("GET", "/headers", &token.auth);
            assert!(matches!(answer.status, 200 | 401 | 503), "{answer:?}");
            (answer.status != 503).then_some(())
        });
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(2_600), "back after {took:?}");
    }
    for node in nodes {
        let again = until("the node logs in", || {
            let answer = node.try_get_token(EMAIL, PASSWORD);
            (answer.status == 200).then_some(answer)
        });
        node.accepts(&Token::of(&again).auth);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "logs in after {took:?}");
}

fn without_the_store_it_is_503_within_a_second_and_back_within_two(deployment: &Deployment) {
    let node = || {
        let node = deployment.node().gateway("[service.wiki]\n");
        let node = node.env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "off");
        node.env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "off").start()
    };
    let nodes = [node(), node(), node()];
    let a = &nodes[0];
    a.sign_up(EMAIL, PASSWORD);
    a.operator(&["users", "set", EMAIL, "--role", "admin"]);
    let account = a.sign_up("bob@example.com", PASSWORD).id;
    let client = a.add_vouching("shop");
    let outages = deployment.outages();
    for round in 0..rounds(outages.len(), 10 * outages.len()) {
        let token = a.get_token(EMAIL, PASSWORD);
        for node in &nodes {
            node.accepts(&token.auth);
        }
        let askers = Askers {
            token: token.clone(),
            client: client.clone(),
            account: account.clone(),
            own: a.vouched(&client, json!({"id": "7"})),
        };
        let outage = outages[round % outages.len()];
        deployment.out(outage);
        // The lease is over, that by a database without records too, and a little.
        std::thread::sleep(Duration::from_millis(350));
        std::thread::scope(|scope| {
            for node in &nodes {
                scope.spawn(|| askers.are_told(node, outage));
            }
        });
        for node in &nodes {
            askers.are_told_at_once(node);
        }
        let ready = until("readiness says so", || {
            let ready = nodes[1].manage("/readyz");
            (ready.status == 503).then(|| ready.json())
        });
        assert_eq!(ready["ready"], false);
        deployment.back(outage);
        are_back(&nodes, &token);
    }
}

/// A node that stands still while a session ends elsewhere must not go on by what it kept.
fn a_node_that_stood_still_lets_nobody_in_who_has_ended_meanwhile(deployment: &Deployment) {
    let [a, b, c] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    for round in 0..rounds(6, 200) {
        let token = a.get_token(EMAIL, PASSWORD);
        let stood = Duration::from_millis([100, 300, 60, 700, 1_500, 5_000][round % 6]);
        never_after(&[&a, &b, &c], &token.auth, || {
            b.signal(Signal::STOP);
            let standing = std::thread::scope(|scope| {
                let begun = Instant::now();
                let ending = scope.spawn(|| a.revoke(&token.auth, &token.crt).expect(204));
                std::thread::sleep(stood);
                ending.join().unwrap();
                begun.elapsed()
            });
            assert!(standing >= stood);
            b.signal(Signal::CONT);
        });
    }
}

fn a_node_that_is_killed_leaves_the_others_as_they_are(deployment: &Deployment) {
    let [a, mut b, c] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    for round in 0..rounds(2, 20) {
        // Seldom at the one that is killed: it takes with it what says that the password was right.
        let issuer = if round < 5 { &b } else { &c };
        let token = issuer.get_token(EMAIL, PASSWORD);
        let kept = issuer.get_token(EMAIL, PASSWORD);
        b.accepts(&token.auth);
        never_after(&[&a, &c], &token.auth, || {
            b.kill9();
            c.revoke(&token.auth, &token.crt).expect(204);
        });
        a.accepts(&kept.auth);
        b.restart();
        b.accepts(&kept.auth);
        b.refuses(&token.auth);
    }
}

/// An end whose caller hears nothing is asked for once more at another node, which answers when it is true everywhere.
fn an_end_that_wasnt_answered_is_repeated_at_another_node(deployment: &Deployment) {
    let [mut a, b, c] = deployment.start();
    c.sign_up(EMAIL, PASSWORD);
    for _ in 0..rounds(2, 250) {
        // Not at the one that is killed: it would take with it what says that the password was right, again and again.
        let token = c.get_token(EMAIL, PASSWORD);
        a.accepts(&token.auth);
        std::thread::scope(|scope| {
            let ask = Request::delete(&format!("/sessions/{}", token.crt)).bearer(&token.auth);
            let address = a.public;
            scope.spawn(move || {
                std::panic::catch_unwind(|| crate::support::http::send(address, &ask))
            });
            std::thread::sleep(Duration::from_millis(10));
            a.kill9();
        });
        // Where the lease has lapsed it is 503, and true when it is answered.
        ended_at_last(&b, &token);
        for node in [&b, &c] {
            node.refuses(&token.auth);
        }
        a.restart();
        a.refuses(&token.auth);
    }
}

/// A refresh and a log-in of which nobody heard whether they were made: at another node they give what is good, and of the
/// earlier token nothing is left.
fn a_refresh_or_a_log_in_that_wasnt_answered_is_repeated_at_another_node(deployment: &Deployment) {
    // A node that is killed takes with it what says that the password was right, again and again.
    let unlimited = || {
        let node = deployment.node();
        let node = node.env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "off");
        node.env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "off").start()
    };
    let (mut a, b, c) = (unlimited(), unlimited(), unlimited());
    c.sign_up(EMAIL, PASSWORD);
    let log_in = Request::post("/getToken").json(json!({"email": EMAIL, "password": PASSWORD}));
    for round in 0..rounds(3, 750) {
        let token = c.get_token(EMAIL, PASSWORD);
        let refresh = token.refresh.as_deref().unwrap();
        let refreshing = Request::post("/refresh").bearer(refresh);
        let asked = if round % 2 == 0 { &refreshing } else { &log_in };
        std::thread::scope(|scope| {
            let address = a.public;
            scope.spawn(move || {
                std::panic::catch_unwind(|| crate::support::http::send(address, asked))
            });
            std::thread::sleep(Duration::from_millis([2, 8, 15, 40][round % 4]));
            a.kill9();
        });
        let again = b.send(asked).expect(200);
        let new = Token::of(&again);
        for node in [&b, &c] {
            node.accepts(&new.auth);
            if round % 2 == 0 {
                node.refuses(&token.auth);
            } else {
                node.accepts(&token.auth);
            }
        }
        a.restart();
        a.accepts(&new.auth);
        b.operator(&["sessions", "revoke", "--user", EMAIL]);
        for token in [&token, &new] {
            a.refuses(&token.auth);
        }
    }
}

/// A node dies between the change of an account and the ends that it has to bring about: another one makes them.
#[test]
fn what_a_killed_node_has_left_to_end_is_ended_by_another_one() {
    let Some(deployment) = Deployment::redis() else {
        return;
    };
    let [mut a, b] = deployment.start();
    let account = a.sign_up(EMAIL, PASSWORD);
    let token = a.get_token(EMAIL, PASSWORD);
    deployment.out(Outage::RedisDown);
    // One question without an answer is too little: while the node has a connection, it writes an end down in the journal
    // before it asks, and an end that stands there counts.
    until("the node has no store", || {
        let told = a.written();
        told.contains("nothing is known of what has ended")
            .then_some(())
    });
    let disable = ["users", "disable", &account.id];
    let disabled = a.setup().lacre(disable).output().unwrap();
    assert!(!disabled.status.success(), "{disabled:?}");
    a.kill9();
    deployment.back(Outage::RedisDown);
    let rows = |table: &str| {
        deployment
            .database
            .sql(&format!("SELECT count(*) FROM {table}"))
    };
    let left = || rows("owed_ends");
    assert_eq!((&*left(), &*rows("keystore_journal")), ("1", "0"));
    // Nothing else has ended it.
    lets_in(&b, &token);
    // For a minute it may be that of a change under way.
    let earlier = "UPDATE owed_ends SET created_at = created_at - 61";
    deployment.database.sql(earlier);
    let c = deployment.node().start();
    for node in [&b, &c] {
        node.refuses(&token.auth);
    }
    assert_eq!(left(), "0");
}
