//! What was found in a store before it is opened, and whether it may be.
//!
//! This room must never take a store that is behind its mark, or isn't what its digest says.

use super::SledOptions;
use super::digest::{Entry, Tally};
use crate::error::KeystoreError;
use crate::local::epoch::{GoOn, Line, Own};

/// A store of which everything was read.
pub(super) struct Found {
    /// What it holds.
    pub(super) tally: Tally,
    /// How its line goes on.
    pub(super) go_on: GoOn,
}

impl Found {
    /// Of a folder without a store.
    pub(super) fn nothing(options: &SledOptions) -> Result<Self, KeystoreError> {
        let own = Own {
            group: 0,
            line: None,
            is_empty: true,
        };
        Ok(Self {
            tally: Tally::default(),
            go_on: options.epoch.judge(own, &options.digest_key)?,
        })
    }

    /// Of a store in which this was read, if nothing is missing and it is no earlier one.
    pub(super) fn judged(
        group: Group,
        tally: Tally,
        entry: Option<Entry>,
        line: Option<Line>,
        options: &SledOptions,
    ) -> Result<Self, KeystoreError> {
        if let Some(entry) = entry {
            entry.check(tally, group.changes)?;
        }
        let own = Own {
            group: group.number,
            line,
            is_empty: tally.records == 0,
        };
        let go_on = options.epoch.judge(own, &options.digest_key)?;
        Ok(Self { tally, go_on })
    }
}

/// Refuses a store that ends with an earlier group than was durable, or of which that is unknown.
pub(super) fn nothing_missing(group: u64, noted: Option<u64>) -> Result<(), KeystoreError> {
    if noted.is_none() && group > 0 {
        return Err(KeystoreError::corrupt(
            "its file `mark` is missing, so that nobody can tell whether changes are missing as well",
        ));
    }
    let noted = noted.unwrap_or(0);
    if group < noted {
        return Err(KeystoreError::corrupt(format!(
            "it ends with change group {group}, but group {noted} was durable"
        )));
    }
    Ok(())
}

/// The last group of changes that is in a database.
#[derive(Clone, Copy, Default)]
pub(super) struct Group {
    /// Its number; 0 in a new database.
    pub(super) number: u64,
    /// The number of its last change; 0 where no digest was kept yet.
    pub(super) changes: u64,
}

impl Group {
    /// As the state tree has it; none in a new database.
    pub(super) fn of(value: Option<&[u8]>) -> sled::Result<Self> {
        let Some(value) = value else {
            return Ok(Self::default());
        };
        let (words, rest) = value.as_chunks::<8>();
        let [number, changes] = match (words, rest) {
            // Of a version that kept no digest.
            ([number], []) => [u64::from_be_bytes(*number), 0],
            ([number, changes], []) => [number, changes].map(|word| u64::from_be_bytes(*word)),
            _ => {
                return Err(sled::Error::Unsupported(
                    "the number of its last change group is not a number".to_owned(),
                ));
            }
        };
        Ok(Self { number, changes })
    }
}
