//! A store that can't be written: 503 for what needs it, reads go on, nothing is lost, and it recovers.

use super::PASSWORD;
use crate::support::http::{Answer, Request};
use crate::support::server::{Server, Setup, Token};
use crate::support::skipped::cannot_run_here;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is answered where a store fails; never 401, never 200.
fn unavailable(answer: &Answer) {
    answer.refused(503, "store_unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), None);
}

/// Demands that all of these are in the list of sessions. What was answered 503 may be there as
/// well: it is unknown whether it happened, and nobody has its token.
fn lists(server: &Server, tokens: &[Token]) {
    let shown = server.sessions(&tokens[0].auth);
    for token in tokens {
        assert!(shown.iter().any(|s| s["crt"] == token.crt), "{shown:?}");
    }
}

/// Fills the disk, looks, makes room, restarts and looks again.
fn loses_nothing(mut server: Server, fill: impl Fn(&Server), make_room: impl Fn(&Server)) {
    server.sign_up("ada@example.com", PASSWORD);
    let mut tokens = vec![server.get_token("ada@example.com", PASSWORD)];
    fill(&server);

    // What is left of the last page still takes some.
    let refused = loop {
        let answer = server.try_get_token("ada@example.com", PASSWORD);
        if answer.status != 200 {
            break answer;
        }
        tokens.push(Token::of(&answer));
        assert!(tokens.len() < 200, "the disk isn't full");
    };
    unavailable(&refused);

    for token in &tokens {
        server.accepts(&token.auth);
    }
    lists(&server, &tokens);
    server.is_well();
    server
        .try_get_token("ada@example.com", "wrong password")
        .refused(401, "invalid_credentials");
    server
        .call("GET", "/headers", "noise")
        .refused(401, "invalid_token");
    // Neither a session nor an account comes about, and an end that isn't durable isn't told.
    unavailable(&server.try_get_token("ada@example.com", PASSWORD));
    let sign_up = json!({"email": "bea@example.com", "password": PASSWORD});
    let sign_up = server.send(&Request::post("/signup").json(sign_up));
    if sign_up.status != 201 {
        unavailable(&sign_up);
    }
    let ready = server.manage("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(ready.json()["stores"]["keystore"], "down");

    make_room(&server);
    // The store is opened anew by itself.
    let begun = std::time::Instant::now();
    while server.manage("/readyz").status != 200 {
        assert!(begun.elapsed().as_secs() < 60, "not opened anew");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for token in &tokens {
        server.accepts(&token.auth);
    }
    tokens.push(server.get_token("ada@example.com", PASSWORD));
    let ended = server.get_token("ada@example.com", PASSWORD);
    server.revoke(&ended.auth, &ended.crt).expect(204);

    server.stop();
    server.restart();
    for token in &tokens {
        server.accepts(&token.auth);
    }
    lists(&server, &tokens);
    server.refuses(&ended.auth);
    let after = server.get_token("ada@example.com", PASSWORD);
    server.revoke(&after.auth, &tokens[0].crt).expect(204);
    server.refuses(&tokens[0].auth);
    if sign_up.status == 201 {
        server.get_token("bea@example.com", PASSWORD);
    }
    // Each end has its receipt, and the log is whole.
    for gone in [&ended, &tokens[0]] {
        let shown = server.operator(&["receipts", "show", &gone.crt, "--json"]);
        assert!(shown.contains(&gone.crt), "{shown}");
    }
    server.operator(&["receipts", "verify"]);
}

/// A small file system of its own, for as long as the value lives.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "none"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }

    pub(crate) fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let setup = Setup::new();
    let place = setup.home().join("disk");
    let Some(disk) = Disk::mount(&place) else {
        return cannot_run_here(
            "no tmpfs can be mounted",
            "run as root, outside of a container",
        );
    };
    let server = setup.data_dir(place.join("data")).start();
    loses_nothing(
        server,
        |_| disk.fill(),
        |_| std::fs::remove_file(disk.ballast()).unwrap(),
    );
}

/// The same without root: no file of the process may grow beyond the keystore's size.
#[test]
fn files_that_may_not_grow_lose_nothing() {
    let limit = |server: &Server, current| {
        let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(pid, Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    // The signal of this limit would end the process; without it a write fails with EFBIG.
    let server = Setup::new()
        .through(&["env", "--ignore-signal=XFSZ"])
        .start();
    let database = server.data().join("keystore/db");
    loses_nothing(
        server,
        |server| {
            let length = std::fs::metadata(&database).unwrap().len();
            limit(server, Some(length));
        },
        |server| limit(server, getrlimit(Resource::Fsize).current),
    );
}
