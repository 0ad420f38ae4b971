//! Keys that change on all nodes.

use super::ends::never_after;
use super::{Deployment, EMAIL, PASSWORD, Store};
use crate::support::preload::WallClock;
use crate::support::server::Server;
use crate::support::wait::until;

on_every_engine!(
    postgres:
        a_new_signing_key_is_accepted_by_all_nodes_before_one_signs_with_it,
        signing_keys_that_are_dropped_are_dropped_by_all_nodes_from_the_answer_on,
        a_master_key_that_all_nodes_have_takes_over_on_all_of_them;
    redis:
        a_new_signing_key_is_accepted_by_all_nodes_before_one_signs_with_it,
        signing_keys_that_are_dropped_are_dropped_by_all_nodes_from_the_answer_on,
        a_master_key_that_all_nodes_have_takes_over_on_all_of_them;
);

fn a_new_signing_key_is_accepted_by_all_nodes_before_one_signs_with_it(deployment: &Deployment) {
    let [a, b, c] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let before = a.get_token(EMAIL, PASSWORD);
    let key = |node: &Server| node.operator(&["keys", "status", "--json"]);
    for round in 0..3 {
        let rotating = [&a, &b, &c][round];
        std::thread::scope(|scope| {
            let logging_in = scope.spawn(|| {
                for _ in 0..6 {
                    let token = a.get_token(EMAIL, PASSWORD);
                    for node in [&b, &c, &a] {
                        node.accepts(&token.auth);
                    }
                }
            });
            rotating.operator(&["keys", "rotate", "--signing"]);
            logging_in.join().unwrap();
        });
        assert_eq!(key(&a), key(&b));
        assert_eq!(key(&b), key(&c));
        for node in [&a, &b, &c] {
            node.accepts(&before.auth);
        }
    }
}

/// A signing key that is taken away ends what it signed.
fn signing_keys_that_are_dropped_are_dropped_by_all_nodes_from_the_answer_on(
    deployment: &Deployment,
) {
    let [a, b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let token = a.get_token(EMAIL, PASSWORD);
    never_after(&[&a, &b], &token.auth, || {
        b.operator(&["keys", "rotate", "--signing", "--drop-earlier"]);
    });
    a.accepts(&b.get_token(EMAIL, PASSWORD).auth);
}

fn a_master_key_that_all_nodes_have_takes_over_on_all_of_them(deployment: &Deployment) {
    let [a, b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let token = a.get_token(EMAIL, PASSWORD);
    let path = deployment.master_key();
    let before = std::fs::read_to_string(&path).unwrap();
    // Nobody but an operator gives a key to all nodes.
    let refused = a
        .setup()
        .lacre(["keys", "rotate", "--master"])
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.trim_end().ends_with("(master_key_read_only)"),
        "{said}"
    );
    let newer = format!("{before}2:D2mTCRxEnIhF0cLFmLpGXYqSe1xNLvWbiQ0n4MZ1f7k\n");
    std::fs::write(&path, &newer).unwrap();
    let refused = a
        .setup()
        .lacre(["keys", "rotate", "--master"])
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.trim_end().ends_with("(master_key_missing_elsewhere)"),
        "{said}"
    );
    // A node says within a minute that it has read it; a start says so at once.
    let mut b = b;
    assert!(b.stop().success());
    b.restart();
    a.operator(&["keys", "rotate", "--master"]);
    for node in [&a, &b] {
        node.accepts(&token.auth);
        node.accepts(&node.get_token(EMAIL, PASSWORD).auth);
        let status: serde_json::Value =
            serde_json::from_str(&node.operator(&["keys", "status", "--json"])).unwrap();
        let masters = status["master"].as_array().unwrap();
        assert_eq!(
            (masters[0]["id"].as_u64(), masters[1]["records"].as_u64()),
            (Some(2), Some(0)),
            "{status}"
        );
    }
    if matches!(deployment.store, Store::Database) {
        let sealed = deployment
            .database
            .sql("SELECT DISTINCT encode(substr(sealed, 1, 5), 'hex') FROM keystore_sessions");
        assert_eq!(sealed, "0100000002", "everything is under the new key");
    }
    // Without the earlier one all go on.
    let alone = newer.split_once('\n').unwrap().1;
    std::fs::write(&path, alone).unwrap();
    let mut a = a;
    assert!(a.stop().success());
    a.restart();
    a.accepts(&token.auth);
}

/// A node whose clock is moved away answers nothing by tokens until it is right.
#[test]
fn a_node_whose_clock_goes_off_is_fenced_and_says_why() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let (setup, clock) = WallClock::of(deployment.node());
    let node = setup.start();
    node.sign_up(EMAIL, PASSWORD);
    let token = node.get_token(EMAIL, PASSWORD);
    node.accepts(&token.auth);
    // Up to five seconds ahead are followed at once.
    clock.is_off_by(5);
    until("the node is fenced", || {
        (node.call("GET", "/headers", &token.auth).status == 503).then_some(())
    });
    let ready = node.manage("/readyz");
    assert_eq!(
        (ready.status, &ready.json()["stores"]["keystore"]),
        (503, &serde_json::json!("down"))
    );
    until("it says why", || {
        node.written()
            .contains("seconds ahead of the database's")
            .then_some(())
    });
}
