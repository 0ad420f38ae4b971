//! A standby that takes over: what was answered holds, and the service is back.

use super::ends::{Over, rounds};
use super::{Deployment, EMAIL, PASSWORD};
use crate::support::database::Database;
use crate::support::http::Request;
use crate::support::relay::Relay;
use crate::support::server::{Server, Token};
use crate::support::wait::until;
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
    fn start() -> Option<(Self, [Server; 2])> {
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
        let nodes = [node(), node()];
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
fn goes_by_the_new_accounts(deployment: &Deployment, nodes: [&Server; 2]) {
    deployment.database.sql("UPDATE accounts SET active = 0");
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let node = nodes[number % 2];
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

/// Ends sessions at two nodes one after the other, in the middle of which `fault` comes. None of them is let in from its
/// answer on, the nodes are back in time, and nobody is logged out who has this token. Returns what `fault` does, and how
/// many ends were answered when they were asked for first.
pub(super) fn ends_around<T>(
    [a, b]: [&Server; 2],
    kept: &Token,
    fault: impl FnOnce() -> T,
) -> (T, usize) {
    // The fault before may still be felt by either.
    for node in [a, b] {
        until("the node lets in", || {
            (node.call("GET", "/headers", &kept.auth).status == 200).then_some(())
        });
    }
    let tokens: Vec<_> = (0..ENDS).map(|_| a.get_token(EMAIL, PASSWORD)).collect();
    for token in &tokens {
        b.accepts(&token.auth);
    }
    let (over, begun) = (AtomicBool::new(false), Instant::now());
    let (done, confirmed) = std::thread::scope(|scope| {
        let ending: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(number, token)| {
                let (node, other) = if number % 2 == 0 { (a, b) } else { (b, a) };
                scope.spawn(move || {
                    std::thread::sleep(Duration::from_millis(25 * number as u64));
                    let was = ended(node, token);
                    // From the answer on.
                    if was {
                        let answer = other.call("GET", "/headers", &token.auth);
                        assert_ne!(answer.status, 200, "let in after the answer");
                    }
                    was
                })
            })
            .collect();
        // Somebody uses a session of before all the time, and is never logged out.
        let using = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let answer = b.call("GET", "/headers", &kept.auth);
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
            }
        });
        let not_yet = Over(&over);
        std::thread::sleep(Duration::from_millis(120));
        let done = fault();
        for node in [a, b] {
            until("the node is back", || {
                (node.call("GET", "/headers", &kept.auth).status == 200).then_some(())
            });
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(15), "{took:?}");
        drop(not_yet);
        using.join().unwrap();
        let confirmed: Vec<_> = ending.into_iter().map(|end| end.join().unwrap()).collect();
        (done, confirmed)
    });
    for (token, confirmed) in tokens.iter().zip(&confirmed) {
        if !confirmed {
            ended_at_last(a, token);
        }
        for node in [a, b] {
            until("the node knows of the end", || {
                let answer = node.call("GET", "/headers", &token.auth);
                let refused = matches!(answer.status, 401 | 503);
                assert!(refused, "answered {confirmed}: {answer:?}");
                (answer.status == 401).then_some(())
            });
        }
    }
    (done, confirmed.iter().filter(|was| **was).count())
}

fn takes_over(fault: Fault, full: usize) {
    let Some((mut pair, [a, b])) = Pair::start() else {
        return;
    };
    a.sign_up(EMAIL, PASSWORD);
    let kept = a.get_token(EMAIL, PASSWORD);
    let mut answered = 0;
    for _ in 0..rounds(1, full) {
        let (before, first) = ends_around([&a, &b], &kept, || pair.fail(fault));
        answered += first;
        goes_by_the_new_accounts(&pair.deployment, [&a, &b]);
        drop(before);
        pair.follow();
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
