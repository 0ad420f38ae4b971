//! The process below a server, and where it says that it listens.

use crate::support::wait::PATIENCE;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// What the last servers that ended have logged, so many of them.
static ENDED: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
const MANY: usize = 12;

/// Where a server's listeners are.
pub(super) struct Addresses {
    pub(super) public: SocketAddr,
    pub(super) management: SocketAddr,
    pub(super) gateway: Option<SocketAddr>,
}

/// A child process whose output is read all the time, so that it never waits for us.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pub(super) child_id: u32,
    /// Each line of standard output; closed at its end. The lock lets many threads share a server.
    lines: Mutex<Receiver<String>>,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub(super) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (line, lines) = channel();
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let mut readers = vec![read_along(
            child.stdout.take().unwrap(),
            &stdout,
            move |text| {
                let _ = line.send(text.to_owned());
            },
        )];
        let from = child.stderr.take();
        readers.extend(from.map(|from| read_along(from, &stderr, |_| {})));
        Self {
            child_id: child.id(),
            child,
            lines: lines.into(),
            stdout,
            stderr,
            readers,
        }
    }

    /// Reads up to `listening on`.
    pub(super) fn wait_for_addresses(&self) -> Result<Addresses, String> {
        let deadline = Instant::now() + PATIENCE;
        let (mut management, mut gateway) = (None, None);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.lines.lock().unwrap().recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it neither listens nor ends\n{}", self.printed())
                }
                Err(RecvTimeoutError::Disconnected) => return Err("it ended".to_owned()),
            };
            if let Some(address) = line.strip_prefix("management on http://") {
                management = Some(address.parse().map_err(|_| line.clone())?);
            } else if let Some(address) = line.strip_prefix("gateway on http://") {
                gateway = Some(address.parse().map_err(|_| line.clone())?);
            } else if let Some(address) = line
                .strip_prefix("listening on http://")
                .or_else(|| line.strip_prefix("listening on https://"))
            {
                return Ok(Addresses {
                    public: address.parse().map_err(|_| line.clone())?,
                    management: management.ok_or("no management address")?,
                    gateway,
                });
            }
        }
    }

    pub(super) fn printed(&self) -> String {
        let (stdout, stderr) = (self.stdout.lock().unwrap(), self.stderr.lock().unwrap());
        format!("{stdout}{stderr}")
    }

    /// Waits for the end; the status and what was printed.
    pub(super) fn ended(mut self) -> (ExitStatus, String, String) {
        // The end of standard output is the end of the process.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.lock().unwrap().recv_timeout(left);
            match line {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it doesn't end\n{}", self.printed()),
            }
        }
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let taken = |text: &Mutex<String>| std::mem::take(&mut *text.lock().unwrap());
        let stderr = taken(&self.stderr);
        let mut before = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        before.push_back(self.last_lines("to its end", &stderr));
        if before.len() > MANY {
            before.pop_front();
        }
        (status, taken(&self.stdout), stderr)
    }

    /// The last of what was logged.
    fn last_lines(&self, when: &str, stderr: &str) -> String {
        let lines: Vec<_> = stderr.lines().collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        let told = |line: &&str| format!("{} {when}: {line}\n", self.child_id);
        last.iter().map(told).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After the end these do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // For whoever looks why a test failed: the log of a server is shown nowhere else.
        if std::thread::panicking() {
            let mut before = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
            let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
            before.push_back(self.last_lines("at the failure", &stderr));
            before.drain(..).for_each(|lines| eprint!("{lines}"));
        }
    }
}

fn read_along(
    from: impl Read + Send + 'static,
    into: &Arc<Mutex<String>>,
    mut line_read: impl FnMut(&str) + Send + 'static,
) -> JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            into.lock().unwrap().push_str(&text);
            line_read(text.trim_end());
            line.clear();
        }
    })
}
