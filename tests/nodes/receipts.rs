//! Why sessions have ended, and the receipts of it: each node writes those of its own ends, and together they are all.

use super::ends::rounds;
use super::{Deployment, EMAIL, PASSWORD};
use crate::support::server::Server;
use crate::support::wait::until;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

on_every_engine!(
    postgres:
        an_end_at_one_node_is_explained_by_all_and_has_one_receipt_at_its_own;
    redis:
        an_end_at_one_node_is_explained_by_all_and_has_one_receipt_at_its_own;
);

/// An export of a node's receipts, and the deployment's public keys.
fn exported(node: &Server) -> (PathBuf, PathBuf) {
    let (file, keys) = (
        node.setup().home().join("receipts.jws"),
        node.setup().home().join("receipts.jwks"),
    );
    let _ = std::fs::remove_file(&file);
    node.operator(&["receipts", "export", file.to_str().unwrap()]);
    std::fs::write(&keys, node.operator(&["receipts", "key"])).unwrap();
    (file, keys)
}

/// How often each session ends in an export, as its lines say.
fn ends(file: &std::path::Path) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let claims = line.split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        if claims["event"] == "end" {
            let sid = claims["sid"].as_str().unwrap().to_owned();
            *ends.entry(sid).or_default() += 1;
        }
    }
    ends
}

/// Proves the exports of all nodes in one command, and gives the ends that are in them.
fn proven(nodes: &[&Server]) -> BTreeMap<String, usize> {
    let exports: Vec<_> = nodes.iter().map(|node| exported(node)).collect();
    let mut verify = vec!["receipts", "verify"];
    verify.extend(exports.iter().map(|(file, _)| file.to_str().unwrap()));
    verify.extend(["--key", exports[0].1.to_str().unwrap()]);
    let output = nodes[0].setup().lacre(&verify).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut all = BTreeMap::new();
    for (file, _) in &exports {
        for (sid, count) in ends(file) {
            *all.entry(sid).or_default() += count;
        }
    }
    all
}

fn an_end_at_one_node_is_explained_by_all_and_has_one_receipt_at_its_own(deployment: &Deployment) {
    let [a, b, c] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let tokens = [&a, &b, &c].map(|node| node.get_token(EMAIL, PASSWORD));
    b.revoke(&tokens[0].auth, &tokens[0].crt).expect(204);
    c.call("POST", "/logout", &tokens[1].auth).expect(204);
    let said = a.operator(&["sessions", "revoke", &tokens[2].crt, "--json"]);
    assert!(said.contains("receipt"), "{said}");
    for node in [&a, &b, &c] {
        for (token, cause) in tokens
            .iter()
            .zip(["revoked_by_user", "logout", "revoked_by_admin"])
        {
            let told = node.operator(&["token", "explain", &token.crt, "--json"]);
            let told: Value = serde_json::from_str(&told).unwrap();
            assert_eq!(told["end"]["cause"], cause, "{told}");
            assert!(told["user"].is_string(), "{told}");
        }
    }
    let everybody = b.get_token(EMAIL, PASSWORD);
    let another = a.get_token(EMAIL, PASSWORD);
    c.operator(&["sessions", "revoke", "--all", "--yes"]);
    let told = a.operator(&["token", "explain", &another.crt, "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["end"]["cause"], "revoked_by_admin", "{told}");
    assert!(told["user"].is_string(), "{told}");
    let all = proven(&[&a, &b, &c]);
    let mut expected: Vec<_> = tokens.iter().map(|token| token.crt.clone()).collect();
    expected.extend([everybody.crt, another.crt]);
    expected.sort();
    assert_eq!(all.keys().cloned().collect::<Vec<_>>(), expected);
    assert!(all.values().all(|count| *count == 1), "{all:?}");
    // The receipt lies where the end was made.
    a.operator(&["receipts", "show", &tokens[2].crt]);
    let elsewhere = b.setup().lacre(["receipts", "show", &tokens[2].crt]);
    let said = { elsewhere }.output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("another node") && said.contains("receipt_unknown"),
        "{said}"
    );
}

/// Nodes that are killed in the middle of ends have one receipt of each when they are back.
#[test]
fn a_node_that_is_killed_among_ends_has_one_receipt_of_each_when_it_is_back() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [a, mut b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let mut ended = Vec::new();
    for _ in 0..rounds(2, 30) {
        let tokens: Vec<_> = (0..4).map(|_| a.get_token(EMAIL, PASSWORD)).collect();
        std::thread::scope(|scope| {
            for token in &tokens {
                let ask = crate::support::http::Request::post("/logout").bearer(&token.auth);
                let address = b.public;
                scope.spawn(move || {
                    std::panic::catch_unwind(|| crate::support::http::send(address, &ask))
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(15));
            b.kill9();
        });
        b.restart();
        for token in tokens {
            // What wasn't made is made at the other node.
            if a.call("POST", "/logout", &token.auth).status == 401 {
                a.refuses(&token.auth);
            }
            ended.push(token.crt);
        }
    }
    let all = until("all receipts are there", || {
        let all = proven(&[&a, &b]);
        (all.len() == ended.len()).then_some(all)
    });
    ended.sort();
    assert_eq!(all.keys().cloned().collect::<Vec<_>>(), ended);
    assert!(all.values().all(|count| *count == 1), "{all:?}");
}

/// A signing key that is dropped stays until each node's log is handed over, also of one that is away.
#[test]
fn the_receipts_of_all_nodes_go_on_after_a_signing_key_is_dropped() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [a, mut b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let end = |node: &Server| {
        let token = node.get_token(EMAIL, PASSWORD);
        node.call("POST", "/logout", &token.auth).expect(204);
    };
    end(&a);
    end(&b);
    let before = exported(&a).1;
    assert!(b.stop().success());
    a.operator(&["keys", "rotate", "--signing", "--drop-earlier"]);
    a.operator(&["keys", "rotate", "--signing", "--drop-earlier"]);
    end(&a);
    b.restart();
    end(&b);
    let all = proven(&[&a, &b]);
    assert_eq!(all.len(), 4, "{all:?}");
    for node in [&a, &b] {
        let (file, _) = exported(node);
        let (file, key) = (file.to_str().unwrap(), before.to_str().unwrap());
        let verify = ["receipts", "verify", file, "--key", key];
        let output = a.setup().lacre(verify).output().unwrap();
        assert!(
            output.status.success(),
            "the earlier key leads there: {output:?}"
        );
    }
}
