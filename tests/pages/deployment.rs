//! The commands of the README and of docs/operating.md, pasted in order into a fresh root: they act
//! on one deployment, the one that the server uses.

use super::page::Page;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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
    ["/etc/lacre", "/var/lib/lacre", "/srv/backup", "/srv/safe"]
        .iter()
        .fold(
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

/// What an operator has before the first command.
fn prepare(root: &Path) {
    for folder in ["var/lib", "srv/backup", "srv/safe"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let password = root.join("password.txt");
    fs::write(password, "correct horse battery staple\n").unwrap();
    let passphrase = root.join("srv/safe/passphrase");
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    fs::set_permissions(passphrase, PermissionsExt::from_mode(0o600)).unwrap();
}

/// Runs a script to its end, and returns what it said.
fn run(script: &str, root: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_lacre"));
    let ran = Command::new("bash")
        .args(["-c", &format!("PATH=\"$1:$PATH\"\n{script}"), "bash"])
        .arg(program.parent().unwrap())
        .current_dir(root)
        // Nothing of the tester's own configuration; bash has a search path of its own.
        .env_clear()
        .env("LACRE_MANAGEMENT_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!(
        "{script}\n{}\n{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success(), "{said}");
    said
}

#[test]
fn pasted_commands_act_on_the_deployment_of_the_server() {
    let pages: [(&str, &[&str]); 2] = [
        ("README.md", &["Running it"]),
        (
            "docs/operating.md",
            &[
                "Start and stop",
                "Everyday commands",
                "Keys",
                "When a master key was stolen",
                "TLS without a proxy",
            ],
        ),
    ];
    for (page, headings) in pages {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        fs::write(root.path().join("token.txt"), "no.token\n").unwrap();
        let hash = "$2b$04$1GwHjr4aVAueHlb6oEYZk.Vz7Xti0OA.ofq/zUl6BySeG4sksqtKa";
        let user = json!({"email": "moved@example.com", "hash": hash});
        fs::write(root.path().join("users.jsonl"), user.to_string()).unwrap();
        let script = script(page, headings, root.path());
        assert!(script.matches("\nlacre ").count() > 3, "{script}");
        let said = run(&script, root.path());
        assert!(!said.contains("deployment_made"), "{said}");
        assert!(!root.path().join("data").exists(), "{said}");
        assert!(root.path().join("var/lib/lacre/version").exists(), "{said}");
    }
}

/// The drill of a lost machine, word for word.
#[test]
fn a_lost_machine_is_restored_by_the_commands_of_the_page() {
    let page = "docs/operating.md";
    let root = tempfile::tempdir().unwrap();
    prepare(root.path());
    // The configuration, a server, and an account.
    let mut first = script(page, &["Start and stop"], root.path());
    let add = "lacre users add ada@example.com --password-stdin < password.txt";
    add_all(
        &mut first,
        &[add, "lacre keys status --json > keys-before.txt"],
    );
    first.push_str(&script(page, &["Backup"], root.path()));
    let said = run(&first, root.path());
    assert!(said.contains("1 account and 0 sessions of"), "{said}");
    fs::remove_dir_all(root.path().join("var/lib/lacre")).unwrap();
    // The second server would seem to listen for as long as the first one's line is there.
    fs::remove_file(root.path().join("served.txt")).unwrap();
    let mut second = script(page, &["A machine is lost"], root.path());
    add_all(&mut second, &["lacre keys status --json > keys-after.txt"]);
    let said = run(&second, root.path());
    assert!(said.contains("ada@example.com is disabled"), "{said}");
    let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    assert_eq!(read("keys-before.txt"), read("keys-after.txt"));
    assert!(root.path().join("srv/backup/lacre.backup").exists());
}

fn add_all(script: &mut String, lines: &[&str]) {
    for line in lines {
        add(script, line);
    }
}
