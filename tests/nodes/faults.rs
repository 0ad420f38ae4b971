//! Nodes and databases that fail: nobody is let in after the answer of an end, and what can't be known is 503.

use super::ends::{never_after, rounds};
use super::failover::ended_at_last;
use super::{Deployment, EMAIL, PASSWORD};
use crate::support::http::Request;
use crate::support::server::{Server, Token};
use crate::support::wait::until;
use rustix::process::Signal;
use serde_json::json;
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
);

/// One of the node's routes for each way to need the store.
fn needing(token: &Token) -> Vec<Request> {
    let bearer = |request: Request| request.bearer(&token.auth);
    let log_in = json!({"email": EMAIL, "password": PASSWORD});
    vec![
        bearer(Request::get("/headers")),
        bearer(Request::get("/me")),
        bearer(Request::get("/sessions")),
        bearer(Request::post("/logout")),
        Request::post("/refresh").bearer(token.refresh.as_deref().unwrap()),
        Request::post("/getToken").json(log_in),
    ]
}

/// Demands 503 within a second, and a little for the machine of the tests, on every route that needs the store.
fn is_out(node: &Server, token: &Token) {
    for request in needing(token) {
        let begun = Instant::now();
        let answer = node.send(&request);
        let took = begun.elapsed();
        assert_eq!(answer.status, 503, "{request:?}: {answer:?}");
        assert!(
            took < Duration::from_millis(1_600),
            "{request:?} took {took:?}"
        );
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
}

/// Demands that the node lets this token in within two seconds, and that no answer before was another than 503.
fn is_back(node: &Server, token: &Token) {
    let begun = Instant::now();
    loop {
        let answer = node.call("GET", "/headers", &token.auth);
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(
            begun.elapsed() < Duration::from_millis(2_600),
            "not back after {:?}",
            begun.elapsed()
        );
    }
    let again = until("the node logs in", || {
        let answer = node.try_get_token(EMAIL, PASSWORD);
        (answer.status == 200).then_some(answer)
    });
    node.accepts(&Token::of(&again).auth);
    assert!(begun.elapsed() < Duration::from_secs(4));
}

fn without_the_store_it_is_503_within_a_second_and_back_within_two(deployment: &Deployment) {
    let [a, b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let outages = deployment.outages();
    for round in 0..rounds(outages.len(), 10 * outages.len()) {
        let token = a.get_token(EMAIL, PASSWORD);
        b.accepts(&token.auth);
        let outage = outages[round % outages.len()];
        deployment.out(outage);
        // The lease is over, that by a database without records too, and a little.
        std::thread::sleep(Duration::from_millis(350));
        for node in [&a, &b] {
            is_out(node, &token);
        }
        let ready = until("readiness says so", || {
            let ready = b.manage("/readyz");
            (ready.status == 503).then(|| ready.json())
        });
        assert_eq!(ready["ready"], false);
        deployment.back(outage);
        for node in [&a, &b] {
            // A logout that was sent while nobody answered may have ended it: then all refuse it.
            let token = until("an answer", || {
                let answer = node.call("GET", "/headers", &token.auth);
                match answer.status {
                    200 => Some(token.clone()),
                    401 => Some(node.get_token(EMAIL, PASSWORD)),
                    _ => None,
                }
            });
            is_back(node, &token);
        }
    }
}

/// A node that stands still while a session ends elsewhere must not go on by what it kept.
fn a_node_that_stood_still_lets_nobody_in_who_has_ended_meanwhile(deployment: &Deployment) {
    let [a, b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    for round in 0..rounds(6, 200) {
        let token = a.get_token(EMAIL, PASSWORD);
        let stood = Duration::from_millis([100, 300, 60, 700, 1_500, 5_000][round % 6]);
        never_after(&[&a, &b], &token.auth, || {
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
