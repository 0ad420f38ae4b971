//! No test is skipped silently.

use super::page;
use std::process::Command;

/// Whether these two lines print something and then leave the test, which then counts as passed.
fn leaves_silently(one: &str, next: &str) -> bool {
    let prints = ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("];
    let printed = prints
        .iter()
        .any(|print| one.trim_start().starts_with(print));
    printed && ["return;", "return None;", "None"].contains(&next.trim())
}

#[test]
fn a_test_that_is_skipped_says_so_in_the_one_way() {
    let folders = ["src", "tests", "keystore"].map(|folder| page::root().join(folder));
    let found: Vec<_> = folders
        .iter()
        .flat_map(|folder| page::files_below(folder, "rs"))
        .collect();
    assert!(found.len() > 300, "{}", found.len());
    let mut silent = Vec::new();
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let own = path.ends_with("pages/skips.rs") || path.ends_with("support/skipped.rs");
        let says_it_itself = !own && (text.contains("SKIPPED") || text.contains("\"skipped: "));
        if says_it_itself || lines.windows(2).any(|two| leaves_silently(two[0], two[1])) {
            silent.push(path);
        }
    }
    assert!(
        silent.is_empty(),
        "not by tests/support/skipped.rs: {silent:?}"
    );
    assert!(leaves_silently(
        "    eprintln!(\"no disk\");",
        "    return;"
    ));
}

#[test]
fn the_closing_line_counts_what_was_skipped_and_says_what_would_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let closing = || {
        let program = page::root().join(".ci/skipped");
        let output = Command::new(program).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(closing(), "No test was skipped.\n");
    for (name, lines) in [
        ("a.one", "no browser: run make browser\n"),
        (
            "a.two",
            "no browser: run make browser\nno disk: run as root\n",
        ),
    ] {
        std::fs::write(folder.path().join(name), lines).unwrap();
    }
    let said = closing();
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let expected = [
        "2 tests were skipped, and didn't prove anything:",
        "2 no browser: run make browser",
        "1 no disk: run as root",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn nothing_may_be_skipped_before_a_change_lands() {
    let run = std::fs::read_to_string(page::root().join(".ci/run")).unwrap();
    assert!(run.contains("LACRE_TEST_ALL=1"), "{run}");
}
