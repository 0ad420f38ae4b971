//! A log that leads nowhere: a start is refused, and a reader who goes is noticed.

use super::{EMAIL, Scene};
use crate::journeys::PASSWORD;
use crate::support::server::Setup;
use serde_json::json;
use std::fs::File;

/// `lacre serve` or another command by way of a shell, which closes or redirects what it is told to.
fn by_shell(setup: &Setup, redirected: &str) -> Setup {
    let command = format!("exec \"$0\" \"$@\" {redirected}");
    setup.clone().through(&["sh", "-c", &command])
}

#[test]
fn a_start_without_standard_error_is_refused_and_says_so_on_what_is_left() {
    let setup = Setup::new();
    let refused = by_shell(&setup, "2</dev/null").start_refused();
    assert_eq!(refused.status, Some(78), "{refused:?}");
    let said = "standard error is not open for writing";
    assert!(refused.stdout.contains(said), "{refused:?}");
    assert!(refused.stdout.ends_with(" (log_closed)\n"), "{refused:?}");
    assert!(!setup.data().exists());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut serve = setup.lacre(["serve", "--dev", "--listen", "127.0.0.1:0"]);
    let refused = serve.stderr(writer).output().unwrap();
    let said = String::from_utf8(refused.stdout).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(
        said.contains("whoever read standard error is gone"),
        "{said}"
    );
}

/// Of a shell, and as libraries that start programs open it; a closed one looks the same.
#[test]
fn a_start_that_discards_the_log_says_so() {
    for redirected in ["2>/dev/null", "2<>/dev/null", "2>&-"] {
        let server = by_shell(&Setup::new(), redirected).start();
        server.sign_up(EMAIL, PASSWORD);
        assert_eq!(
            server.manage("/readyz").expect(200).json()["ready"],
            json!(true)
        );
        let metrics = server.manage("/metrics").expect(200);
        assert!(
            metrics.text().contains("\nlacre_log_discarded 1\n"),
            "{redirected}"
        );
        let said = server.written();
        assert!(
            said.contains("(log_discarded)\nmanagement on "),
            "{redirected}: {said}"
        );
    }
    let server = Setup::new().start();
    let metrics = server.manage("/metrics").expect(200);
    assert!(metrics.text().contains("\nlacre_log_discarded 0\n"));
    assert!(!server.written().contains("log_discarded"));
}

/// A command without a server is the one that records what it does.
#[test]
fn a_command_without_standard_error_changes_nothing() {
    let setup = Setup::new();
    let ran = |redirected: &str, words: &[&str]| {
        let output = by_shell(&setup, redirected).lacre(words).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said)
    };
    let add = ["users", "add", EMAIL];
    let (status, said) = ran("2</dev/null", &add);
    assert_eq!(status, Some(78), "{said}");
    assert!(said.ends_with(" (log_closed)\n"), "{said}");
    assert!(!setup.data().exists());
    assert_eq!(ran("2<>/dev/null", &add).0, Some(0), "a decision");

    let disable = ["users", "disable", EMAIL];
    let (status, said) = ran("2</dev/null", &disable);
    assert_eq!(status, Some(69), "{said}");
    assert!(said.ends_with(" (audit_unavailable)\n"), "{said}");
    let (status, said) = ran("2</dev/null", &["users", "list"]);
    assert_eq!(status, Some(0), "what changes nothing needs no record");
    assert!(said.contains(EMAIL) && !said.contains("disabled"), "{said}");

    // What can't be written, though it should have been, is told of.
    let (status, said) = ran("2>/dev/full", &disable);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("1 lines of the log could not be written, 1 of them audit events (log_lost)"),
        "{said}"
    );
}

/// The reader goes: readiness says so before the first line fails, and the end says what was lost.
#[test]
fn a_reader_who_is_gone_is_noticed_and_what_is_lost_is_counted() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut scene = Scene::of(Setup::new().start_logging_to(writer));
    assert_eq!(scene.server.manage("/readyz").status, 200);
    drop(reader);
    scene.becomes_unready("log_closed");
    let begun = scene.begun.len();
    scene.goes_on();
    assert_eq!(scene.begun.len(), begun + 3);
    scene.becomes_unready("log_closed");
    let queued = scene.metric("lacre_audit_queued");
    // Three log-ins of two events each, and twenty refusals.
    assert_eq!(queued, 3 * 2 + 20);
    assert_eq!(scene.server.stop().code(), Some(1));
    let said = scene.server.written();
    let lost = format!(
        "lacre: {} lines of the log could not be written, {queued} of them audit events (log_lost)",
        queued + 1
    );
    assert!(said.contains(&lost), "{said}");
}

/// A named pipe can have a reader again: then all of it arrives.
#[test]
fn a_reader_who_comes_back_gets_everything() {
    let setup = Setup::new();
    let path = setup.home().join("log");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    // Both ends at once, so that neither waits for the other.
    let first = File::options().read(true).write(true).open(&path).unwrap();
    let writer = File::options().write(true).open(&path).unwrap();
    let mut scene = Scene::of(setup.start_logging_to(writer));
    // What it has said so far is in the pipe and not read yet.
    drop(first);
    scene.becomes_unready("log_closed");
    scene.goes_on();
    let reading = std::thread::spawn(move || std::fs::read_to_string(&path).unwrap());
    scene.becomes_ready();
    scene.goes_on();
    assert_eq!(scene.server.stop().code(), Some(0));
    scene.is_whole(&reading.join().unwrap());
}
