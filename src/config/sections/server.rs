//! `[server]`: threads, connections and how long they may take.

use crate::defaults;
use std::time::Duration;

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Seconds, Size, Threads, Whole, seconds};
use crate::config::reader::{Noted, Reader};

/// The HTTP server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Worker threads.
    pub workers: usize,
    /// Open connections of each worker.
    pub max_connections: u32,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long the first head of a connection may take.
    pub head_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a connection may linger after it was told to close.
    pub disconnect_timeout: Duration,
    /// How long everything is still served after SIGTERM.
    pub stop_delay: Duration,
    /// How long a stopping server waits for requests under way.
    pub drain: Duration,
    /// Bytes of audit events that may wait to be written.
    pub audit_queue: usize,
}

/// The defaults, which an embedder's server shares.
impl ServerConfig {
    /// The default of `max_connections`.
    pub const MAX_CONNECTIONS: u32 = 10_000;
    /// The default of `keep_alive`.
    pub const KEEP_ALIVE: Duration = Duration::from_mins(1);
    /// The default of `head_timeout`.
    pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
    /// The default of `body_timeout`.
    pub const BODY_TIMEOUT: Duration = defaults::BODY_TIMEOUT;
    /// The default of `disconnect_timeout`.
    pub const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
    /// The default of `stop_delay`.
    pub const STOP_DELAY: Duration = Duration::ZERO;
    /// The default of `drain`.
    pub const DRAIN: Duration = Duration::from_secs(10);
    /// The default of `audit_queue`.
    pub const AUDIT_QUEUE: usize = 16 << 20;
    /// The maximum of `workers`: actix panics with more.
    pub const MAX_WORKERS: u32 = 512;

    /// The default of `workers`: as many as the machine runs at once.
    #[must_use]
    pub fn default_workers() -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.min(Self::MAX_WORKERS as usize)
    }
}

static WORKERS: Key<Threads> = key(
    "server.workers",
    Threads {
        to: ServerConfig::MAX_WORKERS,
    },
    DefaultValue::Value(ServerConfig::default_workers),
    "Worker threads of the HTTP server.",
);

static MAX_CONNECTIONS: Key<Whole> = key(
    "server.max_connections",
    Whole {
        from: 1,
        to: 1_000_000,
    },
    DefaultValue::Value(|| ServerConfig::MAX_CONNECTIONS),
    "Open connections of each worker; more wait until one closes.",
);

static KEEP_ALIVE: Key<Seconds> = key(
    "server.keep_alive",
    seconds(1, 3_600),
    DefaultValue::Value(|| ServerConfig::KEEP_ALIVE),
    "How long an idle connection is kept. One that is neither idle nor sends a whole request is cut \
     off after this and `server.head_timeout`.",
);

static HEAD_TIMEOUT: Key<Seconds> = key(
    "server.head_timeout",
    seconds(1, 300),
    DefaultValue::Value(|| ServerConfig::HEAD_TIMEOUT),
    "How long the first head of a connection may take, against slow senders; then it is answered \
     408.",
);

static BODY_TIMEOUT: Key<Seconds> = key(
    "server.body_timeout",
    seconds(1, 300),
    DefaultValue::Value(|| ServerConfig::BODY_TIMEOUT),
    "How long the body of a request may take, against slow senders.",
);

static DISCONNECT_TIMEOUT: Key<Seconds> = key(
    "server.disconnect_timeout",
    seconds(1, 300),
    DefaultValue::Value(|| ServerConfig::DISCONNECT_TIMEOUT),
    "How long a connection may stay open after it was told to close.",
);

static STOP_DELAY: Key<Seconds> = key(
    "server.stop_delay",
    seconds(0, 600),
    DefaultValue::Value(|| ServerConfig::STOP_DELAY),
    "How long everything is still served after SIGTERM, while `/readyz` answers 503 and a balancer \
     notices. Not after SIGINT (Ctrl-C); a second signal ends it at once.",
);

static DRAIN: Key<Seconds> = key(
    "server.drain",
    seconds(0, 600),
    DefaultValue::Value(|| ServerConfig::DRAIN),
    "How long a stopping server waits for requests under way.",
);

static AUDIT_QUEUE: Key<Size> = key(
    "server.audit_queue",
    Size {
        from: 64 << 10,
        to: 1 << 30,
    },
    DefaultValue::Value(|| ServerConfig::AUDIT_QUEUE as u64),
    "Audit events that may wait while nobody reads the log, in bytes, of which each takes forty besides its text. Then no \
     more changes are made (503) until they are written.",
);

pub(super) static KEYS: &[&dyn Row] = &[
    &WORKERS,
    &MAX_CONNECTIONS,
    &KEEP_ALIVE,
    &HEAD_TIMEOUT,
    &BODY_TIMEOUT,
    &DISCONNECT_TIMEOUT,
    &STOP_DELAY,
    &DRAIN,
    &AUDIT_QUEUE,
];

impl ServerConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let workers = reader.value(&WORKERS);
        let max_connections = reader.value(&MAX_CONNECTIONS);
        let keep_alive = reader.value(&KEEP_ALIVE);
        let head_timeout = reader.value(&HEAD_TIMEOUT);
        let body_timeout = reader.value(&BODY_TIMEOUT);
        let disconnect_timeout = reader.value(&DISCONNECT_TIMEOUT);
        let stop_delay = reader.value(&STOP_DELAY);
        let drain = reader.value(&DRAIN);
        let audit_queue = reader.value(&AUDIT_QUEUE);
        let audit_queue = audit_queue.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        Ok(Self {
            workers: workers?,
            max_connections: max_connections?,
            keep_alive: keep_alive?,
            head_timeout: head_timeout?,
            body_timeout: body_timeout?,
            disconnect_timeout: disconnect_timeout?,
            stop_delay: stop_delay?,
            drain: drain?,
            audit_queue: audit_queue?,
        })
    }
}
