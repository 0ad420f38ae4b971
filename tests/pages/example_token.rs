//! The worked example of `docs/token-format.md`: its files, run through its commands.

use super::commands::words;
use super::page::Page;
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The page, and a folder with the files that it shows.
fn laid_out() -> (Page, TempDir) {
    let page = Page::named("docs/token-format.md");
    let folder = TempDir::new().unwrap();
    for block in page.blocks() {
        if let Some(name) = block.file {
            std::fs::write(folder.path().join(name), block.text).unwrap();
        }
    }
    (page, folder)
}

/// Runs the page's command that begins so, in the folder, and gives its output.
fn run(page: &Page, folder: &Path, beginning: &str) -> String {
    let line = page.shell_lines();
    let line = line
        .iter()
        .find(|line| line.starts_with(beginning))
        .unwrap();
    let input = line
        .split_whitespace()
        .skip_while(|word| *word != "<")
        .nth(1);
    let output = Command::new(env!("CARGO_BIN_EXE_lacre"))
        .args(words(line).unwrap())
        .current_dir(folder)
        .stdin(File::open(folder.join(input.unwrap())).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn the_example_token_opens_to_the_claims_beside_it() {
    let (page, folder) = laid_out();
    let verdict: Value =
        serde_json::from_str(&run(&page, folder.path(), "lacre token open")).unwrap();
    assert_eq!(verdict["ok"], true, "{verdict}");
    assert_eq!(verdict["claims"], json(folder.path(), "claims.json"));
}

#[test]
fn the_example_claims_seal_to_another_token_that_opens() {
    let (page, folder) = laid_out();
    let shown = std::fs::read_to_string(folder.path().join("token.txt")).unwrap();
    let sealed = run(&page, folder.path(), "lacre token seal");
    assert_ne!(sealed, shown, "no two tokens are alike");
    std::fs::write(folder.path().join("token.txt"), sealed).unwrap();
    let verdict: Value =
        serde_json::from_str(&run(&page, folder.path(), "lacre token open")).unwrap();
    assert_eq!(verdict["claims"], json(folder.path(), "claims.json"));
}

#[test]
fn the_lengths_on_the_page_are_those_of_the_example() {
    let (page, folder) = laid_out();
    let token = std::fs::read_to_string(folder.path().join("token.txt")).unwrap();
    let segments: Vec<&str> = token.trim_end().split('.').collect();
    let rows: Vec<&str> = page
        .prose()
        .filter(|line| line.starts_with("| ") && line.contains(" characters, "))
        .collect();
    assert_eq!(rows.len(), segments.len());
    for (row, segment) in rows.iter().zip(segments) {
        let bytes = lacre::internals::token::base64url::decode(segment.as_bytes()).unwrap();
        let due = format!("{} characters, {} bytes |", segment.len(), bytes.len());
        assert!(row.ends_with(&due), "{row}\n    is due: {due}");
    }
}

#[test]
fn the_header_on_the_page_is_that_of_the_example() {
    let (_, folder) = laid_out();
    let token = std::fs::read_to_string(folder.path().join("token.txt")).unwrap();
    let header = token.split('.').next().unwrap();
    let header = lacre::internals::token::base64url::decode(header.as_bytes()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, json(folder.path(), "header.json"));
}
