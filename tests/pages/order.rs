//! The order of the rooms: what `docs/architecture.md` lists is what the sources do.
//!
//! A module uses another where it names something that the other one *defines*, in an import or in a
//! path. A name that a module only hands on (`pub use`) counts as its definer's. So a room's head may
//! declare and hand on its children; what its children then mustn't do is use what the head itself
//! defines, if the head uses them.

use super::page::{Page, root};
use super::sources::{Module, modules, uses};
use std::collections::{BTreeMap, BTreeSet};

/// The levels of the list, the highest first.
fn levels() -> Vec<Vec<String>> {
    let page = Page::named("docs/architecture.md");
    let blocks = page.blocks();
    let list = blocks.iter().find(|block| block.language == "order");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    list.unwrap().text.lines().map(words).collect()
}

fn room(module: &str) -> &str {
    module.split("::").next().unwrap()
}

/// The program's own modules and the library's are one tree, `lib.rs` apart: it only hands on.
fn program() -> Vec<Module> {
    modules(&root().join("src"))
}

#[test]
fn every_room_has_its_place_in_the_list() {
    let listed: BTreeSet<String> = levels().into_iter().flatten().collect();
    let there: BTreeSet<String> = program()
        .iter()
        .map(|module| room(&module.path).to_owned())
        .filter(|room| room != "lib")
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn rooms_use_only_those_below_them() {
    let levels = levels();
    let level = |room: &str| {
        let found = levels
            .iter()
            .position(|level| level.iter().any(|other| other == room));
        found.unwrap_or_else(|| panic!("{room} is not listed"))
    };
    let mut against = BTreeMap::new();
    for (from, to) in uses(&program()) {
        let (one, other) = (room(&from), room(&to));
        if one != "lib" && other != "lib" && one != other && level(one) >= level(other) {
            let rooms = (one.to_owned(), other.to_owned());
            against
                .entry(rooms)
                .or_insert_with(Vec::new)
                .push(format!("{from} uses {to}"));
        }
    }
    assert!(against.is_empty(), "against the order: {against:#?}");
}

#[test]
fn no_modules_use_each_other() {
    for tree in ["src", "keystore/src"] {
        let edges = uses(&modules(&root().join(tree)));
        let mut next = BTreeMap::<&str, Vec<&str>>::new();
        for (from, to) in &edges {
            next.entry(from).or_default().push(to);
        }
        let reaches = |from: &str, to: &str| {
            let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
            while let Some(module) = ahead.pop() {
                if module == to {
                    return true;
                }
                if seen.insert(module) {
                    ahead.extend(next.get(module).into_iter().flatten());
                }
            }
            false
        };
        let circular = edges.iter().filter(|(from, to)| reaches(to, from));
        let circles: Vec<_> = circular.collect();
        assert!(circles.is_empty(), "in a circle: {circles:#?}");
    }
}
