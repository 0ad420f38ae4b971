//! Reads the values of keys for the sections, and notes all that is wrong on the way.
//!
//! This room must never print the value of a secret key, whoever set it, and never stop at the
//! first problem: a section asks for all its values before it gives up.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::key::{DefaultValue, Key};
use super::kind::Kind;
use super::setting::{Setting, Source};
use super::written::Found;

/// What stands in place of a secret.
const MASK: &str = "********";

/// A value could not be read; the reader has noted why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted;

/// What the sources set: values by the full names of their keys, and the entries of repeated
/// sections.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) found: BTreeMap<String, Found>,
    pub(super) entries: BTreeMap<String, Vec<Entry>>,
}

/// An entry of a repeated section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its number or its name.
    pub(super) name: String,
    /// What its keys begin with: `issuer[0]`, `service.NAME`.
    pub(super) prefix: String,
}

/// Reads values once each.
pub(super) struct Reader {
    values: Values,
    dev: bool,
    /// The repeated section that is being read, and its entry: `("issuer", "issuer[0]")`.
    entry: Option<(&'static str, String)>,
    settings: Vec<Setting>,
    errors: Vec<ConfigError>,
}

impl Reader {
    /// A reader of `values`; `errors` are those that the sources had already.
    pub(super) fn new(values: Values, errors: Vec<ConfigError>, dev: bool) -> Self {
        Self {
            values,
            dev,
            entry: None,
            settings: Vec::new(),
            errors,
        }
    }

    /// The value of `key`: as it was set, else its default. Fails where it is set to something that
    /// it doesn't take, or not set and without a default.
    pub(super) fn value<K: Kind>(&mut self, key: &Key<K>) -> Result<K::Value, Noted> {
        if let Some(value) = self.found(key)? {
            return Ok(value);
        }
        let (value, source) = match key.default {
            DefaultValue::Dev { dev, .. } if self.dev => (dev(), Source::Dev),
            DefaultValue::Value(usual) | DefaultValue::Dev { usual, .. } => {
                (usual(), Source::Default)
            }
            DefaultValue::Described(_) => {
                let key_name = self.full_name(key.name);
                self.errors.push(ConfigError::Missing {
                    key: key_name,
                    expected: key.kind.takes(),
                });
                return Err(Noted);
            }
        };
        self.note(key, &value, source);
        Ok(value)
    }

    /// The value of `key`, else `computed`, which follows from other values; `None` where those
    /// could not be read.
    pub(super) fn value_or<K: Kind>(
        &mut self,
        key: &Key<K>,
        computed: impl FnOnce() -> Option<K::Value>,
    ) -> Result<K::Value, Noted> {
        if let Some(value) = self.found(key)? {
            return Ok(value);
        }
        let value = computed().ok_or(Noted)?;
        self.note(key, &value, Source::Default);
        Ok(value)
    }

    /// The value of `key`, if it is set.
    pub(super) fn optional<K: Kind>(&mut self, key: &Key<K>) -> Result<Option<K::Value>, Noted> {
        let value = self.found(key)?;
        if value.is_none() {
            self.setting(key.name, String::new(), Source::Default);
        }
        Ok(value)
    }

    /// Reads each entry of the repeated section `section` by `read`, which also gets the entry's
    /// name: `0`, `1` … of an array, the name of a named one. Fails after all entries were read.
    pub(super) fn entries<T>(
        &mut self,
        section: &'static str,
        mut read: impl FnMut(&mut Self, &str) -> Result<T, Noted>,
    ) -> Result<Vec<T>, Noted> {
        let mut all = Ok(Vec::new());
        for entry in self.values.entries.remove(section).unwrap_or_default() {
            self.entry = Some((section, entry.prefix));
            match (read(self, &entry.name), &mut all) {
                (Ok(entry), Ok(entries)) => entries.push(entry),
                (Ok(_), Err(_)) => {}
                (Err(noted), _) => all = Err(noted),
            }
        }
        self.entry = None;
        all
    }

    /// Notes problems that were found elsewhere.
    pub(super) fn note_all(&mut self, errors: impl IntoIterator<Item = ConfigError>) {
        self.errors.extend(errors);
    }

    /// What was read, for people, and everything that was wrong.
    pub(super) fn finish(self) -> (Vec<Setting>, Vec<ConfigError>) {
        (self.settings, self.errors)
    }

    fn found<K: Kind>(&mut self, key: &Key<K>) -> Result<Option<K::Value>, Noted> {
        let name = self.full_name(key.name);
        let Some(Found { written, source }) = self.values.found.remove(&name) else {
            return Ok(None);
        };
        let shown = written.shown(key.kind.is_list());
        let Ok(value) = key.kind.read(&written) else {
            self.errors.push(ConfigError::BadValue {
                key: name,
                source_of_value: source,
                value: (!key.secret).then_some(shown),
                expected: key.kind.takes(),
            });
            return Err(Noted);
        };
        let shown = if key.secret { MASK.to_owned() } else { shown };
        self.setting(key.name, shown, source);
        Ok(Some(value))
    }

    /// A default is no secret, and says where the data is.
    fn note<K: Kind>(&mut self, key: &Key<K>, value: &K::Value, source: Source) {
        self.setting(key.name, key.kind.shown(value), source);
    }

    fn setting(&mut self, name: &'static str, value: String, source: Source) {
        let key = self.full_name(name);
        self.settings.push(Setting { key, value, source });
    }

    fn full_name(&self, name: &'static str) -> String {
        match &self.entry {
            Some((section, entry)) => {
                format!("{entry}{}", name.strip_prefix(section).unwrap_or(name))
            }
            None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
