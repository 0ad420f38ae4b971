//! Guesses whose connection is reset before the answer: each is counted and logged, none is worked on
//! for longer than somebody waits, and nobody else is kept out.

use super::PASSWORD;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Setup, Token};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const EMAIL: &str = "ada@example.com";
const WRONG: &str = "wrong horse battery";
const HOME: &str = "198.51.100.1";
const STRANGER: &str = "192.0.2.66";
/// Guesses, and the count that they use up.
const GUESSES: usize = 12;

fn start(settings: &[(&str, &str)]) -> Server {
    let mut setup = Setup::new()
        .env("LACRE_TRUSTED_PROXIES", "127.0.0.1")
        .env("LACRE_HASHING__THREADS", "1");
    for (name, value) in settings {
        setup = setup.env(name, value);
    }
    let server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    server
}

fn log_in(address: &str, password: &str) -> Request {
    let request = Request::post("/getToken").header("X-Forwarded-For", address);
    request.json(json!({"email": EMAIL, "password": password}))
}

/// How long a request takes at least whose answer is waited for: one that waits for the processor by chance takes longer,
/// and resets that are spread over that would come when most are answered.
fn usual(server: &Server, request: &Request) -> Duration {
    let took = (0..5).map(|_| {
        let begun = Instant::now();
        server.send(request).expect(401);
        begun.elapsed()
    });
    took.min().unwrap()
}

/// Sends guesses, each on a connection of its own that is reset: at once up to when the answer is due,
/// until as many as the count allows have come to the server. A reset that comes before the server
/// reads takes the request along, which then was no guess.
fn guess_and_reset(server: &Server, usual: Duration, request: &Request) {
    let step = usual / u32::try_from(GUESSES).unwrap();
    let logged = || failures(&server.written(), &format!("address={STRANGER}"));
    let mut unread = 0;
    while logged() < GUESSES {
        let before = logged();
        let round = u32::try_from(before).unwrap();
        let mut connection = Connection::open(server.public).unwrap();
        connection.write(&request.bytes()).unwrap();
        thread::sleep(step * round + Duration::from_micros(500 * unread));
        connection.reset();
        let patience = Instant::now() + usual * 2 + Duration::from_millis(300);
        while logged() == before && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        if logged() == before {
            unread += 1;
            assert!(unread < 100, "no guess comes to the log");
        }
    }
}

fn failures(written: &str, words: &str) -> usize {
    let has = |line: &str, word: &str| line.split(' ').any(|found| found == word);
    let failed = |line: &&str| line.contains("event=login_failed");
    let lines = written.lines().filter(failed);
    let lines = lines.filter(|line| words.split(' ').all(|word| has(line, word)));
    lines.count()
}

/// Resets all of them, and demands that each was counted and logged, and one more is refused.
fn all_are_counted(server: &mut Server, request: &Request, one_more: &Request, words: &str) {
    let usual = usual(server, &elsewhere(request));
    guess_and_reset(server, usual, request);
    let address = format!("address={STRANGER}");
    server.send(one_more).refused(429, "rate_limited");
    server.stop();
    let written = server.written();
    assert_eq!(failures(&written, &address), GUESSES + 1, "{written}");
    let told = format!("{address} {words}");
    assert_eq!(failures(&written, &told), GUESSES + 1, "{written}");
    let limited = format!("{address} code=rate_limited");
    assert_eq!(failures(&written, &limited), 1, "{written}");
    let abandoned = format!("{address} code=abandoned");
    let abandoned = failures(&written, &abandoned);
    println!("{abandoned} of {GUESSES} abandoned");
    assert!(abandoned >= GUESSES / 2, "{abandoned}\n{written}");
}

/// The same request from another address.
fn elsewhere(request: &Request) -> Request {
    request
        .clone()
        .without("X-Forwarded-For")
        .header("X-Forwarded-For", HOME)
}

fn count() -> String {
    format!("{GUESSES}/1h")
}

#[test]
fn log_ins_that_are_reset_are_counted_and_logged() {
    let mut server = start(&[("LACRE_LIMITS__LOGIN_PER_ACCOUNT", &count())]);
    let user = server.get_token(EMAIL, PASSWORD);
    let id = server.call("GET", "/me", &user.auth).json()["id"].clone();
    let words = format!("user={}", id.as_str().unwrap());
    let (guess, right) = (log_in(STRANGER, WRONG), log_in(STRANGER, PASSWORD));
    all_are_counted(&mut server, &guess, &right, &words);
}

#[test]
fn passwords_proven_once_more_and_reset_are_counted_and_logged() {
    for (method, target) in [("POST", "/reauth"), ("PUT", "/me/password")] {
        let mut server = start(&[("LACRE_LIMITS__LOGIN_PER_ACCOUNT", &count())]);
        let token = server.get_token(EMAIL, PASSWORD);
        let ask = |password: &str| {
            let request = Request::new(method, target).bearer(&token.auth);
            let request = request.header("X-Forwarded-For", STRANGER);
            request.json(if method == "POST" {
                json!({"password": password})
            } else {
                json!({"current": password, "new": "another horse battery"})
            })
        };
        let id = server.call("GET", "/me", &token.auth).json()["id"].clone();
        let words = format!("user={}", id.as_str().unwrap());
        all_are_counted(&mut server, &ask(WRONG), &ask(PASSWORD), &words);
    }
}

/// A secret is compared at once, so few connections are reset before; each is counted all the same.
#[test]
fn secrets_of_clients_that_are_reset_are_counted_and_logged() {
    let mut server = start(&[("LACRE_LIMITS__LOGIN_PER_ADDRESS", &count())]);
    let client = server.add_client("shop");
    let ask = |secret: &str| {
        let request = Request::post("/getToken").header("X-Forwarded-For", STRANGER);
        let request = request.basic(&client.id, secret);
        request.json(json!({"id": "ada", "user_session": "s"}))
    };
    guess_and_reset(&server, Duration::from_millis(12), &ask("wrong"));
    let address = format!("address={STRANGER}");
    server
        .send(&ask(&client.secret))
        .refused(429, "rate_limited");
    server.stop();
    assert_eq!(failures(&server.written(), &address), GUESSES + 1);
}

/// Connections of one address, more than the queue has places, all reset before their turn and opened
/// anew, without a limit that would end it.
#[test]
fn a_flood_of_resets_does_not_keep_others_out() {
    let server = start(&[
        ("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "off"),
        ("LACRE_LIMITS__LOGIN_PER_ADDRESS", "off"),
        ("LACRE_HASHING__QUEUE", "8"),
        ("LACRE_HASHING__QUEUE_PER_ADDRESS", "2"),
    ]);
    let over = AtomicBool::new(false);
    let flood = log_in(STRANGER, WRONG).bytes();
    thread::scope(|scope| {
        // The sooner, the more are reset before the server looks who is at their other end.
        for pause in [50, 20] {
            let (over, flood, server) = (&over, &flood, &server);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let mut held = Vec::new();
                    for _ in 0..12 {
                        let mut connection = Connection::open(server.public).unwrap();
                        let _ = connection.write(flood);
                        held.push(connection);
                    }
                    thread::sleep(Duration::from_millis(pause));
                    held.into_iter().for_each(Connection::reset);
                }
            });
        }
        thread::sleep(Duration::from_millis(500));
        let answers: Vec<Answer> = (0..10)
            .map(|_| server.send(&log_in(HOME, PASSWORD)))
            .collect();
        over.store(true, Ordering::Relaxed);
        for answer in answers {
            Token::of(&answer);
        }
    });
    let busy = failures(&server.written(), "code=hashing_busy");
    let gone = failures(&server.written(), "code=abandoned");
    println!("{busy} refused, {gone} abandoned");
    assert!(busy > 0 && gone > 0, "{busy} {gone}");
}
