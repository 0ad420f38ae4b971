//! A network of a test's own, in which a server may be cut off: each has a network namespace with an address, and a cable to
//! a bridge.
//!
//! The test itself runs in a namespace as well, by [`inside`]. Nothing of the machine's own network is changed, and all of it
//! goes with the processes.

use super::redis::Place;
use super::skipped::{cannot_run_here, skip};
use std::process::{Child, Command, Stdio};

/// Where the test is, among its servers.
const OWN: &str = "10.77.0.254/24";

/// Runs the ignored test of this name in a network of its own, which begins with [`Network::begin`]. Says so where this
/// user may make none.
pub(crate) fn inside(test: &str) {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    if !runs("ip", &["-V"]) {
        skip(
            "no server was cut off from the network",
            "run .ci/need redis",
        );
        return;
    }
    let bridge = ["--net", "ip", "link", "add", "tried", "type", "bridge"];
    if !runs("unshare", &bridge) {
        cannot_run_here(
            "no server was cut off from the network",
            "run as root, where network namespaces may be made",
        );
        return;
    }
    let status = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .status();
    assert!(status.unwrap().success(), "{test}");
}

/// A namespace with an address, for as long as the value lives.
pub(crate) struct Host {
    pub(crate) place: Place,
    /// The end of its cable at the bridge.
    cable: String,
    holder: Child,
}

/// The network, with so many hosts.
pub(crate) struct Network {
    pub(crate) hosts: Vec<Host>,
}

impl Network {
    pub(crate) fn begin(hosts: usize) -> Self {
        ip(&["link", "set", "lo", "up"]);
        ip(&["link", "add", "bridge", "type", "bridge"]);
        ip(&["addr", "add", OWN, "dev", "bridge"]);
        ip(&["link", "set", "bridge", "up"]);
        Self {
            hosts: (1..=hosts).map(Host::of).collect(),
        }
    }
}

impl Host {
    fn of(number: usize) -> Self {
        let mut holder = Command::new("unshare");
        // It ends with its standard input, however the test ends.
        let holder = holder.args(["--net", "cat"]).stdin(Stdio::piped());
        let holder = holder.stdout(Stdio::null()).spawn().unwrap();
        let namespace = format!("/proc/{}/ns/net", holder.id());
        // It has begun when it has left the test's namespace.
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        super::wait::until("the namespace is there", || {
            let theirs = std::fs::read_link(&namespace).ok();
            theirs.is_some_and(|theirs| theirs != own).then_some(())
        });
        let (host, cable) = (format!("10.77.0.{number}"), format!("cable{number}"));
        let id = holder.id().to_string();
        let ends = [
            "link", "add", &cable, "type", "veth", "peer", "name", "eth0",
        ];
        ip(&[&ends[..], &["netns", &id]].concat());
        ip(&["link", "set", &cable, "master", "bridge", "up"]);
        let within = [
            "nsenter".to_owned(),
            format!("--net={namespace}"),
            "--".to_owned(),
        ];
        let made = Self {
            place: Place {
                host: host.clone(),
                within: within.to_vec(),
            },
            cable,
            holder,
        };
        made.ip(&["link", "set", "lo", "up"]);
        made.ip(&["addr", "add", &format!("{host}/24"), "dev", "eth0"]);
        made.ip(&["link", "set", "eth0", "up"]);
        made
    }

    /// `ip` in its namespace.
    fn ip(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.place.within[0]);
        run(command
            .args(&self.place.within[1..])
            .arg("ip")
            .args(arguments));
    }

    /// Nothing comes from it or to it any more.
    pub(crate) fn cut(&self) {
        ip(&["link", "set", &self.cable, "down"]);
    }

    pub(crate) fn mend(&self) {
        ip(&["link", "set", &self.cable, "up"]);
    }

    /// What it sends to the others gets lost; the test itself hears it.
    pub(crate) fn cut_from<'h>(&self, others: impl IntoIterator<Item = &'h Self>) {
        for other in others {
            self.ip(&["route", "add", "blackhole", &other.place.host]);
        }
    }

    pub(crate) fn mend_to<'h>(&self, others: impl IntoIterator<Item = &'h Self>) {
        for other in others {
            self.ip(&["route", "del", "blackhole", &other.place.host]);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}
