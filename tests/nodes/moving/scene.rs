//! What tests of moves have in common: how servers are started before and afterwards, the command, and a load of which is known
//! what was answered.

use crate::nodes::ends::Over;
use crate::support::database::Database;
use crate::support::server::{Client, Refused, Server, Setup, Token};
use crate::support::wait::until;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the command says when changes are refused.
pub(super) const HELD: &str = "changes are refused now";

/// How a server that has its store to itself is started, with its accounts in a file.
pub(super) fn embedded() -> Setup {
    let setup = Setup::new();
    let file = format!("sqlite:{}", setup.data().join("accounts.sqlite").display());
    setup
        .env("LACRE_ACCOUNTS__URL", &file)
        .env("LACRE_SESSION__MAX_PER_USER", "10000")
}

/// The same on this directory, with its accounts in the database.
pub(super) fn embedded_at(data: &Path, database: &Database) -> Setup {
    Setup::new()
        .data_dir(data)
        .env("LACRE_ACCOUNTS__URL", &database.url())
        .env("LACRE_SESSION__MAX_PER_USER", "10000")
}

/// How a node on the database is started, where a server of its own was before.
pub(super) fn node_at(data: &Path, database: &Database) -> Setup {
    embedded_at(data, database).env("LACRE_KEYSTORE__ENGINE", "postgres")
}

pub(super) fn sled(path: &Path) -> String {
    format!("sled:{}", path.display())
}

pub(super) fn migrate(setup: &Setup, to: &str, more: &[&str]) -> Output {
    let arguments = [&["keystore", "migrate", "--to", to][..], more].concat();
    setup.lacre(arguments).output().unwrap()
}

pub(super) fn migrated(setup: &Setup, to: &str) -> Value {
    let output = migrate(setup, to, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(super) fn refused(setup: &Setup, to: &str, status: i32, code: &str) {
    let output = migrate(setup, to, &[]);
    let refused = Refused {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    refused.with(status, code);
}

/// Kills a move after so long, unless it has ended; whether it was killed.
pub(super) fn killed_after(setup: &Setup, to: &str, time: Duration) -> bool {
    let mut command = setup.lacre(["keystore", "migrate", "--to", to]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut moving = command.spawn().unwrap();
    std::thread::sleep(time);
    let is_under_way = moving.try_wait().unwrap().is_none();
    let _ = moving.kill();
    moving.wait().unwrap();
    is_under_way
}

/// What is known of sessions by what was answered.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) live: Vec<Token>,
    pub(super) ended: Vec<String>,
    /// When something was refused, and by which status.
    pub(super) failed: Vec<(Instant, u16)>,
}

impl Known {
    pub(super) fn check(&self, server: &Server) {
        for token in &self.live {
            server.accepts(&token.auth);
        }
        for token in &self.ended {
            server.refuses(token);
        }
    }

    /// Begins, refreshes and ends a session, and uses one.
    pub(super) fn go_on(&mut self, server: &Server, (client, user): (&Client, &str), name: &str) {
        let answer = server.client_token(client, user, name);
        if self.is_done(answer.status) {
            self.live.push(Token::of(&answer));
        }
        for way in 0..3 {
            if self.live.len() < 4 {
                return;
            }
            let place = name.len() * 31 % self.live.len();
            let token = self.live.swap_remove(place);
            match way {
                0 => {
                    let answer = server.refresh(&token);
                    // What isn't answered may have been done.
                    if self.is_done(answer.status) {
                        self.ended.push(token.auth);
                        self.live.push(Token::of(&answer));
                    }
                }
                1 => {
                    let answer = server.revoke(&token.auth, &token.crt);
                    if self.is_done(answer.status) {
                        self.ended.push(token.auth);
                    }
                }
                _ => {
                    let answer = server.call("GET", "/headers", &token.auth);
                    self.is_done(answer.status);
                    self.live.push(token);
                }
            }
        }
    }

    pub(super) fn is_done(&mut self, status: u16) -> bool {
        let is_done = (200..300).contains(&status);
        if !is_done {
            self.failed.push((Instant::now(), status));
        }
        is_done
    }
}

/// A move as it was heard and seen.
pub(super) struct Moving {
    /// What is known of the sessions.
    pub(super) known: Known,
    /// When changes were refused first.
    held: Instant,
    /// What the command said.
    pub(super) said: String,
}

impl Moving {
    /// Nothing was refused before changes were held.
    pub(super) fn refused_nothing_before(self) -> Known {
        for (at, _) in &self.known.failed {
            // The line is printed a moment after what it says.
            assert!(
                *at + Duration::from_secs(1) > self.held,
                "{:?} before",
                self.held - *at
            );
        }
        self.known
    }
}

/// Moves to `to` while sessions begin, are used, refreshed and end. Nothing is refused before changes are held, and what is
/// refused then is 503.
pub(super) fn move_under_load(
    server: &Server,
    account: (&Client, &str),
    to: &str,
    round: usize,
) -> Known {
    move_hearing(server, account, (to, round), |_, _| ()).refused_nothing_before()
}

/// The same, where `hear` is told each line that the command says, and its process id. What is refused is 503.
pub(super) fn move_hearing(
    server: &Server,
    account: (&Client, &str),
    (to, round): (&str, usize),
    mut hear: impl FnMut(&str, u32),
) -> Moving {
    let over = AtomicBool::new(false);
    let moving = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let over = &over;
                scope.spawn(move || {
                    let (mut known, mut number) = (Known::default(), 0);
                    while !over.load(Ordering::SeqCst) {
                        number += 1;
                        known.go_on(server, account, &format!("{round}-{worker}-{number}"));
                    }
                    known
                })
            })
            .collect();
        let not_yet = Over(&over);
        std::thread::sleep(Duration::from_millis(500));
        let mut command = server.setup().lacre(["keystore", "migrate", "--to", to]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut moving = command.spawn().unwrap();
        let (mut held, mut said) = (None, String::new());
        for line in BufReader::new(moving.stderr.take().unwrap()).lines() {
            let line = line.unwrap();
            if line.contains(HELD) {
                held.get_or_insert_with(Instant::now);
            }
            hear(&line, moving.id());
            said.push_str(&line);
            said.push('\n');
        }
        let status = moving.wait().unwrap();
        if let Some(held) = held {
            println!("to {to}: changes were refused for {:?}", held.elapsed());
        }
        drop(not_yet);
        assert!(status.success(), "{said}");
        let mut known = Known::default();
        for worker in workers {
            let one = worker.join().unwrap();
            known.live.extend(one.live);
            known.ended.extend(one.ended);
            known.failed.extend(one.failed);
        }
        let held = held.expect("changes were held");
        Moving { known, held, said }
    });
    let known = &moving.known;
    for (_, status) in &known.failed {
        assert_eq!(*status, 503);
    }
    assert!(!known.live.is_empty() && !known.ended.is_empty());
    moving
}

pub(super) fn is_left(server: &Server, token: &Token) {
    let answer = server.call("GET", "/headers", &token.auth);
    assert_eq!(answer.status, 503, "{answer:?}");
    let answer = server.refresh(token);
    assert_eq!(answer.status, 503, "{answer:?}");
    // A lease that is over is waited for by readiness.
    until("the server isn't ready", || {
        (server.manage("/readyz").status == 503).then_some(())
    });
}

pub(super) fn keys(setup: &Setup) -> Value {
    let output = setup.lacre(["keys", "status", "--json"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
