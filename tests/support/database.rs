//! A `PostgreSQL` of a test's own, which it may stop, halt and start again: durable, as the program demands it.

use super::skipped::skip;
use super::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A server with an empty database. It goes with the value.
#[derive(Debug)]
pub(crate) struct Database {
    home: TempDir,
    programs: PathBuf,
    port: u16,
    settings: String,
}

impl Database {
    /// A server that keeps what it says; `None`, said on standard error, where none is installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with these settings besides, each as `-c name=value`.
    pub(crate) fn start_with(settings: &str) -> Option<Self> {
        let programs = found()?;
        let database = Self {
            home: TempDir::new().unwrap(),
            programs,
            port: 0,
            settings: settings.to_owned(),
        };
        Some(database.made())
    }

    fn made(mut self) -> Self {
        if rustix::process::getuid().is_root() {
            run(Command::new("chown")
                .args(["postgres:postgres"])
                .arg(self.home.path()));
        }
        let data = self.data();
        let initdb = self.programs.join("initdb");
        run(as_server(&initdb)
            .args([
                "-U",
                "lacre",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-sync",
                "-D",
            ])
            .arg(&data));
        for _ in 0..5 {
            // Another program may take it before the server does: try until one try wins.
            self.port = free_port();
            if self.try_up() {
                let address = [
                    "-h",
                    "127.0.0.1",
                    "-U",
                    "lacre",
                    "-p",
                    &self.port.to_string(),
                ]
                .map(str::to_owned);
                run(as_server(&self.programs.join("createdb"))
                    .args(address)
                    .arg("lacre"));
                return self;
            }
        }
        panic!("no server starts in {}", self.home.path().display());
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// For `accounts.url`.
    pub(crate) fn url(&self) -> String {
        format!("postgres://lacre@127.0.0.1:{}/lacre", self.port)
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Another server that follows this one, and answers nobody but readers.
    pub(crate) fn standby(&self) -> Self {
        let mut standby = Self {
            home: TempDir::new().unwrap(),
            programs: self.programs.clone(),
            port: 0,
            settings: self.settings.clone(),
        };
        if rustix::process::getuid().is_root() {
            run(Command::new("chown")
                .args(["postgres:postgres"])
                .arg(standby.home.path()));
        }
        let port = self.port.to_string();
        run(as_server(&self.programs.join("pg_basebackup"))
            .args(["-h", "127.0.0.1", "-U", "lacre", "-p", &port])
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"])
            .arg(standby.data()));
        // What the primary was told to wait for is its own affair.
        let own = standby.data().join("postgresql.auto.conf");
        let told = std::fs::read_to_string(&own).unwrap();
        let lines = told.lines();
        let kept = lines.filter(|line| !line.starts_with("synchronous_standby_names"));
        std::fs::write(&own, kept.collect::<Vec<_>>().join("\n") + "\n").unwrap();
        for _ in 0..5 {
            standby.port = free_port();
            if standby.try_up() {
                return standby;
            }
        }
        panic!("no standby starts in {}", standby.home.path().display());
    }

    /// Has a standby take over.
    pub(crate) fn promote(&self) {
        let mut promote = as_server(&self.programs.join("pg_ctl"));
        run(promote.arg("-D").arg(self.data()).args(["-w", "promote"]));
    }

    /// Demands TLS of whoever comes by the network, with this certificate and its key.
    pub(crate) fn demand_tls(&self, certificate: &[u8], key: &[u8]) {
        for (name, text) in [
            ("server.crt", certificate),
            ("server.key", key),
            ("pg_hba.conf", b"hostssl all all 127.0.0.1/32 trust\n"),
        ] {
            let path = self.data().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            if rustix::process::getuid().is_root() {
                run(Command::new("chown").arg("postgres:postgres").arg(&path));
            }
        }
        self.sql("ALTER SYSTEM SET ssl = on");
        self.sql("SELECT pg_reload_conf()");
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn up(&self) {
        assert!(self.try_up());
    }

    fn try_up(&self) -> bool {
        let data = self.data();
        let options = format!(
            "-h 127.0.0.1 -p {} -k {} -c shared_buffers=16MB -c max_connections=200 {}",
            self.port,
            data.display(),
            self.settings
        );
        let mut start = as_server(&self.programs.join("pg_ctl"));
        start
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(self.home.path().join("data/log"));
        start.args(["-w", "-o", &options, "start"]);
        start.output().unwrap().status.success()
    }

    /// Stops it as a crash would.
    pub(crate) fn down(&self) {
        let mut stop = as_server(&self.programs.join("pg_ctl"));
        run(stop
            .arg("-D")
            .arg(self.data())
            .args(["-m", "immediate", "-w", "stop"]));
    }

    /// Halts all of its processes, as where the machine hangs: connections stay, and nobody answers.
    pub(crate) fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// Has them go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let first = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let first: i32 = first.lines().next().unwrap().parse().unwrap();
        for process in [vec![first], children(first)].concat() {
            // One may have ended meanwhile.
            let _ = kill_process(Pid::from_raw(process).unwrap(), signal);
        }
    }

    /// Runs SQL, and gives what `psql` prints of it.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let mut psql = as_server(&self.programs.join("psql"));
        let address = [
            "-h",
            "127.0.0.1",
            "-U",
            "lacre",
            "-p",
            &self.port.to_string(),
        ]
        .map(str::to_owned);
        let output = psql
            .args(address)
            .args([
                "-X",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                sql,
                "lacre",
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}: {output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.signal_quietly();
        let mut stop = as_server(&self.programs.join("pg_ctl"));
        let _ = stop
            .arg("-D")
            .arg(self.data())
            .args(["-m", "immediate", "-w", "stop"])
            .output();
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        until("the database has ended", || {
            TcpStream::connect(address).is_err().then_some(())
        });
    }
}

impl Database {
    /// A halted server doesn't hear that it is to stop.
    fn signal_quietly(&self) {
        if self.data().join("postmaster.pid").exists() {
            self.go_on();
        }
    }
}

/// The processes that this one has started.
fn children(of: i32) -> Vec<i32> {
    let file = format!("/proc/{of}/task/{of}/children");
    let children = std::fs::read_to_string(file).unwrap_or_default();
    children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// The programs of `PostgreSQL` as an ordinary user has them: a directory for the front of a script's PATH, whose programs
/// may write into `home`. `None`, said on standard error, where none are installed.
pub(crate) fn in_path(home: &Path) -> Option<TempDir> {
    let programs = found()?;
    let folder = TempDir::new().unwrap();
    let root = rustix::process::getuid().is_root();
    let user = if root {
        run(Command::new("chown").arg("postgres:postgres").arg(home));
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        AS_SERVER.join(" ")
    } else {
        String::new()
    };
    for name in ["initdb", "pg_ctl", "createdb", "pg_basebackup", "psql"] {
        let program = programs.join(name);
        let script = format!(
            "#!/bin/sh\nHOME=/ exec {user} {} \"$@\"\n",
            program.display()
        );
        let path = folder.path().join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    Some(folder)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn found() -> Option<PathBuf> {
    let found = programs();
    if found.is_none() {
        skip(
            "no node was started on PostgreSQL",
            "install the package postgresql (`.ci/need` does)",
        );
    }
    found
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.map(|version| version.unwrap().path().join("bin"));
    programs.filter(|bin| bin.join("initdb").exists()).max()
}

/// What runs a program as the user of the server.
const AS_SERVER: [&str; 6] = [
    "setpriv",
    "--reuid",
    "postgres",
    "--regid",
    "postgres",
    "--clear-groups",
];

/// The server refuses to run as root, so root starts it as the user that the Debian package makes.
fn as_server(program: &Path) -> Command {
    let mut command = if rustix::process::getuid().is_root() {
        let mut command = Command::new(AS_SERVER[0]);
        command.args(&AS_SERVER[1..]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // Its programs look for certificates there.
    command.current_dir("/").env("HOME", "/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
