//! The real `lacre keystore compact`, killed and out of room: nothing is lost, and a start works after each.

use super::{add_user, lacre, log_in};
use crate::journeys::full_disk::Disk;
use crate::support::filled::fill;
use crate::support::server::{Setup, Token};
use crate::support::skipped::cannot_run_here;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SESSIONS: u64 = 1500;

fn verified(setup: &Setup) -> Value {
    lacre(setup, "keystore verify --json").ok().json()
}

/// A deployment with sessions, two of which have tokens, and one of these has ended.
fn filled(setup: &Setup) -> (Token, Token) {
    let mut server = setup.start();
    add_user(setup, "ada@example.com");
    let stays = log_in(&server, "ada@example.com");
    let ended = log_in(&server, "ada@example.com");
    server.call("POST", "/logout", &ended.auth).expect(204);
    assert!(server.stop().success());
    fill(setup, SESSIONS);
    (stays, ended)
}

#[test]
fn a_compaction_that_is_killed_at_any_moment_loses_nothing_and_a_start_works() {
    #[allow(clippy::disallowed_methods)] // the tests' own switch, no setting of the program
    let full = std::env::var_os("LACRE_TEST_FULL").is_some();
    let rounds = if full { 300 } else { 50 };
    let setup = Setup::new();
    let (stays, ended) = filled(&setup);
    let began = Instant::now();
    lacre(&setup, "keystore compact").ok();
    let whole = began.elapsed();
    let (mut killed, mut done) = (0, 0);
    for round in 0..rounds {
        let mut compact = setup.lacre(["keystore", "compact"]);
        let compact = compact.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = compact.spawn().unwrap();
        // Spread evenly over all of it, and a little beyond.
        let part = f64::from(round * 37 % rounds) / f64::from(rounds);
        std::thread::sleep(whole.mul_f64(part * 1.1));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            done += 1;
        } else {
            killed += 1;
        }
        let found = verified(&setup);
        assert_eq!(found["records"], SESSIONS + 1, "round {round}");
        assert_eq!(found["damaged"].as_array().unwrap().len(), 0);
        assert_eq!(found["digest_agrees"], true);
        if round % 10 == 0 {
            let mut server = setup.start();
            server.accepts(&stays.auth);
            server.refuses(&ended.auth);
            assert!(server.stop().success());
        }
    }
    println!("killed in {killed}, done in {done} of {rounds}");
    assert!(killed > rounds / 2);
    for left in ["compacting", "compacted", "moving", "trial"] {
        assert!(!setup.data().join("keystore").join(left).exists(), "{left}");
    }
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_compaction_loses_nothing() {
    let setup = Setup::new();
    let place = setup.home().join("disk");
    let Some(disk) = Disk::mount(&place) else {
        return cannot_run_here(
            "no tmpfs can be mounted",
            "run as root, outside of a container",
        );
    };
    let setup = setup.data_dir(place.join("data"));
    let (stays, ended) = filled(&setup);
    let free = |free: u64| {
        let about = rustix::fs::statvfs(&place).unwrap();
        let taken = (about.f_bavail * about.f_frsize).saturating_sub(free);
        std::fs::write(disk.ballast(), vec![1; usize::try_from(taken).unwrap()]).unwrap();
    };
    let mut refused = 0;
    // Without a server, and beside one.
    for beside in [false, true] {
        for step in 0..12_u64 {
            let server = beside.then(|| setup.start());
            free(step * 100 * 1024);
            let ran = lacre(&setup, "keystore compact");
            if ran.status != Some(0) {
                refused += 1;
                assert!(ran.stderr.trim_end().ends_with(')'), "no code: {ran:?}");
            }
            if let Some(server) = &server {
                server.accepts(&stays.auth);
                server.refuses(&ended.auth);
                server.is_well();
            }
            std::fs::remove_file(disk.ballast()).unwrap();
            if let Some(server) = &server {
                ready_again(server);
                let token = log_in(server, "ada@example.com");
                server.call("POST", "/logout", &token.auth).expect(204);
            }
            drop(server);
            let found = verified(&setup);
            assert_eq!(found["records"], SESSIONS + 1, "step {step}");
            assert_eq!(found["digest_agrees"], true);
        }
    }
    println!("refused in {refused} of 24");
    assert!(refused > 6);
    lacre(&setup, "keystore compact").ok();
    assert!(!Path::new(&setup.data().join("keystore/compacting")).exists());
}

fn ready_again(server: &crate::support::server::Server) {
    let begun = Instant::now();
    while server.manage("/readyz").status != 200 {
        assert!(begun.elapsed() < Duration::from_mins(1), "not ready again");
        std::thread::sleep(Duration::from_millis(50));
    }
}
