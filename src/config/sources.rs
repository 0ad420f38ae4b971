//! The three sources that a value may come from, read into one map: flags win over the environment,
//! which wins over the file.
//!
//! This room must never pass over a name that it doesn't know: a slip in a key would silently
//! leave a default in force.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::ConfigError;
use super::key::{Row, flag, variable};
use super::reader::{Entry, Values};
use super::schema::{Schema, Shape, keys, names, names_outside_the_file, repeated};
use super::setting::Source;
use super::written::{Found, Written};

/// What a configuration is resolved from.
#[derive(Debug)]
pub struct Sources<E> {
    /// The TOML file; it has to exist.
    pub file: Option<PathBuf>,
    /// The environment, as `std::env::vars_os` gives it. Only `LACRE_…` is looked at.
    pub env: E,
    /// Flags of the command line as (key, text), such as `("token.access_ttl", "5m")`.
    pub flags: Vec<(String, String)>,
    /// `lacre serve --dev`.
    pub dev: bool,
}

/// What one source says of a key: its value, or where its value is.
enum Spelling {
    Value(Written),
    InFile(PathBuf),
}

/// What one source says, by the full names of the keys.
type Layer = BTreeMap<String, (Spelling, Source)>;

/// A name of a source: as it is shown (`issuer[0].url`), and as the schema has it (`issuer.url`).
#[derive(Clone)]
struct Name {
    full: String,
    key: String,
}

/// Reads all sources; for each key that any of them sets, the value that wins.
pub(super) fn gather<E>(
    schema: &Schema,
    sources: Sources<E>,
    errors: &mut Vec<ConfigError>,
) -> Values
where
    E: Iterator<Item = (OsString, OsString)>,
{
    let mut values = Values::default();
    let mut winners = Layer::new();
    if let Some(path) = &sources.file {
        winners.extend(file_layer(schema, path, &mut values.entries, errors));
    }
    winners.extend(environment_layer(schema, sources.env, errors));
    winners.extend(flag_layer(schema, sources.flags, errors));
    for (name, (spelling, source)) in winners {
        let written = match spelling {
            Spelling::Value(written) => written,
            Spelling::InFile(path) => match read_secret(&path) {
                Ok(text) => Written::Text(text),
                Err(why) => {
                    errors.push(ConfigError::FileUnreadable { path, why });
                    continue;
                }
            },
        };
        values.found.insert(name, Found { written, source });
    }
    values
}

fn file_layer(
    schema: &Schema,
    path: &Path,
    entries: &mut BTreeMap<String, Vec<Entry>>,
    errors: &mut Vec<ConfigError>,
) -> Layer {
    let mut layer = Layer::new();
    let text = match small_file(path) {
        Ok(text) => text,
        Err(error) => {
            errors.push(ConfigError::FileUnreadable {
                path: path.to_owned(),
                why: error.to_string(),
            });
            return layer;
        }
    };
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
            errors.push(ConfigError::FileInvalid {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                // Not its full text: that shows the line, which may hold a secret.
                why: error.message().to_owned(),
            });
            return layer;
        }
    };
    let source = Source::File(path.to_owned());
    let known = names(schema);
    let mut flat = Vec::new();
    for (name, value) in table {
        let Some(shape) = repeated(schema, &name) else {
            flatten(schema, &plain(name), value, &mut flat);
            continue;
        };
        match split(shape, &name, value) {
            Ok(found) => {
                for (entry, table) in found {
                    for (key, value) in table {
                        let name = Name {
                            full: format!("{}.{key}", entry.prefix),
                            key: format!("{name}.{key}"),
                        };
                        flatten(schema, &name, value, &mut flat);
                    }
                    entries.entry(name.clone()).or_default().push(entry);
                }
            }
            Err(expected) => errors.push(ConfigError::BadValue {
                key: name,
                source_of_value: source.clone(),
                value: None,
                expected,
            }),
        }
    }
    for (name, written) in flat {
        add(
            schema,
            &known,
            &mut layer,
            &name,
            written,
            source.clone(),
            errors,
        );
    }
    layer
}

/// The entries of a repeated section, or what was expected instead.
fn split(
    shape: Shape,
    name: &str,
    value: toml::Value,
) -> Result<Vec<(Entry, toml::Table)>, String> {
    let table = |value| match value {
        toml::Value::Table(table) => Some(table),
        _ => None,
    };
    match (shape, value) {
        (Shape::Array, toml::Value::Array(items)) => items
            .into_iter()
            .enumerate()
            .map(|(i, item)| {
                let prefix = format!("{name}[{i}]");
                let name = i.to_string();
                Some((Entry { name, prefix }, table(item)?))
            })
            .collect::<Option<_>>(),
        (Shape::Named, toml::Value::Table(inner)) => inner
            .into_iter()
            .map(|(entry, item)| {
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                let fits = !entry.is_empty() && entry.bytes().all(is_name);
                let prefix = format!("{name}.{entry}");
                let entry = Entry {
                    name: entry,
                    prefix,
                };
                fits.then_some(()).and(Some((entry, table(item)?)))
            })
            .collect(),
        _ => None,
    }
    .ok_or_else(|| match shape {
        Shape::Array => format!("tables, each written `[[{name}]]`"),
        _ => format!(
            "tables, each written `[{name}.NAME]`, with a name of letters, digits, `-` and `_`"
        ),
    })
}

fn plain(name: String) -> Name {
    Name {
        full: name.clone(),
        key: name,
    }
}

/// `[a] b = 1` becomes `a.b`. An empty table stays, as a name that no key has.
fn flatten(schema: &Schema, name: &Name, value: toml::Value, flat: &mut Vec<(Name, Written)>) {
    let written = match value {
        toml::Value::Table(inner) => {
            let section = format!("{}.", name.key);
            let known = keys(schema).any(|key| key.name().starts_with(&section));
            if !inner.is_empty() || known {
                for (key, value) in inner {
                    let name = Name {
                        full: format!("{}.{key}", name.full),
                        key: format!("{section}{key}"),
                    };
                    flatten(schema, &name, value, flat);
                }
                return;
            }
            Written::Other("a table".to_owned())
        }
        toml::Value::String(text) => Written::Text(text.into()),
        toml::Value::Integer(number) => Written::Number(number),
        toml::Value::Array(items) => list(items),
        toml::Value::Float(number) => Written::Other(number.to_string()),
        toml::Value::Boolean(is) => Written::Truth(is),
        toml::Value::Datetime(date) => Written::Other(date.to_string()),
    };
    flat.push((name.clone(), written));
}

fn list(items: Vec<toml::Value>) -> Written {
    let other = toml::Value::Array(items.clone()).to_string();
    let words: Option<Vec<String>> = items
        .into_iter()
        .map(|item| match item {
            toml::Value::String(word) => Some(word),
            _ => None,
        })
        .collect();
    words.map_or(Written::Other(other), Written::List)
}

/// Variables that are no keys: how to find the file, how to log, and what only tests read.
fn is_no_key(variable: &str) -> bool {
    ["LACRE_CONFIG", "LACRE_LOG", "LACRE_VECTORS", "LACRE_BLESS"].contains(&variable)
        || variable.starts_with("LACRE_TEST_")
        || variable.starts_with("LACRE_BENCH_")
}

/// Whether Kubernetes puts this variable into every pod beside a service whose name begins with
/// `lacre`: `LACRE_PORT=tcp://10.96.0.7:8080` and the like. Both name and value have to fit, so that
/// a slip stays an error.
fn is_injected(variable: &str, value: &str) -> bool {
    const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    let is_address = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
    let is_url = value.split_once("://").is_some_and(|(scheme, rest)| {
        PROTOCOLS.contains(&scheme) && rest.rsplit_once(':').is_some_and(|(_, n)| is_number(n))
    });
    if variable.ends_with("_SERVICE_HOST") {
        return is_address(value);
    }
    if variable.ends_with("_SERVICE_PORT") || variable.contains("_SERVICE_PORT_") {
        return is_number(value);
    }
    if variable.ends_with("_PORT") && is_url {
        return true;
    }
    // LACRE_PORT_8080_TCP, and the same with _PROTO, _PORT or _ADDR behind it.
    let Some((_, rest)) = variable.split_once("_PORT_") else {
        return false;
    };
    let parts: Vec<_> = rest.split('_').collect();
    match parts.as_slice() {
        [port, protocol, what @ ..]
            if is_number(port) && PROTOCOLS.contains(&protocol.to_lowercase().as_str()) =>
        {
            match what {
                [] => is_url,
                ["PROTO"] => PROTOCOLS.contains(&value),
                ["PORT"] => is_number(value),
                ["ADDR"] => is_address(value),
                _ => false,
            }
        }
        _ => false,
    }
}

fn environment_layer<E>(schema: &Schema, env: E, errors: &mut Vec<ConfigError>) -> Layer
where
    E: Iterator<Item = (OsString, OsString)>,
{
    let known = names_outside_the_file(schema);
    let variables: BTreeMap<String, &String> =
        known.iter().map(|name| (variable(name), name)).collect();
    let mut layer = Layer::new();
    for (name, value) in env {
        let name = name.to_string_lossy().into_owned();
        if !name.starts_with("LACRE_") || is_no_key(&name) {
            continue;
        }
        let Some(key) = variables.get(&name) else {
            if is_injected(&name, &value.to_string_lossy()) {
                log::warn!(
                    "{name} is skipped: it comes from Kubernetes, for a service named like this \
                     program. `enableServiceLinks: false` keeps it away"
                );
                continue;
            }
            errors.push(ConfigError::UnknownKey {
                suggestion: nearest(&name, variables.keys()),
                source_of_value: Source::Environment(name.clone()),
                key: name,
            });
            continue;
        };
        let written = value
            .into_string()
            .map_or(Written::Other("not UTF-8".to_owned()), |text| {
                Written::Text(text.into())
            });
        let source = Source::Environment(name);
        let name = plain((*key).clone());
        add(schema, &known, &mut layer, &name, written, source, errors);
    }
    layer
}

fn flag_layer(
    schema: &Schema,
    flags: Vec<(String, String)>,
    errors: &mut Vec<ConfigError>,
) -> Layer {
    let known = names_outside_the_file(schema);
    let mut layer = Layer::new();
    for (name, text) in flags {
        let source = Source::Flag(flag(&name));
        let written = Written::Text(text.into());
        add(
            schema,
            &known,
            &mut layer,
            &plain(name),
            written,
            source,
            errors,
        );
    }
    layer
}

/// Adds one name of one source, which may be `x` or, for a secret, `x_file`. `known` are the names
/// that the source may use.
fn add(
    schema: &Schema,
    known: &[String],
    layer: &mut Layer,
    name: &Name,
    written: Written,
    source: Source,
    errors: &mut Vec<ConfigError>,
) {
    if !known.contains(&name.key) {
        errors.push(ConfigError::UnknownKey {
            key: name.full.clone(),
            suggestion: nearest(&name.key, known),
            source_of_value: source,
        });
        return;
    }
    let Some((row, by_file)) = find(schema, &name.key) else {
        return;
    };
    let (full, spelling) = if by_file {
        let Some(path) = written.text().filter(|path| !path.is_empty()) else {
            errors.push(ConfigError::BadValue {
                key: name.full.clone(),
                source_of_value: source,
                value: Some(written.shown(false)),
                expected: "the path of a file that holds the value".to_owned(),
            });
            return;
        };
        let full = name.full.strip_suffix("_file").unwrap_or(&name.full);
        (full.to_owned(), Spelling::InFile(PathBuf::from(path)))
    } else {
        (name.full.clone(), Spelling::Value(written))
    };
    if layer.contains_key(&full) {
        let file_key = row.is_secret().then(|| format!("{full}_file"));
        errors.push(ConfigError::SetTwice {
            file_key: file_key.unwrap_or_else(|| full.clone()),
            key: full,
            source_of_value: source,
        });
        return;
    }
    layer.insert(full, (spelling, source));
}

/// The key that is called `name`, or whose file is.
fn find(schema: &Schema, name: &str) -> Option<(&'static dyn Row, bool)> {
    keys(schema).find_map(|key| {
        let by_file = key.file_key().as_deref() == Some(name);
        (by_file || key.name() == name).then_some((key, by_file))
    })
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

/// The most bytes of a configuration, or of a file that one names.
const MAX_FILE: u64 = 1 << 20;

/// What is in a file, which may be a pipe; an error where it is more than [`MAX_FILE`], as in a device that has
/// no end, and where it is no UTF-8.
fn small_file(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut file = File::open(path)?.take(MAX_FILE + 1);
    file.read_to_string(&mut text)?;
    if file.limit() == 0 {
        return Err(io::Error::other("longer than 1 MiB"));
    }
    Ok(text)
}

/// The content of a file that holds a secret, without the line end that editors add.
fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = small_file(path).map_err(|error| error.to_string())?;
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
