//! The public names of the crate: few, and each on its first page.

use super::page;

/// What the root of the crate shows to others, besides its own modules' insides.
fn names() -> Vec<String> {
    let text = std::fs::read_to_string(page::root().join("src/lib.rs")).unwrap();
    let mut names = Vec::new();
    for statement in text.split(';').map(str::trim) {
        let end = statement.rsplit('\n').next().unwrap_or_default();
        let statement = statement
            .find("pub use ")
            .map_or(end, |at| &statement[at..]);
        if let Some(path) = statement.strip_prefix("pub use ") {
            // What stands in a module of its own is counted as the module.
            if path.starts_with("crate::") || path.starts_with("lacre_keystore::") {
                continue;
            }
            let one = path.rsplit("::").next().unwrap_or_default();
            let several = path.split_once('{').map_or(one, |(_, inside)| inside);
            let several = several.trim_end_matches('}').split(',').map(str::trim);
            names.extend(
                several
                    .filter(|name| !name.is_empty())
                    .map(|name| name.rsplit(" as ").next().unwrap_or(name).to_owned()),
            );
        }
    }
    for module in ["clock", "cookies", "errors", "federation", "jose"] {
        assert!(text.contains(&format!("pub mod {module}")), "{module}");
        names.push(module.to_owned());
    }
    names
}

#[test]
fn the_public_names_are_few_and_the_first_page_has_each() {
    let names = names();
    let text = std::fs::read_to_string(page::root().join("src/lib.rs")).unwrap();
    for name in &names {
        assert!(
            text.contains(&format!("[`{name}`]")),
            "{name} isn't on the page"
        );
    }
    assert!(
        (15..=31).contains(&names.len()),
        "{}: {names:?}",
        names.len()
    );
}
