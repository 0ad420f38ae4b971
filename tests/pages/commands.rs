//! Every command that a page shows is one that the program takes.

use super::page;
use std::process::{Command, Stdio};

/// The words of a `lacre …` line up to the first redirection, pipe or comment.
pub(super) fn words(line: &str) -> Option<Vec<&str>> {
    let mut words = line.split_whitespace().skip_while(|word| *word == "sudo");
    (words.next() == Some("lacre")).then(|| {
        words
            .take_while(|word| !matches!(*word, "<" | ">" | "|" | "#" | "&&"))
            .collect()
    })
}

#[test]
fn every_command_on_a_page_parses() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in page::all() {
        for line in page.shell_lines() {
            let Some(words) = words(&line) else { continue };
            seen += 1;
            // What is wrong before `--help` is refused before the help is shown.
            let asked = Command::new(env!("CARGO_BIN_EXE_lacre"))
                .args(&words)
                .arg("--help")
                .stdin(Stdio::null())
                .output()
                .unwrap();
            if !asked.status.success() {
                let why = String::from_utf8_lossy(&asked.stderr);
                wrong.push(format!("{}: {line}\n{why}", page.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 3, "only {seen} commands were found");
}

#[test]
fn a_command_line_is_told_from_others() {
    let found = words("lacre token open --kid a < token.txt");
    assert_eq!(found.unwrap(), ["token", "open", "--kid", "a"]);
    assert_eq!(words("curl -s http://lacre"), None);
    assert_eq!(words("sudo lacre serve | cat").unwrap(), ["serve"]);
}
