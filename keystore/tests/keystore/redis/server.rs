//! Real servers: one, or the six of a cluster, each a process with a directory of its own. The tests of the program use them
//! as well.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::beside::Beside;
use crate::skipped::skip;

/// What a store needs of a server.
const SETTINGS: [&str; 12] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
    "--maxmemory-policy",
    "noeviction",
    "--daemonize",
    "no",
    "--repl-diskless-sync-delay",
    "0",
];

/// What a server of a cluster needs besides.
pub(crate) const SETTINGS_OF_A_CLUSTER: [&str; 6] = [
    "--cluster-enabled",
    "yes",
    // They may be on a network of the test's own.
    "--protected-mode",
    "no",
    "--cluster-node-timeout",
    NODE_TIMEOUT,
];

/// After what time the servers of a cluster take one for dead that doesn't answer.
const NODE_TIMEOUT: &str = "1000";

/// The program: `redis-server`, or what `LACRE_TEST_REDIS_SERVER` names, as that of Valkey.
#[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
fn program() -> String {
    std::env::var("LACRE_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Where a server runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its address.
    pub(crate) host: String,
    /// What runs a program there; nothing on this machine's own network.
    pub(crate) within: Vec<String>,
}

impl Place {
    fn here() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            within: Vec::new(),
        }
    }

    fn command(&self, program: &str) -> Command {
        match self.within.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        }
    }
}

pub(crate) fn is_available() -> bool {
    let found = Command::new(program())
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let available = found.is_ok_and(|status| status.success());
    if !available {
        skip("no session was kept in Redis", "run .ci/need redis");
    }
    available && Beside::is_available()
}

/// A port that is free now, and its neighbour by 10000, which a cluster talks by.
pub(crate) fn free_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    loop {
        let tried = u32::from(TRIED.fetch_add(1, Ordering::SeqCst));
        let port = 20_000 + (std::process::id() * 131 + tried * 17) % 12_000;
        let port = u16::try_from(port).unwrap();
        let free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

/// A directory in memory, where there is one: flushing it costs nothing, and no test is about a loss of power.
fn home() -> TempDir {
    TempDir::new_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap())
}

/// One server.
pub(crate) struct Server {
    pub(crate) port: u16,
    place: Place,
    home: TempDir,
    settings: Vec<String>,
    process: Mutex<Option<Child>>,
    /// What a suite has beside each server.
    _beside: Beside,
}

impl Server {
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_at(&Place::here(), settings)
    }

    pub(crate) fn start_at(place: &Place, settings: &[&str]) -> Self {
        // Another program may take the port before the server does: try until one try wins.
        for _ in 0..5 {
            let port = free_port();
            let server = Self {
                port,
                place: place.clone(),
                _beside: Beside::of(port),
                home: home(),
                settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
                process: Mutex::default(),
            };
            if server.begin() {
                return server;
            }
        }
        panic!("no server could be started");
    }

    /// Starts it, also once more; whether it answers.
    pub(crate) fn begin(&self) -> bool {
        if let Some(mut before) = self.process.lock().unwrap().take() {
            before.wait().unwrap();
        }
        let mut server = self.place.command(&program());
        let process = server
            .args(["--bind", &self.place.host])
            .args(["--port", &self.port.to_string(), "--dir"])
            .arg(self.home.path())
            .args(SETTINGS)
            .args(&self.settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = process;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            if self.says(&["PING"]).trim() == "PONG" {
                *self.process.lock().unwrap() = Some(process);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server doesn't answer");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    fn address(&self) -> String {
        format!("{}:{}", self.place.host, self.port)
    }

    /// The answer to a command.
    pub(crate) fn says(&self, command: &[&str]) -> String {
        let mut asks = self.place.command("redis-cli");
        let said = asks
            .args(["-h", &self.place.host, "-p", &self.port.to_string()])
            .args(command)
            .output()
            .unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let process = self.process.lock().unwrap();
        let id = i32::try_from(process.as_ref().unwrap().id()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    pub(crate) fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Puts a copy of its files in the place of its own, and starts it once more.
    pub(crate) fn put_back(&self, earlier: &Path) {
        self.kill();
        for entry in std::fs::read_dir(self.home()).unwrap() {
            let entry = entry.unwrap().path();
            let _ = std::fs::remove_file(&entry);
            let _ = std::fs::remove_dir_all(&entry);
        }
        copy(earlier, self.home());
        assert!(self.begin());
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A copy of a folder, as a backup makes it.
pub(crate) fn copied(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    copy(from, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&place).unwrap();
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// Three primaries, each with a replica where there are to be some.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
}

impl Cluster {
    pub(crate) fn start(replicas: bool) -> Self {
        let places = vec![Place::here(); if replicas { 6 } else { 3 }];
        Self::start_at(&places, replicas)
    }

    /// With a server at each of these places.
    pub(crate) fn start_at(places: &[Place], replicas: bool) -> Self {
        let servers = places.iter();
        let servers = servers.map(|place| Server::start_at(place, &SETTINGS_OF_A_CLUSTER));
        let servers: Vec<_> = servers.collect();
        let addresses: Vec<_> = servers.iter().map(Server::address).collect();
        Self::of_servers(servers, &addresses, replicas, &[])
    }

    /// One of these servers, made by these of their addresses, of which a client is told this besides.
    pub(crate) fn of_servers(
        servers: Vec<Server>,
        addresses: &[String],
        replicas: bool,
        asking: &[&str],
    ) -> Self {
        let count = servers.len();
        let cluster = Self { servers };
        let made = Command::new("redis-cli")
            .args(asking)
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", if replicas { "1" } else { "0" }])
            .arg("--cluster-yes")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stdout);
        assert!(made.status.success(), "{said}");
        let ready = |server: &Server| {
            let nodes = server.says(&["CLUSTER", "NODES"]);
            server
                .says(&["CLUSTER", "INFO"])
                .contains("cluster_state:ok")
                && nodes.matches("slave").count() == if replicas { 3 } else { 0 }
                && nodes.lines().count() == count
        };
        let linked = |server: &Server| {
            let role = server.says(&["ROLE"]);
            !role.starts_with("slave") || role.contains("connected")
        };
        cluster.wait(|cluster| {
            cluster
                .servers
                .iter()
                .all(|server| ready(server) && linked(server))
        });
        cluster
    }

    pub(crate) fn wait(&self, until: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !until(self) {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it takes too long"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// By some of them.
    pub(crate) fn url(&self) -> String {
        let places = self.servers.iter().skip(1).step_by(2);
        let places = places.map(Server::address);
        format!("redis+cluster://{}", places.collect::<Vec<_>>().join(","))
    }

    /// The one that leads this slot, and one of its replicas.
    pub(crate) fn of(&self, slot: u16) -> (usize, Option<usize>) {
        // Of those that have most votes: one that has just come back may not know yet.
        let said = self.servers.iter();
        let said = said.map(|server| server.says(&["CLUSTER", "NODES"]));
        let epoch = |said: &String| {
            let epochs = said.lines().filter(|line| line.split(' ').count() > 8);
            let epochs = epochs.map(|line| line.split(' ').nth(6).unwrap().parse::<u64>().unwrap());
            epochs.max()
        };
        let said = said.max_by_key(epoch).unwrap();
        let nodes: Vec<Vec<&str>> = said.lines().map(|line| line.split(' ').collect()).collect();
        let primary = nodes
            .iter()
            .find(|node| {
                node[8..].iter().any(|slots| {
                    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
                    let slots = first.parse().unwrap()..=last.parse::<u16>().unwrap();
                    slots.contains(&slot)
                })
            })
            .unwrap();
        let replica = nodes.iter().find(|node| node[3] == primary[0]);
        let index = |node: &[&str]| {
            let address = node[1].split('@').next().unwrap();
            let mut servers = self.servers.iter();
            let place = servers.position(|server| server.address() == address);
            place.unwrap()
        };
        (index(primary), replica.map(|node| index(node)))
    }
}
