//! A master key is stolen, with a copy of the data: what `docs/operating.md` says to do, played.

use super::PASSWORD;
use crate::hostile::http::forge;
use crate::support::robbed::Robbed;
use crate::support::server::Setup;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// What a thief copies.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// The commands of the section of this name, in order.
fn commands(heading: &str) -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().map(str::to_owned).collect()
}

#[test]
fn what_a_thief_of_the_master_key_has_is_worth_nothing_after_the_drill() {
    let setup = Setup::new();
    let mut server = setup.start();
    let account = server.sign_up("ada@example.com", PASSWORD);
    let token = server.get_token("ada@example.com", PASSWORD);
    server.stop();
    let loot = tempfile::tempdir().unwrap();
    let thief = Setup::new().data_dir(loot.path().join("data"));
    copy(setup.data(), thief.data());
    server.restart();

    let forged = forge(&thief, &account.id, &token.crt).token();
    server.accepts(&forged);
    server.accepts(&token.auth);

    let commands = commands("When a master key was stolen");
    assert_eq!(commands.len(), 5);
    for command in &commands {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let said = server.operator(&words);
        assert!(!said.is_empty(), "{command}");
    }

    server.refuses(&forged);
    server.refuses(&token.auth);
    server.refresh(&token).refused(401, "invalid_token");
    let after = server.get_token("ada@example.com", PASSWORD);
    server.accepts(&after.auth);
    let status = server.operator(&["keys", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let ids = |keys: &Value| -> Vec<Value> {
        let keys = keys.as_array().unwrap().iter();
        keys.map(|key| key["id"].clone()).collect()
    };
    assert_eq!(ids(&status["master"]), [json!(2)]);
    assert_eq!(ids(&status["signing"]).len(), 1);

    // What was stolen opens nothing of what is there now, and its signing key is none of ours.
    server.stop();
    let later = Setup::new().data_dir(loot.path().join("later"));
    copy(setup.data(), later.data());
    let stolen = thief.data().join("master.key");
    std::fs::copy(&stolen, later.data().join("master.key")).unwrap();
    later.start_refused().with(78, "master_key_mismatch");
    let (before, now) = (Robbed::of(&thief), Robbed::of(&setup));
    assert!(!now.signers.contains(&before.signers[0]));
    assert!(
        before
            .scalars()
            .iter()
            .all(|scalar| !now.scalars().contains(scalar))
    );
    assert_eq!(now.scalars().len(), 1);
}
