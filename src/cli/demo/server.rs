//! The demo's own server: this very program in a directory that doesn't outlive it.
//!
//! This room must never let the server or its directory stay, and never let a setting of the
//! caller's environment reach it: it could name the caller's real database.

use super::super::failure::{self, Failure};
use lacre::internals::config;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the server may take to come and to go.
const TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// The running server. Dropping it ends it at once.
pub(super) struct OwnServer {
    child: Child,
    directory: TempDir,
}

/// What the server writes to its standard output.
pub(super) struct Lines(Receiver<String>);

impl OwnServer {
    /// Starts it; [`Lines::url`] says where it is.
    pub(super) fn start() -> Result<(Self, Lines), Failure> {
        let directory = tempfile::Builder::new()
            .prefix("lacre-demo-")
            .tempdir()
            .map_err(|error| failed(&error))?;
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        for name in config::variables_set() {
            command.env_remove(name);
        }
        command
            .args(["serve", "--dev"])
            .args(["--listen", "127.0.0.1:0"])
            .args(["--management-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            // No `lacre.toml` is there.
            .current_dir(directory.path())
            // Its audit trail would stand between the lines of the story.
            .env("LACRE_LOG", "error,lacre::audit=off")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| failed(&error))?;
        let mut own = Self { child, directory };
        let stdout = own.child.stdout.take();
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for text in stdout
                .into_iter()
                .flat_map(|out| BufReader::new(out).lines())
            {
                // Read to the end also when nobody listens: the server must not wait for us.
                let _ = text.map(|text| line.send(text));
            }
        });
        Ok((own, Lines(lines)))
    }

    /// Ends it and removes its directory.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; waiting for it tells.
            let _ = kill_process(pid, Signal::TERM);
        }
        let give_up = Instant::now() + TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < give_up {
            std::thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let path = self.directory.path().to_owned();
        std::fs::remove_dir_all(path).map_err(|error| failed(&error))
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // After `stop` these do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    /// Waits until the server answers, and says where.
    pub(super) fn url(self) -> Result<String, Failure> {
        let give_up = Instant::now() + TIMEOUT;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix("listening on ") {
                        return Ok(url.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(failed(&"it takes too long")),
                Err(RecvTimeoutError::Disconnected) => return Err(failed(&"it ended")),
            }
        }
    }
}

fn failed(why: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        failure::UNAVAILABLE,
        "demo_server_failed",
        format_args!("the demo's own server: {why}"),
    )
}
