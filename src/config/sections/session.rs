//! `[session]`: how long sessions live, and how many a user may have.

use std::time::Duration;

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Seconds, Whole, seconds};
use crate::config::reader::{Noted, Reader};
use crate::sessions::rules::defaults;

/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;

/// How long sessions live, in whole seconds, and how many a user may have.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// A session that isn't refreshed for so long ends.
    pub refresh_ttl: Duration,
    /// A session ends so long after log-in, however often it is refreshed.
    pub absolute_ttl: Duration,
    /// With one more than this, the oldest ends.
    pub max_per_user: u32,
    /// For so long it stays known why a session ended, and by whom.
    pub explain_for: Duration,
}

static REFRESH_TTL: Key<Seconds> = key(
    "session.refresh_ttl",
    seconds(1, 3_650 * DAY),
    DefaultValue::Value(|| defaults::REFRESH_TTL),
    "A session that isn't refreshed for so long ends.",
);

static ABSOLUTE_TTL: Key<Seconds> = key(
    "session.absolute_ttl",
    seconds(1, 3_650 * DAY),
    DefaultValue::Value(|| defaults::ABSOLUTE_TTL),
    "A session ends so long after log-in, however often it is refreshed. Not shorter than \
     `token.access_ttl`.",
);

static MAX_PER_USER: Key<Whole> = key(
    "session.max_per_user",
    Whole {
        from: 1,
        to: 10_000,
    },
    DefaultValue::Value(|| defaults::MAX_PER_USER),
    "Sessions that a user may have. With one more, the oldest ends.",
);

static EXPLAIN_FOR: Key<Seconds> = key(
    "session.explain_for",
    seconds(0, 3_650 * DAY),
    DefaultValue::Value(|| defaults::EXPLAIN_FOR),
    "For so long `lacre token explain` can tell why a session ended, and by whom; `0s`: not at all.",
);

pub(super) static KEYS: &[&dyn Row] = &[&REFRESH_TTL, &ABSOLUTE_TTL, &MAX_PER_USER, &EXPLAIN_FOR];

impl SessionConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let refresh_ttl = reader.value(&REFRESH_TTL);
        let absolute_ttl = reader.value(&ABSOLUTE_TTL);
        let max_per_user = reader.value(&MAX_PER_USER);
        let explain_for = reader.value(&EXPLAIN_FOR);
        Ok(Self {
            refresh_ttl: refresh_ttl?,
            absolute_ttl: absolute_ttl?,
            max_per_user: max_per_user?,
            explain_for: explain_for?,
        })
    }
}
