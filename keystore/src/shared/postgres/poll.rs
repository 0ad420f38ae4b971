//! What asks what has ended, and so renews the lease.
//!
//! A poll is one statement. It changes this process's row, and its commit is answered only by a server that
//! still takes changes (where there is a synchronous standby, one that the standby still follows); and it brings what
//! has ended since the snapshot of the poll before, but for what this process has ended and told itself. Where that
//! can't be told, because another server answers or this process's row has gone, everything that is kept is read
//! once more.
//!
//! This room must never renew the lease before everything that a poll brought has been applied.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row as _};

use super::cluster;
use super::link::{Link, answering, failed};
use super::named::named;
use super::notes;
use super::parts::Inner;
use crate::error::KeystoreError;
use crate::shared::lease::Leader;
use crate::shared::pace::Pace;
use crate::shared::poller::Stop;

/// How long a poll may take before its connection is given up.
const PATIENCE: Duration = Duration::from_millis(800);

/// How long there is nothing between a failure and the next attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// How many rows are applied by one poll: the limit in [`POLL`] is one more. Where there are more, as after the end of
/// all sessions, everything is read once more.
const MANY: usize = 10_000;

/// After how many polls the rows that every process has seen are taken away.
const POLLS_A_TRIM: u64 = 50;

/// How often a standby has taken over in the history of the server that answers.
macro_rules! timeline {
    () => {
        "CASE WHEN pg_is_in_recovery() THEN -1 \
         ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END AS timeline"
    };
}

const ARRIVED: &str = concat!(
    "INSERT INTO keystore_nodes (id, applied_xmin, about) \
     VALUES ($1, pg_snapshot_xmin(pg_current_snapshot()), $2) \
     ON CONFLICT (id) DO UPDATE SET applied_xmin = EXCLUDED.applied_xmin, seen_at = clock_timestamp() \
     RETURNING pg_current_snapshot()::text AS snapshot, (SELECT era FROM keystore_meta) AS era, ",
    answering!(),
    ", ",
    timeline!()
);

const POLL: &str = concat!(
    "WITH me AS (UPDATE keystore_nodes SET beat = beat + 1, seen_at = clock_timestamp(), \
       applied_xmin = pg_snapshot_xmin($2::pg_snapshot) WHERE id = $1 RETURNING 1), \
     ended AS (SELECT key, gone, CASE WHEN node = $1 THEN xid::text::bigint END AS own \
       FROM keystore_ends WHERE xid >= pg_snapshot_xmin($2::pg_snapshot) \
       AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot) LIMIT 10001) \
     SELECT (SELECT count(*) FROM me) = 1 AS known, lease_us, era, pg_current_snapshot()::text AS snapshot, \
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, \
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS unix_us, \
       coalesce((SELECT version FROM keystore_common), 0) AS common, records, ",
    answering!(),
    ", ",
    timeline!(),
    ", e.* FROM keystore_meta, (SELECT coalesce(array_agg(key), '{}') AS keys, \
       coalesce(array_agg(gone), '{}') AS gone, coalesce(array_agg(own), '{}') AS own FROM ended) e"
);

/// What the thread keeps from poll to poll.
pub(super) struct Polling<'i> {
    inner: &'i Inner,
    link: Link,
    connection: Option<PgConnection>,
    seen: Option<Seen>,
    /// The server that answered last.
    server: Option<Server>,
    polls: u64,
    /// The first transaction that wasn't seen as a whole when rows were last taken away.
    trimmed: i64,
    pace: Pace,
    failing: bool,
}

/// Up to where what has ended is known.
struct Seen {
    snapshot: String,
    server: Server,
    era: i64,
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
    xmin: i64,
    era: i64,
    lease: Duration,
    server: Server,
    /// The database's time.
    unix_us: u64,
    /// The version of what all go by.
    common: u64,
    /// Where the records are, when they aren't in this database.
    elsewhere: Option<String>,
    ended: Vec<Ended>,
}

/// A record that has ended or changed.
struct Ended {
    key: Vec<u8>,
    gone: bool,
    /// The transaction, where it was one of this process.
    own: Option<i64>,
}

impl<'i> Polling<'i> {
    pub(super) fn new(inner: &'i Inner, link: Link) -> Self {
        Self {
            inner,
            link,
            connection: None,
            seen: None,
            server: None,
            polls: 0,
            trimmed: 0,
            pace: Pace::default(),
            failing: false,
        }
    }

    pub(super) async fn until(mut self, stop: &Stop) {
        while !stop.is_asked() {
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
            tokio::select! {
                () = stop.pause(pause) => {}
                () = self.inner.lease.hurried() => {}
            }
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
            let seen = arrived(inner, connection).await?;
            if self
                .server
                .replace(seen.server)
                .is_some_and(|before| before != seen.server)
            {
                *inner.led.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            self.seen = Some(seen);
            return Ok(Duration::ZERO);
        };
        let round = asked(connection, inner.node, &seen.snapshot).await?;
        // A new era has ended everything.
        if !round.known || round.server != seen.server || round.era != seen.era {
            self.seen = None;
            return Ok(Duration::ZERO);
        }
        if round.ended.len() > MANY {
            // Applying them would take longer than a lease, and reading once more takes less.
            self.seen = None;
            return Ok(Duration::ZERO);
        }
        decided(inner, connection, &round).await?;
        let ended = round.ended.iter();
        let keys = ended.map(|ended| Ok((named(&ended.key)?, ended)));
        let keys = keys.collect::<Result<Vec<_>, KeystoreError>>()?;
        // The rows of a transaction come with one poll. What is claimed here is applied here: nothing fails from here on.
        let own: HashSet<_> = round.ended.iter().filter_map(|ended| ended.own).collect();
        let told: HashSet<_> = own
            .into_iter()
            .filter(|own| !inner.told.claim(*own))
            .collect();
        for (key, ended) in &keys {
            if ended.own.is_some_and(|own| told.contains(&own)) {
                continue;
            }
            if ended.gone {
                inner.gone(key);
            } else {
                inner.changed(key);
            }
        }
        inner
            .heard
            .fetch_add(round.ended.len() as u64, Ordering::Relaxed);
        self.seen = Some(Seen {
            snapshot: round.snapshot,
            server: round.server,
            era: round.era,
        });
        inner.lease.renew(sent_at, round.lease);
        let xmin = round.xmin;
        self.polls += 1;
        if self.polls.is_multiple_of(POLLS_A_TRIM) {
            // Those of the trim before: answers to changes may still be on the way.
            inner
                .told
                .forget_before(std::mem::replace(&mut self.trimmed, xmin));
            trimmed(connection).await?;
        }
        Ok(self.pace.next(round.lease, sent_at, inner.lease.now()))
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

/// Has the member of this process decide about the rest of what a poll brought.
async fn decided(
    inner: &Inner,
    connection: &mut PgConnection,
    round: &Round,
) -> Result<(), KeystoreError> {
    let Some(member) = inner.member.get() else {
        return Ok(());
    };
    let mut decision = member.hear_time(round.unix_us);
    if decision.is_ok() {
        decision = member.hear_elsewhere(round.elsewhere.as_deref());
    }
    if decision.is_ok()
        && round.common != inner.taken_up.load(Ordering::SeqCst)
        && let Some(common) = cluster::read(connection).await?
    {
        decision = member.take_up(&common);
        if decision.is_ok() {
            inner.taken_up.store(common.version, Ordering::SeqCst);
        }
    }
    inner.set_refusal(decision.as_ref().err().map(String::as_str));
    decision.map_err(KeystoreError::unavailable)
}

/// Enters this process among those at work, and forgets everything: nothing is known of what ended before.
async fn arrived(inner: &Inner, connection: &mut PgConnection) -> Result<Seen, KeystoreError> {
    notes::arrived(&inner.notes, connection).await?;
    let asked = sqlx::query(ARRIVED).bind(inner.node).bind(inner.about());
    let row = asked.fetch_one(connection).await;
    let row = row.map_err(|error| failed(&error))?;
    let seen = Seen {
        snapshot: row.try_get("snapshot").map_err(|error| failed(&error))?,
        server: server(&row)?,
        era: row.try_get("era").map_err(|error| failed(&error))?,
    };
    inner.told.forget();
    inner
        .lease
        .begin_anew(seen.server.leader, || inner.stamps.all_changed());
    Ok(seen)
}

async fn asked(
    connection: &mut PgConnection,
    node: i64,
    snapshot: &str,
) -> Result<Round, KeystoreError> {
    let row = sqlx::query(POLL)
        .bind(node)
        .bind(snapshot)
        .fetch_one(connection)
        .await
        .map_err(|error| failed(&error))?;
    let read = || -> Result<Round, sqlx::Error> {
        let lease_us: i64 = row.try_get("lease_us")?;
        let keys: Vec<Vec<u8>> = row.try_get("keys")?;
        let gone: Vec<bool> = row.try_get("gone")?;
        let own: Vec<Option<i64>> = row.try_get("own")?;
        let ended = keys.into_iter().zip(gone).zip(own);
        Ok(Round {
            known: row.try_get("known")?,
            snapshot: row.try_get("snapshot")?,
            xmin: row.try_get("xmin")?,
            era: row.try_get("era")?,
            lease: Duration::from_micros(lease_us.cast_unsigned()),
            unix_us: row.try_get::<i64, _>("unix_us")?.cast_unsigned(),
            common: row.try_get::<i64, _>("common")?.cast_unsigned(),
            elsewhere: row.try_get("records")?,
            server: Server {
                leader: Leader(row.try_get::<i64, _>("leader")?.cast_unsigned()),
                timeline: row.try_get("timeline")?,
            },
            ended: ended
                .map(|((key, gone), own)| Ended { key, gone, own })
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
        // Few at a time: a poll is due.
        "DELETE FROM keystore_ends WHERE ctid = ANY (ARRAY(SELECT ctid FROM keystore_ends \
           WHERE xid < (SELECT min(applied_xmin) FROM keystore_nodes) ORDER BY xid LIMIT 2000))",
    ] {
        let done = sqlx::query(question).execute(&mut *connection).await;
        done.map_err(|error| failed(&error))?;
    }
    Ok(())
}
