//! The tables, made by whichever process comes first.
//!
//! This room must never change tables that a later version of this program made.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _};

use super::link::{Link, failed};
use crate::error::KeystoreError;

/// What makes the tables of each layout from those of the one before.
const STEPS: [(i32, &str); 6] = [
    (1, include_str!("schema/1.sql")),
    (2, include_str!("schema/2.sql")),
    (3, include_str!("schema/3.sql")),
    (4, include_str!("schema/4.sql")),
    (KNOWS_ELSEWHERE, include_str!("schema/5.sql")),
    (VERSION, include_str!("schema/6.sql")),
];

/// The layout that this program knows.
const VERSION: i32 = 6;

/// The oldest layout whose programs can go on beside this one. A step that they can't go on after has to wait for the
/// version after the one that first does without what it changes.
const OLDEST: i32 = 1;

/// The first layout whose programs know that records may be elsewhere.
pub(super) const KNOWS_ELSEWHERE: i32 = 5;

/// A lock of our own, for the length of a transaction.
const ALONE: &str = "SELECT pg_advisory_xact_lock(5494726353018883)";

pub(in crate::shared) async fn prepare(link: &Link, lease: Duration) -> Result<(), KeystoreError> {
    let mut connection = link.connect().await?;
    let found = made(&mut connection, lease).await;
    found.map_err(|error| failed(&error))?.check()?;
    connection.close().await.map_err(|error| failed(&error))
}

/// The layout of some tables, and the oldest one whose programs may use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    version: i32,
    oldest: i32,
}

impl Layout {
    /// What is there; nothing where no process has made the tables yet.
    pub(super) async fn found(
        connection: &mut sqlx::PgConnection,
    ) -> Result<Option<Self>, sqlx::Error> {
        let exists: bool = sqlx::query_scalar("SELECT to_regclass('keystore_meta') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await?;
        if !exists {
            return Ok(None);
        }
        let (version, oldest) = sqlx::query_as("SELECT version, oldest FROM keystore_meta")
            .fetch_one(connection)
            .await?;
        Ok(Some(Self { version, oldest }))
    }

    /// Whether these tables can say that records are elsewhere.
    pub(super) fn says_elsewhere(self) -> bool {
        self.version >= KNOWS_ELSEWHERE
    }

    /// Fails where this program is too old for these tables. Those of a later version are used where that one says
    /// that it can be done: nodes of two versions stand beside each other while one takes the place of the other.
    pub(super) fn check(self) -> Result<(), KeystoreError> {
        if self.oldest > VERSION {
            return Err(KeystoreError::StoreTooNew {
                found: self.version,
                known: VERSION,
            });
        }
        Ok(())
    }
}

/// The layout of the tables, which are made where there are none, and brought to the one that this program knows.
async fn made(connection: &mut sqlx::PgConnection, lease: Duration) -> Result<Layout, sqlx::Error> {
    let mut alone = connection.begin().await?;
    alone.execute(ALONE).await?;
    let found = Layout::found(&mut alone).await?;
    let before = found.map_or(0, |layout| layout.version);
    if before < VERSION && found.is_none_or(|layout| layout.check().is_ok()) {
        let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        for (version, step) in STEPS {
            if version <= before {
                continue;
            }
            alone.execute(step).await?;
            let said = if version == 1 {
                "INSERT INTO keystore_meta (version, oldest, lease_us) VALUES ($1, $2, $3)"
            } else {
                "UPDATE keystore_meta SET version = $1, oldest = greatest(oldest, $2) WHERE $3 > 0"
            };
            sqlx::query(said)
                .bind(version)
                .bind(OLDEST)
                .bind(lease)
                .execute(&mut *alone)
                .await?;
        }
    }
    let layout = Layout::found(&mut alone).await?;
    alone.commit().await?;
    layout.ok_or(sqlx::Error::RowNotFound)
}
