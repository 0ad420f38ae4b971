//! One row of the table of keys, and how a row finds its value.
//!
//! This room must never print the value of a secret key, whoever set it.

use std::fmt;
use std::path::PathBuf;

use super::kind::Refusal;
use super::source::{Given, Raw};
use super::{Config, ConfigError, Fallback, Kind};

/// One key of the configuration.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// Its name, such as `token.access_ttl`.
    pub(super) name: &'static str,
    /// How its value is read and where it goes.
    pub(super) kind: Kind,
    /// Its value when nobody sets it.
    pub(super) default: Fallback,
    /// What it means: a full sentence, in Markdown.
    pub(super) doc: &'static str,
    /// Its value is masked, and `<name>_file` may name a file that holds it.
    pub(super) secret: bool,
}

/// The value of one key, and where it came from, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the key.
    pub key: &'static str,
    /// The value as it was written; `********` for a secret, nothing for an unset key.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from. Prints as a person would say it: `file lacre.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// Nobody set it, and `--dev` has a default of its own.
    Dev,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable, by its name.
    Environment(String),
    /// A flag of the command line, by its name.
    Flag(String),
}

/// What stands in place of a secret.
const MASK: &str = "********";

impl Key {
    /// The environment variable of this key: `token.access_ttl` is `LACRE_TOKEN__ACCESS_TTL`.
    pub(super) fn environment(&self) -> String {
        variable(self.name)
    }

    /// The key that names a file with this secret, such as `accounts.url_file`.
    pub(super) fn file_key(&self) -> Option<String> {
        self.secret.then(|| format!("{}_file", self.name))
    }

    /// Settles the value of this key in `config`: what was given, else the default.
    pub(super) fn settle(
        &self,
        config: &mut Config,
        given: Option<Raw>,
        dev: bool,
    ) -> Result<Setting, ConfigError> {
        let Some(raw) = given else {
            return self.settle_default(config, dev);
        };
        let value = if self.secret {
            MASK.to_owned()
        } else {
            raw.given.shown(self.kind.is_list())
        };
        self.apply(config, &raw)?;
        Ok(self.setting(value, raw.source))
    }

    fn settle_default(&self, config: &mut Config, dev: bool) -> Result<Setting, ConfigError> {
        let (text, source) = match self.default {
            Fallback::Dev(_, text) if dev => (text.to_owned(), Source::Dev),
            Fallback::Text(text) | Fallback::Dev(text, _) => (text.to_owned(), Source::Default),
            Fallback::From(_, make) => (make(config), Source::Default),
            Fallback::Unset(_) => return Ok(self.setting(String::new(), Source::Default)),
        };
        let given = Given::Text(text.into());
        // A default is no secret, and says where the data is.
        let value = given.shown(self.kind.is_list());
        let raw = Raw { given, source };
        self.apply(config, &raw)?;
        Ok(self.setting(value, raw.source))
    }

    fn apply(&self, config: &mut Config, raw: &Raw) -> Result<(), ConfigError> {
        let refusal = match self.kind.apply(config, &raw.given) {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        Err(match refusal {
            Refusal::Bad => ConfigError::BadValue {
                key: self.name.to_owned(),
                source_of_value: raw.source.clone(),
                value: (!self.secret).then(|| raw.given.shown(self.kind.is_list())),
                expected: self.kind.takes(),
            },
            Refusal::NotBuilt(word) => ConfigError::NotBuilt {
                key: self.name,
                source_of_value: raw.source.clone(),
                value: word,
                expected: self.kind.takes(),
            },
        })
    }

    fn setting(&self, value: String, source: Source) -> Setting {
        Setting {
            key: self.name,
            value,
            source,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The environment variable of the key `name`.
pub(super) fn variable(name: &str) -> String {
    format!("LACRE_{}", name.replace('.', "__").to_ascii_uppercase())
}

/// The flag of the key `name`, as the command line spells it.
pub(super) fn flag(name: &str) -> String {
    format!("--{}", name.replace(['.', '_'], "-"))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Dev => f.write_str("default with --dev"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}
