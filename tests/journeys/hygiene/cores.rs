//! What the kernel would give away of a running server: its arguments, its environment, its memory.

use crate::support::server::Setup;
use crate::support::wait;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

/// A shell that allows core dumps, for what it runs in its own place.
const ALLOWING: [&str; 4] = ["sh", "-c", "ulimit -c unlimited; exec \"$@\"", "sh"];

#[test]
fn a_server_leaves_no_core_dump() {
    // The same end of a program that takes no care, to know what this machine would do.
    let careless = Command::new("sh")
        .args(["-c", "ulimit -c unlimited && kill -ABRT $$"])
        .current_dir(std::env::temp_dir())
        .status()
        .unwrap();
    println!("without care: {careless}");

    let mut server = Setup::new().through(&ALLOWING).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    server.signal(Signal::ABORT);
    let status = server.ended();
    assert_eq!(status.signal(), Some(6), "{status}");
    assert!(!status.core_dumped(), "{status}");
}

/// The words before a program that root runs without the right to look into every process; none
/// for other users, who never have it.
fn with_no_more_rights() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &[
            "setpriv",
            "--bounding-set=-sys_ptrace",
            "--inh-caps=-sys_ptrace",
        ]
    } else {
        &["env"]
    }
}

fn command(words: &[&str]) -> Command {
    let words = [with_no_more_rights(), words].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

#[test]
fn other_processes_of_the_servers_user_can_not_read_its_memory() {
    // Opening it is what the kernel decides about.
    let opens = |process: u32| {
        let memory = format!("/proc/{process}/mem");
        let mut reader = command(&["sh", "-c", "exec < \"$1\"", "sh", &memory]);
        reader.output().unwrap().status.success()
    };
    let server = Setup::new().through(with_no_more_rights()).start();
    let mut careless = command(&["sleep", "60"]).spawn().unwrap();
    let beside = careless.id();
    let careless_opens = wait::until("the other one runs", || {
        let name = std::fs::read_to_string(format!("/proc/{beside}/comm")).unwrap();
        (name == "sleep\n").then(|| opens(beside))
    });
    careless.kill().unwrap();
    careless.wait().unwrap();
    // Where no process may look into another, there is nothing to see of our care.
    println!("another process of the same user can be looked into: {careless_opens}");
    assert!(!opens(server.pid()));
}
