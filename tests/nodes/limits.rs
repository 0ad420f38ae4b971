//! Limits count for all nodes together, and what can't be counted isn't tried.

use super::{Deployment, EMAIL, PASSWORD};
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const WRONG: &str = "wrong horse battery staple";

/// As long as a test takes, nothing is given back by time.
fn node(deployment: &Deployment, per_address: &str, per_account: &str) -> Setup {
    deployment
        .node()
        .env("LACRE_LIMITS__LOGIN_PER_ADDRESS", per_address)
        .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", per_account)
        .env("LACRE_LIMITS__SIGNUP_PER_ADDRESS", "7/1h")
        .env("LACRE_TRUSTED_PROXIES", "127.0.0.1")
}

fn nodes<const N: usize>(
    deployment: &Deployment,
    per_address: &str,
    per_account: &str,
) -> [Server; N] {
    std::array::from_fn(|_| node(deployment, per_address, per_account).start())
}

fn log_in(node: &Server, email: &str, password: &str, from: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    let request = Request::post("/getToken").header("X-Forwarded-For", from);
    node.send(&request.json(body))
}

/// How many of so many wrong passwords were looked at, sent to the nodes all at once.
fn looked_at(nodes: &[Server], tries: usize, email: impl Fn(usize) -> String + Sync) -> usize {
    let (looked_at, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= tries {
                        break;
                    }
                    let node = &nodes[number % nodes.len()];
                    let answer = until("the queue of passwords has room", || {
                        let answer = log_in(node, &email(number), WRONG, "192.0.2.1");
                        let busy = answer.status == 503 && answer.json()["code"] == "hashing_busy";
                        (!busy).then_some(answer)
                    });
                    match answer.status {
                        401 => looked_at.fetch_add(1, Ordering::Relaxed),
                        429 => 0,
                        other => panic!("{other}"),
                    };
                }
            });
        }
    });
    looked_at.into_inner()
}

#[test]
fn wrong_passwords_at_three_nodes_at_once_are_no_more_than_the_limit() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let nodes: [Server; 3] = nodes(&deployment, "50/1h", "9/1h");
    nodes[0].sign_up(EMAIL, PASSWORD);
    assert_eq!(looked_at(&nodes, 200, |_| EMAIL.to_owned()), 9);
    // The right one is no longer looked at from there, at any node; from elsewhere it is.
    for node in &nodes {
        let refused = log_in(node, EMAIL, PASSWORD, "192.0.2.1");
        refused.refused(429, "rate_limited");
        assert_eq!(log_in(node, EMAIL, PASSWORD, "192.0.2.2").status, 200);
    }
    // What was refused isn't counted for the address.
    let others = looked_at(&nodes, 200, |number| format!("u{number}@example.com"));
    assert_eq!(others, 41);
    // Nor does a node forget what others have counted, or it itself.
    let mut nodes = nodes;
    nodes[1].kill9();
    nodes[1].restart();
    let refused = log_in(&nodes[1], "new@example.com", WRONG, "192.0.2.1");
    refused.refused(429, "rate_limited");
}

#[test]
fn right_passwords_count_only_while_they_are_under_way() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let nodes: [Server; 2] = nodes(&deployment, "12/1h", "6/1h");
    nodes[0].sign_up(EMAIL, PASSWORD);
    for number in 0..40 {
        let answer = log_in(&nodes[number % 2], EMAIL, PASSWORD, "192.0.2.1");
        assert_eq!(answer.status, 200, "{number}: {answer:?}");
    }
    until("all is given back", || {
        let used = "SELECT count(*) FROM attempts WHERE used_up_to > \
             extract(epoch FROM clock_timestamp()) * 1000000";
        // The sign-up stays.
        (deployment.database.sql(used) == "1").then_some(())
    });
    // So all of it is there for those who fail.
    assert_eq!(looked_at(&nodes, 40, |_| EMAIL.to_owned()), 6);
}

/// From many addresses, an account may be guessed at ten times as often, then once from each.
#[test]
fn an_account_that_is_guessed_at_from_everywhere_gives_one_guess_to_each_address() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let nodes: [Server; 2] = nodes(&deployment, "1000/1h", "2/1h");
    nodes[0].sign_up(EMAIL, PASSWORD);
    let mut guesses = Vec::new();
    for number in 0..14 {
        let from = format!("192.0.2.{number}");
        let tries = (0..4).map(|n| log_in(&nodes[n % 2], EMAIL, WRONG, &from).status);
        guesses.push(tries.filter(|status| *status == 401).count());
    }
    assert_eq!(guesses, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
    // The user, from an address of its own, gets in.
    assert_eq!(
        log_in(&nodes[1], EMAIL, PASSWORD, "203.0.113.1").status,
        200
    );
}

#[test]
fn sign_ups_and_wrong_secrets_are_counted_for_all_nodes() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let nodes: [Server; 2] = nodes(&deployment, "6/1h", "6/1h");
    let sign_up = |number: usize| {
        let body = json!({"email": format!("u{number}@example.com"), "password": PASSWORD});
        nodes[number % 2].send(&Request::post("/signup").json(body))
    };
    let answers: Vec<_> = (0..10).map(sign_up).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses[..7], [201; 7]);
    assert_eq!(statuses[7..], [429; 3]);
    let user = answers[0].json()["id"].clone();
    let client = nodes[0].add_client("back end");
    let ask = |number: usize, secret: &str| {
        let request = Request::post("/getToken").basic(&client.id, secret);
        let body = json!({"id": user, "user_session": "s"});
        nodes[number % 2].send(&request.json(body)).status
    };
    for number in 0..20 {
        assert_eq!(ask(number, &client.secret), 200);
    }
    let failed = (0..20)
        .filter(|number| ask(*number, "wrong") == 401)
        .count();
    // Each node finds out by one more that the others have used it up.
    assert!((6..=8).contains(&failed), "{failed}");
    assert_eq!([ask(0, &client.secret), ask(1, &client.secret)], [429; 2]);
}

/// Nobody guesses while nothing can be counted, and the answer comes within a second.
#[test]
fn what_cannot_be_counted_is_not_tried() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [node] = nodes(&deployment, "50/1h", "9/1h");
    node.sign_up(EMAIL, PASSWORD);
    let lock = "ALTER FUNCTION count_attempt RENAME TO count_attempt_away";
    deployment.database.sql(lock);
    for password in [PASSWORD, WRONG] {
        let begun = Instant::now();
        let answer = log_in(&node, EMAIL, password, "192.0.2.1");
        answer.refused(503, "store_unavailable");
        assert!(begun.elapsed() < Duration::from_millis(1_600));
    }
    deployment
        .database
        .sql("ALTER FUNCTION count_attempt_away RENAME TO count_attempt");
    // A table that is locked answers nobody.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let held = "BEGIN; LOCK TABLE attempts; SELECT pg_sleep(4); COMMIT";
            deployment.database.sql(held)
        });
        until("it is locked", || {
            let locks = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'attempts'::regclass";
            (deployment.database.sql(locks) == "1").then_some(())
        });
        // Those of before hold the connections by which the account is looked for.
        let log_ins = (0..4).map(|_| {
            scope.spawn(|| {
                for _ in 0..3 {
                    let begun = Instant::now();
                    log_in(&node, EMAIL, PASSWORD, "192.0.2.1").refused(503, "store_unavailable");
                    let took = begun.elapsed();
                    // A second, and a little for the machine of the tests.
                    assert!(took < Duration::from_millis(1_300), "{took:?}");
                }
            })
        });
        let log_ins: Vec<_> = log_ins.collect();
        for log_in in log_ins {
            log_in.join().unwrap();
        }
    });
    assert_eq!(log_in(&node, EMAIL, PASSWORD, "192.0.2.1").status, 200);
}

/// A log-in costs one question more than on one node, a guarded call none; nothing says who it was, and what is over
/// is taken away.
#[test]
fn one_question_for_a_log_in_none_for_a_call_and_nothing_in_the_clear() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let database = &deployment.database;
    let [node] = nodes(&deployment, "50/1m", "9/1m");
    let account = node.sign_up(EMAIL, PASSWORD);
    deployment
        .database
        .sql("INSERT INTO attempts SELECT n, n FROM generate_series(1, 15000) AS n");
    deployment
        .database
        .sql("INSERT INTO attempts VALUES (0, 9000000000000000)");
    // Each question begins with one insertion.
    database.sql(
        "CREATE SEQUENCE asked; CREATE FUNCTION count_asked() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM nextval('asked'); RETURN NULL; END $$; CREATE TRIGGER asked AFTER INSERT ON attempts \
         FOR EACH STATEMENT EXECUTE FUNCTION count_asked()",
    );
    let calls = || {
        let calls = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM asked";
        database.sql(calls).parse::<u32>().unwrap()
    };
    let before = calls();
    let token = log_in(&node, EMAIL, PASSWORD, "192.0.2.77").json();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let answer = log_in(&node, EMAIL, PASSWORD, "192.0.2.77");
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
    // What is given back goes with the next question, or by itself after 50 ms.
    let alone = u32::try_from(begun.elapsed().as_millis() / 50).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let counted = calls() - before;
    assert!(
        (21..=21 + alone + 3).contains(&counted),
        "{counted}, {alone}"
    );
    let before = calls();
    for _ in 0..200 {
        node.accepts(token["auth"].as_str().unwrap());
    }
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(calls(), before);
    let all = deployment.database.sql("SELECT * FROM attempts");
    for name in [EMAIL, &account.id, "192.0.2.77"] {
        assert!(!all.contains(name), "{name}");
    }
    // A start sweeps with its first attempt, all that is over: 10 000 rows with each statement.
    let left = || -> u32 {
        database
            .sql("SELECT count(*) FROM attempts")
            .parse()
            .unwrap()
    };
    database.sql("INSERT INTO attempts SELECT n, n FROM generate_series(20001, 45000) AS n");
    let [other] = nodes(&deployment, "50/1m", "9/1m");
    log_in(&other, EMAIL, WRONG, "192.0.2.78");
    until("what is over is taken away", || {
        (left() <= 10).then_some(())
    });
    let forever = "SELECT count(*) FROM attempts WHERE key = 0";
    assert_eq!(database.sql(forever), "1", "what is used up stays");
}
