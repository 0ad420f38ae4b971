//! The statements that read records.
//!
//! This room must never hand out a record that another server than the lease's was asked for.

use sqlx::PgPool;

use super::link::{answering, failed, live};
use super::named::named;
use super::parts::{Inner, PATIENCE};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::shared::lease::Leader;
use crate::store::{Found, Stats, Writes};

/// How often a read is made again because the server has changed meanwhile.
const ATTEMPTS: usize = 4;

/// From how many nanoseconds on a count of all records isn't made anew each time, and for how many times as long it holds.
const MANY_TAKE: u64 = 100_000_000;
const HOLDS: u64 = 200;

const RECORD: &str = concat!(
    "SELECT (SELECT sealed FROM keystore_sessions WHERE key = $1 AND ",
    live!(),
    "), ",
    answering!()
);

/// The record under this key, from the server that the lease is from.
pub(super) async fn get(inner: &Inner, key: RecordKey) -> Result<Found, KeystoreError> {
    let bytes = key.to_bytes();
    for _ in 0..ATTEMPTS {
        let standing = inner.lease.held(PATIENCE).await?;
        let asked = sqlx::query_as(RECORD)
            .bind(&bytes[..])
            .fetch_one(&inner.pool);
        let (read, stamp) = inner.stamps.around_async(&bytes, asked).await;
        let (sealed, leader, standby): (Option<Vec<u8>>, i64, bool) =
            read.map_err(|error| failed(&error))?;
        let answering = Leader(leader.cast_unsigned());
        if !standby && answering == standing.leader && inner.lease.standing() == standing {
            return Ok(Found { sealed, stamp });
        }
    }
    Err(KeystoreError::unavailable("another server answers"))
}

/// The bytes of a record, for a change that compares them.
pub(super) async fn sealed(
    pool: &PgPool,
    key: RecordKey,
) -> Result<Option<Vec<u8>>, KeystoreError> {
    sqlx::query_scalar(concat!(
        "SELECT sealed FROM keystore_sessions WHERE key = $1 AND ",
        live!()
    ))
    .bind(&key.to_bytes()[..])
    .fetch_optional(pool)
    .await
    .map_err(|error| failed(&error))
}

/// Records of a range, those alone that may have expired at a time where one is given.
pub(super) async fn page(
    pool: &PgPool,
    range: KeyRange,
    expired_at: Option<u64>,
    limit: usize,
) -> Result<Vec<(RecordKey, Vec<u8>)>, KeystoreError> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(concat!(
        "SELECT key, sealed FROM keystore_sessions \
         WHERE key BETWEEN $1 AND $2 AND ($3::bigint IS NULL OR expires_at <= $3) AND ",
        live!(),
        " ORDER BY key LIMIT $4",
    ))
    .bind(&range.first()[..])
    .bind(&range.last()[..])
    .bind(expired_at.map(|time| i64::try_from(time).unwrap_or(i64::MAX)))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
    .map_err(|error| failed(&error))?;
    rows.into_iter()
        .map(|(key, sealed)| Ok((named(&key)?, sealed)))
        .collect()
}

pub(super) async fn count(
    pool: &PgPool,
    user: UserTag,
    max: usize,
) -> Result<usize, KeystoreError> {
    let range = KeyRange::of_user(user);
    let count: i64 = sqlx::query_scalar(concat!(
        "SELECT count(*) FROM (SELECT 1 FROM keystore_sessions WHERE key BETWEEN $1 AND $2 AND ",
        live!(),
        " LIMIT $3) AS few",
    ))
    .bind(&range.first()[..])
    .bind(&range.last()[..])
    .bind(i64::try_from(max).unwrap_or(i64::MAX))
    .fetch_one(pool)
    .await
    .map_err(|error| failed(&error))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The size of the store. Counting takes as long as there are records, and whoever asks for metrics asks often: what was
/// counted holds for a time that is two hundred times as long.
pub(super) async fn stats(inner: &Inner) -> Result<Stats, KeystoreError> {
    let mut counted = inner.counted.lock().await;
    let begun = inner.lease.now();
    if let Some((stats, until)) = *counted
        && begun < until
    {
        return Ok(stats);
    }
    let (records, bytes): (i64, i64) = sqlx::query_as(concat!(
        "SELECT count(*), pg_total_relation_size('keystore_sessions') FROM keystore_sessions WHERE ",
        live!()
    ))
    .fetch_one(&inner.pool)
    .await
    .map_err(|error| failed(&error))?;
    let stats = Stats {
        records: records.cast_unsigned(),
        bytes_on_disk: bytes.cast_unsigned(),
        writes: Writes::default(),
    };
    let took = inner.lease.now().saturating_sub(begun);
    if took > MANY_TAKE {
        *counted = Some((stats, begun.saturating_add(took.saturating_mul(HOLDS))));
    }
    Ok(stats)
}
