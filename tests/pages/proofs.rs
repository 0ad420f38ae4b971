//! Pages that say what is proven name tests, and those tests exist.

use super::page::{self, Page};
use std::collections::BTreeSet;

/// All tests of the sources: functions below a test attribute, or named where a suite is run on
/// several engines.
fn tests() -> BTreeSet<String> {
    let folders = ["src", "keystore", "tests"];
    let files = folders.map(|folder| page::files_below(&page::root().join(folder), "rs"));
    let mut tests = BTreeSet::new();
    for file in files.iter().flatten() {
        let text = std::fs::read_to_string(file).unwrap();
        let suite = text.contains("on_every_engine!(")
            || file
                .components()
                .any(|part| part.as_os_str() == "conformance");
        let mut attributed = false;
        for line in text.lines().map(str::trim) {
            attributed |= line.starts_with("#[") && line.contains("test") && !line.contains("cfg");
            let name = line
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ")
                .trim_start_matches("async ")
                .strip_prefix("fn ");
            if let Some(rest) = name {
                let name = rest.split(['(', '<']).next().unwrap();
                if attributed || suite {
                    tests.insert(name.to_owned());
                }
                attributed = false;
            }
        }
    }
    assert!(tests.len() > 300, "only {} tests were found", tests.len());
    tests
}

/// The names in `code` of a row's last cell.
fn named(row: &str) -> Vec<&str> {
    let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
    cell.split('`').skip(1).step_by(2).collect()
}

/// Every row of every table that is headed `… | Proof |` names tests, and they exist.
fn check(path: &str, rows_at_least: usize) {
    let page = Page::named(path);
    let tests = tests();
    let (mut wrong, mut rows, mut proving) = (Vec::new(), 0, false);
    for line in page.prose() {
        if !line.starts_with('|') {
            proving = false;
        } else if line.ends_with("| Proof |") {
            proving = true;
        } else if proving && !line.starts_with("|--") && !line.starts_with("| --") {
            rows += 1;
            let names = named(line);
            let unknown: Vec<_> = names
                .iter()
                .filter(|name| !tests.contains(**name))
                .collect();
            if names.is_empty() || !unknown.is_empty() {
                wrong.push(format!("{line}\n    no such test: {unknown:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{path}:\n{}", wrong.join("\n"));
    assert!(rows >= rows_at_least, "{path}: only {rows} rows");
}

#[test]
fn every_threat_names_the_test_that_proves_its_answer() {
    check("docs/threats.md", 50);
}

#[test]
fn every_race_names_the_test_that_runs_it() {
    check("docs/races.md", 5);
}

#[test]
fn every_end_names_the_test_that_proves_it() {
    check("docs/revocation.md", 8);
}

#[test]
fn every_demand_of_an_rfc_names_the_test_that_holds_it() {
    check("docs/gateway.md", 15);
}

/// A comment that cites a threat names one that the page has.
#[test]
fn every_threat_that_the_sources_cite_is_on_the_page() {
    let page = std::fs::read_to_string(page::root().join("docs/threats.md")).unwrap();
    let folders = ["src", "keystore/src", "keystore/tests", "tests"];
    let files = folders.map(|folder| page::files_below(&page::root().join(folder), "rs"));
    let (mut wrong, mut cited) = (Vec::new(), 0);
    for file in files.iter().flatten() {
        let text = std::fs::read_to_string(file).unwrap();
        for line in text
            .lines()
            .filter(|line| line.trim_start().starts_with("//"))
        {
            let lists = ["threat: ", "threats: "].map(|word| line.split(word).nth(1));
            for name in lists.into_iter().flatten().flat_map(names_of) {
                cited += 1;
                if !page.contains(&format!("`{name}`")) {
                    wrong.push(format!("{}: {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "no such threat:\n{}", wrong.join("\n"));
    assert!(cited > 20, "only {cited} citations were found");
}

/// The names at the beginning of a text, up to the first character that no list of names has.
fn names_of(text: &str) -> Vec<&str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_, ".contains(c);
    let end = text.find(|c| !allowed(c)).unwrap_or(text.len());
    let names = text[..end].split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty() && !name.contains(' '))
        .collect()
}
