//! The ledger: what was acknowledged before a kill holds after it.
//!
//! Workers begin sessions, refresh them, replace them and end them, and write down each answer. The
//! server is killed in the middle, again and again. After each restart every session whose token
//! was handed out lives, unless it was ended, and none that was ended is back. A request that was
//! under way at the kill may have happened or not; what it was about is struck from the ledger,
//! but for a refresh: that can be asked again.

use super::PASSWORD;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Account, Client, Server, Setup, Token};
use crate::support::wait::until;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _, TryRng as _};
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const ROUNDS: usize = 24;
const WORKERS: usize = 4;

/// What one worker knows of the sessions that it began.
#[derive(Debug, Default)]
struct Ledger {
    live: Vec<Entry>,
    /// Access tokens that must be noise: of sessions that were ended, replaced or refreshed.
    noise: Vec<String>,
    /// Sessions that were being refreshed when the server died.
    refreshing: Vec<Entry>,
    unknown: usize,
}

#[derive(Debug)]
struct Entry {
    auth: String,
    refresh: String,
    crt: String,
    /// The name under which it can be replaced.
    name: Option<String>,
}

impl Entry {
    fn of(answer: &Answer, name: Option<String>) -> Self {
        let token = Token::of(answer);
        Self {
            auth: token.auth,
            refresh: token.refresh.unwrap(),
            crt: token.crt,
            name,
        }
    }
}

/// One that works with the server: its user, its dice, its ledger.
struct Worker {
    shop: Client,
    user: Account,
    dice: StdRng,
    ledger: Ledger,
    begun: usize,
}

impl Worker {
    /// Works until the server is gone.
    fn work(&mut self, server: SocketAddr, acknowledged: &AtomicUsize) {
        let Ok(mut connection) = Connection::open(server) else {
            return;
        };
        while self.step(&mut connection).is_ok() {
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn step(&mut self, connection: &mut Connection) -> io::Result<()> {
        let some = !self.ledger.live.is_empty();
        match self.dice.random_range(0..20) {
            0..4 if some => self.end(connection),
            4..8 if some => self.replace(connection),
            8..12 if some => self.refresh(connection),
            _ => {
                self.begun += 1;
                // Most by a back end, since a password takes a while to hash.
                let by_client = self.dice.random_bool(0.9);
                let name = by_client.then(|| self.begun.to_string());
                let entry = self.begin(connection, name)?;
                self.ledger.live.push(entry);
                Ok(())
            }
        }
    }

    fn begin(&self, connection: &mut Connection, name: Option<String>) -> io::Result<Entry> {
        let request = Request::post("/getToken");
        let request = match &name {
            Some(name) => request
                .basic(&self.shop.id, &self.shop.secret)
                .json(json!({"id": self.user.id, "user_session": name})),
            None => request.json(json!({"email": self.user.email, "password": PASSWORD})),
        };
        // A server that dies may not answer, but it never answers anything else.
        Ok(Entry::of(&connection.send(&request)?, name))
    }

    /// Takes an entry out of the ledger: until the answer is there its state is unknown.
    fn take(&mut self) -> Entry {
        let place = self.dice.random_range(0..self.ledger.live.len());
        self.ledger.unknown += 1;
        self.ledger.live.swap_remove(place)
    }

    fn end(&mut self, connection: &mut Connection) -> io::Result<()> {
        let entry = self.take();
        let request = if self.dice.random_bool(0.5) {
            Request::post("/logout")
        } else {
            Request::delete(&format!("/sessions/{}", entry.crt))
        };
        connection.send(&request.bearer(&entry.auth))?.expect(204);
        self.ledger.unknown -= 1;
        self.ledger.noise.push(entry.auth);
        Ok(())
    }

    fn refresh(&mut self, connection: &mut Connection) -> io::Result<()> {
        let entry = self.take();
        self.ledger.unknown -= 1;
        let (new, old) = (refreshed(connection, &entry), entry);
        match new {
            Ok(new) => {
                self.ledger.noise.push(old.auth);
                self.ledger.live.push(new);
                Ok(())
            }
            Err(gone) => {
                self.ledger.refreshing.push(old);
                Err(gone)
            }
        }
    }

    /// Asks again for what got no answer: it has to work, whether it had happened or not.
    fn ask_again(&mut self, server: SocketAddr) {
        let mut connection = Connection::open(server).unwrap();
        for old in std::mem::take(&mut self.ledger.refreshing) {
            let new = refreshed(&mut connection, &old).unwrap();
            self.ledger.noise.push(old.auth);
            self.ledger.live.push(new);
        }
    }

    fn replace(&mut self, connection: &mut Connection) -> io::Result<()> {
        let entry = self.take();
        let Some(name) = entry.name.clone() else {
            // Only a named session can be replaced.
            self.ledger.unknown -= 1;
            self.ledger.live.push(entry);
            return Ok(());
        };
        let new = self.begin(connection, Some(name))?;
        assert_eq!(new.crt, entry.crt);
        self.ledger.unknown -= 1;
        self.ledger.noise.push(entry.auth);
        self.ledger.live.push(new);
        Ok(())
    }
}

fn refreshed(connection: &mut Connection, entry: &Entry) -> io::Result<Entry> {
    let answer = connection.send(&Request::post("/refresh").bearer(&entry.refresh))?;
    let new = Entry::of(&answer, entry.name.clone());
    assert_eq!(new.crt, entry.crt);
    Ok(new)
}

/// Demands that the server agrees with the ledger.
fn verify(server: &Server, ledger: &Ledger) {
    let mut connection = Connection::open(server.public).unwrap();
    let mut ask = |auth: &str| {
        let answer = connection.send(&Request::get("/headers").bearer(auth));
        answer.unwrap().status
    };
    for entry in &ledger.live {
        assert_eq!(ask(&entry.auth), 200, "lost: {}", entry.crt);
    }
    for auth in &ledger.noise {
        assert_eq!(ask(auth), 401, "back again");
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // a switch of this test, not configuration
fn what_was_acknowledged_survives_every_kill() {
    let seed = std::env::var("LACRE_CRASH_SEED").map_or_else(
        |_| SysRng.try_next_u64().unwrap(),
        |seed| seed.parse().unwrap(),
    );
    println!("LACRE_CRASH_SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut server = Setup::new()
        .env("LACRE_SESSION__MAX_PER_USER", "10000")
        // Long enough for a restart on a busy machine.
        .env("LACRE_REFRESH__GRACE", "5m")
        .start();
    let shop = server.add_client("shop");
    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|number| Worker {
            shop: shop.clone(),
            user: server.sign_up(&format!("user{number}@example.com"), PASSWORD),
            dice: StdRng::seed_from_u64(dice.random()),
            ledger: Ledger::default(),
            begun: 0,
        })
        .collect();
    let done = AtomicUsize::new(0);
    for _ in 0..ROUNDS {
        // After some answers, wherever the machine is by then, and then at any moment.
        let answers = done.load(Ordering::Relaxed) + dice.random_range(0..60);
        let moment = Duration::from_micros(dice.random_range(0..20_000));
        let address = server.public;
        std::thread::scope(|scope| {
            for worker in &mut workers {
                scope.spawn(|| worker.work(address, &done));
            }
            until("answers come", || {
                (done.load(Ordering::Relaxed) >= answers).then_some(())
            });
            // Not to wait for something: the moment of the kill is what is being tried.
            std::thread::sleep(moment);
            server.kill9();
        });
        server.restart();
        for worker in &mut workers {
            worker.ask_again(server.public);
            verify(&server, &worker.ledger);
        }
    }
    let sum = |count: fn(&Ledger) -> usize| workers.iter().map(|w| count(&w.ledger)).sum::<usize>();
    let (live, noise) = (sum(|l| l.live.len()), sum(|l| l.noise.len()));
    println!(
        "{} acknowledged, {live} live, {noise} tokens are noise, {} unknown",
        done.load(Ordering::Relaxed),
        sum(|l| l.unknown),
    );
    assert!(live > 40 && noise > 100, "hardly anything was tried");
}
