//! The commands of the README and of docs/operating.md, pasted in order into a fresh root: they act
//! on one deployment, the one that the server uses.

use super::page::Page;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The blocks of one page below these headings, as one script, and the files that it shows.
fn script(page: &str, headings: &[&str], root: &Path) -> String {
    let text = Page::named(page).text;
    let mut script = String::from("set -euo pipefail\n");
    for heading in headings {
        let (_, below) = text.split_once(&format!("\n## {heading}\n")).unwrap();
        let section = below.split("\n## ").next().unwrap();
        let section = Page {
            path: page.into(),
            text: placed(section, root),
        };
        for block in section.blocks() {
            match (&*block.language, block.file) {
                (_, Some(file)) => {
                    let file = Path::new(&file);
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    fs::write(file, block.text).unwrap();
                }
                ("sh", None) => block.text.lines().for_each(|line| add(&mut script, line)),
                _ => {}
            }
        }
    }
    script
}

/// The text with its places below `root`, and a port that is free.
fn placed(text: &str, root: &Path) -> String {
    let below = |path: &str| root.join(&path[1..]).display().to_string();
    ["/etc/lacre", "/var/lib/lacre"].iter().fold(
        text.replace("127.0.0.1:8080", "127.0.0.1:0"),
        |text, path| text.replace(path, &below(path)),
    )
}

/// A server runs beside what follows, and ends with the script.
fn add(script: &mut String, line: &str) {
    if line.starts_with("lacre serve") {
        let _ = write!(
            script,
            "{line} > served.txt 2> log.txt &\ntrap 'kill $!; wait' EXIT\n\
             for _ in {{1..600}}; do grep -q '^listening on' served.txt && break; sleep 0.05; done\n\
             grep '^listening on' served.txt\n"
        );
    } else {
        let _ = writeln!(script, "{line}");
    }
}

#[test]
fn pasted_commands_act_on_the_deployment_of_the_server() {
    let pages: [(&str, &[&str]); 2] = [
        ("README.md", &["Running it"]),
        (
            "docs/operating.md",
            &["Start and stop", "Everyday commands"],
        ),
    ];
    for (page, headings) in pages {
        let root = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_lacre"));
        fs::create_dir_all(root.path().join("var/lib")).unwrap();
        fs::write(
            root.path().join("password.txt"),
            "correct horse battery staple\n",
        )
        .unwrap();
        fs::write(root.path().join("token.txt"), "no.token\n").unwrap();
        let hash = "$2b$04$1GwHjr4aVAueHlb6oEYZk.Vz7Xti0OA.ofq/zUl6BySeG4sksqtKa";
        let user = json!({"email": "moved@example.com", "hash": hash});
        fs::write(root.path().join("users.jsonl"), user.to_string()).unwrap();
        let script = script(page, headings, root.path());
        assert!(script.matches("\nlacre ").count() > 3, "{script}");
        let ran = Command::new("bash")
            .args(["-c", &format!("PATH=\"$1:$PATH\"\n{script}"), "bash"])
            .arg(program.parent().unwrap())
            .current_dir(root.path())
            // Nothing of the tester's own configuration; bash has a search path of its own.
            .env_clear()
            .env("LACRE_MANAGEMENT_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = format!(
            "{page}: {script}\n{}\n{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        assert!(ran.status.success(), "{said}");
        assert!(!said.contains("deployment_made"), "{said}");
        assert!(!root.path().join("data").exists(), "{said}");
        assert!(root.path().join("var/lib/lacre/version").exists(), "{said}");
    }
}
