//! A database as a side of a move, whether or not processes work on it.
//!
//! Records leave a database in one transaction: it locks the table of records against changes, so that a last walk
//! finds all that will ever be there, and then refuses for good every change and every poll. Whoever is killed before the
//! commit has changed nothing; behind it no process on the database has a lease, once the one of before is over.
//!
//! This room must never leave a lock behind, and never let records be used in two stores.

mod marks;
mod records;

use std::time::Duration;

pub use marks::Moved;
pub(super) use marks::{RECORDS, lease_us, moved, refuse};
use marks::{REFUSED, exists, tables};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::{Mutex, MutexGuard};

use super::cluster;
use super::link::{Link, Told as _, live};
use super::member::Common;
use super::parts::wait;
use super::schema::{self, KNOWS_ELSEWHERE};
use crate::error::KeystoreError;

/// Held by whoever moves records, for as long as its connection lasts.
const MOVING: &str = "SELECT pg_try_advisory_lock(5494726353018886)";

/// How often it is asked for, and how long it is waited for in between.
const TRIES: usize = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// How long a connection that takes the place of another one may take, with the wait for others.
const ANEW: Duration = Duration::from_secs(10);

/// The lock of a first start, for the length of a transaction.
const ALONE: &str = "SELECT pg_advisory_xact_lock(5494726353018885)";

/// A transaction that says nothing for so long is ended by the database, and its locks with it: the machine that moves
/// records may have gone without a word.
const SILENCE: &str = "SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// A database for one side of a move.
pub struct PostgresMove {
    link: Link,
    connection: Mutex<Option<PgConnection>>,
    lease: Duration,
}

impl PostgresMove {
    /// A connection to the database of this URL, which nobody else moves records to or from. `lease` is for tables
    /// that are made.
    pub async fn open(url: &str, lease: Duration) -> Result<Self, KeystoreError> {
        let link = Link::of(url)?;
        let mut connection = connected(&link).await?;
        // What is asked below is asked of the tables of this program.
        if exists(&mut connection, "keystore_meta").await? {
            schema::prepare(&link, lease).await?;
        }
        Ok(Self {
            link,
            connection: Mutex::new(Some(connection)),
            lease,
        })
    }

    pub(super) async fn connection(&self) -> Connected<'_> {
        Connected(self.connection.lock().await)
    }

    /// Connects anew, to whichever server answers now: what was held or begun by the connection of before isn't any more.
    /// Fails where somebody else has begun to move records meanwhile.
    pub async fn again(&self) -> Result<(), KeystoreError> {
        let mut held = self.connection.lock().await;
        // The database gives what it held free when it is closed.
        *held = None;
        let connecting = tokio::time::timeout(ANEW, connected(&self.link)).await;
        let late = || KeystoreError::unavailable("it doesn't answer in time");
        *held = Some(connecting.map_err(|_| late())??);
        Ok(())
    }

    /// What the last move has left here; of several the one that keeps processes from starting.
    pub async fn moved(&self) -> Result<Option<Moved>, KeystoreError> {
        moved(self.connection().await.get()?).await
    }

    /// What all processes go by, where there is a deployment.
    pub async fn common(&self) -> Result<Option<Common>, KeystoreError> {
        let mut connection = self.connection().await;
        let connection = connection.get()?;
        if !exists(connection, "keystore_common").await? {
            return Ok(None);
        }
        cluster::read(connection).await
    }

    /// How many records there are.
    pub async fn records(&self) -> Result<u64, KeystoreError> {
        let mut connection = self.connection().await;
        let connection = connection.get()?;
        if !exists(connection, "keystore_sessions").await? {
            return Ok(0);
        }
        let asked = sqlx::query_scalar(concat!(
            "SELECT count(*) FROM keystore_sessions WHERE ",
            live!()
        ));
        let count: i64 = asked.fetch_one(connection).await.told()?;
        Ok(count.cast_unsigned())
    }

    /// How many processes are at work here, or were until some seconds ago.
    pub async fn nodes_at_work(&self) -> Result<u64, KeystoreError> {
        let mut connection = self.connection().await;
        let connection = connection.get()?;
        if !exists(connection, "keystore_nodes").await? {
            return Ok(0);
        }
        let question = format!(
            "SELECT count(*) FROM keystore_nodes WHERE seen_at > clock_timestamp() - interval '{}'",
            cluster::SILENCE
        );
        let asked = sqlx::query_scalar(AssertSqlSafe(question));
        let count: i64 = asked.fetch_one(connection).await.told()?;
        Ok(count.cast_unsigned())
    }

    /// Keeps every process from starting here until [`ready`](Self::ready), and gives the number of the move: that of an
    /// earlier one of the same, which is gone on with. `None`, and nothing changed, where the database isn't free.
    pub async fn begin(&self, id: &str, about: &str) -> Result<Option<String>, KeystoreError> {
        schema::prepare(&self.link, self.lease).await?;
        let mut connection = self.connection().await;
        let mut alone = connection.get()?.begin().await.told()?;
        alone.execute(ALONE).await.told()?;
        tables(&mut alone).await?;
        match moved(&mut alone).await? {
            Some(Moved::Coming { id, about: earlier }) => {
                return Ok((about == earlier).then_some(id));
            }
            Some(_) => return Ok(None),
            None => {}
        }
        let asked = "SELECT EXISTS (SELECT 1 FROM keystore_common) OR EXISTS (SELECT 1 FROM keystore_sessions)";
        let used: bool = sqlx::query_scalar(asked)
            .fetch_one(&mut *alone)
            .await
            .told()?;
        if used {
            return Ok(None);
        }
        sqlx::query("INSERT INTO keystore_moves (way, id, about) VALUES ('coming', $1, $2)")
            .bind(id)
            .bind(about)
            .execute(&mut *alone)
            .await
            .told()?;
        alone.commit().await.told()?;
        Ok(Some(id.to_owned()))
    }

    /// Keeps what all processes will go by.
    pub async fn furnish(&self, sealed: &[u8]) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        sqlx::query("UPDATE keystore_moves SET sealed = $1 WHERE way = 'coming'")
            .bind(sealed)
            .execute(connection.get()?)
            .await
            .map(drop)
            .told()
    }

    /// Lets processes start here, where this move has come: the origin was left. The records are here, or at `elsewhere`.
    /// Says whether it has; it may have been said before.
    pub async fn ready(&self, id: &str, elsewhere: Option<&str>) -> Result<bool, KeystoreError> {
        let mut connection = self.connection().await;
        let mut all = connection.get()?.begin().await.told()?;
        tables(&mut all).await?;
        if elsewhere.is_some() {
            sqlx::query(
                "UPDATE keystore_meta SET records = $1, oldest = greatest(oldest, $2) \
                 WHERE EXISTS (SELECT 1 FROM keystore_moves WHERE way = 'coming' AND id = $3)",
            )
            .bind(elsewhere)
            .bind(KNOWS_ELSEWHERE)
            .bind(id)
            .execute(&mut *all)
            .await
            .told()?;
        }
        sqlx::query(
            "INSERT INTO keystore_common (version, sealed) SELECT 1, sealed FROM keystore_moves \
             WHERE way = 'coming' AND id = $1 AND sealed IS NOT NULL",
        )
        .bind(id)
        .execute(&mut *all)
        .await
        .told()?;
        sqlx::query("UPDATE keystore_moves SET way = 'came', sealed = NULL WHERE way = 'coming' AND id = $1 \
                     AND EXISTS (SELECT 1 FROM keystore_common)")
            .bind(id)
            .execute(&mut *all)
            .await.told()?;
        let asked = "SELECT EXISTS (SELECT 1 FROM keystore_moves WHERE way = 'came' AND id = $1)";
        let came = sqlx::query_scalar(asked)
            .bind(id)
            .fetch_one(&mut *all)
            .await;
        let came = came.told()?;
        all.commit().await.told()?;
        Ok(came)
    }

    /// Locks the records against changes until [`leave`](Self::leave) or [`release`](Self::release): what was begun is
    /// made, or never will be, when this returns.
    pub async fn hold(&self) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        let connection = connection.get()?;
        for question in ["BEGIN", SILENCE] {
            connection.execute(question).await.told()?;
        }
        tables(connection).await?;
        let lock = "LOCK TABLE keystore_sessions, keystore_common IN EXCLUSIVE MODE";
        connection.execute(lock).await.map(drop).told()
    }

    /// Gives the records free again.
    pub async fn release(&self) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        connection.get()?.execute("ROLLBACK").await.map(drop).told()
    }

    /// Refuses everything here from now on, after [`hold`](Self::hold), and returns when no process on this database uses
    /// anything of it any more.
    pub async fn leave(&self, id: &str, about: &str) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        let connection = connection.get()?;
        let lease_us = lease_us(connection).await?;
        refuse(connection, &REFUSED).await?;
        sqlx::query("INSERT INTO keystore_moves (way, id, about) VALUES ('left', $1, $2)")
            .bind(id)
            .bind(about)
            .execute(&mut *connection)
            .await
            .told()?;
        connection.execute("COMMIT").await.told()?;
        // A lease of before goes on for so long.
        tokio::time::sleep(wait(lease_us).wait.unwrap_or_default()).await;
        Ok(())
    }
}

/// The one connection, while somebody uses it.
pub(super) struct Connected<'m>(MutexGuard<'m, Option<PgConnection>>);

impl Connected<'_> {
    pub(super) fn get(&mut self) -> Result<&mut PgConnection, KeystoreError> {
        let closed = || KeystoreError::unavailable("the connection is closed");
        self.0.as_mut().ok_or_else(closed)
    }
}

async fn connected(link: &Link) -> Result<PgConnection, KeystoreError> {
    let mut connection = link.connect().await?;
    connection
        .execute("SET statement_timeout = 0")
        .await
        .told()?;
    for _ in 0..TRIES {
        let alone: bool = sqlx::query_scalar(MOVING)
            .fetch_one(&mut connection)
            .await
            .told()?;
        if alone {
            return Ok(connection);
        }
        // The database needs a moment to hear that a process was killed.
        tokio::time::sleep(BETWEEN).await;
    }
    Err(KeystoreError::StoreHeld {
        path: "this database, for a move,".into(),
    })
}

impl std::fmt::Debug for PostgresMove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresMove").finish_non_exhaustive()
    }
}
