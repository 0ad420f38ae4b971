//! The processes on one store, as one of them sees them: what they all go by, what each says of itself, and what one
//! of them does for all.
//!
//! All go by some sealed bytes. A poll brings their version before anything that it brings is used, so a process that
//! hasn't taken up the latest has no lease; a change is answered when no process goes by the bytes of before.
//!
//! This room must never let a process go on that has refused what all go by.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection, PgExecutor};
use tokio::runtime::Handle;

use super::length::{self, as_before};
use super::link::{Link, failed, repeated};
use super::member::{Common, Member};
use super::parts::{Inner, Made, PATIENCE, wait};
use super::schema::KNOWS_ELSEWHERE;
use super::trust::{self, Weakness};
use crate::error::KeystoreError;
use crate::store::LeaseReport;

/// For how long a process is counted among those at work that hasn't been heard of. It is longer than any lapse, and
/// shorter than a restart that people wait for.
pub(super) const SILENCE: &str = "10 seconds";

/// For how long a process waits for another one that has the store to itself.
const ALONE_WITHIN: Duration = Duration::from_secs(30);

/// A lock of our own, for as long as a connection lasts.
const ALONE: &str = "SELECT pg_advisory_lock(5494726353018885)";

/// Another process on the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The number that it has drawn.
    pub node: i64,
    /// What it says of itself.
    pub about: String,
}

/// The processes on one store, seen from one of them. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    pub(super) inner: Arc<Inner>,
    pub(super) link: Link,
    pub(super) io: Handle,
}

/// The store to oneself, among those who ask for it, until this is dropped.
#[must_use = "the lock ends with it"]
pub struct Alone(Option<PgConnection>, Handle);

impl Cluster {
    /// The number of this process.
    #[must_use]
    pub fn node(&self) -> i64 {
        self.inner.node
    }

    /// How the lease of this process has fared.
    #[must_use]
    pub fn lease(&self) -> LeaseReport {
        self.inner.lease.report()
    }

    /// What keeps the server from keeping what it says; nothing where there is nothing to say.
    pub async fn weaknesses(&self) -> Result<Vec<Weakness>, KeystoreError> {
        self.ask(|inner| async move { trust::weaknesses(&inner.pool).await })
            .await
    }

    /// Waits until no other process has this, for what a first start does.
    pub async fn alone(&self) -> Result<Alone, KeystoreError> {
        let link = self.link.clone();
        let locking = self.io.spawn(async move {
            let mut connection = link.connect().await?;
            let settings = "SET statement_timeout = 0; SET idle_session_timeout = 0";
            let set = connection.execute(settings).await;
            // Before version 14 there is no second one.
            if set.is_err() {
                let one = connection.execute("SET statement_timeout = 0").await;
                one.map_err(|error| failed(&error))?;
            }
            let locked = tokio::time::timeout(ALONE_WITHIN, connection.execute(ALONE)).await;
            let locked = locked.map_err(|_| {
                KeystoreError::unavailable("another node makes the deployment, and doesn't end")
            })?;
            locked.map_err(|error| failed(&error))?;
            Ok(connection)
        });
        let connection = joined(locking.await)?;
        Ok(Alone(Some(connection), self.io.clone()))
    }

    /// What all go by; nothing where no process has put it yet.
    pub async fn common(&self) -> Result<Option<Common>, KeystoreError> {
        self.ask(|inner| async move {
            let mut connection = inner.pool.acquire().await.map_err(|error| failed(&error))?;
            read(&mut connection).await
        })
        .await
    }

    /// Puts other bytes in the place of those of the version `seen`, 0 for none. Answers with the new version when no
    /// process goes by those of before; `None`, and nothing changed, where another one was first.
    pub async fn put_common(
        &self,
        seen: u64,
        sealed: Vec<u8>,
    ) -> Result<Option<u64>, KeystoreError> {
        let made = self
            .ask(move |inner| async move {
                let (version, made) = put(&inner, seen, &sealed).await?;
                Ok((version, made.wait))
            })
            .await?;
        let (version, wait) = made;
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        Ok(version)
    }

    /// Where the records of the deployment are, when they aren't in this database.
    pub async fn elsewhere(&self) -> Result<Option<String>, KeystoreError> {
        self.ask(|inner| async move { elsewhere(&inner.pool).await })
            .await
    }

    /// Writes down where the records are, when they aren't in this database: programs that don't know that they may be
    /// elsewhere are refused from then on. For whoever has the store to itself.
    pub async fn put_elsewhere(&self, place: Option<String>) -> Result<(), KeystoreError> {
        self.ask(move |inner| async move {
            repeated(|| {
                match &place {
                    None => sqlx::query(concat!(
                        "UPDATE keystore_meta SET records = NULL, ",
                        as_before!()
                    )),
                    Some(place) => sqlx::query(
                        "UPDATE keystore_meta SET records = $1, oldest = greatest(oldest, $2)",
                    )
                    .bind(place)
                    .bind(KNOWS_ELSEWHERE),
                }
                .execute(&inner.pool)
            })
            .await
            .map(drop)
        })
        .await
    }

    /// Makes the lease by this database longer, where the records are elsewhere and that wasn't done yet.
    pub async fn lengthen(&self) -> Result<(), KeystoreError> {
        self.ask(|inner| async move { length::lengthen(&inner.pool).await })
            .await
    }

    /// Has `member` decide about what polls bring from now on: when it returns there is a lease by a poll that it has
    /// decided about. Fails where there is another one, or where it refuses what all go by.
    pub async fn join(&self, member: Arc<dyn Member>) -> Result<(), KeystoreError> {
        if self.inner.member.set(member).is_err() {
            return Err(KeystoreError::unavailable("another member decides here"));
        }
        let inner = Arc::clone(&self.inner);
        let joining = self.io.spawn(async move {
            // The one under way may have been sent before.
            inner
                .lease
                .rounds(2, PATIENCE)
                .await
                .map_err(|error| match inner.refusal() {
                    Some(why) => KeystoreError::unavailable(why),
                    None => error,
                })
        });
        joined(joining.await)
    }

    /// Says of this process what the others see.
    pub async fn introduce(&self, about: String) -> Result<(), KeystoreError> {
        self.inner.say(&about);
        self.ask(move |inner| async move {
            repeated(|| {
                sqlx::query("UPDATE keystore_nodes SET about = $2 WHERE id = $1")
                    .bind(inner.node)
                    .bind(&about)
                    .execute(&inner.pool)
            })
            .await
            .map(drop)
        })
        .await
    }

    /// The other processes at work.
    pub async fn peers(&self) -> Result<Vec<Peer>, KeystoreError> {
        self.ask(|inner| async move {
            let question = format!(
                "SELECT id, about FROM keystore_nodes WHERE id <> $1 \
                 AND seen_at > clock_timestamp() - interval '{SILENCE}' ORDER BY id"
            );
            let rows: Vec<(i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(question))
                .bind(inner.node)
                .fetch_all(&inner.pool)
                .await
                .map_err(|error| failed(&error))?;
            Ok(rows
                .into_iter()
                .map(|(node, about)| Peer { node, about })
                .collect())
        })
        .await
    }

    async fn ask<T, A>(&self, question: impl FnOnce(Arc<Inner>) -> A) -> Result<T, KeystoreError>
    where
        T: Send + 'static,
        A: Future<Output = Result<T, KeystoreError>> + Send + 'static,
    {
        let asked = self.io.spawn(question(Arc::clone(&self.inner)));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answer) => joined(answer),
            Err(_) => Err(KeystoreError::unavailable("it doesn't answer in time")),
        }
    }
}

fn joined<T>(
    answer: Result<Result<T, KeystoreError>, tokio::task::JoinError>,
) -> Result<T, KeystoreError> {
    answer.unwrap_or_else(|error| Err(KeystoreError::unavailable(error.to_string())))
}

/// The lock goes with the connection, also where the other side hears of its end late.
impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            self.1.spawn(connection.close());
        }
    }
}

/// Where the records are, when they aren't in this database.
pub(super) async fn elsewhere(
    connection: impl PgExecutor<'_>,
) -> Result<Option<String>, KeystoreError> {
    sqlx::query_scalar("SELECT records FROM keystore_meta")
        .fetch_one(connection)
        .await
        .map_err(|error| failed(&error))
}

/// What all go by.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Option<Common>, KeystoreError> {
    let found: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, sealed FROM keystore_common")
            .fetch_optional(connection)
            .await
            .map_err(|error| failed(&error))?;
    Ok(found.map(|(version, sealed)| Common {
        version: version.cast_unsigned(),
        sealed,
    }))
}

async fn put(
    inner: &Inner,
    seen: u64,
    sealed: &[u8],
) -> Result<(Option<u64>, Made), KeystoreError> {
    let question = if seen == 0 {
        "WITH c AS (INSERT INTO keystore_common (version, sealed) SELECT $1 + 1, $2 \
           ON CONFLICT DO NOTHING RETURNING version) \
         SELECT (SELECT version FROM c), lease_us FROM keystore_meta"
    } else {
        "WITH c AS (UPDATE keystore_common SET version = version + 1, sealed = $2 WHERE version = $1 \
           RETURNING version) \
         SELECT (SELECT version FROM c), lease_us FROM keystore_meta"
    };
    let (version, lease_us): (Option<i64>, i64) = repeated(|| {
        sqlx::query_as(question)
            .bind(seen.cast_signed())
            .bind(sealed)
            .fetch_one(&inner.pool)
    })
    .await?;
    Ok((version.map(i64::cast_unsigned), wait(lease_us)))
}

/// Whether it is this process's turn to do what one does for all; it is then nobody else's for so long.
pub(super) async fn take_turn(
    inner: &Inner,
    chore: &'static str,
    every: Duration,
) -> Result<bool, KeystoreError> {
    let taken: Option<i32> = sqlx::query_scalar(
        "INSERT INTO keystore_chores (name, begun_at) VALUES ($1, clock_timestamp()) \
         ON CONFLICT (name) DO UPDATE SET begun_at = EXCLUDED.begun_at \
         WHERE keystore_chores.begun_at <= clock_timestamp() - make_interval(secs => $2) \
           OR keystore_chores.begun_at > clock_timestamp() RETURNING 1",
    )
    .bind(chore)
    .bind(every.as_secs_f64())
    .fetch_optional(&inner.pool)
    .await
    .map_err(|error| failed(&error))?;
    Ok(taken.is_some())
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster(node {})", self.inner.node)
    }
}

impl std::fmt::Debug for Alone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alone")
    }
}
