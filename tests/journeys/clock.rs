//! The machine's clock is set, for a moment or across a restart: what has expired stays expired, and what
//! hasn't stays good.

use super::PASSWORD;
use crate::support::http::Request;
use crate::support::preload::WallClock;
use crate::support::server::{Server, Setup, Token};
use crate::support::snapshot::Snapshot;
use crate::support::wait::until;
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::Duration;

const EMAIL: &str = "ada@example.com";
const HOUR: i64 = 3_600;

/// Access tokens live for three seconds, a spent refresh token for one more, and every two seconds there is a guess.
fn setup() -> (Setup, WallClock) {
    let setup = Setup::new()
        .env("LACRE_TOKEN__ACCESS_TTL", "3s")
        .env("LACRE_TOKEN__LEEWAY", "0s")
        .env("LACRE_REFRESH__GRACE", "1s")
        .env("LACRE_LIMITS__LOGIN_PER_ACCOUNT", "2/4s");
    WallClock::of(setup)
}

fn has_logged(server: &Server, code: &str) {
    let field = format!("code={code}");
    until(&field, || server.written().contains(&field).then_some(()));
}

/// Demands the metric.
fn measures(server: &Server, line: &str) {
    let metrics = server.manage("/metrics").text().to_owned();
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

/// The seconds in the file of the latest time.
fn mark(setup: &Setup) -> i64 {
    let text = std::fs::read_to_string(setup.data().join("clock")).unwrap();
    text.trim_end().parse().unwrap()
}

fn expires(server: &Server, token: &str) {
    until("the token expires", || {
        (server.call("GET", "/headers", token).status == 401).then_some(())
    });
}

#[test]
fn a_clock_that_is_two_hours_ahead_for_a_second_ends_nothing_and_stops_nothing() {
    let (setup, clock) = setup();
    let server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let first = server.get_token(EMAIL, PASSWORD);
    let second = Token::of(&server.refresh(&first));
    clock.is_off_by(2 * HOUR);
    has_logged(&server, "clock_ahead");
    measures(&server, "lacre_clock_jumps_total 1");
    measures(&server, "lacre_clock_off_seconds 7200");
    // Its session would have thirty days, and its access token three seconds: neither has two hours less.
    let during = server.get_token(EMAIL, PASSWORD);
    server.accepts(&during.auth);
    clock.is_off_by(0);
    has_logged(&server, "clock_ahead_over");
    measures(&server, "lacre_clock_off_seconds 0");

    // Time goes on: what is three seconds old has expired, and what was spent is theft.
    expires(&server, &second.auth);
    expires(&server, &during.auth);
    let fresh = server.get_token(EMAIL, PASSWORD);
    server.accepts(&fresh.auth);
    server.refresh(&first).refused(401, "invalid_token");
    let events = server.written();
    assert!(events.contains("cause=refresh_reused"), "{events}");
    expires(&server, &fresh.auth);

    // The limit is used up, and refills.
    let guess = || {
        let body = json!({"email": EMAIL, "password": "wrong horse battery"});
        server.send(&Request::post("/getToken").json(body)).status
    };
    until("a guess too many", || (guess() == 429).then_some(()));
    until("another guess", || (guess() == 401).then_some(()));
    let jumps = server.written().matches("code=clock_").count();
    assert_eq!(jumps, 3, "made, ahead, over: {}", server.written());
}

#[test]
fn a_clock_that_is_set_back_stops_no_time() {
    let (setup, clock) = setup();
    let server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    clock.is_off_by(-2 * HOUR);
    has_logged(&server, "clock_behind");
    expires(&server, &token.auth);
    let fresh = server.get_token(EMAIL, PASSWORD);
    server.accepts(&fresh.auth);
    expires(&server, &fresh.auth);
    clock.is_off_by(0);
    has_logged(&server, "clock_behind_over");
}

#[test]
fn a_restart_with_the_clock_set_back_revives_no_token() {
    let (setup, clock) = setup();
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let expired = server.get_token(EMAIL, PASSWORD);
    let kept = Token::of(&server.refresh(&expired));
    expires(&server, &kept.auth);
    server.stop();
    let reached = mark(&setup);

    clock.is_off_by(-HOUR);
    server.restart();
    has_logged(&server, "clock_behind_mark");
    server.refuses(&kept.auth);
    let fresh = server.get_token(EMAIL, PASSWORD);
    server.accepts(&fresh.auth);
    expires(&server, &fresh.auth);
    // The spent refresh token's grace isn't back either, and the other one is as good as before.
    server.refresh(&fresh).expect(200);
    server.refresh(&expired).refused(401, "invalid_token");
    server.stop();
    assert!((reached..reached + 60).contains(&mark(&setup)), "{reached}");

    // With the clock right again nothing is behind.
    clock.is_off_by(0);
    server.restart();
    server.get_token(EMAIL, PASSWORD);
    server.stop();
    let written = server.written();
    assert!(!written.contains("code=clock_"), "{written}");
}

/// Set back so little that the token isn't of the future: it would be good again.
#[test]
fn a_token_that_has_expired_stays_so_when_the_clock_is_set_back_into_its_life() {
    let (setup, clock) = setup();
    let mut server = setup.env("LACRE_TOKEN__ACCESS_TTL", "8s").start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    server.accepts(&token.auth);
    expires(&server, &token.auth);
    server.stop();
    clock.is_off_by(-7);
    server.restart();
    server.refuses(&token.auth);
    has_logged(&server, "clock_behind_mark");
    has_logged(&server, "token_expired");
}

#[test]
fn a_kill_loses_a_minute_of_it_at_most() {
    let (setup, clock) = setup();
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let started = mark(&setup);
    server.kill9();
    clock.is_off_by(-HOUR);
    server.restart();
    has_logged(&server, "clock_behind_mark");
    assert!((started..started + 60).contains(&mark(&setup)), "{started}");
}

#[test]
fn a_clock_that_is_days_behind_is_refused_by_every_start_and_command() {
    let (setup, clock) = setup();
    let mut server = setup.start();
    let ada = server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    server.stop();
    let lock = setup.data().join("lock");
    let before = Snapshot::of(setup.data()).without(&lock);
    clock.is_off_by(-48 * HOUR - HOUR / 2);
    let refused = setup.start_refused().with(78, "clock_far_behind");
    let path = setup.data().join("clock");
    refused
        .saying("48 hours behind")
        .saying(&path.display().to_string());
    for arguments in [
        &["users", "list"][..],
        &["users", "disable", &ada.id],
        &["clients", "add", "shop"],
        &["keystore", "list"],
        &["sessions", "revoke", "--all", "--yes"],
    ] {
        let output = setup.lacre(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {said}");
        assert!(said.contains("(clock_far_behind)"), "{arguments:?}: {said}");
    }
    Snapshot::of(setup.data()).without(&lock).is_still(&before);

    // The cure that it names; and the mark is made again.
    std::fs::remove_file(&path).unwrap();
    server.restart();
    has_logged(&server, "clock_mark_made");
    // What was made two days from now isn't good yet.
    server.refuses(&token.auth);
    server.accepts(&server.get_token(EMAIL, PASSWORD).auth);
    assert!(mark(&setup) < mark_of_a_right_clock(&setup, &clock));
}

/// What another deployment writes at once, with the clock right.
fn mark_of_a_right_clock(like: &Setup, clock: &WallClock) -> i64 {
    clock.is_off_by(0);
    let other = like.clone().data_dir(like.home().join("other"));
    other.start().stop();
    mark(&other)
}

#[test]
fn commands_without_a_server_go_on_from_the_mark_and_leave_it() {
    let (setup, clock) = setup();
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    server.stop();
    let before = mark(&setup);
    clock.is_off_by(-HOUR);
    let run = |arguments: &[&str]| {
        let output = setup.lacre(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(said.contains("code=clock_behind_mark"), "{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["keystore", "list"]).contains(&token.crt[..8]));
    let made = run(&["clients", "add", "shop", "--json"]);
    let clients: serde_json::Value =
        serde_json::from_str(&run(&["clients", "list", "--json"])).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(&made).unwrap()["id"].clone();
    let found = clients.as_array().unwrap().iter().find(|c| c["id"] == id);
    assert!(found.is_some(), "{clients}");
    assert_eq!(mark(&setup), before, "a command has written the mark");
}

#[test]
fn a_mark_that_is_damaged_or_missing_is_made_again() {
    let (setup, _clock) = setup();
    let mut server = setup.start();
    let path = setup.data().join("clock");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = mark(&setup);
    server.stop();
    std::fs::write(&path, "yesterday\n").unwrap();
    server.restart();
    has_logged(&server, "clock_mark_damaged");
    assert!(mark(&setup) >= first);
    server.stop();
    std::fs::remove_file(&path).unwrap();
    server.restart();
    has_logged(&server, "clock_mark_made");
    assert!(mark(&setup) >= first);
    server.stop();
    std::fs::rename(&path, setup.home().join("mark")).unwrap();
    std::os::unix::fs::symlink(setup.home().join("mark"), &path).unwrap();
    setup.start_refused().with(78, "data_dir_link");
}

/// Where the mark can't be written, the service goes on, and says so once.
#[test]
fn a_mark_that_cant_be_written_is_told_and_stops_nothing() {
    let (setup, _clock) = setup();
    let mut server = setup.start();
    server.stop();
    // A directory in the place of a file can't be replaced by one.
    let path = setup.data().join("clock");
    server.restart();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    server.sign_up(EMAIL, PASSWORD);
    server.get_token(EMAIL, PASSWORD);
    sleep(Duration::from_millis(10));
    assert_eq!(server.stop().code(), Some(0));
    let written = server.written();
    assert!(written.contains("code=clock_mark_unwritten"), "{written}");
    assert!(path.is_dir());
}
