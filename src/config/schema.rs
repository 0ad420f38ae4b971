//! The sections that a configuration may have, and the keys of each.
//!
//! A section occurs once (`[token]`), any number of times in order (`[[issuer]]`), or any number of
//! times by name (`[service.NAME]`). Keys of sections that occur more than once are set by the file
//! only: the name of an environment variable or a flag would have to say which entry it means, and
//! entries that come from several sources would have no order.

use super::key::Row;

/// All sections of a configuration.
pub(super) type Schema = [Section];

/// One section.
pub(super) struct Section {
    /// Its name; empty for the keys that stand above the first section.
    pub(super) name: &'static str,
    /// How often it may occur.
    pub(super) shape: Shape,
    /// Its keys.
    pub(super) keys: &'static [&'static dyn Row],
}

/// How often a section may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Once: `[token]`.
    Single,
    /// As an array of tables: `[[issuer]]`.
    Array,
    /// As a table of tables: `[service.NAME]`.
    Named,
}

/// A section that occurs once.
pub(super) const fn single(name: &'static str, keys: &'static [&'static dyn Row]) -> Section {
    Section {
        name,
        shape: Shape::Single,
        keys,
    }
}

/// Every key, in order.
pub(super) fn keys(schema: &Schema) -> impl Iterator<Item = &'static dyn Row> {
    schema.iter().flat_map(|section| section.keys).copied()
}

/// The section that occurs more than once under this name.
pub(super) fn repeated(schema: &Schema, name: &str) -> Option<Shape> {
    schema
        .iter()
        .find(|section| section.name == name && section.shape != Shape::Single)
        .map(|section| section.shape)
}

/// Every name that the environment and flags may use.
pub(super) fn names_outside_the_file(schema: &Schema) -> Vec<String> {
    let once = schema
        .iter()
        .filter(|section| section.shape == Shape::Single);
    names_of(once.flat_map(|section| section.keys).copied())
}

/// Every name that the file may use.
pub(super) fn names(schema: &Schema) -> Vec<String> {
    names_of(keys(schema))
}

fn names_of(keys: impl Iterator<Item = &'static dyn Row>) -> Vec<String> {
    keys.flat_map(|key| [Some(key.name().to_owned()), key.file_key()])
        .flatten()
        .collect()
}
