//! The order of the rooms: what `docs/architecture.md` lists is what the sources do.
//!
//! A module uses another where it names something that the other one *defines*, in an import or in a
//! path. A name that a module only hands on (`pub use`) counts as its definer's. So a room's head may
//! declare and hand on its children; what its children then mustn't do is use what the head itself
//! defines, if the head uses them.

use super::page::{Page, root};
use super::sources::{Module, modules, uses};
use std::collections::{BTreeMap, BTreeSet};

/// Uses against the order that are still there: (room, room below which it should be).
const AGAINST_THE_ORDER: &[(&str, &str)] = &[];

/// Uses that close a circle and are still there: (module, module).
const CIRCLES: &[(&str, &str)] = &[];

/// The same of the keystore's crate.
const KEYSTORE_CIRCLES: &[(&str, &str)] = &[
    ("error", "seal::codec"),
    ("keystore", "keystore::decoy"),
    ("keystore::decoy", "keystore"),
    ("seal::codec", "error"),
    ("seal::codec", "seal::master_key"),
    ("seal::master_key", "error"),
];

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
    compare(&against, AGAINST_THE_ORDER);
}

#[test]
fn no_modules_use_each_other() {
    for (tree, known) in [("src", CIRCLES), ("keystore/src", KEYSTORE_CIRCLES)] {
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
        let circles = circular.map(|edge| (edge.clone(), Vec::new())).collect();
        compare(&circles, known);
    }
}

/// What was found is what is known: nothing new, and nothing that is gone stays on the list.
fn compare(found: &BTreeMap<(String, String), Vec<String>>, known: &[(&str, &str)]) {
    let known: BTreeSet<(String, String)> = known
        .iter()
        .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()))
        .collect();
    let new: Vec<_> = found
        .iter()
        .filter(|(edge, _)| !known.contains(*edge))
        .collect();
    let gone: Vec<_> = known
        .iter()
        .filter(|edge| !found.contains_key(*edge))
        .collect();
    assert!(new.is_empty(), "against the order or in a circle: {new:#?}");
    assert!(
        gone.is_empty(),
        "no longer there, strike them from the list: {gone:#?}"
    );
}
