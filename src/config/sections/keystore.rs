//! `[keystore]`: how session records are kept.

use std::time::Duration;

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, FilePath, Milliseconds, Url, Whole};
use crate::config::reader::{Noted, Reader};
use crate::config::secret::SecretText;
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
    /// The database of the engine `postgres`, where it isn't that of the accounts. It may hold a password.
    pub url: Option<SecretText>,
    /// The lease of a deployment that is new.
    pub lease: Duration,
    /// The most connections to that database.
    pub connections: u32,
}

/// An engine of the keystore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// On disk, in `DATA_DIR/keystore`.
    Sled,
    /// In memory: every session ends with the process.
    Memory,
    /// In a database that several nodes share.
    Postgres,
}

static ENGINE: Key<Choice<Engine>> = key(
    "keystore.engine",
    Choice {
        built: &[
            ("sled", Engine::Sled),
            ("memory", Engine::Memory),
            ("postgres", Engine::Postgres),
        ],
        planned: &["redis"],
    },
    DefaultValue::Value(|| Engine::Sled),
    "Where session records live: on disk; in memory, where every session ends with the process; or in a \
     PostgreSQL that several nodes share, see [scaling.md](scaling.md).",
);

static URL: Key<Url> = Key {
    name: "keystore.url",
    kind: Url {
        schemes: &["postgres://", "postgresql://"],
    },
    default: DefaultValue::Described("`accounts.url`"),
    doc: "The database of the engine `postgres`. It may hold a password, so it is never shown. Beyond this machine \
          it should end in `?sslmode=verify-full`, with `&sslrootcert=FILE` where the authority is your own.",
    secret: true,
};

static LEASE: Key<Milliseconds> = key(
    "keystore.lease",
    Milliseconds {
        from: 10,
        to: 10_000,
    },
    DefaultValue::Value(|| Duration::from_millis(50)),
    "Engine `postgres`: for how long a node may go by what it last heard of ends, and by how much later an end is \
     answered. It is written into the store by the first start; after that the store's own counts.",
);

static CONNECTIONS: Key<Whole> = key(
    "keystore.connections",
    Whole { from: 2, to: 1_000 },
    DefaultValue::Value(|| 16),
    "Engine `postgres`: the most connections of a node for session records. One more is used to hear of ends.",
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

pub(super) static KEYS: &[&dyn Row] =
    &[&ENGINE, &URL, &LEASE, &CONNECTIONS, &CACHE_MIB, &EPOCH_FILE];

impl KeystoreConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let engine = reader.value(&ENGINE);
        let url = reader.optional(&URL);
        let lease = reader.value(&LEASE);
        let connections = reader.value(&CONNECTIONS);
        let cache_mib = reader.value(&CACHE_MIB);
        let epoch_file = reader.optional(&EPOCH_FILE);
        Ok(Self {
            engine: engine?,
            url: url?,
            lease: lease?,
            connections: connections?,
            cache_bytes: u64::from(cache_mib?) << 20,
            epoch_file: epoch_file?,
        })
    }
}
