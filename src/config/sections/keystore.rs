//! `[keystore]`: how session records are kept.

use std::time::Duration;

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, FilePath, Milliseconds, Secret, Url, Whole};
use crate::config::reader::{Noted, Reader};
use crate::config::secret::SecretText;
use std::path::PathBuf;
use zeroize::Zeroizing;

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
    /// The store of an engine that nodes share, where it isn't the accounts' database. It may hold a password.
    pub url: Option<SecretText>,
    /// The user on the servers of the engine `redis`.
    pub user: Option<SecretText>,
    /// That user's password.
    pub password: Option<SecretText>,
    /// The lease of a deployment that is new.
    pub lease: Duration,
    /// The most connections to the database that the nodes share.
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
    /// On Redis or Valkey, which several nodes share, with the rest of what they share in the accounts' database.
    Redis,
}

impl Engine {
    /// Whether several nodes share its store.
    #[must_use]
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Postgres | Self::Redis)
    }

    /// As the configuration says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Memory => "memory",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

static ENGINE: Key<Choice<Engine>> = key(
    "keystore.engine",
    Choice {
        words: &[
            ("sled", Engine::Sled),
            ("memory", Engine::Memory),
            ("postgres", Engine::Postgres),
            ("redis", Engine::Redis),
        ],
    },
    DefaultValue::Value(|| Engine::Sled),
    "Where session records live: on disk; in memory, where every session ends with the process; or in a \
     PostgreSQL, or on Redis or Valkey, which several nodes share, see [scaling.md](scaling.md).",
);

static URL: Key<Url> = Key {
    name: "keystore.url",
    kind: Url {
        schemes: &[
            "postgres://",
            "postgresql://",
            "redis://",
            "rediss://",
            "redis+cluster://",
            "rediss+cluster://",
        ],
    },
    default: DefaultValue::Described(
        "`accounts.url` with the engine `postgres`; none with `redis`",
    ),
    doc: "Where the store of the engines `postgres` and `redis` is. It may hold a password, so it is never shown. \
          `redis://HOST:PORT` is one server, `redis+cluster://HOST:PORT,HOST:PORT` is a cluster, by some of its servers. \
          Beyond this machine use TLS: `postgres://` with `?sslmode=verify-full`, and `rediss://` or \
          `rediss+cluster://`; with `sslrootcert=FILE` among the parameters where the authority is your own.",
    secret: true,
};

static USER: Key<Secret> = Key {
    name: "keystore.user",
    kind: Secret,
    default: DefaultValue::Described("the user in `keystore.url`, else the servers' default user"),
    doc: "Engine `redis`: the user that the servers know this node by.",
    secret: true,
};

static PASSWORD: Key<Secret> = Key {
    name: "keystore.password",
    kind: Secret,
    default: DefaultValue::Described("the password in `keystore.url`, else none"),
    doc: "Engine `redis`: that user's password. Here it is written as it is, and not as in a URL.",
    secret: true,
};

static LEASE: Key<Milliseconds> = key(
    "keystore.lease",
    Milliseconds {
        from: 10,
        to: 10_000,
    },
    DefaultValue::Value(|| Duration::from_millis(50)),
    "Engines `postgres` and `redis`: for how long a node may go by what it last heard of ends, and by how much later an end is \
     answered. With `redis` a change of the keys, which are in PostgreSQL, is answered after five times as long. It is written \
     into the store by the first start; after that the store's own counts.",
);

static CONNECTIONS: Key<Whole> = key(
    "keystore.connections",
    Whole { from: 2, to: 1_000 },
    DefaultValue::Value(|| 16),
    "Engines `postgres` and `redis`: the most connections of a node to the database that has the session records, or with \
     `redis` what else the nodes share. One more is used to hear of changes.",
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

pub(super) static KEYS: &[&dyn Row] = &[
    &ENGINE,
    &URL,
    &USER,
    &PASSWORD,
    &LEASE,
    &CONNECTIONS,
    &CACHE_MIB,
    &EPOCH_FILE,
];

impl KeystoreConfig {
    /// The URL with the user and the password that have keys of their own.
    pub(in crate::config) fn signed_in(&self, url: &SecretText) -> SecretText {
        let (scheme, rest) = url.expose().split_once("://").unwrap_or_default();
        let word =
            |secret: &Option<SecretText>| secret.as_ref().map(|secret| escaped(secret.expose()));
        let (user, password) = match (word(&self.user), word(&self.password)) {
            (None, None) => return url.clone(),
            (user, password) => (user.unwrap_or_default(), password.unwrap_or_default()),
        };
        SecretText::new(format!("{scheme}://{}:{}@{rest}", *user, *password))
    }

    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let engine = reader.value(&ENGINE);
        let url = reader.optional(&URL);
        let (user, password) = (reader.optional(&USER), reader.optional(&PASSWORD));
        let lease = reader.value(&LEASE);
        let connections = reader.value(&CONNECTIONS);
        let cache_mib = reader.value(&CACHE_MIB);
        let epoch_file = reader.optional(&EPOCH_FILE);
        Ok(Self {
            engine: engine?,
            url: url?,
            user: user?,
            password: password?,
            lease: lease?,
            connections: connections?,
            cache_bytes: u64::from(cache_mib?) << 20,
            epoch_file: epoch_file?,
        })
    }
}

/// As it is written in a URL.
fn escaped(text: &str) -> Zeroizing<String> {
    let mut escaped = Zeroizing::new(String::with_capacity(3 * text.len()));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
            escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_is_special_in_a_url_is_escaped() {
        assert_eq!(*escaped("ann"), "ann");
        assert_eq!(*escaped("p@ss:/?%é"), "p%40ss%3a%2f%3f%25%c3%a9");
    }
}
