//! The configuration as a whole, of a process that isn't there.

mod issuers;
mod redis;
mod refused;
mod secrets;
mod services;
mod sources;
mod values;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::key::{Row, variable};
use super::*;
use crate::accounts::HashingSettings;
use crate::service::Rate;
use crate::sessions::rules::{Location, Rules};

/// The keys of the sections that occur once, which every source sets.
fn keys() -> impl Iterator<Item = &'static dyn Row> {
    let once = SCHEMA
        .iter()
        .filter(|section| section.shape == schema::Shape::Single);
    once.flat_map(|section| section.keys).copied()
}

type Env = std::vec::IntoIter<(OsString, OsString)>;

/// A configuration being put together; `resolve` sees nothing of this process.
#[derive(Default)]
struct Setup {
    file: Option<tempfile::NamedTempFile>,
    env: Vec<(OsString, OsString)>,
    flags: Vec<(String, String)>,
    dev: bool,
}

impl Setup {
    fn nothing() -> Self {
        Self::default()
    }

    fn file(mut self, toml: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), toml).unwrap();
        self.file = Some(file);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    fn dev(mut self) -> Self {
        self.dev = true;
        self
    }

    fn resolve(&self) -> Result<Config, ConfigErrors> {
        let env: Env = self.env.clone().into_iter();
        Config::resolve(Sources {
            file: self.file.as_ref().map(|file| file.path().to_owned()),
            env,
            flags: self.flags.clone(),
            dev: self.dev,
        })
    }

    fn config(&self) -> Config {
        self.resolve().unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The only problem there is.
    fn problem(&self) -> ConfigError {
        let errors = self.resolve().unwrap_err();
        assert_eq!(errors.iter().count(), 1, "{errors}");
        errors.iter().next().unwrap().clone()
    }
}

/// The values alone, without where they came from.
fn values(config: &Config) -> String {
    let mut config = config.clone();
    config.settings.clear();
    format!("{config:?} {}", config.accounts.url.expose())
}

fn source_of<'c>(config: &'c Config, key: &str) -> &'c Source {
    &setting(config, key).source
}

fn setting<'c>(config: &'c Config, key: &str) -> &'c Setting {
    let found = config.settings().iter().find(|setting| setting.key == key);
    found.unwrap_or_else(|| panic!("no setting {key}"))
}
