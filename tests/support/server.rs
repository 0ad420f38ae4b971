//! The real program as a child process, and the gestures of the people around it.

mod gestures;
mod process;

pub(crate) use gestures::{Account, Client, Token};

use super::described::Described;
use super::postgres::Schema;
use process::{Addresses, Process};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The issuer of the tokens: a fixed one, since the port changes with every start.
pub(crate) const ISSUER: &str = "http://lacre.test";

/// How a server is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Kept alive for as long as somebody may start on it again.
    _temp: Arc<TempDir>,
    /// The working directory of the process: empty, so that no `lacre.toml` is found by chance.
    home: PathBuf,
    data_dir: PathBuf,
    dev: bool,
    listen: String,
    management: String,
    /// Another program than the one that is tested.
    program: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    wrapper: Vec<OsString>,
    /// Kept as long: where the accounts are, if not in a file.
    _accounts: Option<Arc<Schema>>,
}

/// A schema for the accounts, where `LACRE_TEST_ACCOUNTS` is `postgres`.
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
fn accounts() -> Option<Schema> {
    let chosen = std::env::var("LACRE_TEST_ACCOUNTS").ok()?;
    assert_eq!(chosen, "postgres");
    Some(Schema::new().expect("LACRE_TEST_POSTGRES names a server"))
}

impl Setup {
    /// `lacre serve --dev` on free ports and a new data directory.
    pub(crate) fn new() -> Self {
        let temp = TempDir::new().unwrap();
        let home = temp.path().to_owned();
        let mut environment = vec![("LACRE_TOKEN__ISSUER".to_owned(), ISSUER.to_owned())];
        let accounts = accounts();
        if let Some(schema) = &accounts {
            environment.push(("LACRE_ACCOUNTS__URL".to_owned(), schema.url().to_owned()));
        }
        Self {
            data_dir: home.join("data"),
            home,
            _temp: Arc::new(temp),
            dev: true,
            listen: "127.0.0.1:0".to_owned(),
            management: "127.0.0.1:0".to_owned(),
            program: None,
            arguments: Vec::new(),
            environment,
            wrapper: Vec::new(),
            _accounts: accounts.map(Arc::new),
        }
    }

    /// The same without `--dev`.
    pub(crate) fn without_dev(mut self) -> Self {
        self.dev = false;
        self
    }

    /// With this `lacre.toml`.
    pub(crate) fn config(self, toml: &str) -> Self {
        std::fs::write(self.home.join("lacre.toml"), toml).unwrap();
        self
    }

    /// With a gateway on a free port, and these services.
    pub(crate) fn gateway(self, services: &str) -> Self {
        self.config(services)
            .env("LACRE_GATEWAY__LISTEN", "127.0.0.1:0")
    }

    pub(crate) fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    pub(crate) fn management(mut self, address: &str) -> Self {
        address.clone_into(&mut self.management);
        self
    }

    /// With this program, such as one of an earlier version, in the place of the one that is tested.
    pub(crate) fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    pub(crate) fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = path.into();
        self
    }

    /// Adds an argument after `serve`.
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the program by another one, which gets its path and arguments at the end of its own.
    pub(crate) fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(Into::into).collect();
        self
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        &self.data_dir
    }

    /// A directory beside the data, for this test alone.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// `lacre` with these arguments on the same data directory: a command beside the server, or
    /// without it.
    pub(crate) fn lacre<I, A>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut words = self.wrapper.clone();
        let tested = || env!("CARGO_BIN_EXE_lacre").into();
        words.push(self.program.clone().map_or_else(tested, Into::into));
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .current_dir(&self.home)
            // Nothing of the tester's own configuration.
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn serve(&self) -> Command {
        let mut command = self.lacre(["serve"]);
        if self.dev {
            command.arg("--dev");
        }
        command
            .args(["--listen", &self.listen])
            .args(["--management-listen", &self.management])
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the server and waits until it accepts connections.
    pub(crate) fn start(&self) -> Server {
        self.start_by(&mut self.serve())
    }

    /// The same with this as its standard error, which nobody reads along.
    pub(crate) fn start_logging_to(&self, stderr: impl Into<Stdio>) -> Server {
        self.start_by(self.serve().stderr(stderr))
    }

    fn start_by(&self, command: &mut Command) -> Server {
        let process = Process::spawn(command);
        match process.wait_for_addresses() {
            Ok(Addresses {
                public,
                management,
                gateway,
            }) => Server {
                _described: self.is_in_own_form().then(|| Described::listener(public)),
                setup: self.clone(),
                process: Some(process),
                written: String::new(),
                public,
                management,
                gateway,
            },
            Err(why) => panic!("the server didn't start: {why}\n{}", process.printed()),
        }
    }

    /// Whether its public routes are those of the description: a dialect has others.
    fn is_in_own_form(&self) -> bool {
        let file = std::fs::read_to_string(self.home.join("lacre.toml")).unwrap_or_default();
        let by_file = file.lines().any(|line| line.starts_with("dialect "));
        !by_file
            && self.program.is_none()
            && self
                .environment
                .iter()
                .all(|(name, _)| name != "LACRE_DIALECT")
    }

    /// Starts a server that must refuse to run, and says how it ended.
    pub(crate) fn start_refused(&self) -> Refused {
        let process = Process::spawn(&mut self.serve());
        if let Ok(addresses) = process.wait_for_addresses() {
            panic!(
                "the server runs on {}\n{}",
                addresses.public,
                process.printed()
            );
        }
        let (status, stdout, stderr) = process.ended();
        Refused {
            status: status.code(),
            stdout,
            stderr,
        }
    }
}

/// How a start was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Refused {
    /// Demands this exit status and this stable code, and nothing on standard output.
    pub(crate) fn with(self, status: i32, code: &str) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(
            self.stderr.trim_end().ends_with(&format!("({code})")),
            "{self:?}"
        );
        assert_eq!(self.stdout, "", "{self:?}");
        self
    }

    /// Demands that the message holds this.
    pub(crate) fn saying(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:?}");
        self
    }
}

/// A running server. Ends with the value, however the test ends.
#[derive(Debug)]
pub(crate) struct Server {
    setup: Setup,
    process: Option<Process>,
    /// What the process before wrote, standard output and standard error.
    written: String,
    pub(crate) public: SocketAddr,
    pub(crate) management: SocketAddr,
    gateway: Option<SocketAddr>,
    _described: Option<Described>,
}

impl Server {
    /// A server of its own for a test that needs nothing special.
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) fn data(&self) -> &Path {
        self.setup.data()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process().child_id
    }

    /// What the server has written so far, standard output and standard error; all of it once it
    /// has ended. A line may come behind the answer that it is about, so more is waited for until none
    /// comes for a moment, and a second at most.
    pub(crate) fn written(&self) -> String {
        let Some(process) = &self.process else {
            return self.written.clone();
        };
        let mut printed = process.printed();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(50));
            let before = std::mem::replace(&mut printed, process.printed());
            if printed.len() == before.len() {
                break;
            }
        }
        printed
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Waits for the end of the process.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let (status, stdout, stderr) = self.process.take().unwrap().ended();
        self.written = stdout + &stderr;
        status
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Ends it as a power cut would (SIGKILL).
    pub(crate) fn kill9(&mut self) {
        self.signal(Signal::KILL);
        let status = self.ended();
        assert_eq!(status.signal(), Some(9), "it had ended before: {status}");
    }

    /// Starts it again on the same data directory; the addresses are new ones.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "stop it first");
        let again = self.setup.start();
        *self = again;
    }

    /// The same with the program that is tested, if it was another one before.
    pub(crate) fn upgrade(&mut self) {
        self.setup.program = None;
        self.restart();
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the server was stopped")
    }
}
