//! Listening elsewhere than at an address: a socket file, and sockets that systemd hands over.

use super::PASSWORD;
use crate::support::http::Request;
use crate::support::server::Setup;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that runs, and what it printed up to its last line. Ends with the value.
struct Running {
    child: Child,
    printed: String,
}

impl Running {
    /// Reads up to `listening on`; all that was printed where it doesn't get there.
    fn start(command: &mut Command) -> Result<Self, (Option<i32>, String)> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.contains("listening on ") {
            if lines.read_line(&mut printed).unwrap() == 0 {
                let mut errors = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    stderr.read_to_string(&mut errors).unwrap();
                }
                return Err((child.wait().unwrap().code(), errors));
            }
        }
        Ok(Self { child, printed })
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(setup: &Setup, listen: &str, management: &str) -> Command {
    let mut command = setup.lacre([
        "serve",
        "--listen",
        listen,
        "--management-listen",
        management,
    ]);
    command.env("LACRE_SIGNUP", "open").stderr(Stdio::piped());
    command
}

/// One request on a connection of its own: the status and the body.
fn say(mut stream: impl std::io::Read + std::io::Write, request: &Request) -> (u16, String) {
    let request = request.clone().header("Connection", "close");
    stream.write_all(&request.bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn ask(path: &Path, request: &Request) -> (u16, String) {
    say(UnixStream::connect(path).unwrap(), request)
}

/// Signs up, logs in from `address` as a proxy would say it, and gives the address that was kept.
fn address_of_a_log_in(path: &Path, address: &str) -> Value {
    let who = json!({"email": "ada@example.com", "password": PASSWORD});
    let sign_up = Request::post("/signup").json(who.clone());
    assert!([201, 409].contains(&ask(path, &sign_up).0));
    let log_in = Request::post("/getToken").json(who);
    let (status, body) = ask(path, &log_in.header("X-Forwarded-For", address));
    assert_eq!(status, 200, "{body}");
    let tokens: Value = serde_json::from_str(&body).unwrap();
    let list = Request::get("/sessions").bearer(tokens["auth"].as_str().unwrap());
    let (status, body) = ask(path, &list);
    assert_eq!(status, 200, "{body}");
    let sessions: Value = serde_json::from_str(&body).unwrap();
    let current = |session: &&Value| session["current"] == true;
    let own = sessions.as_array().unwrap().iter().find(current);
    own.unwrap()["ip"].clone()
}

fn sockets(setup: &Setup) -> (PathBuf, PathBuf) {
    (
        setup.home().join("lacre.sock"),
        setup.home().join("management.sock"),
    )
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[test]
fn a_socket_file_serves_all_that_an_address_does_and_goes() {
    let setup = Setup::new();
    let (public, management) = sockets(&setup);
    let mut command = serve(&setup, &unix(&public), &unix(&management));
    let running = Running::start(&mut command)
        .map_err(|refused| refused.1)
        .unwrap();
    let expected = format!(
        "management on {}\nlistening on {}\n",
        unix(&management),
        unix(&public)
    );
    assert_eq!(running.printed, expected);
    for path in [&public, &management] {
        let file = std::fs::symlink_metadata(path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.mode() & 0o7777, 0o660, "{}", path.display());
    }
    assert_eq!(ask(&management, &Request::get("/readyz")).0, 200);
    // Whoever comes through the file has no address, whatever it says.
    assert_eq!(address_of_a_log_in(&public, "203.0.113.7"), Value::Null);
    let none = Request::get("/me").bearer("noise");
    assert_eq!(ask(&public, &none).0, 401);
    running.stop();
    assert!(!public.exists() && !management.exists());
}

#[test]
fn a_trusted_proxy_behind_a_socket_file_says_who_the_client_is() {
    let setup = Setup::new();
    let (public, _) = sockets(&setup);
    let mut command = serve(&setup, &unix(&public), "127.0.0.1:0");
    command
        .env("LACRE_TRUSTED_PROXIES", "unix")
        .env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "1/1h");
    let _running = Running::start(&mut command)
        .map_err(|refused| refused.1)
        .unwrap();
    assert_eq!(address_of_a_log_in(&public, "203.0.113.7"), "203.0.113.7");
    assert_eq!(
        address_of_a_log_in(&public, "1.1.1.1, 203.0.113.8"),
        "203.0.113.8"
    );
    // And the limits know one from another.
    let wrong = |from: &str| {
        let guess = json!({"email": "bob@example.com", "password": "wrong wrong wrong"});
        let guess = Request::post("/getToken").json(guess);
        ask(&public, &guess.header("X-Forwarded-For", from)).0
    };
    assert_eq!([wrong("203.0.113.9"), wrong("203.0.113.9")], [401, 429]);
    assert_eq!(wrong("203.0.113.10"), 401);
}

#[test]
fn a_living_socket_is_not_taken_and_a_dead_one_is() {
    let (one, other) = (Setup::new(), Setup::new());
    let (public, _) = sockets(&one);
    let mut first = Running::start(&mut serve(&one, &unix(&public), "127.0.0.1:0"))
        .ok()
        .unwrap();
    let refused = Running::start(&mut serve(&other, &unix(&public), "127.0.0.1:0"))
        .err()
        .unwrap();
    assert_eq!(refused.0, Some(69), "{}", refused.1);
    assert!(
        refused.1.trim_end().ends_with("(address_in_use)"),
        "{}",
        refused.1
    );
    assert!(!other.data().exists(), "nothing was made");
    assert_eq!(ask(&public, &Request::get("/open")).0, 200);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(public.exists(), "nobody could remove it");
    let second = Running::start(&mut serve(&other, &unix(&public), "127.0.0.1:0"))
        .ok()
        .unwrap();
    assert_eq!(ask(&public, &Request::get("/open")).0, 200);
    second.stop();
}

/// `serve` as systemd starts it: the sockets are open under the numbers 3 and 4, and the process itself
/// is the one that they are meant for.
fn activated(setup: &Setup, words: &[&str], first: OwnedFd, second: Option<OwnedFd>) -> Command {
    let script = "exec 3<&0 4<&2 2>\"$ERRORS\" 0</dev/null; export LISTEN_PID=$$; exec \"$@\"";
    let both = second.is_some();
    let own = setup.clone().through(&["sh", "-c", script, "sh"]);
    let mut command = own.lacre([&["serve"][..], words].concat());
    command
        .env("PATH", "/usr/bin:/bin")
        .env("ERRORS", setup.home().join("errors"))
        .env("LISTEN_FDS", if both { "2" } else { "1" })
        .stdin(first);
    match second {
        Some(second) => command
            .stderr(second)
            .env("LISTEN_FDNAMES", "lacre.socket:management"),
        None => command.stderr(Stdio::null()),
    };
    command
}

fn errors(setup: &Setup) -> String {
    std::fs::read_to_string(setup.home().join("errors")).unwrap()
}

#[test]
fn sockets_of_systemd_are_served_and_stay_for_the_next_start() {
    let setup = Setup::new();
    let (public, _) = sockets(&setup);
    let public_socket = UnixListener::bind(&public).unwrap();
    let management_socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let management = management_socket.local_addr().unwrap();
    for words in [
        &[][..],
        &["--listen", "systemd", "--management-listen", "systemd"],
    ] {
        let first = public_socket.try_clone().unwrap().into();
        let second = management_socket.try_clone().unwrap().into();
        let mut command = activated(&setup, words, first, Some(second));
        let running = Running::start(&mut command).ok();
        let running = running.unwrap_or_else(|| panic!("{}", errors(&setup)));
        let expected = format!(
            "management on http://{management}\nlistening on {}\n",
            unix(&public)
        );
        assert_eq!(running.printed, expected);
        assert_eq!(ask(&public, &Request::get("/open")).0, 200);
        let ready = say(
            TcpStream::connect(management).unwrap(),
            &Request::get("/readyz"),
        );
        assert_eq!(ready.0, 200);
        running.stop();
        assert!(public.exists(), "it is systemd's");
    }
    // Who connects while nothing runs is answered by the next start.
    let mut early = UnixStream::connect(&public).unwrap();
    let request = Request::get("/open").header("Connection", "close");
    early.write_all(&request.bytes()).unwrap();
    let first = public_socket.try_clone().unwrap().into();
    let words = ["--management-listen", "127.0.0.1:0"];
    let running = Running::start(&mut activated(&setup, &words, first, None))
        .ok()
        .unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.stop();
}

#[test]
fn a_socket_that_nobody_would_serve_stops_the_start() {
    let setup = Setup::new();
    let (public, _) = sockets(&setup);
    let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
    let refused =
        |words: &[&str], first: OwnedFd, second: Option<OwnedFd>, env: Option<(&str, &str)>| {
            let mut command = activated(&setup, words, first, second);
            command.envs(env);
            let Err((status, _)) = Running::start(&mut command) else {
                panic!("it runs: {words:?}");
            };
            assert_eq!(status, Some(78), "{}", errors(&setup));
            assert!(!setup.data().exists(), "nothing was made");
            errors(&setup)
        };
    let elsewhere = [
        "--listen",
        "127.0.0.1:0",
        "--management-listen",
        "127.0.0.1:0",
    ];
    let said = refused(&elsewhere, socket().into(), None, None);
    assert!(said.trim_end().ends_with("(socket_unclaimed)"), "{said}");
    let twice = Some(("LISTEN_FDNAMES", "a:b"));
    let said = refused(&[], socket().into(), Some(socket().into()), twice);
    assert!(said.trim_end().ends_with("(socket_unclaimed)"), "{said}");
    for (fds, why) in [("9", "isn't open"), ("many", "malformed")] {
        let said = refused(&[], socket().into(), None, Some(("LISTEN_FDS", fds)));
        assert!(
            said.trim_end().ends_with("(socket_environment)") && said.contains(why),
            "{said}"
        );
    }
    let missing = serve(&setup, "systemd", "127.0.0.1:0").output().unwrap();
    assert_eq!(missing.status.code(), Some(78));
    assert!(
        String::from_utf8_lossy(&missing.stderr).contains("(socket_missing)"),
        "{missing:?}"
    );
    // Meant for another process: as if there were none.
    let mut command = serve(&setup, &unix(&public), "127.0.0.1:0");
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    Running::start(&mut command).ok().unwrap().stop();
}
