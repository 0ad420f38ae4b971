//! Test vectors made by others: read where they lie, never copied.

use super::skipped::skip;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder in `LACRE_VECTORS`, by default `../shared/vectors` beside the project. Where it is
/// absent the test is skipped.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    #[allow(clippy::disallowed_methods)] // where the vectors lie is the tester's choice
    let named = std::env::var_os("LACRE_VECTORS");
    let folder = named.map_or_else(|| root.join("../shared/vectors"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(
        "the test vectors of others are absent",
        "set LACRE_VECTORS to their folder",
    );
    None
}

/// Every JSON file below `folder`, parsed, with its path.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = std::fs::read(&path).unwrap();
            found.push((path, serde_json::from_slice(&text).unwrap()));
        }
    }
    found.sort_by(|one, two| one.0.cmp(&two.0));
    found
}
