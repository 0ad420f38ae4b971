//! A hundred thousand sessions: backed up beside a running server, restored there and elsewhere.
//!
//! `LACRE_TEST_FULL` makes it a million, as `make backup-drill` does.

use super::{PASSWORD, add_user, elsewhere, lacre, log_in, master_key, restore, sessions};
use crate::support::filled::fill;
use crate::support::server::Setup;
use std::time::Instant;

/// In a run of all tests.
const QUICK: usize = 100_000;

fn how_many() -> usize {
    #[allow(clippy::disallowed_methods)] // the tests' own switch, no setting of the program
    let full = std::env::var_os("LACRE_TEST_FULL").is_some();
    if full { 1_000_000 } else { QUICK }
}

#[test]
fn a_hundred_thousand_sessions_are_backed_up_and_none_that_ended_comes_back() {
    let count = how_many();
    let mut since = Instant::now();
    let mut took = |what: &str| {
        eprintln!("{what}: {:.1} s", since.elapsed().as_secs_f64());
        since = Instant::now();
    };
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    fill(&setup, count as u64);
    took("filled");
    let mut server = setup.start();
    took("started");
    let (ended, stays) = (
        log_in(&server, "ada@example.com"),
        log_in(&server, "ada@example.com"),
    );
    let told = lacre(&setup, "backup b --json").ok().json();
    took("backed up beside the server");
    assert_eq!(told["sessions"], count as u64 + 2);
    server.accepts(&stays.auth);
    server.call("POST", "/logout", &ended.auth).expect(204);
    assert!(server.stop().success());
    took("logged out and stopped");
    let told = restore(&setup, "--replace --json").ok().json();
    took("restored in place");
    assert_eq!(sessions(&told), (count as u64 + 2, count as u64 + 1, 1));
    assert_eq!(told["sessions"]["ended_handles"][0], ended.crt.as_str());
    let there = elsewhere(&setup);
    let told = restore(&there, &format!("--json --key-file {}", master_key(&setup)));
    took("restored elsewhere");
    assert_eq!(
        sessions(&told.ok().json()),
        (count as u64 + 2, 0, count as u64 + 2)
    );
    server.restart();
    server.refuses(&ended.auth);
    server.accepts(&stays.auth);
    if count == QUICK {
        return;
    }
    assert!(server.stop().success());
    lacre(&setup, "backup b --force").ok();
    took("backed up at rest");
    let third = setup.clone().data_dir(setup.home().join("third"));
    let keep = format!("--json --keep-sessions --key-file {}", master_key(&setup));
    let told = restore(&third, &keep).ok().json();
    took("restored elsewhere with its sessions");
    assert_eq!(sessions(&told), (count as u64 + 1, count as u64 + 1, 0));
    let server = third.start();
    server.refuses(&ended.auth);
    server.accepts(&stays.auth);
    took("started there");
    server
        .try_get_token("ada@example.com", PASSWORD)
        .expect(200);
}
