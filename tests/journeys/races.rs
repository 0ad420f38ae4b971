//! Many at once: refreshes of one token, calls with ended tokens, and kills in the middle of what
//! ends sessions; and lives at random, held against a model. Short by default; `make soak` (with
//! `LACRE_TEST_FULL`) runs them at full length.

mod client_gone;
mod history;
mod kill;
mod life;
mod stage;

use super::revocation::event::{Event, Rules, Verdict, Whose};
use super::revocation::scene::{House, Scene};
use crate::support::http::{Connection, Request};
use crate::support::server::{Server, Token};
use lacre::internals::config::Engine;
use lacre::internals::token::TokenKind;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const CONNECTIONS: usize = 64;

/// The first number, or, where the tests run at full length, the second.
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
pub(super) fn rounds(short: usize, full: usize) -> usize {
    if std::env::var_os("LACRE_TEST_FULL").is_some() {
        full
    } else {
        short
    }
}

/// Sends a request on each of these connections at the same moment; the answers.
fn at_once(connections: &mut [Connection], request: &Request) -> Vec<Token> {
    let start = Barrier::new(connections.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = connections
            .iter_mut()
            .map(|connection| {
                scope.spawn(|| {
                    start.wait();
                    Token::of(&connection.send(request).unwrap())
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn connections(server: &Server) -> Vec<Connection> {
    (0..CONNECTIONS)
        .map(|_| Connection::open(server.public).unwrap())
        .collect()
}

#[test]
fn sixty_four_refreshes_at_once_give_one_generation() {
    let house = House::open(Rules::Patient, Engine::Sled);
    let mut scene = Scene::set(Event::Refreshed, &house);
    let mut held = scene.held(Whose::Own).clone();
    let mut connections = connections(&house.server);
    let mut dice = StdRng::try_from_rng(&mut SysRng).unwrap();
    let (rounds, begun) = (rounds(10, 1000), Instant::now());
    for _ in 0..rounds {
        let request = Request::post("/refresh").bearer(&held.refresh);
        let tokens = at_once(&mut connections, &request);
        house.server.refuses(&held.auth);
        // Tokens of two generations are never good at the same time.
        for token in &tokens {
            assert_eq!(token.crt, held.crt);
            house.server.accepts(&token.auth);
        }
        let next = &tokens[dice.random_range(0..tokens.len())];
        held.auth.clone_from(&next.auth);
        held.refresh = next.refresh.clone().unwrap();
    }
    assert_eq!(house.server.sessions(&held.auth).len(), 2);
    let refreshes = rounds * CONNECTIONS;
    println!(
        "{rounds} rounds of {CONNECTIONS} refreshes at once, {refreshes} in all, in {:?}: each round \
         gave tokens of one generation, and the session lives",
        begun.elapsed()
    );
}

/// Calls with tokens that are noise, from the moment on when the event was answered; how many
/// calls there were and how many of them were let in.
fn hammered(house: &House, scene: &mut Scene, calls: usize) -> (usize, usize) {
    let event = scene.event;
    let mut requests = Vec::new();
    for whose in Whose::ALL {
        let held = scene.held(*whose);
        if event.verdict(*whose, TokenKind::Access) == Verdict::Noise {
            requests.push(Request::get("/sessions").bearer(&held.auth));
        }
        if event.verdict(*whose, TokenKind::Refresh) == Verdict::Noise {
            requests.push(Request::post("/refresh").bearer(&held.refresh));
        }
    }
    let (asked, accepted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let answered = Barrier::new(CONNECTIONS + 1);
    std::thread::scope(|scope| {
        for connection in connections(&house.server) {
            scope.spawn(|| {
                answered.wait();
                let mut connection = connection;
                for request in requests.iter().cycle().take(calls.div_ceil(CONNECTIONS)) {
                    let status = connection.send(request).unwrap().status;
                    assert!(matches!(status, 200 | 401), "{event:?}: {status}");
                    asked.fetch_add(1, Ordering::Relaxed);
                    accepted.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                }
            });
        }
        scene.happens(house);
        answered.wait();
    });
    (asked.into_inner(), accepted.into_inner())
}

#[test]
fn no_call_with_an_ended_token_is_let_in() {
    let events = || Event::ALL.iter().filter(|event| **event != Event::Expired);
    let each = rounds(2_000, 1_000_000).div_ceil(events().count());
    let (mut all, begun) = (0, Instant::now());
    for rules in Rules::ALL {
        let house = House::open(*rules, Engine::Sled);
        for event in events().filter(|event| event.rules() == *rules) {
            let mut scene = Scene::set(*event, &house);
            let (asked, accepted) = hammered(&house, &mut scene, each);
            assert_eq!(accepted, 0, "{event:?}: of {asked} calls");
            all += asked;
        }
    }
    println!(
        "{all} calls over {CONNECTIONS} connections in {:?}, none let in",
        begun.elapsed()
    );
    assert!(all >= rounds(2_000, 1_000_000), "{all}");
}
