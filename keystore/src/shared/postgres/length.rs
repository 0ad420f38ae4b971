//! How long the lease of a database is whose records are elsewhere.
//!
//! What is left in it, keys and who is at work, changes rarely, and who changes it can wait. So its lease is longer there,
//! and it is polled less often.
//!
//! This room must never have a change answered after a shorter lease than one that a process may have.

use sqlx::{Connection as _, Executor as _, PgPool};

use super::link::Told as _;
use crate::error::KeystoreError;

/// How many times as long it is.
const TIMES: i64 = 5;

/// The longest that the tables take.
const LONGEST_US: i64 = 10_000_000;

/// A change reads the length as it is made. This waits for those under way, and lets none begin before its own commit:
/// whoever polls and finds the longer lease finds their changes as well, and those after them wait for the longer one.
const NO_CHANGE: &str = "LOCK TABLE keystore_common IN SHARE MODE";

/// Makes the lease longer, where records are elsewhere and that wasn't done yet.
pub(super) async fn lengthen(pool: &PgPool) -> Result<(), KeystoreError> {
    let mut connection = pool.acquire().await.told()?;
    let due: bool = sqlx::query_scalar(
        "SELECT records IS NOT NULL AND records_lease_us IS NULL FROM keystore_meta",
    )
    .fetch_one(&mut *connection)
    .await
    .told()?;
    if !due {
        return Ok(());
    }
    let mut all = connection.begin().await.told()?;
    all.execute(NO_CHANGE).await.told()?;
    sqlx::query(
        "UPDATE keystore_meta SET records_lease_us = lease_us, \
         lease_us = greatest(lease_us, least(lease_us * $1, $2)) \
         WHERE records IS NOT NULL AND records_lease_us IS NULL",
    )
    .bind(TIMES)
    .bind(LONGEST_US)
    .execute(&mut *all)
    .await
    .told()?;
    all.commit().await.told()
}

/// What is set with `records` when they are in the database again: no process that knew them elsewhere goes by the
/// database alone, whatever its lease is.
macro_rules! as_before {
    () => {
        "lease_us = coalesce(records_lease_us, lease_us), records_lease_us = NULL"
    };
}
pub(super) use as_before;
