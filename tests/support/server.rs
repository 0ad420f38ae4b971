//! The real program as a child process, and the gestures of the people around it.

use super::described::Described;
use super::http::{self, Answer, Request};
use super::postgres::Schema;
use super::wait::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
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

/// Where a server's listeners are.
struct Addresses {
    public: SocketAddr,
    management: SocketAddr,
    gateway: Option<SocketAddr>,
}

/// An account that was signed up.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: String,
}

/// A trusted back end.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// What a log-in gives.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// The access token.
    pub(crate) auth: String,
    /// The session handle.
    pub(crate) crt: String,
    /// The refresh token, where the answer brings one.
    pub(crate) refresh: Option<String>,
}

impl Token {
    /// From the answer of `/getToken`.
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let member = |name: &str| body[name].as_str().unwrap().to_owned();
        Self {
            auth: member("auth"),
            crt: member("crt"),
            refresh: body["refresh"].as_str().map(str::to_owned),
        }
    }
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

    /// Runs an operator's command beside the server and demands that it worked; its standard
    /// output.
    pub(crate) fn operator(&self, arguments: &[&str]) -> String {
        let output = self.setup.lacre(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same for a command that reads a secret from standard input.
    pub(crate) fn operator_telling(&self, arguments: &[&str], secret: &str) {
        let mut command = self.setup.lacre(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{secret}").unwrap();
        drop(input);
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }

    /// Makes a trusted back end.
    pub(crate) fn add_client(&self, name: &str) -> Client {
        self.add_client_with(name, &[])
    }

    /// Makes one with users of its own.
    pub(crate) fn add_vouching(&self, name: &str) -> Client {
        self.add_client_with(name, &["--own-users"])
    }

    /// Makes a trusted back end with these options.
    pub(crate) fn add_client_with(&self, name: &str, options: &[&str]) -> Client {
        let made = self.operator(&[&["clients", "add", name, "--json"], options].concat());
        let made: Value = serde_json::from_str(&made).unwrap();
        Client {
            id: made["id"].as_str().unwrap().to_owned(),
            secret: made["secret"].as_str().unwrap().to_owned(),
        }
    }

    /// Sends a request on its own connection.
    pub(crate) fn send(&self, request: &Request) -> Answer {
        http::send(self.public, request)
    }

    /// The address of the gateway.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway.expect("the server has no gateway")
    }

    /// Sends a request to the gateway, on its own connection.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        http::send(self.gateway(), request)
    }

    /// Makes an account and demands that it worked.
    pub(crate) fn sign_up(&self, email: &str, password: &str) -> Account {
        let body = json!({"email": email, "password": password});
        let answer = self
            .send(&Request::post("/signup").json(body))
            .expect(201)
            .json();
        Account {
            id: answer["id"].as_str().unwrap().to_owned(),
            email: answer["email"].as_str().unwrap().to_owned(),
        }
    }

    /// Logs in with JSON and demands that it worked.
    pub(crate) fn get_token(&self, email: &str, password: &str) -> Token {
        Token::of(&self.try_get_token(email, password))
    }

    /// Logs in with JSON.
    pub(crate) fn try_get_token(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.send(&Request::post("/getToken").json(body))
    }

    /// Logs in with a form.
    pub(crate) fn get_token_by_form(&self, email: &str, password: &str) -> Answer {
        let fields = [("email", email), ("password", password)];
        self.send(&Request::post("/getToken").form(&fields))
    }

    /// Asks for a user's session as a trusted back end.
    pub(crate) fn client_token(&self, client: &Client, id: &str, user_session: &str) -> Answer {
        let body = json!({"id": id, "user_session": user_session});
        let request = Request::post("/getToken").basic(&client.id, &client.secret);
        self.send(&request.json(body))
    }

    /// Sends a request with a back end's credentials and, unless it is `null`, this body.
    pub(crate) fn by(&self, client: &Client, method: &str, target: &str, body: Value) -> Answer {
        let request = Request::new(method, target).basic(&client.id, &client.secret);
        self.send(&if body.is_null() {
            request
        } else {
            request.json(body)
        })
    }

    /// Begins a session of a back end's own user.
    pub(crate) fn vouched(&self, client: &Client, body: Value) -> Token {
        Token::of(&self.by(client, "POST", "/getToken", body))
    }

    /// Calls a resource with a token.
    pub(crate) fn call(&self, method: &str, target: &str, token: &str) -> Answer {
        self.send(&Request::new(method, target).bearer(token))
    }

    /// Asks for new tokens with a refresh token.
    pub(crate) fn refresh(&self, token: &Token) -> Answer {
        let refresh = token.refresh.as_deref().expect("no refresh token");
        self.call("POST", "/refresh", refresh)
    }

    /// Demands that this token is let in.
    pub(crate) fn accepts(&self, token: &str) {
        let answer = self.call("GET", "/headers", token);
        assert_eq!((answer.status, answer.text()), (200, "Access Granted"));
    }

    /// Demands that this token is noise.
    pub(crate) fn refuses(&self, token: &str) {
        self.call("GET", "/headers", token)
            .refused(401, "invalid_token");
    }

    /// Ends one session of the token's owner.
    pub(crate) fn revoke(&self, token: &str, crt: &str) -> Answer {
        self.call("DELETE", &format!("/sessions/{crt}"), token)
    }

    /// The sessions of the token's owner.
    pub(crate) fn sessions(&self, token: &str) -> Vec<Value> {
        let answer = self.call("GET", "/sessions", token).expect(200);
        answer.json().as_array().unwrap().clone()
    }

    /// A request to the management listener.
    pub(crate) fn manage(&self, target: &str) -> Answer {
        http::send(self.management, &Request::get(target))
    }

    /// Demands that the server answers the next good request.
    pub(crate) fn is_well(&self) {
        let answer = self.send(&Request::get("/open")).expect(200);
        assert_eq!(answer.json(), json!({"user": null}));
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

/// A child process whose output is read all the time, so that it never waits for us.
#[derive(Debug)]
struct Process {
    child: Child,
    child_id: u32,
    /// Each line of standard output; closed at its end. The lock lets many threads share a server.
    lines: Mutex<Receiver<String>>,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    fn spawn(command: &mut Command) -> Self {
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
    fn wait_for_addresses(&self) -> Result<Addresses, String> {
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

    fn printed(&self) -> String {
        let (stdout, stderr) = (self.stdout.lock().unwrap(), self.stderr.lock().unwrap());
        format!("{stdout}{stderr}")
    }

    /// Waits for the end; the status and what was printed.
    fn ended(mut self) -> (ExitStatus, String, String) {
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
        (status, taken(&self.stdout), taken(&self.stderr))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After the end these do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
