//! `[keystore]`: how session records are kept.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, FilePath, Whole};
use crate::config::reader::{Noted, Reader};
use std::path::PathBuf;

/// How session records are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeystoreConfig {
    /// The engine of the store.
    pub engine: Engine,
    /// Bytes of memory that the engine may use to cache records.
    pub cache_bytes: u64,
    /// The file, outside of the data directory, that says how far the records on disk have come.
    pub epoch_file: Option<PathBuf>,
}

/// An engine of the keystore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// On disk, in `DATA_DIR/keystore`.
    Sled,
    /// In memory: every session ends with the process.
    Memory,
}

static ENGINE: Key<Choice<Engine>> = key(
    "keystore.engine",
    Choice {
        built: &[("sled", Engine::Sled), ("memory", Engine::Memory)],
        planned: &["postgres", "redis"],
    },
    DefaultValue::Value(|| Engine::Sled),
    "Where session records live: on disk, or in memory, where every session ends with the process.",
);

static CACHE_MIB: Key<Whole> = key(
    "keystore.cache_mib",
    Whole {
        from: 1,
        to: 1 << 20,
    },
    DefaultValue::Value(|| 64),
    "Memory that the engine may use to cache records, in MiB.",
);

static EPOCH_FILE: Key<FilePath> = key(
    "keystore.epoch_file",
    FilePath,
    DefaultValue::Described(
        "none: a whole data directory of before can't be told from the present one",
    ),
    "A file outside of `data_dir`, on a local disk, that says how far the keystore has come: with it no start takes a data \
     directory that was put back from before, in which ended sessions would be good again. It must not be copied and put back \
     together with the data; see [operating.md](operating.md#a-data-directory-of-before).",
);

pub(super) static KEYS: &[&dyn Row] = &[&ENGINE, &CACHE_MIB, &EPOCH_FILE];

impl KeystoreConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let engine = reader.value(&ENGINE);
        let cache_mib = reader.value(&CACHE_MIB);
        let epoch_file = reader.optional(&EPOCH_FILE);
        Ok(Self {
            engine: engine?,
            cache_bytes: u64::from(cache_mib?) << 20,
            epoch_file: epoch_file?,
        })
    }
}
