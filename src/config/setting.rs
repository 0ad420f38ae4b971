//! What `lacre config show` says of a key: its value and where the value came from.

use std::fmt;
use std::path::PathBuf;

/// The value of one key, and where it came from, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the key.
    pub key: String,
    /// The value as it was written; `********` for a secret, nothing for a key without a value.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// Where a value came from. Prints as a person would say it: `file lacre.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// No source sets it.
    Default,
    /// No source sets it, and `--dev` has a default of its own.
    Dev,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable, by its name.
    Environment(String),
    /// A flag of the command line, by its name.
    Flag(String),
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
