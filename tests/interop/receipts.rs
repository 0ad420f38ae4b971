//! Receipts, proven by the program of `docs/receipts.md` with another library and nothing of ours.

use super::peer::Peer;
use crate::pages::page;
use crate::support::server::{Setup, Token};
use std::path::Path;
use std::process::Output;

const PASSWORD: &str = "correct horse battery staple";

/// The program as it stands on the page.
fn program() -> String {
    let text = std::fs::read_to_string(page::root().join("docs/receipts.md")).unwrap();
    let (_, rest) = text.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

fn proves(peer: &Peer, folder: &Path) -> Output {
    let mut command = peer.command();
    command.args(["-c", &program()]).current_dir(folder);
    command.output().unwrap()
}

#[test]
fn the_program_of_the_page_proves_an_export_and_finds_what_was_done_to_it() {
    let Some(peer) = Peer::jwcrypto() else { return };
    let setup = Setup::new();
    let server = setup.start();
    server.sign_up("ada@example.com", PASSWORD);
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    // By the first key alone, through another that took its place.
    std::fs::write(path("receipts.jwks"), server.operator(&["receipts", "key"])).unwrap();
    for round in 0..2 {
        let token: Token = server.get_token("ada@example.com", PASSWORD);
        server.operator(&["sessions", "revoke", &token.crt]);
        if round == 0 {
            server.operator(&["keys", "rotate", "--signing", "--drop-earlier"]);
        }
    }
    let file = path("receipts.jws");
    server.operator(&["receipts", "export", file.to_str().unwrap()]);
    let proven = proves(&peer, here.path());
    assert!(proven.status.success(), "{proven:?}");

    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(
        lines.len(),
        5,
        "a beginning, two ends, a key between them, and the head"
    );
    let mut changed = whole.clone().into_bytes();
    let place = whole.len() / 2;
    changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
    let swapped = [lines[0], lines[2], lines[1], lines[3], lines[4]].join("\n");
    let robbed = [lines[0], lines[2], lines[3], lines[4]].join("\n");
    for (what, bad) in [
        ("a byte was changed", changed),
        ("lines were swapped", swapped.into_bytes()),
        ("a line is missing", robbed.into_bytes()),
        ("the end is missing", lines[..4].join("\n").into_bytes()),
    ] {
        std::fs::write(&file, bad).unwrap();
        assert!(!proves(&peer, here.path()).status.success(), "{what}");
    }
    // A key that is trusted by nobody.
    std::fs::write(&file, &whole).unwrap();
    let other = Setup::new();
    let other = other.start();
    std::fs::write(path("receipts.jwks"), other.operator(&["receipts", "key"])).unwrap();
    assert!(!proves(&peer, here.path()).status.success(), "another key");
}
