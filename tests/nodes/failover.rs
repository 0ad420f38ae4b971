//! A standby that takes over: what was answered holds, and the service is back.

use super::ends::{Over, rounds};
use super::{Deployment, EMAIL, PASSWORD};
use crate::support::database::Database;
use crate::support::http::Request;
use crate::support::relay::Relay;
use crate::support::server::{Server, Token};
use crate::support::wait::until;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many sessions end around each takeover.
const ENDS: usize = 12;

/// What happens to the primary.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It is killed.
    Killed,
    /// It lives on, and so do the connections to it.
    Alive,
    /// Its standby stands still for a moment; then it is killed.
    Stalled,
}

/// Nodes on a primary with a synchronous standby, by an address that moves.
struct Pair {
    deployment: Deployment,
    standby: Option<Database>,
    relay: Relay,
}

impl Pair {
    fn start() -> Option<(Self, [Server; 3])> {
        let deployment = Deployment::new()?;
        let relay = Relay::to(deployment.database.port());
        let mut pair = Self {
            deployment,
            standby: None,
            relay,
        };
        pair.follow();
        let url = format!("postgres://lacre@127.0.0.1:{}/lacre", pair.relay.port);
        let node = || {
            pair.deployment
                .node()
                .env("LACRE_ACCOUNTS__URL", &url)
                .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "off")
                .start()
        };
        let nodes = [node(), node(), node()];
        Some((pair, nodes))
    }

    /// A new standby follows the primary, which confirms nothing without it from now on.
    fn follow(&mut self) {
        let primary = &self.deployment.database;
        let standby = primary.standby();
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.sql("SELECT pg_reload_conf()");
        until("the standby follows", || {
            let seen =
                primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'");
            (seen == "1").then_some(())
        });
        self.standby = Some(standby);
    }

    /// The standby takes over; the primary of before is handed back, which may live.
    fn fail(&mut self, fault: Fault) -> Database {
        let standby = self.standby.take().unwrap();
        match fault {
            Fault::Killed => self.deployment.database.down(),
            Fault::Alive => {}
            Fault::Stalled => {
                standby.halt();
                std::thread::sleep(Duration::from_millis(150));
                self.deployment.database.down();
                standby.go_on();
            }
        }
        standby.promote();
        self.relay.lead_to(standby.port());
        std::mem::replace(&mut self.deployment.database, standby)
    }
}

/// Ends the session; says whether it was answered that it has ended.
fn ended(node: &Server, token: &Token) -> bool {
    let ask = Request::delete(&format!("/sessions/{}", token.crt)).bearer(&token.auth);
    match node.send(&ask).status {
        204 => true,
        503 | 401 => false,
        other => panic!("{other}"),
    }
}

/// Demands that a change of an account counts that is made where the database is now, however many log-ins ask at once.
fn goes_by_the_new_accounts(deployment: &Deployment, nodes: &[&Server]) {
    deployment.database.sql("UPDATE accounts SET active = 0");
    std::thread::scope(|scope| {
        for number in 0..9 {
            scope.spawn(move || {
                let node = nodes[number % nodes.len()];
                let answer = until("the accounts answer", || {
                    let answer = node.try_get_token(EMAIL, PASSWORD);
                    (answer.status != 503).then_some(answer)
                });
                assert_eq!(answer.status, 401, "by an account of before: {answer:?}");
            });
        }
    });
    deployment.database.sql("UPDATE accounts SET active = 1");
}

/// Ends the session, however often it has to be asked for.
pub(super) fn ended_at_last(node: &Server, token: &Token) {
    until("the end is answered", || {
        let revoke = ["sessions", "revoke", &token.crt];
        let ended = node.setup().lacre(revoke).output().unwrap();
        ended.status.success().then_some(())
    });
}

/// Ends sessions at these nodes one after the other, in the middle of which `fault` comes. None of them is let in from its
/// answer on, the nodes are back in time, and nobody is logged out who has this token. Returns what `fault` does, and the
/// sessions whose ends were answered when they were asked for first.
pub(super) fn ends_around<T>(
    nodes: &[&Server],
    kept: &Token,
    fault: impl FnOnce() -> T,
) -> (T, Vec<Token>) {
    // The fault before may still be felt by each.
    for node in nodes {
        lets_in(node, kept);
    }
    let tokens: Vec<_> = (0..ENDS)
        .map(|_| nodes[0].get_token(EMAIL, PASSWORD))
        .collect();
    for token in &tokens {
        for node in nodes {
            node.accepts(&token.auth);
        }
    }
    let (over, begun) = (AtomicBool::new(false), Instant::now());
    let answered = Mutex::new(Vec::<&Token>::new());
    let done = std::thread::scope(|scope| {
        let ending = tokens.iter().enumerate().map(|(number, token)| {
            let answered = &answered;
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(25 * number as u64));
                if !ended(nodes[number % nodes.len()], token) {
                    return;
                }
                // From the answer on.
                for turn in 1..=nodes.len() {
                    is_not_in(nodes[(number + turn) % nodes.len()], token);
                }
                answered.lock().unwrap().push(token);
            })
        });
        let ending: Vec<_> = ending.collect();
        // Somebody uses a session of before all the time, and is never logged out; and whose session has ended never gets in.
        let using = scope.spawn(|| {
            for turn in 0.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let node = nodes[turn % nodes.len()];
                let answer = node.call("GET", "/headers", &kept.auth);
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                let out = {
                    let answered = answered.lock().unwrap();
                    let one = turn.checked_rem(answered.len());
                    one.map(|one| answered[one])
                };
                if let Some(token) = out {
                    is_not_in(node, token);
                }
            }
        });
        let not_yet = Over(&over);
        std::thread::sleep(Duration::from_millis(120));
        let done = fault();
        for node in nodes {
            lets_in(node, kept);
        }
        for node in nodes {
            let anew = until("the node logs in", || {
                let answer = node.try_get_token(EMAIL, PASSWORD);
                (answer.status == 200).then(|| Token::of(&answer))
            });
            ended_at_last(node, &anew);
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(15), "{took:?}");
        drop(not_yet);
        using.join().unwrap();
        for end in ending {
            end.join().unwrap();
        }
        done
    });
    let answered: Vec<_> = answered.into_inner().unwrap();
    let answered: Vec<_> = answered.into_iter().cloned().collect();
    for token in &tokens {
        if answered.iter().all(|other| other.crt != token.crt) {
            ended_at_last(nodes[0], token);
        }
    }
    stay_out(nodes, &tokens);
    (done, answered)
}

/// Waits until the node lets this token in.
pub(super) fn lets_in(node: &Server, token: &Token) {
    until("the node lets in", || {
        (node.call("GET", "/headers", &token.auth).status == 200).then_some(())
    });
}

/// Demands that the node doesn't let this token in, whose end was answered. It may not know of anything for a moment.
fn is_not_in(node: &Server, token: &Token) -> u16 {
    let answer = node.call("GET", "/headers", &token.auth);
    assert!(matches!(answer.status, 401 | 503), "{answer:?}");
    answer.status
}

/// Demands that these sessions have ended at all nodes.
pub(super) fn stay_out(nodes: &[&Server], tokens: &[Token]) {
    for token in tokens {
        for node in nodes {
            until("the node knows of the end", || {
                (is_not_in(node, token) == 401).then_some(())
            });
        }
    }
}

fn takes_over(fault: Fault, full: usize) {
    let Some((mut pair, nodes)) = Pair::start() else {
        return;
    };
    let nodes = nodes.each_ref();
    nodes[0].sign_up(EMAIL, PASSWORD);
    let kept = nodes[0].get_token(EMAIL, PASSWORD);
    let mut answered = 0;
    for _ in 0..rounds(1, full) {
        let (before, first) = ends_around(&nodes, &kept, || pair.fail(fault));
        answered += first.len();
        goes_by_the_new_accounts(&pair.deployment, &nodes);
        drop(before);
        pair.follow();
        stay_out(&nodes, &first);
    }
    assert!(answered > 0, "no end was answered in time");
}

#[test]
fn a_standby_takes_over_from_a_primary_that_was_killed() {
    takes_over(Fault::Killed, 50);
}

#[test]
fn a_standby_takes_over_from_a_primary_that_lives_on() {
    takes_over(Fault::Alive, 20);
}

#[test]
fn a_standby_that_stood_still_takes_over() {
    takes_over(Fault::Stalled, 20);
}
