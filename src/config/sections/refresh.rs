//! `[refresh]`: what happens when a refresh token comes twice.

use std::time::Duration;

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Seconds, seconds};
use crate::config::reader::{Noted, Reader};
use crate::sessions::rules::defaults;

/// What happens when a refresh token comes twice.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefreshConfig {
    /// How long the earlier refresh token is still answered, for an answer that got lost.
    pub grace: Duration,
}

static GRACE: Key<Seconds> = key(
    "refresh.grace",
    seconds(0, 300),
    DefaultValue::Value(|| defaults::REFRESH_GRACE),
    "How long the earlier refresh token is still answered, for an answer that got lost. After it, \
     its use is theft and ends the session.",
);

pub(super) static KEYS: &[&dyn Row] = &[&GRACE];

impl RefreshConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let grace = reader.value(&GRACE);
        Ok(Self { grace: grace? })
    }
}
