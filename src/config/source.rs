//! The three places a value may come from, read into one map: flags win over the environment,
//! which wins over the file.
//!
//! This room must never pass over a name that it doesn't know: a slip in a key would silently
//! leave a default in force.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key::{flag, variable};
use super::{ConfigError, KEYS, Key, Source, Sources};

/// A value as it was written, and where.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) given: Given,
    pub(super) source: Source,
}

/// The form in which a value was written.
pub(super) enum Given {
    /// Text of any source.
    Text(Zeroizing<String>),
    /// A whole number of the file.
    Number(i64),
    /// An array of texts of the file.
    List(Vec<String>),
    /// Something that no key takes, by what it is.
    Other(&'static str),
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given") // it may be a secret
    }
}

impl Given {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn text_or_number(&self) -> Option<String> {
        match self {
            Self::Number(number) => Some(number.to_string()),
            _ => self.text().map(str::to_owned),
        }
    }

    /// The words of a list: an array, or text with commas between.
    pub(super) fn items(&self) -> Option<Vec<&str>> {
        match self {
            Self::List(words) => Some(words.iter().map(String::as_str).collect()),
            Self::Text(text) if text.is_empty() => Some(Vec::new()),
            Self::Text(text) => Some(text.split(',').map(str::trim).collect()),
            _ => None,
        }
    }

    /// The value for people to read; a list as the file would write it.
    pub(super) fn shown(&self, as_list: bool) -> String {
        match (self, self.items()) {
            (Self::List(_), Some(words)) => format!("{words:?}"),
            (_, Some(words)) if as_list => format!("{words:?}"),
            (Self::Text(text), _) => text.to_string(),
            (Self::Number(number), _) => number.to_string(),
            (Self::Other(what), _) => (*what).to_owned(),
            (Self::List(_), None) => String::new(),
        }
    }
}

/// What one source says of a key: its value, or where its value is.
enum Spelling {
    Value(Given),
    InFile(PathBuf),
}

type Layer = BTreeMap<&'static str, (Spelling, Source)>;

/// Reads all sources; for each key that any of them sets, the value that wins.
pub(super) fn gather<E>(
    sources: Sources<E>,
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<&'static str, Raw>
where
    E: Iterator<Item = (OsString, OsString)>,
{
    let mut winners = Layer::new();
    if let Some(path) = &sources.file {
        winners.extend(file_layer(path, errors));
    }
    winners.extend(environment_layer(sources.env, errors));
    winners.extend(flag_layer(sources.flags, errors));
    let mut chosen = BTreeMap::new();
    for (name, (spelling, source)) in winners {
        match spelling {
            Spelling::Value(given) => {
                chosen.insert(name, Raw { given, source });
            }
            Spelling::InFile(path) => match read_secret(&path) {
                Ok(text) => {
                    let given = Given::Text(text);
                    chosen.insert(name, Raw { given, source });
                }
                Err(why) => errors.push(ConfigError::FileUnreadable { path, why }),
            },
        }
    }
    chosen
}

fn file_layer(path: &Path, errors: &mut Vec<ConfigError>) -> Layer {
    let mut layer = Layer::new();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            errors.push(ConfigError::FileUnreadable {
                path: path.to_owned(),
                why: error.to_string(),
            });
            return layer;
        }
    };
    match text.parse::<toml::Table>() {
        Ok(table) => {
            let mut flat = Vec::new();
            flatten("", table, &mut flat);
            let source = Source::File(path.to_owned());
            for (name, given) in flat {
                add(&mut layer, &name, given, source.clone(), errors);
            }
        }
        Err(error) => {
            let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
            errors.push(ConfigError::FileInvalid {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                // Not its full text: that shows the line, which may hold a secret.
                why: error.message().to_owned(),
            });
        }
    }
    layer
}

/// `[a] b = 1` becomes `a.b`. An empty table stays, as a name that no key has.
fn flatten(prefix: &str, table: toml::Table, flat: &mut Vec<(String, Given)>) {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        let given = match value {
            toml::Value::Table(inner) => {
                let section = format!("{name}.");
                let known = KEYS.iter().any(|key| key.name.starts_with(&section));
                if !inner.is_empty() || known {
                    flatten(&section, inner, flat);
                    continue;
                }
                Given::Other("a table")
            }
            toml::Value::String(text) => Given::Text(text.into()),
            toml::Value::Integer(number) => Given::Number(number),
            toml::Value::Array(items) => list(items),
            toml::Value::Float(_) => Given::Other("a number with a point"),
            toml::Value::Boolean(_) => Given::Other("true or false"),
            toml::Value::Datetime(_) => Given::Other("a date"),
        };
        flat.push((name, given));
    }
}

fn list(items: Vec<toml::Value>) -> Given {
    let words: Option<Vec<String>> = items
        .into_iter()
        .map(|item| match item {
            toml::Value::String(word) => Some(word),
            _ => None,
        })
        .collect();
    words.map_or(
        Given::Other("an array of something else than text"),
        Given::List,
    )
}

/// Variables that are no keys: how to find the file, how to log, and what only tests read.
fn is_no_key(variable: &str) -> bool {
    ["LACRE_CONFIG", "LACRE_LOG", "LACRE_VECTORS", "LACRE_BLESS"].contains(&variable)
        || variable.starts_with("LACRE_TEST_")
        || variable.starts_with("LACRE_BENCH_")
}

fn environment_layer<E>(env: E, errors: &mut Vec<ConfigError>) -> Layer
where
    E: Iterator<Item = (OsString, OsString)>,
{
    let names: BTreeMap<String, String> = names()
        .into_iter()
        .map(|name| (variable(&name), name))
        .collect();
    let mut layer = Layer::new();
    for (name, value) in env {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with("LACRE_") || is_no_key(&name) {
            continue;
        }
        let Some(key) = names.get(&name) else {
            errors.push(ConfigError::UnknownKey {
                suggestion: nearest(&name, names.keys()),
                source_of_value: Source::Environment(name.clone()),
                key: name,
            });
            continue;
        };
        let given = value
            .into_string()
            .map_or(Given::Other("not UTF-8"), |text| Given::Text(text.into()));
        add(&mut layer, key, given, Source::Environment(name), errors);
    }
    layer
}

fn flag_layer(flags: Vec<(String, String)>, errors: &mut Vec<ConfigError>) -> Layer {
    let mut layer = Layer::new();
    for (name, text) in flags {
        let source = Source::Flag(flag(&name));
        add(&mut layer, &name, Given::Text(text.into()), source, errors);
    }
    layer
}

/// Adds one name of one source, which may be `x` or, for a secret, `x_file`.
fn add(layer: &mut Layer, name: &str, given: Given, source: Source, errors: &mut Vec<ConfigError>) {
    let plain = KEYS.iter().find(|key| key.name == name);
    let by_file = |key: &&Key| key.file_key().as_deref() == Some(name);
    let (key, spelling) = match (plain, KEYS.iter().find(by_file)) {
        (Some(key), _) => (key, Spelling::Value(given)),
        (None, Some(key)) => {
            let Some(path) = given.text().filter(|path| !path.is_empty()) else {
                errors.push(ConfigError::BadValue {
                    key: name.to_owned(),
                    source_of_value: source,
                    value: Some(given.shown(false)),
                    expected: "the path of a file that holds the value".to_owned(),
                });
                return;
            };
            (key, Spelling::InFile(PathBuf::from(path)))
        }
        (None, None) => {
            errors.push(ConfigError::UnknownKey {
                key: name.to_owned(),
                suggestion: nearest(name, &names()),
                source_of_value: source,
            });
            return;
        }
    };
    if layer.contains_key(key.name) {
        let file_key = key.file_key().unwrap_or_else(|| key.name.to_owned());
        errors.push(ConfigError::SetTwice {
            key: key.name,
            file_key,
            source_of_value: source,
        });
        return;
    }
    layer.insert(key.name, (spelling, source));
}

/// Every name that a source may use.
fn names() -> Vec<String> {
    let own = KEYS.iter().map(|key| key.name.to_owned());
    own.chain(KEYS.iter().filter_map(Key::file_key)).collect()
}

/// How much two names must be alike for one to be a slip of the other: 6 of 10.
const ALIKE: f64 = 0.6;

/// The name most like `name`, if any is like it at all. A forgotten section counts as likeness.
fn nearest<'n>(name: &str, among: impl IntoIterator<Item = &'n String>) -> Option<String> {
    let last = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
    among
        .into_iter()
        .map(|other| {
            let ends = likeness(&last(name), &last(other));
            (likeness(name, other).max(ends * 0.9), other)
        })
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, other)| other.clone())
}

/// How much two names are alike, between 0 and 1. Where their lengths alone say that they aren't,
/// comparing them would be work for nothing.
fn likeness(one: &str, other: &str) -> f64 {
    let lengths = [one, other].map(|text| text.chars().count());
    let [shorter, longer] = [lengths[0].min(lengths[1]), lengths[0].max(lengths[1])];
    if longer > 0 && shorter * 10 <= longer * 6 {
        return 0.0;
    }
    strsim::normalized_damerau_levenshtein(one, other)
}

/// The content of a file that holds a secret, without the line end that editors add.
fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = Zeroizing::new(text);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_alone_leave_out_no_slip(one in "[a-c._é]{0,12}", other in "[a-c._é]{0,12}") {
            let whole = strsim::normalized_damerau_levenshtein(&one, &other);
            prop_assert_eq!(likeness(&one, &other) > ALIKE, whole > ALIKE);
        }
    }
}
