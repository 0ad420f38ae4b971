//! Audit events in a file of their own, or on standard output.

use super::{EMAIL, PASSWORD, id_of};
use crate::support::http::{Connection, Request};
use crate::support::server::Setup;
use crate::support::wait::until;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// A deployment with its audit in a file, and the file.
fn with_file() -> (Setup, PathBuf) {
    let setup = Setup::new();
    let path = setup.home().join("audit.log");
    let value = format!("file:{}", path.display());
    (setup.env("LACRE_LOG__AUDIT", &value), path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn audit_events_are_in_their_file_and_nowhere_else() {
    let (setup, path) = with_file();
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let answer = server.try_get_token(EMAIL, PASSWORD).expect(200);
    // An event is written when its answer comes.
    let id = id_of(&answer);
    let audit = read(&path);
    for event in ["login_succeeded", "session_started"] {
        let due = format!("INFO lacre::audit event={event} ");
        let found = audit
            .lines()
            .any(|line| line.contains(&due) && line.contains(&id));
        assert!(found, "{event} in {audit}");
    }
    server.stop();
    let written = server.written();
    assert!(!written.contains("lacre::audit"), "{written}");
    assert!(written.contains("lacre starts"), "{written}");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // A command on the directory itself writes to the same file.
    let mut add = setup.lacre(["users", "add", "bea@example.com"]);
    let output = add.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let added = read(&path);
    let new = added.strip_prefix(&audit).unwrap();
    assert!(new.contains("event=account_changed"), "{new}");
    assert!(new.contains("by=operator"), "{new}");
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("audit"),
        "{output:?}"
    );
}

#[test]
fn no_event_is_lost_or_torn_while_the_file_is_rotated() {
    const REQUESTS: usize = 300;
    let (setup, path) = with_file();
    let mut server = setup.start();
    let over = AtomicBool::new(false);
    let (ids, rotated) = std::thread::scope(|scope| {
        let sending: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(server.public).unwrap();
                    let refused = (0..REQUESTS).map(|_| {
                        let request = Request::get("/headers").bearer("noise");
                        id_of(&connection.send(&request).unwrap())
                    });
                    refused.collect::<Vec<_>>()
                })
            })
            .collect();
        let rotating = scope.spawn(|| {
            let mut moved = Vec::new();
            while !over.load(Ordering::SeqCst) {
                if path.exists() {
                    let to = path.with_extension(moved.len().to_string());
                    std::fs::rename(&path, &to).unwrap();
                    moved.push(to);
                    server.signal(Signal::HUP);
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            moved
        });
        let ids: Vec<String> = sending
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect();
        over.store(true, Ordering::SeqCst);
        (ids, rotating.join().unwrap())
    });
    // The next event makes the last file.
    server
        .send(&Request::get("/headers").bearer("noise"))
        .expect(401);
    assert!(rotated.len() > 2, "{rotated:?}");
    assert_eq!(server.stop().code(), Some(0));
    assert!(
        server
            .written()
            .contains("SIGHUP: the file of the audit is opened anew")
    );
    let files = rotated.iter().chain([&path]);
    let all: String = files.map(|file| read(file)).collect();
    assert_eq!(all.lines().count(), ids.len() + 1);
    for line in all.lines() {
        assert!(
            line.contains(" lacre::audit event=token_refused code="),
            "{line}"
        );
    }
    for id in ids {
        assert_eq!(all.matches(&format!("request_id={id} ")).count(), 1, "{id}");
    }
}

/// What a full disk under the audit means: changes are refused, and nothing is lost, while the other lines go
/// on.
#[test]
fn a_file_that_may_not_grow_refuses_changes_and_loses_nothing() {
    let (setup, path) = with_file();
    let setup = setup
        .env("LACRE_SERVER__AUDIT_QUEUE", "64KiB")
        .env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "1/1h")
        // The signal of this limit would end the process; without it a write fails with EFBIG.
        .through(&["env", "--ignore-signal=XFSZ"]);
    // Beyond every other file of the process.
    std::fs::File::create(&path)
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let mut server = setup.start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    let limit = |current| {
        let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    // In the middle of a line.
    limit(Some(std::fs::metadata(&path).unwrap().len() + 333));
    let mut kept = Vec::new();
    let refused = loop {
        let answer = server.try_get_token(EMAIL, "wrong horse battery");
        if answer.status == 503 {
            break answer;
        }
        kept.push(id_of(&answer));
        assert!(kept.len() < 2_000, "the queue has no end");
    };
    refused.refused(503, "audit_unavailable");
    let ready = server.manage("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(ready.json()["code"], "log_unwritten");
    assert_eq!(ready.json()["audit"], "log_failing");
    assert_eq!(ready.json().get("log"), None);
    server.accepts(&token.auth);
    // The other lines don't wait for it.
    server.signal(Signal::HUP);
    until("the log goes on", || {
        server.written().contains("SIGHUP").then_some(())
    });
    limit(getrlimit(Resource::Fsize).current);
    until("readiness is back", || {
        (server.manage("/readyz").status == 200).then_some(())
    });
    server.revoke(&token.auth, &token.crt).expect(204);
    assert_eq!(server.stop().code(), Some(0));
    let written = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&written[64 << 20..]).into_owned();
    for id in kept {
        assert_eq!(
            text.matches(&format!("request_id={id} ")).count(),
            1,
            "{id}"
        );
    }
    assert!(text.contains("event=session_ended"), "{text}");
}

#[test]
fn a_stream_that_leads_nowhere_is_refused_before_anything_is_made() {
    let (setup, path) = with_file();
    std::fs::create_dir(&path).unwrap();
    setup
        .start_refused()
        .with(78, "config_path_unusable")
        .saying("it is no regular file");
    std::fs::remove_dir(&path).unwrap();
    let nowhere = setup.clone().env("LACRE_LOG__AUDIT", "file:/no/such/place");
    nowhere.start_refused().with(78, "config_path_unusable");
    let no_word = setup.clone().env("LACRE_LOG__AUDIT", "/var/log/audit.log");
    no_word.start_refused().with(78, "config_bad_value");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    setup.start_refused().with(78, "config_path_unusable");
    assert!(!setup.data().exists());
    // Nor does a command change anything.
    let mut add = setup.lacre(["users", "add", EMAIL]);
    let output = add.output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(!setup.data().exists());
}

/// Ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn standard_output_is_for_the_audit_alone_where_it_is_chosen() {
    let setup = Setup::new()
        .env("LACRE_LOG__AUDIT", "stdout")
        .env("LACRE_LOG__FORMAT", "json");
    let serve = [
        "serve",
        "--dev",
        "--listen",
        "127.0.0.1:0",
        "--management-listen",
        "127.0.0.1:0",
    ];
    let mut serve = setup.lacre(serve);
    let serve = serve.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(serve.spawn().unwrap());
    let mut said = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let address = said.find_map(|line| {
        let line = line.unwrap();
        line.strip_prefix("listening on http://").map(str::to_owned)
    });
    let address = address.unwrap().parse().unwrap();
    let mut connection = Connection::open(address).unwrap();
    let refused = connection.send(&Request::get("/headers").bearer("noise"));
    let id = id_of(&refused.unwrap());
    let mut stdout = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["event"], json!("token_refused"), "{line}");
    assert_eq!(event["request_id"], json!(id), "{line}");
}

#[test]
fn the_metrics_count_both_streams() {
    let (setup, _) = with_file();
    let server = setup.start();
    server
        .send(&Request::get("/headers").bearer("noise"))
        .expect(401);
    let metrics = server.manage("/metrics").expect(200);
    for line in ["lacre_audit_queued 0", "lacre_log_discarded 0"] {
        assert!(metrics.text().lines().any(|found| found == line), "{line}");
    }
}
