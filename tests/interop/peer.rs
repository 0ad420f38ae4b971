//! The other libraries, as programs that read lines and write lines.

use crate::support::skipped::skip;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One library in its own language.
pub(super) struct Peer {
    program: PathBuf,
    script: &'static str,
}

impl Peer {
    pub(super) fn jwcrypto() -> Option<Self> {
        let program = installed().join("venv/bin/python3");
        let there = Command::new(&program)
            .args(["-c", "import jwcrypto"])
            .output()
            .is_ok_and(|output| output.status.success());
        Self {
            program,
            script: "jwcrypto_peer.py",
        }
        .if_there("jwcrypto", there)
    }

    /// The libraries that keep passwords.
    pub(super) fn hashes() -> Option<Self> {
        let program = installed().join("venv/bin/python3");
        let there = Command::new(&program)
            .args(["-c", "import argon2, bcrypt, django, passlib, werkzeug"])
            .output()
            .is_ok_and(|output| output.status.success());
        Self {
            program,
            script: "hashes_peer.py",
        }
        .if_there("what hashes passwords", there)
    }

    /// A client of introspection and revocation.
    pub(super) fn authlib() -> Option<Self> {
        let program = installed().join("venv/bin/python3");
        let there = Command::new(&program)
            .args(["-c", "import authlib, requests"])
            .output()
            .is_ok_and(|output| output.status.success());
        Self {
            program,
            script: "authlib_peer.py",
        }
        .if_there("Authlib", there)
    }

    /// The same in JavaScript.
    pub(super) fn oauth4webapi() -> Option<Self> {
        let package = installed().join("node_modules/oauth4webapi/package.json");
        Self {
            program: "node".into(),
            script: "oauth4webapi_peer.mjs",
        }
        .if_there("oauth4webapi", package.is_file())
    }

    /// The program that sends what a description of routes allows, and what it doesn't.
    pub(super) fn schemathesis() -> Option<Self> {
        let program = installed().join("venv/bin/schemathesis");
        let there = program.is_file();
        let script = "";
        Self { program, script }.if_there("schemathesis", there)
    }

    /// What the Python package is tested, checked and built with.
    pub(super) fn python() -> Option<Self> {
        let program = installed().join("venv/bin/python3");
        let needed =
            "import build, django, fastapi, flask_jwt_extended, hatchling, httpx, mypy, pytest";
        let there = Command::new(&program)
            .args(["-c", needed])
            .output()
            .is_ok_and(|output| output.status.success());
        let script = "";
        Self { program, script }.if_there("what the Python package is tested with", there)
    }

    /// The program itself, for one that needs no script.
    pub(super) fn command(&self) -> Command {
        Command::new(&self.program)
    }

    pub(super) fn panva_jose() -> Option<Self> {
        let there = installed().join("node_modules/jose/package.json").is_file();
        Self {
            program: "node".into(),
            script: "jose_peer.mjs",
        }
        .if_there("panva/jose", there)
    }

    pub(super) fn openid_provider() -> Option<Self> {
        let package = installed().join("node_modules/oidc-provider/package.json");
        Self {
            program: "node".into(),
            script: "oidc_provider.mjs",
        }
        .if_there("oidc-provider", package.is_file())
    }

    fn if_there(self, name: &str, there: bool) -> Option<Self> {
        if there {
            return Some(self);
        }
        skip(&format!("{name} is absent"), "run make interop");
        None
    }

    /// The peer's program, to be started.
    pub(super) fn started(&self) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/interop/peers")
            .join(self.script);
        let mut command = Command::new(&self.program);
        command
            .arg(script)
            .env("LACRE_INTEROP_DIR", installed())
            .env("PYTHONUTF8", "1");
        command
    }

    /// Gives the peer its setting and these lines, and takes one line for each.
    pub(super) fn run(&self, work: &str, setting: &str, lines: &[String]) -> Vec<String> {
        let mut command = self.started();
        command.arg(work);
        let mut input = vec![setting.to_owned()];
        input.extend_from_slice(lines);
        let answers = filter(&mut command, &input);
        assert_eq!(answers.len(), lines.len());
        answers
    }
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop")
}

/// How many tokens go each way: `LACRE_INTEROP_TOKENS`, else 50.
pub(super) fn tokens() -> usize {
    #[allow(clippy::disallowed_methods)] // how long a test may take is the tester's choice
    let asked = std::env::var("LACRE_INTEROP_TOKENS").ok();
    asked.map_or(50, |count| count.parse().unwrap())
}

/// One line out for each line in.
pub(super) fn batch(command: &mut Command, lines: &[String]) -> Vec<String> {
    let answers = filter(command, lines);
    assert_eq!(answers.len(), lines.len());
    answers
}

/// Runs a program over lines, feeding it while it answers, so that neither waits for the other.
fn filter(command: &mut Command, lines: &[String]) -> Vec<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = lines.join("\n") + "\n";
    let feeder = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}
