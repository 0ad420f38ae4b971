//! `[console]`: the operators' pages.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::Switch;
use crate::config::reader::{Noted, Reader};

/// The operators' pages on the management listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsoleConfig {
    /// Whether they are served.
    pub enabled: bool,
}

static ENABLED: Key<Switch> = key(
    "console.enabled",
    Switch,
    DefaultValue::Value(|| true),
    "Whether the management listener serves `/console/`, for accounts with the role `admin`.",
);

pub(super) static KEYS: &[&dyn Row] = &[&ENABLED];

impl ConsoleConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let enabled = reader.value(&ENABLED);
        Ok(Self { enabled: enabled? })
    }
}
