//! `[keystore]`: how session records are kept.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, Whole};
use crate::config::reader::{Noted, Reader};

/// How session records are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeystoreConfig {
    /// The engine of the store.
    pub engine: Engine,
    /// Bytes of memory that the engine may use to cache records.
    pub cache_bytes: u64,
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

pub(super) static KEYS: &[&dyn Row] = &[&ENGINE, &CACHE_MIB];

impl KeystoreConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let engine = reader.value(&ENGINE);
        let cache_mib = reader.value(&CACHE_MIB);
        Ok(Self {
            engine: engine?,
            cache_bytes: u64::from(cache_mib?) << 20,
        })
    }
}
