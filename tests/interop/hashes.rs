//! Accounts with the hashes of other libraries log in after an import, and with no other password.

use super::peer::Peer;
use crate::support::server::Setup;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Of the scripts and lengths that people type; the last is longer than bcrypt sees.
const PASSWORDS: [&str; 4] = [
    "correct horse battery",
    "pässwörd ключ 鍵 🔑",
    "  spaces\tand $ signs: 1000$x  ",
    "a password that is longer than the seventy-two bytes that bcrypt looks at, by far",
];

#[test]
fn hashes_of_django_werkzeug_passlib_and_bcrypt_let_their_passwords_in() {
    let Some(peer) = Peer::hashes() else { return };
    let server = Setup::new()
        .env("LACRE_LIMITS__LOGIN_PER_ADDRESS", "1000/15m")
        .start();
    let mut lines = PASSWORDS
        .map(|password| json!(password).to_string())
        .to_vec();
    let mut kinds = 0;
    for (work, from) in [("low", 0), ("default", 3)] {
        lines.drain(..from);
        let answers = peer.run(work, "", &lines);
        for (password, hashes) in PASSWORDS[from..].iter().zip(answers) {
            let hashes: Map<String, Value> = serde_json::from_str(&hashes).unwrap();
            assert_eq!(hashes.len(), 15, "{:?}", hashes.keys());
            kinds += hashes.len();
            import(server.setup(), work, &hashes);
            for (n, kind) in hashes.keys().enumerate() {
                let user = format!("{work}-{n}@example.com");
                // Twice: the second time against the hash that the first has made of it.
                for _ in 0..2 {
                    let answer = server.try_get_token(&user, password);
                    assert_eq!(answer.status, 200, "{kind}: {password}");
                    let wrong = server.try_get_token(&user, &password[1..]);
                    assert_eq!(wrong.status, 401, "{kind}: not {password}");
                }
                server.operator(&["users", "delete", &user]);
            }
        }
    }
    println!("{kinds} hashes of 15 kinds");
    assert_eq!(kinds, 15 * 5);
}

fn import(setup: &Setup, work: &str, hashes: &Map<String, Value>) {
    let mut text = String::new();
    for (n, hash) in hashes.values().enumerate() {
        let user = json!({"email": format!("{work}-{n}@example.com"), "hash": hash});
        writeln!(text, "{user}").unwrap();
    }
    std::fs::write(setup.home().join("users.jsonl"), text).unwrap();
    let ran = setup
        .lacre(["users", "import", "users.jsonl"])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
}
