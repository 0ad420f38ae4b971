//! `[hashing]`: what hashing a password costs, and how many are hashed at once.

use crate::accounts::HashingSettings;
use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Threads, Whole};
use crate::config::reader::{Noted, Reader};

/// The pool that hashes passwords.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HashingConfig {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub iterations: u32,
    /// Lanes of one hash.
    pub lanes: u32,
    /// Passwords hashed at the same time.
    pub threads: usize,
    /// Passwords that may wait; one more is answered 503.
    pub queue: usize,
    /// Passwords that may wait, of those that come from one address.
    pub queue_per_address: usize,
}

static MEMORY_KIB: Key<Whole> = key(
    "hashing.memory_kib",
    Whole {
        from: HashingSettings::MEMORY_KIB,
        to: 1 << 20,
    },
    DefaultValue::Value(|| HashingSettings::MEMORY_KIB),
    "Memory of one argon2id hash (RFC 9106), in KiB. Stored hashes of other costs go on to be \
     accepted, and are renewed at the next log-in.",
);

static ITERATIONS: Key<Whole> = key(
    "hashing.iterations",
    Whole {
        from: HashingSettings::ITERATIONS,
        to: 100,
    },
    DefaultValue::Value(|| HashingSettings::ITERATIONS),
    "Passes of one hash over its memory.",
);

static LANES: Key<Whole> = key(
    "hashing.lanes",
    Whole { from: 1, to: 16 },
    DefaultValue::Value(|| HashingSettings::LANES),
    "Lanes of one hash. One thread works on them one after the other, so more lanes make no hash \
     faster.",
);

static THREADS: Key<Threads> = key(
    "hashing.threads",
    Threads { to: 1024 },
    DefaultValue::Value(HashingSettings::default_threads),
    "Passwords that are hashed at the same time. Each takes `hashing.memory_kib` of memory, 19 MiB \
     by default.",
);

static QUEUE: Key<Whole> = key(
    "hashing.queue",
    Whole {
        from: 1,
        to: 10_000,
    },
    DefaultValue::Value(|| HashingSettings::QUEUE),
    "Passwords that may wait for a thread. One more is answered 503 with `Retry-After`.",
);

static QUEUE_PER_ADDRESS: Key<Whole> = key(
    "hashing.queue_per_address",
    Whole {
        from: 1,
        to: 10_000,
    },
    DefaultValue::Value(|| HashingSettings::QUEUE_PER_ADDRESS),
    "Passwords from one address that may wait for a thread; one more is answered 503 with \
     `Retry-After`, so that whoever sends more than its share keeps nobody else out. An IPv6 address \
     stands for its /64. Raise it where all users come through a proxy that isn't one of \
     `trusted_proxies`.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &MEMORY_KIB,
    &ITERATIONS,
    &LANES,
    &THREADS,
    &QUEUE,
    &QUEUE_PER_ADDRESS,
];

impl HashingConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let memory_kib = reader.value(&MEMORY_KIB);
        let iterations = reader.value(&ITERATIONS);
        let lanes = reader.value(&LANES);
        let threads = reader.value(&THREADS);
        let queue = reader.value(&QUEUE);
        let queue_per_address = reader.value(&QUEUE_PER_ADDRESS);
        Ok(Self {
            memory_kib: memory_kib?,
            iterations: iterations?,
            lanes: lanes?,
            threads: threads?,
            queue: queue? as usize,
            queue_per_address: queue_per_address? as usize,
        })
    }
}
