//! A database as a side of a move, whether or not processes work on it.
//!
//! Records leave a database in one transaction: it locks the table of records against changes, so that a last walk
//! finds all that will ever be there, and then refuses for good every change and every poll. Whoever is killed before the
//! commit has changed nothing; behind it no process on the database has a lease, once the one of before is over.
//!
//! This room must never leave a lock behind, and never let records be used in two stores.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::{Mutex, MutexGuard};

use super::cluster;
use super::link::{Link, failed, live};
use super::member::Common;
use super::named::named;
use super::parts::wait;
use super::schema::{self, KNOWS_ELSEWHERE};
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::moving::{Change, Destination, Origin};
use crate::store::{Answer, Sealed};

/// Held by whoever moves records, for as long as its connection lasts.
const MOVING: &str = "SELECT pg_try_advisory_lock(5494726353018886)";

/// How often it is asked for, and how long it is waited for in between.
const TRIES: usize = 50;
const BETWEEN: Duration = Duration::from_millis(100);

/// The lock of a first start, for the length of a transaction.
const ALONE: &str = "SELECT pg_advisory_xact_lock(5494726353018885)";

/// The rest of what a move needs: it is made by the first one.
const TABLES: &str = "CREATE TABLE keystore_moves (\
    way text PRIMARY KEY CHECK (way IN ('coming', 'came', 'left')), \
    id text NOT NULL, about text NOT NULL, sealed bytea, at timestamptz NOT NULL DEFAULT clock_timestamp())";

/// What refuses everything on a database that was left. `LM001` is ours alone.
const REFUSING: &str = "CREATE OR REPLACE FUNCTION keystore_left() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN IF current_setting('lacre.moving', true) IS DISTINCT FROM 'on' THEN \
    RAISE EXCEPTION 'the sessions were moved to another store' USING ERRCODE = 'LM001'; END IF; RETURN NULL; END $$";

/// Says in a transaction that it is of a move, which may change records that nobody else may.
const MOVES: &str = "SET LOCAL lacre.moving = 'on'";

/// What is refused then: changes of records and keys, and the polls by which processes have their lease.
const REFUSED: [&str; 3] = [RECORDS, "keystore_common", "keystore_nodes"];

/// The table of records.
pub(super) const RECORDS: &str = "keystore_sessions";

/// A transaction that says nothing for so long is ended by the database, and its locks with it: the machine that moves
/// records may have gone without a word.
const SILENCE: &str = "SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// What a move has written into a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Records are being brought here: nobody may use them yet.
    Coming {
        /// The number of the move.
        id: String,
        /// Of what.
        about: String,
    },
    /// Records were brought here, and are used here.
    Came {
        /// The number of the move.
        id: String,
    },
    /// Records were here.
    Left {
        /// The number of the move.
        id: String,
        /// Where they are.
        about: String,
    },
}

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
        let count: i64 = asked
            .fetch_one(connection)
            .await
            .map_err(|error| failed(&error))?;
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
        let count: i64 = asked
            .fetch_one(connection)
            .await
            .map_err(|error| failed(&error))?;
        Ok(count.cast_unsigned())
    }

    /// Keeps every process from starting here until [`ready`](Self::ready), and gives the number of the move: that of an
    /// earlier one of the same, which is gone on with. `None`, and nothing changed, where the database isn't free.
    pub async fn begin(&self, id: &str, about: &str) -> Result<Option<String>, KeystoreError> {
        schema::prepare(&self.link, self.lease).await?;
        let mut connection = self.connection().await;
        let mut alone = connection
            .get()?
            .begin()
            .await
            .map_err(|error| failed(&error))?;
        alone.execute(ALONE).await.map_err(|error| failed(&error))?;
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
            .map_err(|error| failed(&error))?;
        if used {
            return Ok(None);
        }
        sqlx::query("INSERT INTO keystore_moves (way, id, about) VALUES ('coming', $1, $2)")
            .bind(id)
            .bind(about)
            .execute(&mut *alone)
            .await
            .map_err(|error| failed(&error))?;
        alone.commit().await.map_err(|error| failed(&error))?;
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
            .map_err(|error| failed(&error))
    }

    /// Lets processes start here, where this move has come: the origin was left. The records are here, or at `elsewhere`.
    /// Says whether it has; it may have been said before.
    pub async fn ready(&self, id: &str, elsewhere: Option<&str>) -> Result<bool, KeystoreError> {
        let mut connection = self.connection().await;
        let mut all = connection
            .get()?
            .begin()
            .await
            .map_err(|error| failed(&error))?;
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
            .map_err(|error| failed(&error))?;
        }
        sqlx::query(
            "INSERT INTO keystore_common (version, sealed) SELECT 1, sealed FROM keystore_moves \
             WHERE way = 'coming' AND id = $1 AND sealed IS NOT NULL",
        )
        .bind(id)
        .execute(&mut *all)
        .await
        .map_err(|error| failed(&error))?;
        sqlx::query("UPDATE keystore_moves SET way = 'came', sealed = NULL WHERE way = 'coming' AND id = $1 \
                     AND EXISTS (SELECT 1 FROM keystore_common)")
            .bind(id)
            .execute(&mut *all)
            .await
            .map_err(|error| failed(&error))?;
        let asked = "SELECT EXISTS (SELECT 1 FROM keystore_moves WHERE way = 'came' AND id = $1)";
        let came = sqlx::query_scalar(asked)
            .bind(id)
            .fetch_one(&mut *all)
            .await;
        let came = came.map_err(|error| failed(&error))?;
        all.commit().await.map_err(|error| failed(&error))?;
        Ok(came)
    }

    /// Locks the records against changes until [`leave`](Self::leave) or [`release`](Self::release): what was begun is
    /// made, or never will be, when this returns.
    pub async fn hold(&self) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        let connection = connection.get()?;
        for question in ["BEGIN", SILENCE] {
            connection
                .execute(question)
                .await
                .map_err(|error| failed(&error))?;
        }
        tables(connection).await?;
        let lock = "LOCK TABLE keystore_sessions, keystore_common IN EXCLUSIVE MODE";
        connection
            .execute(lock)
            .await
            .map(drop)
            .map_err(|error| failed(&error))
    }

    /// Gives the records free again.
    pub async fn release(&self) -> Result<(), KeystoreError> {
        let mut connection = self.connection().await;
        connection
            .get()?
            .execute("ROLLBACK")
            .await
            .map(drop)
            .map_err(|error| failed(&error))
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
            .map_err(|error| failed(&error))?;
        connection
            .execute("COMMIT")
            .await
            .map_err(|error| failed(&error))?;
        // A lease of before goes on for so long.
        tokio::time::sleep(wait(lease_us).wait.unwrap_or_default()).await;
        Ok(())
    }
}

/// How long a process may go by what it keeps.
pub(super) async fn lease_us(connection: &mut PgConnection) -> Result<i64, KeystoreError> {
    sqlx::query_scalar("SELECT lease_us FROM keystore_meta")
        .fetch_one(connection)
        .await
        .map_err(|error| failed(&error))
}

/// Refuses changes of these tables from the commit on.
pub(super) async fn refuse(
    connection: &mut PgConnection,
    refused: &[&str],
) -> Result<(), KeystoreError> {
    connection
        .execute(REFUSING)
        .await
        .map_err(|error| failed(&error))?;
    for table in refused {
        let before = format!("DROP TRIGGER IF EXISTS keystore_left ON {table}");
        let trigger = format!(
            "CREATE TRIGGER keystore_left BEFORE INSERT OR UPDATE OR DELETE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION keystore_left()"
        );
        for question in [before, trigger] {
            let made = connection
                .execute(sqlx::query(AssertSqlSafe(question)))
                .await;
            made.map_err(|error| failed(&error))?;
        }
    }
    Ok(())
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
        .map_err(|error| failed(&error))?;
    for _ in 0..TRIES {
        let alone: bool = sqlx::query_scalar(MOVING)
            .fetch_one(&mut connection)
            .await
            .map_err(|error| failed(&error))?;
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

async fn tables(connection: &mut PgConnection) -> Result<(), KeystoreError> {
    if !exists(connection, "keystore_moves").await? {
        connection
            .execute(TABLES)
            .await
            .map_err(|error| failed(&error))?;
    }
    Ok(())
}

async fn exists(connection: &mut PgConnection, table: &str) -> Result<bool, KeystoreError> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(connection)
        .await
        .map_err(|error| failed(&error))
}

/// What a move has left in the database of this connection.
pub(super) async fn moved(connection: &mut PgConnection) -> Result<Option<Moved>, KeystoreError> {
    if !exists(connection, "keystore_moves").await? {
        return Ok(None);
    }
    let row: Option<(String, String, String)> =
        sqlx::query_as("SELECT way, id, about FROM keystore_moves ORDER BY way DESC LIMIT 1")
            .fetch_optional(connection)
            .await
            .map_err(|error| failed(&error))?;
    Ok(row.map(|(way, id, about)| match way.as_str() {
        "left" => Moved::Left { id, about },
        "coming" => Moved::Coming { id, about },
        _ => Moved::Came { id },
    }))
}

impl Origin for PostgresMove {
    fn page(&self, after: Option<RecordKey>, limit: usize) -> Answer<'_, Vec<(RecordKey, Sealed)>> {
        Box::pin(async move {
            let mut connection = self.connection().await;
            let after = after.map(|key| key.to_bytes().to_vec());
            let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(concat!(
                "SELECT key, sealed, expires_at FROM keystore_sessions \
                 WHERE key > coalesce($1, ''::bytea) AND ",
                live!(),
                " ORDER BY key LIMIT $2",
            ))
            .bind(after)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(connection.get()?)
            .await
            .map_err(|error| failed(&error))?;
            let sealed = |bytes, expires_at: i64| Sealed {
                bytes,
                expires_at: expires_at.max(0).cast_unsigned(),
            };
            rows.into_iter()
                .map(|(key, bytes, expires_at)| Ok((named(&key)?, sealed(bytes, expires_at))))
                .collect()
        })
    }
}

impl Destination for PostgresMove {
    fn page(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            let page = Origin::page(self, after, limit).await?;
            Ok(page
                .into_iter()
                .map(|(key, sealed)| (key, sealed.bytes))
                .collect())
        })
    }

    fn change(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut connection = self.connection().await;
            let mut all = connection
                .get()?
                .begin()
                .await
                .map_err(|error| failed(&error))?;
            all.execute(MOVES).await.map_err(|error| failed(&error))?;
            let (mut gone, mut keys, mut sealed, mut expires) =
                (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for Change { key, now, .. } in changes {
                let key = key.to_bytes().to_vec();
                match now {
                    Some(now) => {
                        keys.push(key);
                        sealed.push(now.bytes);
                        expires.push(i64::try_from(now.expires_at).unwrap_or(i64::MAX));
                    }
                    None => gone.push(key),
                }
            }
            sqlx::query("DELETE FROM keystore_sessions WHERE key = ANY ($1)")
                .bind(gone)
                .execute(&mut *all)
                .await
                .map_err(|error| failed(&error))?;
            sqlx::query(
                "INSERT INTO keystore_sessions (key, sealed, expires_at) \
                 SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) \
                 ON CONFLICT (key) DO UPDATE SET sealed = EXCLUDED.sealed, expires_at = EXCLUDED.expires_at, \
                 era = EXCLUDED.era",
            )
            .bind(keys)
            .bind(sealed)
            .bind(expires)
            .execute(&mut *all)
            .await
            .map_err(|error| failed(&error))?;
            all.commit().await.map_err(|error| failed(&error))
        })
    }
}

impl std::fmt::Debug for PostgresMove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresMove").finish_non_exhaustive()
    }
}
