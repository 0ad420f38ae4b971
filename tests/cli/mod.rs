//! The command line as an operator and a script use it: the real program, beside a running server
//! and without one.

mod accept;
mod backup;
mod both_ways;
mod compacting;
mod config;
mod demo;
mod doctor;
mod explain;
mod generated;
mod health;
mod importing;
mod keys;
mod keystore;
mod reach;
mod receipts;
mod secrets;
mod sessions;
mod stopped;
mod terminal;
mod token;
mod usage;
mod users;

use crate::support::server::{Server, Setup, Token};
use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Stdio};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A command that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Demands success.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// Demands this exit status, this stable code, and nothing on standard output.
    #[track_caller]
    pub(crate) fn failed(self, status: i32, code: &str) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(last.ends_with(&format!("({code})")), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        self
    }

    /// Standard output as the one line of JSON that it is.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.matches('\n').count(), 1, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Runs a command with this standard input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // In a thread: the child may answer before it has read all.
    let writing = std::thread::spawn(move || {
        // A command that needs no input doesn't read it.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `lacre` with these words on the data directory of the setup.
pub(crate) fn lacre(setup: &Setup, words: &str) -> Ran {
    lacre_with(setup, words, b"")
}

/// The same with standard input.
pub(crate) fn lacre_with(setup: &Setup, words: &str, input: &[u8]) -> Ran {
    run_with(&mut setup.lacre(words.split_whitespace()), input)
}

/// Makes an account with [`PASSWORD`] and gives its id.
pub(crate) fn add_user(setup: &Setup, email: &str) -> String {
    let words = format!("users add {email} --password-stdin --json");
    let added = lacre_with(setup, &words, PASSWORD.as_bytes()).ok().json();
    added["id"].as_str().unwrap().to_owned()
}

/// Logs in and gives the tokens.
pub(crate) fn log_in(server: &Server, email: &str) -> Token {
    server.get_token(email, PASSWORD)
}

/// The handles of a listing of the keystore.
pub(crate) fn handles(listing: &Value) -> Vec<String> {
    let sessions = listing["sessions"].as_array().unwrap();
    let handle = |session: &Value| session["handle"].as_str().unwrap().to_owned();
    sessions.iter().map(handle).collect()
}
