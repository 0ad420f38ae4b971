//! Whether the time of a dialect's refusal says why a token was refused: over HTTP, on one connection.
//!
//! After dudect, as `make bench-oracle` does it beneath HTTP: two classes of tokens in random order, the
//! slowest tenth cut off, Welch's t of the rest. Few samples tell a difference of a whole step, such as a
//! store that is asked or isn't; `make bench-oracle` finds what is smaller. `LACRE_ORACLE_SAMPLES` is the number of samples a
//! class (`make bench-oracle-dialects`).

use super::{DIALECTS, speaking, with_token};
use crate::support::http::{Connection, Request};
use crate::support::server::Setup;
use lacre::internals::entropy;
use rand::Rng as _;
use statistics::{Pair, welch_t};
use std::time::Instant;

#[allow(dead_code)] // the processes of the benchmark hand samples over
#[path = "../oracle/statistics.rs"]
mod statistics;

const PASSWORD: &str = "correct horse battery";

/// Tokens of each class.
const TOKENS: usize = 16;

/// Beyond it the machine isn't what differs.
const LEAK: f64 = 10.0;

#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
fn samples() -> usize {
    let told = std::env::var("LACRE_ORACLE_SAMPLES").ok();
    told.map_or(300, |number| number.parse().unwrap())
}

/// The token with another first character of its tag: its session is there, its key opens it not.
fn with_another_tag(token: &str) -> String {
    let (rest, tag) = token.rsplit_once('.').unwrap();
    let first = if tag.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{first}{}", &tag[1..])
}

/// The classes, each compared with the first: what an attacker could want to tell apart.
fn classes(setup: &Setup) -> [(&'static str, Vec<String>); 4] {
    let mut server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    let tokens = || (0..TOKENS).map(|_| server.get_token("ada@example.com", PASSWORD).auth);
    let ended: Vec<String> = tokens().collect();
    let live: Vec<String> = tokens().collect();
    let same: Vec<String> = tokens().collect();
    for token in &ended {
        server.call("POST", "/logout", token).expect(204);
    }
    assert!(server.stop().success());
    let unopened = |tokens: &[String]| tokens.iter().map(|token| with_another_tag(token)).collect();
    [
        ("bad tag", unopened(&live)),
        ("bad tag of another session", unopened(&same)),
        ("session ended", ended.clone()),
        ("session ended, bad tag", unopened(&ended)),
    ]
}

#[test]
fn the_time_of_a_dialects_refusal_does_not_tell_its_reason() {
    let setup = Setup::new().env("LACRE_SESSION__MAX_PER_USER", "1000");
    let classes = classes(&setup);
    let (mut rng, samples) = ((entropy::system())(), samples());
    let mut leaks = Vec::new();
    for (dialect, resource) in DIALECTS {
        let server = speaking(&setup, dialect).start();
        let mut connection = Connection::open(server.public).unwrap();
        let mut take = |token: &str| {
            let (field, value) = with_token(dialect, token);
            let request = Request::get(resource).header(field, &value);
            let begun = Instant::now();
            let answer = connection.send(&request).unwrap();
            let lasted = begun.elapsed();
            assert!([401, 403, 422].contains(&answer.status), "{answer:?}");
            lasted
        };
        let [(first, bad), others @ ..] = &classes;
        for (name, tokens) in others {
            let mut times = Pair::default();
            for warm in bad.iter().chain(tokens) {
                take(warm);
            }
            while times.len() < samples * 2 {
                let drawn = rng.next_u32() as usize;
                let (class, place) = (drawn % 2, drawn / 2 % TOKENS);
                let tokens = if class == 0 { bad } else { tokens };
                times.put(class, take(&tokens[place]));
            }
            let [one, two] = times.without_the_slowest();
            let t = welch_t(&one, &two);
            println!(
                "t = {t:8.2}   {:9.0} ns | {:9.0} ns   {dialect}: {first} | {name}",
                one.mean(),
                two.mean()
            );
            if t.abs() > LEAK {
                leaks.push(format!("{dialect}: {first} | {name}: t = {t:.2}"));
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}
