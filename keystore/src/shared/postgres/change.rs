//! The statements that change records, and what each has to wait for.
//!
//! A change and the rows that tell of it are one transaction. Who finds that what it wanted to end has ended
//! already, or has lost a swap, goes by a change that may not have been answered yet: it commits a change of its own
//! after it, and waits as long as that other one has to.
//!
//! This room must never let a change that ends something be answered without the wait.

use sqlx::{Acquire as _, PgConnection, Postgres};

use super::era;
use super::link::{ATTEMPTS, live, repeated};
use super::named::named;
use super::notes::{self, number};
use super::parts::{Inner, Made, wait};
use super::read;
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::Note;
use crate::store::Write;

/// Shared by changes of several records, held alone by the removal of all of programs that know no eras.
const ALL: i64 = 5_494_726_353_018_884;

const NO_WAIT: Made = Made { wait: None };

/// How many records a statement changed, the lease, and the transaction where it ended something.
type Counted = (i64, i64, Option<i64>);

/// Which records a statement removed, with their sealed bytes where notes are left of them, the lease, and the transaction
/// where it ended something.
type Removed = (Vec<Vec<u8>>, Vec<Vec<u8>>, i64, Option<i64>);

/// The transaction of the rows that tell of a change.
macro_rules! transaction {
    () => {
        "(SELECT min(xid::text::bigint) FROM e)"
    };
}

pub(super) async fn apply(
    inner: &Inner,
    writes: Vec<Write>,
    note: Option<Note>,
) -> Result<(bool, Made), KeystoreError> {
    let note = note.as_ref();
    let ends = writes.iter().any(|write| write.ends_tokens);
    let made = match &writes[..] {
        [] => return Ok((true, NO_WAIT)),
        [one] => {
            repeated(|| async {
                let mut connection = inner.pool.acquire().await?;
                made(&mut connection, inner, one, note).await
            })
            .await?
        }
        _ => repeated(|| all_or_none(inner, &writes, note)).await?,
    };
    let Some((lease_us, transaction)) = made else {
        return Ok((false, if ends { barrier(inner).await? } else { NO_WAIT }));
    };
    let changed: Vec<_> = writes.iter().map(|write| write.key).collect();
    let removed = |write: &Write| write.expected.is_some() && write.new.is_none();
    let gone = writes.iter().filter(|write| removed(write));
    let gone: Vec<_> = gone.map(|write| write.key).collect();
    inner.made(transaction, &changed, &gone);
    Ok((true, if ends { wait(lease_us) } else { NO_WAIT }))
}

pub(super) async fn remove(
    inner: &Inner,
    key: RecordKey,
    note: Option<Note>,
) -> Result<(bool, Made), KeystoreError> {
    if let Some(note) = note.as_ref().filter(|note| note.is_of_each()) {
        return remove_as_read(inner, key, note).await;
    }
    let bytes = key.to_bytes();
    let note = note.as_ref();
    let (count, lease_us, transaction): Counted = repeated(|| {
        sqlx::query_as(concat!(
            "WITH c AS (DELETE FROM keystore_sessions WHERE key = $1 AND ",
            live!(),
            " RETURNING key, sealed), \
             e AS (INSERT INTO keystore_ends (key, gone, node) SELECT key, true, $2 FROM c RETURNING xid), \
             n AS (INSERT INTO keystore_notes (number, key, at, writer, value) SELECT ",
            number!(),
            ", key, $3, $4, sha256(sealed) || $5::bytea FROM c, keystore_meta WHERE $5::bytea IS NOT NULL) \
             SELECT (SELECT count(*) FROM c), lease_us, ",
            transaction!(),
            " FROM keystore_meta"
        ))
        .bind(&bytes[..])
        .bind(inner.node)
        .bind(note.map(|note| notes::time(note.at())))
        .bind(inner.notes.writer())
        .bind(note.map(Note::sealed))
        .fetch_one(&inner.pool)
    })
    .await?;
    if count == 0 {
        return Ok((false, barrier(inner).await?));
    }
    inner.made(transaction, &[key], &[key]);
    Ok((true, wait(lease_us)))
}

/// Removes a record whose note says what it was.
async fn remove_as_read(
    inner: &Inner,
    key: RecordKey,
    note: &Note,
) -> Result<(bool, Made), KeystoreError> {
    for _ in 0..ATTEMPTS {
        let Some(expected) = read::sealed(&inner.pool, key).await? else {
            return Ok((false, barrier(inner).await?));
        };
        let write = Write {
            key,
            expected: Some(expected),
            new: None,
            ends_tokens: true,
        };
        let (made, wait) = apply(inner, vec![write], Some(note.clone())).await?;
        if made {
            return Ok((true, wait));
        }
    }
    Err(KeystoreError::StoreContended)
}

pub(super) async fn remove_user(
    inner: &Inner,
    user: UserTag,
    keep: Option<RecordKey>,
    note: Option<Note>,
) -> Result<(Vec<RecordKey>, Made), KeystoreError> {
    let range = KeyRange::of_user(user);
    let keep = keep.map(|key| key.to_bytes().to_vec());
    let removed = repeated(|| async {
        let mut connection = inner.pool.acquire().await?;
        let mut alone = connection.begin().await?;
        turn(&mut alone, user).await?;
        let removed: Removed = sqlx::query_as(concat!(
            "WITH c AS (DELETE FROM keystore_sessions WHERE key BETWEEN $1 AND $2 \
               AND key IS DISTINCT FROM $3 AND ",
            live!(),
            " RETURNING key, sealed), \
             e AS (INSERT INTO keystore_ends (key, gone, node) SELECT key, true, $4 FROM c RETURNING xid) \
             SELECT (SELECT coalesce(array_agg(key ORDER BY key), '{}') FROM c), \
               (SELECT coalesce(array_agg(sealed ORDER BY key), '{}') FROM c WHERE $5), lease_us, ",
            transaction!(),
            " FROM keystore_meta"
        ))
        .bind(&range.first()[..])
        .bind(&range.last()[..])
        .bind(&keep)
        .bind(inner.node)
        .bind(note.is_some())
        .fetch_one(&mut *alone)
        .await?;
        notes::left_of_read(&mut alone, &inner.notes, (&removed.0, &removed.1), note.as_ref()).await?;
        alone.commit().await?;
        Ok(removed)
    })
    .await?;
    told(inner, removed).await
}

/// Tells of what has gone.
async fn told(
    inner: &Inner,
    (keys, _, lease_us, transaction): Removed,
) -> Result<(Vec<RecordKey>, Made), KeystoreError> {
    if keys.is_empty() {
        return Ok((Vec::new(), barrier(inner).await?));
    }
    let keys: Vec<_> = keys
        .iter()
        .map(|key| named(key))
        .collect::<Result<_, _>>()?;
    inner.made(transaction, &keys, &keys);
    Ok((keys, wait(lease_us)))
}

/// A change of this process's own, committed after whatever was found changed, and the wait for it.
pub(super) async fn barrier(inner: &Inner) -> Result<Made, KeystoreError> {
    let (lease_us,): (i64,) = repeated(|| {
        sqlx::query_as(
            "WITH c AS (UPDATE keystore_nodes SET beat = beat + 1 WHERE id = $1 RETURNING 1) \
             SELECT lease_us FROM keystore_meta WHERE (SELECT count(*) FROM c) = 1",
        )
        .bind(inner.node)
        .fetch_one(&inner.pool)
    })
    .await?;
    Ok(wait(lease_us))
}

/// The lease, and the transaction where something has ended.
type Fitted = (i64, Option<i64>);

/// All of the writes or none: nothing where one of them doesn't fit.
async fn all_or_none(
    inner: &Inner,
    writes: &[Write],
    note: Option<&Note>,
) -> Result<Option<Fitted>, sqlx::Error> {
    let mut connection = inner.pool.acquire().await?;
    let mut alone = connection.begin().await?;
    if let Some(first) = writes.first() {
        turn(&mut alone, first.key.user).await?;
    }
    let mut fitted: Option<Fitted> = None;
    for write in writes {
        let Some((lease_us, transaction)) = made(&mut alone, inner, write, note).await? else {
            alone.rollback().await?;
            return Ok(None);
        };
        let before = fitted.and_then(|(_, before)| before);
        fitted = Some((lease_us, transaction.or(before)));
    }
    alone.commit().await?;
    Ok(fitted)
}

/// Waits for the turn among the changes of several records of this user.
async fn turn(alone: &mut PgConnection, user: UserTag) -> Result<(), sqlx::Error> {
    locked(alone, "SELECT pg_advisory_xact_lock_shared($1)", ALL).await?;
    let mut half = [0; 8];
    half.copy_from_slice(&user.as_bytes()[..8]);
    locked(
        alone,
        "SELECT pg_advisory_xact_lock($1)",
        i64::from_be_bytes(half),
    )
    .await
}

async fn locked(
    alone: &mut PgConnection,
    lock: &'static str,
    number: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query::<Postgres>(lock)
        .bind(number)
        .execute(alone)
        .await?;
    Ok(())
}

/// One write: nothing where the record isn't what the write expects. What an earlier era has left in the place of a new
/// record goes.
async fn made(
    connection: &mut PgConnection,
    inner: &Inner,
    write: &Write,
    note: Option<&Note>,
) -> Result<Option<Fitted>, sqlx::Error> {
    let fitted = tried(connection, inner, write, note).await?;
    let puts = write.expected.is_none() && write.new.is_some();
    if fitted.is_none() && puts && era::bury(connection, inner, &write.key).await? {
        return tried(connection, inner, write, note).await;
    }
    Ok(fitted)
}

async fn tried(
    connection: &mut PgConnection,
    inner: &Inner,
    write: &Write,
    note: Option<&Note>,
) -> Result<Option<Fitted>, sqlx::Error> {
    let key = write.key.to_bytes();
    // What ends leaves it, also where another record takes its place.
    let removed = write.expected.as_ref();
    let left = note
        .zip(removed)
        .map(|(note, removed)| (notes::time(note.at()), note.value(&key, removed)));
    let (at, value) = left.unzip();
    let question = match (&write.expected, &write.new) {
        (None, None) => concat!(
            "WITH c AS (SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM keystore_sessions WHERE key = $1 AND ",
            live!(),
            ")) SELECT (SELECT count(*) FROM c), lease_us, NULL::bigint FROM keystore_meta"
        ),
        (None, Some(_)) => {
            "WITH c AS (INSERT INTO keystore_sessions (key, sealed, expires_at) VALUES ($1, $3, $4) \
               ON CONFLICT DO NOTHING RETURNING key) \
             SELECT (SELECT count(*) FROM c), lease_us, NULL::bigint FROM keystore_meta"
        }
        (Some(_), Some(_)) => concat!(
            "WITH c AS (UPDATE keystore_sessions SET sealed = $3, expires_at = $4 \
               WHERE key = $1 AND sealed = $2 AND ",
            live!(),
            " RETURNING key), \
             e AS (INSERT INTO keystore_ends (key, gone, node) SELECT key, false, $6 FROM c WHERE $5 \
               RETURNING xid), \
             n AS (INSERT INTO keystore_notes (number, key, at, writer, value) SELECT ",
            number!(),
            ", key, $7, $8, $9 FROM c, keystore_meta WHERE $9::bytea IS NOT NULL) \
             SELECT (SELECT count(*) FROM c), lease_us, ",
            transaction!(),
            " FROM keystore_meta"
        ),
        (Some(_), None) => concat!(
            "WITH c AS (DELETE FROM keystore_sessions WHERE key = $1 AND sealed = $2 AND ",
            live!(),
            " RETURNING key), \
             e AS (INSERT INTO keystore_ends (key, gone, node) SELECT key, true, $3 FROM c RETURNING xid), \
             n AS (INSERT INTO keystore_notes (number, key, at, writer, value) SELECT ",
            number!(),
            ", key, $4, $5, $6 FROM c, keystore_meta WHERE $6::bytea IS NOT NULL) \
             SELECT (SELECT count(*) FROM c), lease_us, ",
            transaction!(),
            " FROM keystore_meta"
        ),
    };
    let query = sqlx::query_as(question).bind(key.to_vec());
    let query = match (&write.expected, &write.new) {
        (None, None) => query,
        (Some(expected), None) => query
            .bind(expected.clone())
            .bind(inner.node)
            .bind(at)
            .bind(inner.notes.writer())
            .bind(value),
        (expected, Some(new)) => {
            let expires_at = i64::try_from(new.expires_at).unwrap_or(i64::MAX);
            let query = query
                .bind(expected.clone())
                .bind(new.bytes.clone())
                .bind(expires_at);
            if expected.is_some() {
                query
                    .bind(write.ends_tokens)
                    .bind(inner.node)
                    .bind(at)
                    .bind(inner.notes.writer())
                    .bind(value)
            } else {
                query
            }
        }
    };
    let (count, lease_us, transaction): Counted = query.fetch_one(connection).await?;
    Ok((count == 1).then_some((lease_us, transaction)))
}
