//! A log that nobody reads, and one that can't be written: nobody waits for it, readiness says so, and no
//! audit event is lost without a word.

use super::PASSWORD;
use super::full_disk::Disk;
use crate::support::http::{Answer, Connection, Request};
use crate::support::server::{Server, Setup, Token};
use crate::support::skipped::cannot_run_here;
use crate::support::wait::until;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;
use std::fs::File;
use std::io::{PipeReader, Read as _};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

mod closed;

const EMAIL: &str = "ada@example.com";
/// How long any request may take while the log stalls, on a machine that is busy. An answer waits for its line
/// for a tenth of a second.
const BOUND: Duration = Duration::from_secs(2);
/// The same where a password is hashed.
const LOG_IN_BOUND: Duration = Duration::from_secs(5);

/// A server whose log nobody reads, and the requests that it has to be found in.
struct Scene {
    server: Server,
    token: Token,
    /// The ids of requests that were refused.
    refused: Vec<String>,
    /// The handles of sessions that began.
    begun: Vec<String>,
}

impl Scene {
    fn of(server: Server) -> Self {
        server.sign_up(EMAIL, PASSWORD);
        let token = server.get_token(EMAIL, PASSWORD);
        Self {
            begun: vec![token.crt.clone()],
            refused: Vec::new(),
            server,
            token,
        }
    }

    /// So many requests with a bad token, on one connection.
    fn refuse(&mut self, times: usize) {
        let mut connection = Connection::open(self.server.public).unwrap();
        for _ in 0..times {
            let began = Instant::now();
            let answer = connection.send(&Request::get("/headers").bearer("noise"));
            let answer = answer.unwrap();
            answer.refused(401, "invalid_token");
            assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
            self.refused.push(id_of(&answer));
        }
    }

    /// Refused requests until some of their events wait: more than a pipe takes.
    fn fill_the_pipe(&mut self) {
        let waits = |scene: &Self| scene.metric("lacre_audit_queued") >= 50;
        // Also after a while: a writer that is behind for a moment is no reader who stalls.
        while !waits(self) || {
            std::thread::sleep(Duration::from_millis(300));
            !waits(self)
        } {
            self.refuse(100);
            assert!(self.refused.len() < 5_000, "somebody reads");
        }
    }

    fn log_in(&mut self) -> Answer {
        let began = Instant::now();
        let answer = self.server.try_get_token(EMAIL, PASSWORD);
        assert!(began.elapsed() < LOG_IN_BOUND, "{:?}", began.elapsed());
        if answer.status == 200 {
            self.begun.push(Token::of(&answer).crt);
        }
        answer
    }

    /// Everything that goes on: guarded requests, refused ones, log-ins, the operator's listener.
    fn goes_on(&mut self) {
        for _ in 0..20 {
            let began = Instant::now();
            self.server.accepts(&self.token.auth);
            assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        }
        self.refuse(20);
        for _ in 0..3 {
            self.log_in().expect(200);
        }
        let began = Instant::now();
        self.server.manage("/livez").expect(200);
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    }

    fn metric(&self, name: &str) -> u64 {
        let page = self.server.manage("/metrics").expect(200);
        let line = page.text().lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    }

    /// Waits until readiness gives this reason.
    fn becomes_unready(&self, reason: &str) {
        let ready = until("readiness gives the reason", || {
            let ready = self.server.manage("/readyz");
            let gives_it = ready.json().get("log").is_some_and(|why| why == reason);
            gives_it.then_some(ready)
        });
        assert_eq!((ready.status, &ready.json()["ready"]), (503, &json!(false)));
        assert_eq!(
            ready.json()["stores"],
            json!({"accounts": "up", "keystore": "up", "receipts": "up"})
        );
        self.server.manage("/livez").expect(200);
    }

    fn becomes_ready(&self) {
        let ready = until("readiness is back", || {
            Some(self.server.manage("/readyz")).filter(|ready| ready.status == 200)
        });
        assert_eq!(ready.json().get("log"), None, "{ready:?}");
        until("everything is written", || {
            (self.metric("lacre_audit_queued") == 0).then_some(())
        });
    }

    /// Demands one line of each refused request, and both of each log-in; no line twice, none in part.
    fn is_whole(&self, written: &str) {
        self.has_events(written);
        assert_eq!(
            lines_with(written, "event=token_refused"),
            self.refused.len()
        );
        for id in &self.refused {
            assert_eq!(lines_with(written, id), 1, "{id}");
        }
    }

    fn has_events(&self, written: &str) {
        for name in ["event=login_succeeded", "event=session_started"] {
            assert_eq!(lines_with(written, name), self.begun.len(), "{name}");
        }
        for crt in &self.begun {
            let of_session = format!(" session={}… ", &crt[..8]);
            let found = written.lines().filter(|line| {
                line.contains("event=session_started ") && line.contains(&of_session)
            });
            assert_eq!(found.count(), 1, "{crt}");
        }
        for line in written.lines() {
            let (time, event) = line.split_once(' ').unwrap_or_default();
            let whole = time.ends_with('Z') && event.contains(" lacre");
            assert!(whole, "{line:?}");
        }
        assert!(written.ends_with('\n'));
    }
}

fn id_of(answer: &Answer) -> String {
    answer.header("x-request-id").unwrap().to_owned()
}

fn lines_with(written: &str, word: &str) -> usize {
    written.lines().filter(|line| line.contains(word)).count()
}

/// Reads to the end of the pipe.
fn read(mut reader: PipeReader) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    })
}

fn stalled(setup: &Setup) -> (Scene, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut scene = Scene::of(setup.start_logging_to(writer));
    scene.fill_the_pipe();
    (scene, reader)
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up_and_loses_nothing() {
    let (mut scene, reader) = stalled(&Setup::new());
    scene.goes_on();
    scene.becomes_unready("log_stalled");
    scene.goes_on();
    assert!(scene.metric("lacre_audit_queued") > 50);
    let reading = read(reader);
    scene.becomes_ready();
    scene.goes_on();
    assert_eq!(scene.server.stop().code(), Some(0));
    let written = reading.join().unwrap();
    scene.is_whole(&written);
}

/// With as little room as a setting allows: beyond it nothing is changed.
#[test]
fn what_can_not_be_recorded_is_not_done() {
    let setup = Setup::new().env("LACRE_SERVER__AUDIT_QUEUE", "64KiB");
    let (mut scene, reader) = stalled(&setup);
    // Refusals may take half of the room.
    while scene.metric("lacre_audit_refusals_dropped_total") < 100 {
        scene.refuse(100);
    }
    let dropped = scene.metric("lacre_audit_refusals_dropped_total");
    let refused = loop {
        let answer = scene.log_in();
        if answer.status != 200 {
            break answer;
        }
        assert!(scene.begun.len() < 1000, "there is room for ever");
    };
    refused.refused(503, "audit_unavailable");
    assert!(refused.header("retry-after").is_some());
    let crt = scene.begun.last().unwrap().clone();
    let server = &scene.server;
    server
        .revoke(&scene.token.auth, &crt)
        .refused(503, "audit_unavailable");
    server
        .refresh(&scene.token)
        .refused(503, "audit_unavailable");
    let revoke = ["sessions", "revoke", "--user", EMAIL];
    let output = server.setup().lacre(revoke).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.trim_end().ends_with("(audit_unavailable)"), "{said}");

    // What changes nothing goes on, and nothing has ended.
    server.operator(&["users", "list"]);
    server.accepts(&scene.token.auth);
    assert!(
        server
            .sessions(&scene.token.auth)
            .iter()
            .any(|one| one["crt"] == crt)
    );
    server.refuses("noise");
    scene.becomes_unready("log_stalled");

    let reading = read(reader);
    scene.becomes_ready();
    scene.log_in().expect(200);
    let dropped_now = scene.metric("lacre_audit_refusals_dropped_total");
    assert_eq!(dropped_now, dropped + 1, "the one since");
    assert_eq!(scene.server.stop().code(), Some(0));
    let written = reading.join().unwrap();
    let kept = lines_with(&written, "event=token_refused") as u64;
    assert_eq!(kept + dropped_now, scene.refused.len() as u64 + 1);
    let told = format!("WARN lacre::audit event=refusals_dropped dropped={dropped_now}");
    assert_eq!(lines_with(&written, &told), 1, "{written}");
    // At the maximum of sessions the oldest end, which is recorded too.
    scene.has_events(&written);
}

/// Ordinary lines are dropped and counted; they take no room of the audit's.
#[test]
fn ordinary_lines_are_dropped_and_counted() {
    let setup = Setup::new().env("LACRE_LOG", "trace");
    let (mut scene, reader) = stalled(&setup);
    while scene.metric("lacre_log_dropped_total") == 0 {
        scene.refuse(100);
    }
    scene.goes_on();
    let reading = read(reader);
    scene.becomes_ready();
    assert_eq!(scene.server.stop().code(), Some(0));
    let written = reading.join().unwrap();
    assert!(lines_with(&written, "WARN lacre::log code=lines_dropped dropped=") >= 1);
    for id in &scene.refused {
        let line = written
            .lines()
            .filter(|line| line.contains("lacre::audit") && line.contains(id));
        assert_eq!(line.count(), 1, "{id}");
    }
}

/// A stop is bounded, and says what it had to leave.
#[test]
fn a_stop_does_not_wait_for_a_log_that_nobody_reads() {
    let (mut scene, reader) = stalled(&Setup::new());
    let queued = scene.metric("lacre_audit_queued");
    let began = Instant::now();
    let status = scene.server.stop();
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(status.code(), Some(1));
    let said = scene.server.written();
    let lost: (u64, u64) = said
        .lines()
        .last()
        .unwrap()
        .strip_prefix("lacre: ")
        .and_then(|rest| rest.strip_suffix(" of them audit events (log_lost)"))
        .and_then(|rest| rest.split_once(" lines of the log could not be written, "))
        .and_then(|(lines, events)| Some((lines.parse().ok()?, events.parse().ok()?)))
        .unwrap_or_else(|| panic!("{said}"));
    // The line of the stop itself is one of them.
    assert_eq!(lost, (queued + 1, queued), "{said}");
    let written = read(reader).join().unwrap();
    let refused = lines_with(&written, "event=token_refused") as u64;
    assert!(
        refused + queued >= scene.refused.len() as u64,
        "{refused} {queued}"
    );
}

#[test]
fn a_stop_waits_for_a_reader_who_reads_again() {
    let (mut scene, reader) = stalled(&Setup::new());
    scene.server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_secs(1));
    let reading = read(reader);
    assert_eq!(scene.server.ended().code(), Some(0));
    scene.is_whole(&reading.join().unwrap());
}

/// A start that fails says why where somebody reads, and ends where nobody does.
#[test]
fn a_failed_start_ends_though_nobody_reads_why() {
    let server = Server::start();
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut full = writer.try_clone().unwrap();
    std::thread::spawn(move || while std::io::Write::write(&mut full, &[b'x'; 4096]).is_ok() {});
    let mut child = server
        .setup()
        .lacre(["serve", "--dev"])
        .stderr(writer)
        .spawn()
        .unwrap();
    let status = until("the start is refused", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(69));
}

/// As long as somebody reads, a line is out before the answer to what it tells of.
#[test]
fn what_was_answered_is_in_the_log_after_a_kill() {
    for _ in 0..5 {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut scene = Scene::of(Setup::new().start_logging_to(writer));
        let reading = read(reader);
        scene
            .server
            .operator(&["users", "add", "bea@example.com", "--id", "bea"]);
        scene.log_in().expect(200);
        let answer = scene.server.try_get_token(EMAIL, "wrong horse battery");
        scene.server.kill9();
        let written = reading.join().unwrap();
        scene.has_events(&written);
        answer.refused(401, "invalid_credentials");
        assert_eq!(lines_with(&written, &id_of(&answer)), 1, "{written}");
        assert_eq!(
            lines_with(&written, "user=bea change=created"),
            1,
            "{written}"
        );
    }
}

/// Lets the log fail, looks, makes room, and looks for every line.
fn loses_nothing(
    mut scene: Scene,
    log: &Path,
    fill: impl Fn(&Server),
    make_room: impl Fn(&Server),
) {
    fill(&scene.server);
    // What is left of the last page still takes some.
    while scene.server.manage("/readyz").status == 200 {
        scene.refuse(20);
        assert!(scene.refused.len() < 5_000, "there is room");
    }
    scene.becomes_unready("log_failing");
    scene.goes_on();
    make_room(&scene.server);
    scene.becomes_ready();
    scene.goes_on();
    assert_eq!(scene.server.stop().code(), Some(0));
    let written = std::fs::read(log).unwrap();
    let text = written.iter().position(|byte| *byte != 0).unwrap();
    scene.is_whole(std::str::from_utf8(&written[text..]).unwrap());
}

fn append_to(log: &PathBuf) -> File {
    File::options().create(true).append(true).open(log).unwrap()
}

#[test]
fn a_full_disk_under_the_log_loses_nothing() {
    let setup = Setup::new();
    let place = setup.home().join("disk");
    let Some(disk) = Disk::mount(&place) else {
        return cannot_run_here(
            "no tmpfs can be mounted",
            "run as root, outside of a container",
        );
    };
    let log = place.join("log");
    let scene = Scene::of(setup.start_logging_to(append_to(&log)));
    loses_nothing(
        scene,
        &log,
        |_| disk.fill(),
        |_| std::fs::remove_file(disk.ballast()).unwrap(),
    );
}

/// The same without root: the log begins where no other file of the process reaches, and may not grow.
#[test]
fn a_log_that_may_not_grow_loses_nothing() {
    let limit = |server: &Server, current| {
        let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    // The signal of this limit would end the process; without it a write fails with EFBIG.
    let setup = Setup::new().through(&["env", "--ignore-signal=XFSZ"]);
    let log = setup.home().join("log");
    let file = append_to(&log);
    file.set_len(64 << 20).unwrap();
    let scene = Scene::of(setup.start_logging_to(file));
    loses_nothing(
        scene,
        &log,
        // In the middle of a line.
        |server| limit(server, Some(std::fs::metadata(&log).unwrap().len() + 1_111)),
        |server| limit(server, getrlimit(Resource::Fsize).current),
    );
}
