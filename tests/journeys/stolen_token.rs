//! A token is stolen: what `docs/operating.md` says to do, played, and timed.

use super::PASSWORD;
use crate::support::http::Request;
use crate::support::server::{Setup, Token};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

/// Sessions beside the stolen one, each of which has ended once already.
const OTHERS: usize = 300;
/// The handle on the page.
const SHOWN: &str = "Zk3aPq9x";

/// The blocks of commands of the section.
fn blocks() -> Vec<Vec<String>> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let heading = "\n## When a token was stolen\n";
    let (_, section) = page.split_once(heading).unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```sh\n").skip(1);
    let lines = |block: &str| {
        let (block, _) = block.split_once("```").unwrap();
        block.lines().map(str::to_owned).collect()
    };
    blocks.map(lines).collect()
}

/// Runs a line as a shell does, demands that it worked, and returns what it printed.
fn run(line: &str, data: Option<&Path>, folder: &Path) -> String {
    let ran = output(line, data, folder);
    assert!(ran.status.success(), "{line}: {ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

fn output(line: &str, data: Option<&Path>, folder: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_lacre")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", line]).current_dir(folder).env_clear();
    shell.env("PATH", format!("{}:/usr/bin:/bin", program.display()));
    if let Some(data) = data {
        shell.env("LACRE_DATA_DIR", data);
    }
    shell.output().unwrap()
}

#[test]
fn a_stolen_token_is_found_ended_and_proven_dead_by_the_commands_of_the_page() {
    let setup = Setup::new();
    let server = setup.start();
    let shop = server.add_client("shop");
    let bea = server.sign_up("bea@example.com", PASSWORD);
    for number in 0..OTHERS {
        for _ in 0..2 {
            let name = format!("other-{}", number % 90);
            Token::of(&server.client_token(&shop, &bea.id, &name));
        }
    }
    server.sign_up("ada@example.com", PASSWORD);
    let stolen = server.get_token("ada@example.com", PASSWORD);
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "label": "at home"});
    let own = Token::of(&server.send(&Request::post("/getToken").json(body)));
    server.accepts(&stolen.auth);

    let [commands, export] = &blocks()[..] else {
        panic!("two blocks");
    };
    let here = tempfile::tempdir().unwrap();
    let mut since = Instant::now();
    let mut took = |what: &str| {
        eprintln!("{what}: {:.2} s", since.elapsed().as_secs_f64());
        since = Instant::now();
    };
    let beginning = &stolen.crt[..8];
    let mut said = commands.iter().map(|command| {
        let said = run(
            &command.replace(SHOWN, beginning),
            Some(setup.data()),
            here.path(),
        );
        took(command);
        said
    });
    let mut says = |words: &[&str]| {
        let said = said.next().unwrap();
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        said
    };
    let listed = says(&[beginning, &own.crt[..8], "127.0.0.1", "at home"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    server.accepts(&stolen.auth);
    let ended = says(&[&stolen.crt, "1 session ended", "receipt ", "proof: "]);
    server.refuses(&stolen.auth);
    server.accepts(&own.auth);
    let hash = ended.lines().find_map(|line| line.strip_prefix("receipt "));
    let (seq, hash) = hash.unwrap().split_once(' ').unwrap();
    says(&["refused", "revoked_by_admin", "operator", seq, hash]);
    let receipt = says(&[&stolen.crt, "revoked_by_admin", "operator", hash]);
    assert!(!receipt.contains("ada"), "{receipt}");
    says(&["proven", hash]);
    assert!(said.next().is_none(), "all commands");

    let log = server.written();
    assert!(log.contains("cause=revoked_by_admin by=operator"), "{log}");
    let metrics = server.manage("/metrics").text().to_owned();
    assert!(metrics.contains(r#"lacre_sessions_ended_total{cause="revoked_by_admin"} 1"#));

    // The last command is the auditor's, who has no deployment.
    let (audit, made) = export.split_last().unwrap();
    for command in made {
        run(command, Some(setup.data()), here.path());
        took(command);
    }
    let said = run(audit, None, here.path());
    took(audit);
    assert!(said.contains(hash), "{said}");
    let file = here.path().join("receipts.jws");
    let mut lines = std::fs::read(&file).unwrap();
    let middle = lines.len() / 2;
    lines[middle] = if lines[middle] == b'A' { b'B' } else { b'A' };
    std::fs::write(&file, lines).unwrap();
    let refused = output(audit, None, here.path());
    assert_eq!(
        refused.status.code(),
        Some(1),
        "a changed byte: {refused:?}"
    );
}
