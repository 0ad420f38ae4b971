//! The tables, made by whichever process comes first.
//!
//! This room must never change tables that a later version of this program made.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _};

use super::link::{Link, failed};
use crate::error::KeystoreError;

const TABLES: &str = include_str!("schema.sql");

/// The layout that this program knows.
const VERSION: i32 = 1;

/// A lock of our own, for the length of a transaction.
const ALONE: &str = "SELECT pg_advisory_xact_lock(5494726353018883)";

pub(super) async fn prepare(link: &Link, lease: Duration) -> Result<(), KeystoreError> {
    let mut connection = link.connect().await?;
    let found = made(&mut connection, lease).await;
    let found = found.map_err(|error| failed(&error))?;
    if found > VERSION {
        return Err(KeystoreError::StoreTooNew {
            found,
            known: VERSION,
        });
    }
    connection.close().await.map_err(|error| failed(&error))
}

/// The layout of the tables that are there now.
async fn made(connection: &mut sqlx::PgConnection, lease: Duration) -> Result<i32, sqlx::Error> {
    let mut alone = connection.begin().await?;
    alone.execute(ALONE).await?;
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('keystore_meta') IS NOT NULL")
        .fetch_one(&mut *alone)
        .await?;
    if !exists {
        alone.execute(TABLES).await?;
        let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX);
        sqlx::query("INSERT INTO keystore_meta (version, lease_us) VALUES ($1, $2)")
            .bind(VERSION)
            .bind(lease)
            .execute(&mut *alone)
            .await?;
    }
    let version = sqlx::query_scalar("SELECT version FROM keystore_meta")
        .fetch_one(&mut *alone)
        .await?;
    alone.commit().await?;
    Ok(version)
}
