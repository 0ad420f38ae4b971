//! The thread that asks what has ended, and so renews the lease.
//!
//! A poll is one statement. It changes this process's row, and its commit is answered only by a server that
//! still takes changes (where there is a synchronous standby, one that the standby still follows); and it brings what
//! has ended since the snapshot of the poll before. Where that can't be told, because another server
//! answers or this process's row has gone, everything that is kept is read once more.
//!
//! This room must never renew the lease before everything that a poll brought has been applied.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::{PgConnection, Row as _};
use tokio::sync::Notify;

use super::link::{Link, answering, failed};
use super::parts::Inner;
use super::read::named;
use crate::error::KeystoreError;
use crate::shared::lease::Leader;

/// How long a poll may take before its connection is given up.
const PATIENCE: Duration = Duration::from_millis(800);

/// How long there is nothing between a failure and the next attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// How many polls there are in the time of a lease.
const POLLS: u32 = 3;

/// After how many polls the rows that every process has seen are taken away.
const POLLS_A_TRIM: u64 = 500;

/// How often a standby has taken over in the history of the server that answers.
macro_rules! timeline {
    () => {
        "CASE WHEN pg_is_in_recovery() THEN -1 \
         ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END AS timeline"
    };
}

const ARRIVED: &str = concat!(
    "INSERT INTO keystore_nodes (id, applied_xmin) \
     VALUES ($1, pg_snapshot_xmin(pg_current_snapshot())) \
     ON CONFLICT (id) DO UPDATE SET applied_xmin = EXCLUDED.applied_xmin, seen_at = clock_timestamp() \
     RETURNING pg_current_snapshot()::text AS snapshot, ",
    answering!(),
    ", ",
    timeline!()
);

const POLL: &str = concat!(
    "WITH me AS (UPDATE keystore_nodes SET beat = beat + 1, seen_at = clock_timestamp(), \
       applied_xmin = pg_snapshot_xmin($2::pg_snapshot) WHERE id = $1 RETURNING 1), \
     ended AS (SELECT key, gone FROM keystore_ends WHERE xid >= pg_snapshot_xmin($2::pg_snapshot) \
       AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot) AND ($3 OR node <> $1)) \
     SELECT (SELECT count(*) FROM me) = 1 AS known, pg_current_snapshot()::text AS snapshot, lease_us, ",
    answering!(),
    ", ",
    timeline!(),
    ", (SELECT coalesce(array_agg(key), '{}') FROM ended WHERE gone) AS gone, \
       (SELECT coalesce(array_agg(key), '{}') FROM ended WHERE NOT gone) AS changed \
     FROM keystore_meta"
);

/// The thread. It ends when this is dropped.
pub(super) struct Poller {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    asked: AtomicBool,
    waker: Notify,
}

impl Poller {
    pub(super) fn start(inner: Arc<Inner>, link: Link) -> Result<Self, KeystoreError> {
        let stop = Arc::<Stop>::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("lacre-lease".to_owned())
            .spawn(move || runtime.block_on(Polling::new(&inner, link).until(&stopped)))
            .map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop.asked.store(true, Ordering::SeqCst);
        self.stop.waker.notify_one();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            log::error!("the thread of the lease ended by a panic");
        }
    }
}

/// What the thread keeps from poll to poll.
struct Polling<'i> {
    inner: &'i Inner,
    link: Link,
    connection: Option<PgConnection>,
    seen: Option<Seen>,
    polls: u64,
    failing: bool,
}

/// Up to where what has ended is known.
struct Seen {
    snapshot: String,
    server: Server,
}

/// The server that answers, and how often another one has taken over in its history.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Server {
    leader: Leader,
    timeline: i64,
}

/// What a poll brought.
struct Round {
    known: bool,
    snapshot: String,
    lease: Duration,
    server: Server,
    ended: Vec<(Vec<u8>, bool)>,
}

impl<'i> Polling<'i> {
    fn new(inner: &'i Inner, link: Link) -> Self {
        Self {
            inner,
            link,
            connection: None,
            seen: None,
            polls: 0,
            failing: false,
        }
    }

    async fn until(mut self, stop: &Stop) {
        while !stop.asked.load(Ordering::SeqCst) {
            let pause = match tokio::time::timeout(PATIENCE, self.round()).await {
                Ok(Ok(pause)) => {
                    if std::mem::take(&mut self.failing) {
                        log::info!("the store answers again");
                    }
                    pause
                }
                Ok(Err(error)) => self.failed(&error),
                Err(_) => self.failed(&KeystoreError::unavailable("it doesn't answer in time")),
            };
            let _ = tokio::time::timeout(pause, stop.waker.notified()).await;
        }
        self.leave().await;
    }

    fn failed(&mut self, error: &KeystoreError) -> Duration {
        if !std::mem::replace(&mut self.failing, true) {
            log::error!("nothing is known of what has ended: {error}");
        }
        self.connection = None;
        PAUSE
    }

    /// One poll; how long to wait before the next.
    async fn round(&mut self) -> Result<Duration, KeystoreError> {
        let inner = self.inner;
        if self.connection.is_none() {
            self.connection = Some(self.link.connect().await?);
        }
        let Some(connection) = self.connection.as_mut() else {
            return Err(KeystoreError::unavailable("it isn't connected"));
        };
        let sent_at = inner.lease.now();
        let Some(seen) = &self.seen else {
            self.seen = Some(arrived(inner, connection).await?);
            return Ok(Duration::ZERO);
        };
        let hears_itself = inner.hears_itself.load(Ordering::SeqCst);
        let round = asked(connection, inner.node, &seen.snapshot, hears_itself).await?;
        if !round.known || round.server != seen.server {
            self.seen = None;
            return Ok(Duration::ZERO);
        }
        for (key, gone) in &round.ended {
            let key = named(key)?;
            if *gone {
                inner.gone(&key);
            } else {
                inner.changed(&key);
            }
        }
        self.seen = Some(Seen {
            snapshot: round.snapshot,
            server: round.server,
        });
        inner.lease.renew(sent_at, round.lease);
        self.polls += 1;
        if self.polls.is_multiple_of(POLLS_A_TRIM) {
            trimmed(connection).await?;
        }
        let spent = Duration::from_nanos(inner.lease.now().saturating_sub(sent_at));
        Ok((round.lease / POLLS).saturating_sub(spent))
    }

    /// Nobody has to wait for a process that has gone.
    async fn leave(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            let left = sqlx::query("DELETE FROM keystore_nodes WHERE id = $1")
                .bind(self.inner.node)
                .execute(connection);
            let _ = tokio::time::timeout(PATIENCE, left).await;
        }
    }
}

/// Enters this process among those at work, and forgets everything: nothing is known of what ended before.
async fn arrived(inner: &Inner, connection: &mut PgConnection) -> Result<Seen, KeystoreError> {
    let asked = sqlx::query(ARRIVED).bind(inner.node);
    let row = asked.fetch_one(connection).await;
    let row = row.map_err(|error| failed(&error))?;
    let seen = Seen {
        snapshot: row.try_get("snapshot").map_err(|error| failed(&error))?,
        server: server(&row)?,
    };
    inner
        .lease
        .begin_anew(seen.server.leader, || inner.stamps.all_changed());
    Ok(seen)
}

async fn asked(
    connection: &mut PgConnection,
    node: i64,
    snapshot: &str,
    hears_itself: bool,
) -> Result<Round, KeystoreError> {
    let row = sqlx::query(POLL)
        .bind(node)
        .bind(snapshot)
        .bind(hears_itself)
        .fetch_one(connection)
        .await
        .map_err(|error| failed(&error))?;
    let read = || -> Result<Round, sqlx::Error> {
        let lease_us: i64 = row.try_get("lease_us")?;
        let gone: Vec<Vec<u8>> = row.try_get("gone")?;
        let changed: Vec<Vec<u8>> = row.try_get("changed")?;
        let gone = gone.into_iter().map(|key| (key, true));
        Ok(Round {
            known: row.try_get("known")?,
            snapshot: row.try_get("snapshot")?,
            lease: Duration::from_micros(lease_us.cast_unsigned()),
            server: Server {
                leader: Leader(row.try_get::<i64, _>("leader")?.cast_unsigned()),
                timeline: row.try_get("timeline")?,
            },
            ended: gone
                .chain(changed.into_iter().map(|key| (key, false)))
                .collect(),
        })
    };
    read().map_err(|error| failed(&error))
}

fn server(row: &sqlx::postgres::PgRow) -> Result<Server, KeystoreError> {
    let read = || -> Result<Server, sqlx::Error> {
        Ok(Server {
            leader: Leader(row.try_get::<i64, _>("leader")?.cast_unsigned()),
            timeline: row.try_get("timeline")?,
        })
    };
    read().map_err(|error| failed(&error))
}

/// Takes the rows away that every process at work has seen, and the processes that haven't been seen for a minute:
/// one that comes back finds its row gone, and begins anew.
async fn trimmed(connection: &mut PgConnection) -> Result<(), KeystoreError> {
    for question in [
        "DELETE FROM keystore_nodes WHERE seen_at < clock_timestamp() - interval '1 minute'",
        "DELETE FROM keystore_ends WHERE xid < (SELECT min(applied_xmin) FROM keystore_nodes)",
    ] {
        let done = sqlx::query(question).execute(&mut *connection).await;
        done.map_err(|error| failed(&error))?;
    }
    Ok(())
}
