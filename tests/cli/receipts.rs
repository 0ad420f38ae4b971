//! `lacre receipts`: each end once in a signed log, through kills and whatever is done to the file.

use super::{Ran, add_user, lacre, log_in};
use crate::support::http::Request;
use crate::support::server::{Server, Setup};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

fn start() -> (Setup, Server) {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    (setup, server)
}

fn verified(setup: &Setup) -> Value {
    let proven = lacre(setup, "receipts verify --json").ok().json();
    proven[0].clone()
}

/// The handles in an export, and how often each is there.
fn ends(setup: &Setup, name: &str) -> BTreeMap<String, usize> {
    let file = setup.data().with_file_name(name);
    lacre(setup, &format!("receipts export {}", file.display())).ok();
    let mut ends = BTreeMap::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        let claims = line.split('.').nth(1).unwrap();
        let claims = lacre::internals::token::base64url::decode(claims.as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        if let Some(sid) = claims["sid"].as_str() {
            *ends.entry(sid.to_owned()).or_default() += 1;
        }
    }
    ends
}

#[test]
fn a_revocation_names_its_receipt_and_the_receipt_says_what_happened() {
    let (setup, mut server) = start();
    let token = log_in(&server, "ada@example.com");
    let other = log_in(&server, "ada@example.com");
    let said = lacre(&setup, &format!("sessions revoke {}", token.crt))
        .ok()
        .stdout;
    assert!(said.contains("\nreceipt 2 "), "{said}");
    assert!(
        said.ends_with(&format!("proof: lacre receipts show {}\n", token.crt)),
        "{said}"
    );
    let shown = lacre(&setup, &format!("receipts show {} --json", &token.crt[..8]));
    let shown = shown.ok().json();
    assert_eq!(shown[0]["handle"], token.crt.as_str());
    assert_eq!(
        (&shown[0]["cause"], &shown[0]["by"], &shown[0]["receipt"]),
        (&json!("revoked_by_admin"), &json!("operator"), &json!(2))
    );
    assert!(said.contains(shown[0]["hash"].as_str().unwrap()), "{said}");
    let explained = lacre(&setup, &format!("token explain {} --json", token.crt));
    let explained = explained.ok().json();
    assert_eq!(
        explained["end"]["receipt"],
        json!({"receipt": 2, "hash": shown[0]["hash"]})
    );
    let plain = lacre(&setup, &format!("receipts show {}", token.crt))
        .ok()
        .stdout;
    assert!(plain.starts_with("receipt    2\n"), "{plain}");
    assert!(!plain.contains("ada"), "{plain}");
    lacre(&setup, &format!("receipts show {}", other.crt)).failed(1, "receipt_unknown");

    server
        .send(&Request::post("/logout").bearer(&other.auth))
        .expect(204);
    let beside = verified(&setup);
    assert_eq!((&beside["first"], &beside["ends"]), (&json!(1), &json!(2)));
    assert!(server.stop().success());
    let alone = verified(&setup);
    assert_eq!(
        (&alone["hash"], &alone["chain"]),
        (&beside["hash"], &beside["chain"])
    );
}

#[test]
fn an_auditor_proves_a_file_with_the_public_key_alone() {
    let (setup, server) = start();
    for _ in 0..3 {
        let token = log_in(&server, "ada@example.com");
        server
            .send(&Request::post("/logout").bearer(&token.auth))
            .expect(204);
    }
    let path = |name: &str| setup.data().with_file_name(name);
    let (file, keys) = (path("export"), path("keys"));
    lacre(&setup, &format!("receipts export {}", file.display())).ok();
    lacre(&setup, &format!("receipts export {}", file.display())).failed(1, "output_failed");
    fs::write(&keys, lacre(&setup, "receipts key").ok().stdout).unwrap();
    let audit = |file: &std::path::Path| -> Ran {
        let setup = Setup::new();
        let words = format!(
            "receipts verify {} --key {}",
            file.display(),
            keys.display()
        );
        lacre(&setup, &words)
    };
    let said = audit(&file).ok().stdout;
    assert!(said.contains("proven     3 ends of sessions\n"), "{said}");
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    assert_eq!(lines.len(), 5, "a beginning, three ends and the head");
    let bad = path("bad");
    let judge = |lines: &[&str], code: &str| {
        fs::write(&bad, lines.join("\n") + "\n").unwrap();
        audit(&bad).failed(1, code);
    };
    judge(&lines[..4], "receipts_unclosed");
    judge(
        &[lines[0], lines[2], lines[1], lines[3], lines[4]],
        "receipts_broken",
    );
    judge(&[lines[0], lines[1], lines[3], lines[4]], "receipts_broken");
    let edited = lines[2].replacen(&lines[2][150..152], "__", 1);
    fs::write(&bad, whole.replace(lines[2], &edited)).unwrap();
    assert_eq!(audit(&bad).status, Some(1));
    // Another deployment's file isn't this one's.
    let (other, _server) = start();
    let foreign = path("foreign");
    lacre(&other, &format!("receipts export {}", foreign.display())).ok();
    audit(&foreign).failed(1, "receipts_key_unknown");
}

#[test]
fn a_kill_leaves_no_end_without_its_receipt_and_none_with_two() {
    let (setup, mut server) = start();
    let mut answered = Vec::new();
    for round in 0..6_u64 {
        let tokens: Vec<_> = (0..8).map(|_| log_in(&server, "ada@example.com")).collect();
        std::thread::scope(|scope| {
            let ends = tokens.iter().map(|token| {
                let server = &server;
                scope.spawn(move || {
                    let out = Request::post("/logout").bearer(&token.auth);
                    server.send(&out).expect(204);
                    token.crt.clone()
                })
            });
            let ends: Vec<_> = ends.collect();
            answered.extend(ends.into_iter().map(|end| end.join().unwrap()));
        });
        // Before, while and after their receipts are written.
        std::thread::sleep(std::time::Duration::from_millis(round * 130));
        server.kill9();
        if round % 2 == 1 {
            let file = setup.data().join("receipts");
            let mut torn = fs::read(&file).unwrap();
            torn.extend(b"eyJhbGciOiJFUzI1NiIsInR5cCI6Im");
            fs::write(&file, torn).unwrap();
        }
        server.restart();
    }
    let receipts = ends(&setup, "killed");
    assert_eq!(receipts.len(), answered.len());
    for handle in &answered {
        assert_eq!(receipts.get(handle), Some(&1), "{handle}");
    }
    assert_eq!(verified(&setup)["ends"], answered.len());
}

#[test]
fn a_file_that_was_cut_or_put_back_is_told_and_not_written_to() {
    let (setup, mut server) = start();
    let file = setup.data().join("receipts");
    let mut states = Vec::new();
    for _ in 0..2 {
        let token = log_in(&server, "ada@example.com");
        lacre(&setup, &format!("sessions revoke {}", token.crt)).ok();
        states.push(fs::read(&file).unwrap());
    }
    // While the server runs: what it has written isn't there any more.
    fs::write(&file, &states[0]).unwrap();
    assert_eq!(lacre(&setup, "receipts verify").status, Some(1));
    server.stop();
    fs::write(&file, &states[0]).unwrap();
    lacre(&setup, "receipts verify").failed(1, "receipts_rolled_back");
    server.restart();
    let token = log_in(&server, "ada@example.com");
    let said = lacre(&setup, &format!("sessions revoke {} --json", token.crt))
        .ok()
        .json();
    assert_eq!(
        (&said["revoked"], &said["receipt"]),
        (&json!(1), &Value::Null)
    );
    let metrics = server.manage("/metrics").text().to_owned();
    assert!(
        metrics.contains("\nlacre_receipts_failing 1\n"),
        "{metrics}"
    );
    let ready = server.manage("/readyz");
    assert_eq!(
        (ready.status, &ready.json()["stores"]["receipts"]),
        (200, &json!("down"))
    );
    assert_eq!(fs::read(&file).unwrap(), states[0], "untouched");
    // The right file is put back, and the end that waited has its receipt.
    fs::write(&file, &states[1]).unwrap();
    let shown = lacre(&setup, &format!("receipts show {} --json", token.crt))
        .ok()
        .json();
    assert_eq!(shown[0]["receipt"], 4);
    assert_eq!(verified(&setup)["ends"], 3);
    // Moved away, the log goes on in another file, and says so.
    server.stop();
    fs::rename(&file, setup.data().with_file_name("before")).unwrap();
    let rest = verified(&setup);
    assert_eq!((&rest["first"], &rest["ends"]), (&json!(5), &json!(0)));
    let said = lacre(&setup, "receipts verify").ok().stdout;
    assert!(
        said.ends_with("lines 1 to 4 are not in this file: they are in one of before\n"),
        "{said}"
    );
}

#[test]
fn a_file_that_has_lost_its_end_is_told_by_who_knows_a_later_receipt() {
    let (setup, server) = start();
    let path = |name: &str| setup.data().with_file_name(name);
    let ends = || {
        let token = log_in(&server, "ada@example.com");
        lacre(&setup, &format!("sessions revoke {}", token.crt)).ok();
        let status = lacre(&setup, "receipts status --json").ok().json();
        assert_eq!(status["failing"], Value::Null);
        let last = &status["last"];
        format!("{}:{}", last["receipt"], last["hash"].as_str().unwrap())
    };
    let early = ends();
    let (file, keys) = (path("early"), path("keys"));
    lacre(&setup, &format!("receipts export {}", file.display())).ok();
    fs::write(&keys, lacre(&setup, "receipts key").ok().stdout).unwrap();
    let late = ends();
    let verify = |known: &str| {
        let words = format!(
            "receipts verify {} --key {} --known {known}",
            file.display(),
            keys.display()
        );
        lacre(&Setup::new(), &words)
    };
    verify(&early).ok();
    verify(&late).failed(1, "receipts_known_missing");
    verify(&early.replacen("2:", "1:", 1)).failed(1, "receipts_known_missing");
    assert_eq!(verify("2").status, Some(2));
    let said = lacre(&setup, "receipts status").ok().stdout;
    assert!(said.contains(&format!("last       {late}\n")), "{said}");
    assert!(said.ends_with("written    yes\n"), "{said}");
}

#[test]
fn keys_are_dropped_and_the_server_killed_meanwhile_and_one_log_goes_on() {
    let (setup, mut server) = start();
    let keys = setup.data().with_file_name("keys");
    fs::write(&keys, lacre(&setup, "receipts key").ok().stdout).unwrap();
    let mut answered = 0;
    for round in 0..6_u64 {
        let token = log_in(&server, "ada@example.com");
        server
            .send(&Request::post("/logout").bearer(&token.auth))
            .expect(204);
        answered += 1;
        std::thread::scope(|scope| {
            scope.spawn(|| lacre(&setup, "keys rotate --signing --drop-earlier"));
            std::thread::sleep(std::time::Duration::from_millis(20 + round * 15));
            server.kill9();
        });
        server.restart();
    }
    // One more, to its end.
    lacre(&setup, "keys rotate --signing --drop-earlier").ok();
    let shown = lacre(&setup, "receipts key").ok().json();
    assert_eq!(shown["keys"].as_array().unwrap().len(), 1, "{shown}");
    // By the key that signed the first line, through all that came after it.
    let file = setup.data().with_file_name("export");
    lacre(&setup, &format!("receipts export {}", file.display())).ok();
    let words = format!(
        "receipts verify {} --key {} --json",
        file.display(),
        keys.display()
    );
    let proven = lacre(&Setup::new(), &words).ok().json();
    assert_eq!(proven[0]["ends"], answered);
}

#[test]
fn a_receipt_that_can_not_be_written_follows_and_its_end_does_not_wait() {
    let (setup, server) = start();
    let token = log_in(&server, "ada@example.com");
    let file = setup.data().join("receipts");
    let away = file.with_extension("away");
    fs::rename(&file, &away).unwrap();
    fs::create_dir(&file).unwrap();
    server
        .send(&Request::post("/logout").bearer(&token.auth))
        .expect(204);
    server.refuses(&token.auth);
    let other = log_in(&server, "ada@example.com");
    let said = lacre(&setup, &format!("sessions revoke {}", other.crt)).ok();
    assert!(
        said.stdout.contains("\nreceipt: not written yet"),
        "{said:?}"
    );
    let failing = |server: &Server| {
        let ready = server.manage("/readyz");
        assert_eq!(ready.status, 200, "the service does without");
        let metrics = server.manage("/metrics").text().to_owned();
        let store = ready.json()["stores"]["receipts"].clone();
        (store, metrics.contains("\nlacre_receipts_failing 1\n"))
    };
    assert_eq!(failing(&server), (json!("down"), true));
    let status = lacre(&setup, "receipts status --json").ok().json();
    assert_eq!(status["failing"], "receipts_unavailable");
    fs::remove_dir(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    for token in [&token, &other] {
        let shown = lacre(&setup, &format!("receipts show {} --json", token.crt));
        assert_eq!(shown.ok().json()[0]["handle"], token.crt.as_str());
    }
    assert_eq!(failing(&server), (json!("up"), false));
    assert_eq!(verified(&setup)["ends"], 2);
}

#[test]
fn a_file_that_is_moved_away_beside_the_server_is_followed_by_another() {
    let (setup, server) = start();
    let end = || {
        let token = log_in(&server, "ada@example.com");
        lacre(&setup, &format!("sessions revoke {}", token.crt)).ok();
    };
    end();
    let path = |name: &str| setup.data().with_file_name(name);
    let (before, after) = (path("before"), path("after"));
    lacre(&setup, &format!("receipts export {}", before.display())).ok();
    let file = setup.data().join("receipts");
    fs::rename(&file, path("moved")).unwrap();
    end();
    lacre(&setup, &format!("receipts export {}", after.display())).ok();
    let words = format!(
        "receipts verify {} {} --json",
        before.display(),
        after.display()
    );
    let proven = lacre(&setup, &words).ok().json();
    assert_eq!(
        (&proven[0]["last"], &proven[1]["first"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(
        (&proven[0]["ends"], &proven[1]["ends"]),
        (&json!(1), &json!(1))
    );
}
