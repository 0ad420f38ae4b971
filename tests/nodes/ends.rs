//! What has ended is refused by every node from the answer on.

use super::{Deployment, EMAIL, PASSWORD};
use crate::support::http::Request;
use crate::support::server::{Server, Token};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

on_every_engine!(
    postgres:
        a_session_that_ended_at_one_node_is_refused_by_all_from_the_answer_on,
        the_same_end_at_two_nodes_at_once_is_true_at_all_when_the_first_answers,
        a_refresh_repeated_at_another_node_is_one_refresh,
        an_account_that_is_disabled_or_changes_its_password_at_one_node_is_known_to_all,
        all_sessions_end_at_all_nodes;
    redis:
        a_session_that_ended_at_one_node_is_refused_by_all_from_the_answer_on,
        the_same_end_at_two_nodes_at_once_is_true_at_all_when_the_first_answers,
        a_refresh_repeated_at_another_node_is_one_refresh,
        an_account_that_is_disabled_or_changes_its_password_at_one_node_is_known_to_all,
        all_sessions_end_at_all_nodes;
);

/// Rounds of each way to end a session: more in `make cluster`.
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
pub(super) fn rounds(quick: usize, full: usize) -> usize {
    if std::env::var_os("LACRE_TEST_CLUSTER").is_some() {
        full
    } else {
        quick
    }
}

/// Uses a token at these nodes all the time while `end` ends it, and demands that none lets it in by a request that began
/// after the end was answered. Returns how many requests were let in before.
pub(super) fn never_after(nodes: &[&Server], token: &str, end: impl FnOnce()) -> usize {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let users: Vec<_> = nodes
            .iter()
            .map(|node| {
                let over = &over;
                scope.spawn(move || {
                    let (mut let_in, mut last) = (0, Instant::now());
                    let mut more = 3;
                    while more > 0 {
                        if over.load(Ordering::SeqCst) {
                            more -= 1;
                        }
                        let begun = Instant::now();
                        let answer = node.call("GET", "/headers", token);
                        // 408 of a node that stood still for as long as a request may take to come in.
                        let due = matches!(answer.status, 200 | 401 | 408 | 503);
                        assert!(due, "{answer:?}");
                        if answer.status == 200 {
                            (let_in, last) = (let_in + 1, begun);
                        }
                    }
                    (let_in, last)
                })
            })
            .collect();
        // Also where something fails, or the others would go on for ever.
        let not_yet = Over(&over);
        // All of them keep it by now.
        for node in nodes {
            node.accepts(token);
        }
        end();
        let answered = Instant::now();
        drop(not_yet);
        let mut all = 0;
        for user in users {
            let (let_in, last) = user.join().unwrap();
            assert!(
                last <= answered,
                "let in {:?} after the answer",
                last - answered
            );
            all += let_in;
        }
        all
    })
}

/// Says that it is over, however it ends.
pub(super) struct Over<'o>(pub(super) &'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A way to end the session of a token.
type End<'e> = &'e dyn Fn(&Token);

fn a_session_that_ended_at_one_node_is_refused_by_all_from_the_answer_on(deployment: &Deployment) {
    let [a, b, c] = deployment.start();
    let account = a.sign_up(EMAIL, PASSWORD);
    let log_in = |node: &Server| node.get_token(EMAIL, PASSWORD);
    let ends: [(&str, End<'_>); 6] = [
        ("revoked", &|token| {
            c.revoke(&token.auth, &token.crt).expect(204);
        }),
        ("logged out", &|token| {
            b.call("POST", "/logout", &token.auth).expect(204);
        }),
        ("refreshed", &|token| {
            c.refresh(token).expect(200);
        }),
        ("ended by an operator", &|token| {
            b.operator(&["sessions", "revoke", &token.crt]);
        }),
        ("ended with all of the user", &|_| {
            a.operator(&["sessions", "revoke", "--user", EMAIL]);
        }),
        ("ended by a change of rights", &|_| {
            c.operator(&["users", "set", &account.id, "--permission", "read"]);
        }),
    ];
    let mut used = 0;
    for round in 0..rounds(2, 200) {
        for (how, end) in ends {
            let token = log_in([&a, &b, &c][round % 3]);
            used += never_after(&[&a, &b, &c], &token.auth, || end(&token));
            for node in [&a, &b, &c] {
                let answer = node.call("GET", "/headers", &token.auth);
                assert_eq!(answer.status, 401, "{how}: {answer:?}");
            }
        }
    }
    assert!(used > 0);
}

/// What has ended already is answered after the same wait: the first end may not have been answered yet.
fn the_same_end_at_two_nodes_at_once_is_true_at_all_when_the_first_answers(
    deployment: &Deployment,
) {
    let [a, b, c] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    for _ in 0..rounds(6, 300) {
        let token = a.get_token(EMAIL, PASSWORD);
        for node in [&a, &b, &c] {
            node.accepts(&token.auth);
        }
        let (all, token) = ([&a, &b, &c], &token);
        std::thread::scope(|scope| {
            for node in [&a, &b] {
                scope.spawn(move || {
                    node.operator(&["sessions", "revoke", &token.crt]);
                    for other in all {
                        other.refuses(&token.auth);
                    }
                });
            }
        });
    }
}

/// The same refresh token at two nodes at once: one new generation, and the earlier access token is refused by all.
fn a_refresh_repeated_at_another_node_is_one_refresh(deployment: &Deployment) {
    let [a, b, c] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    for _ in 0..rounds(5, 300) {
        let token = c.get_token(EMAIL, PASSWORD);
        c.accepts(&token.auth);
        let answers = std::thread::scope(|scope| {
            let both = [&a, &b].map(|node| scope.spawn(|| node.refresh(&token)));
            both.map(|answer| answer.join().unwrap())
        });
        for answer in answers {
            let answer = answer.expect(200).json();
            for node in [&a, &b, &c] {
                node.accepts(answer["auth"].as_str().unwrap());
                node.refuses(&token.auth);
            }
        }
    }
}

fn an_account_that_is_disabled_or_changes_its_password_at_one_node_is_known_to_all(
    deployment: &Deployment,
) {
    let [a, b, c] = deployment.start();
    let account = a.sign_up(EMAIL, PASSWORD);
    let (kept, other) = (a.get_token(EMAIL, PASSWORD), b.get_token(EMAIL, PASSWORD));
    never_after(&[&a, &b, &c], &other.auth, || {
        let change = json!({"current": PASSWORD, "new": "another horse battery staple"});
        let request = Request::new("PUT", "/me/password")
            .bearer(&kept.auth)
            .json(change);
        c.send(&request).expect(204);
    });
    for node in [&a, &b, &c] {
        node.accepts(&kept.auth);
        node.try_get_token(EMAIL, PASSWORD)
            .refused(401, "invalid_credentials");
    }
    never_after(&[&a, &b, &c], &kept.auth, || {
        b.operator(&["users", "disable", &account.id]);
    });
    for node in [&a, &b, &c] {
        let log_in = node.try_get_token(EMAIL, "another horse battery staple");
        log_in.refused(401, "invalid_credentials");
    }
}

fn all_sessions_end_at_all_nodes(deployment: &Deployment) {
    let [a, b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    for _ in 0..rounds(2, 50) {
        let token = a.get_token(EMAIL, PASSWORD);
        never_after(&[&a, &b], &token.auth, || {
            b.operator(&["sessions", "revoke", "--all", "--yes"]);
        });
        b.accepts(&b.get_token(EMAIL, PASSWORD).auth);
    }
}
