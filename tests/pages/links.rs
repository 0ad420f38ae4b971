//! Every relative link of a page leads to a file, and every page that the sources name is there.

use super::page::{self, Page};
use std::collections::BTreeSet;

/// The targets of `[text](target)` outside of fences and of `code`.
fn targets(page: &Page) -> Vec<String> {
    let mut targets = Vec::new();
    for line in page.prose() {
        let text: String = line.split('`').step_by(2).collect();
        for rest in text.split("](").skip(1) {
            targets.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    targets
}

/// The anchors of a page's headings, as forges make them.
fn anchors(page: &Page) -> BTreeSet<String> {
    page.prose()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in page::all() {
        for target in targets(&page) {
            if target.starts_with("https://") {
                continue;
            }
            seen += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            let there = path.exists()
                && (anchor.is_empty()
                    || anchors(&Page::named(path.to_str().unwrap())).contains(anchor));
            if !there {
                broken.push(format!("{}: {target}", page.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen > 20, "only {seen} links were found");
}

#[test]
fn every_page_that_the_sources_name_is_there() {
    let mut missing = Vec::new();
    let folders = ["src", "keystore", "tests"];
    let files = folders.map(|folder| page::files_below(&page::root().join(folder), "rs"));
    for file in files.iter().flatten() {
        let text = std::fs::read_to_string(file).unwrap();
        for rest in text.split("docs/").skip(1) {
            let is_path = |c: &char| c.is_ascii_alphanumeric() || "/._-".contains(*c);
            let name: String = rest.chars().take_while(is_path).collect();
            let named = name.trim_end_matches('.');
            let is_page = [".md", ".rs", ".svg"]
                .iter()
                .any(|end| named.ends_with(end));
            if is_page && !page::root().join("docs").join(named).exists() {
                missing.push(format!("{}: docs/{named}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
