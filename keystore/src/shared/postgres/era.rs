//! The end of all records: a new era begins, and what is left of earlier ones is taken away step by step.
//!
//! One row says which era it is, so all records end by one change of it, however many there are; a poll brings the era,
//! and a process that finds another one than it knew reads everything once more. Who begins an era takes the records of
//! those before away before it answers, for programs that know no eras, and leaves a note of each. Where it is killed,
//! another process goes on.
//!
//! This room must never take a record away that is of the era of now.

use std::time::Duration;

use sqlx::{Acquire as _, Executor as _, PgConnection};

use super::link::repeated;
use super::named::named;
use super::notes::{self, number};
use super::parts::{Inner, Made, wait};
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::note::Note;

/// How many records one step takes away: a poll applies the ends of several.
const STEP: i64 = 1_000;

/// For how long nobody has taken anything away before another process does.
macro_rules! left_behind {
    () => {
        "touched_at < clock_timestamp() - interval '30 seconds'"
    };
}

/// The rest of a statement that has taken records of earlier eras away as `c`: they are told of, and leave the note that
/// was made for no one of them.
macro_rules! buried {
    ($node:literal) => {
        concat!(
            "e AS (INSERT INTO keystore_ends (key, gone, node) SELECT key, true, ",
            $node,
            " FROM c), \
             n AS (INSERT INTO keystore_notes (number, key, at, writer, value) SELECT ",
            number!(),
            ", c.key, m.at, m.writer, sha256(c.sealed) || m.content FROM keystore_meta, c \
               JOIN LATERAL (SELECT at, writer, content FROM keystore_emptied x WHERE x.era >= c.era \
                 ORDER BY x.era LIMIT 1) AS m ON m.content IS NOT NULL) \
             SELECT count(*) FROM c"
        )
    };
}

/// What a step took away: keys, sealed bytes where they are asked for, the lease, and the transaction.
type Step = (Vec<Vec<u8>>, Vec<Vec<u8>>, i64, Option<i64>);

/// Ends all records, and takes them away. Returns how many it took.
pub(super) async fn remove_all(
    inner: &Inner,
    note: Option<Note>,
) -> Result<(u64, Made), KeystoreError> {
    let note = note.as_ref();
    let (ended, lease_us): (i64, i64) = repeated(|| {
        sqlx::query_as(
            "WITH c AS (UPDATE keystore_meta SET era = era + 1 RETURNING era - 1 AS era, lease_us), \
             e AS (INSERT INTO keystore_emptied (era, at, writer, content) SELECT era, $1, $2, $3 FROM c) \
             SELECT era, lease_us FROM c",
        )
        .bind(note.map(|note| notes::time(note.at())))
        .bind(inner.notes.writer())
        .bind(note.map(Note::sealed))
        .fetch_one(&inner.pool)
    })
    .await?;
    // By then every process that has a lease knows of the era, and hears of each record that goes.
    if let Some(wait) = wait(lease_us).wait {
        tokio::time::sleep(wait).await;
    }
    let (mut count, mut last) = (0, Vec::new());
    loop {
        let begun = inner.lease.now();
        let (keys, _, lease_us, transaction) =
            repeated(|| step(inner, (ended, &last), note)).await?;
        // What a change under way may still put into an era that has ended is left to the sweep.
        let Some(end) = keys.last() else {
            return Ok((count, wait(lease_us)));
        };
        last.clone_from(end);
        let keys: Vec<_> = keys
            .iter()
            .map(|key| named(key))
            .collect::<Result<_, _>>()?;
        inner.made(transaction, &keys, &keys);
        count += keys.len() as u64;
        // Polls, and whoever logs in anew, go first.
        let took = Duration::from_nanos(inner.lease.now().saturating_sub(begun));
        tokio::time::sleep(took).await;
    }
}

/// Takes some records of the eras up to this one away that are behind a key, with their notes.
async fn step(
    inner: &Inner,
    (ended, after): (i64, &[u8]),
    note: Option<&Note>,
) -> Result<Step, sqlx::Error> {
    let mut connection = inner.pool.acquire().await?;
    let mut alone = connection.begin().await?;
    // The whole table may have to be looked at.
    alone
        .execute("SET LOCAL statement_timeout = '10min'")
        .await?;
    let removed: Step = sqlx::query_as(
        "WITH c AS (DELETE FROM keystore_sessions WHERE key = ANY (ARRAY(SELECT key FROM keystore_sessions \
             WHERE era <= $1 AND key > $5 ORDER BY key LIMIT $4)) AND era <= $1 RETURNING key, sealed), \
         e AS (INSERT INTO keystore_ends (key, gone, node) SELECT key, true, $2 FROM c RETURNING xid), \
         t AS (UPDATE keystore_emptied SET touched_at = clock_timestamp() WHERE era = $1) \
         SELECT (SELECT coalesce(array_agg(key ORDER BY key), '{}') FROM c), \
           (SELECT coalesce(array_agg(sealed ORDER BY key), '{}') FROM c WHERE $3), lease_us, \
           (SELECT min(xid::text::bigint) FROM e) FROM keystore_meta",
    )
    .bind(ended)
    .bind(inner.node)
    .bind(note.is_some())
    .bind(STEP)
    .bind(after)
    .fetch_one(&mut *alone)
    .await?;
    notes::left_of_read(&mut alone, &inner.notes, (&removed.0, &removed.1), note).await?;
    alone.commit().await?;
    Ok(removed)
}

/// Takes the record of an earlier era away that is in the place of a new one; says whether there was one.
pub(super) async fn bury(
    connection: &mut PgConnection,
    inner: &Inner,
    key: &RecordKey,
) -> Result<bool, sqlx::Error> {
    let buried = sqlx::query_scalar::<_, i64>(concat!(
        "WITH c AS (DELETE FROM keystore_sessions WHERE key = $1 \
           AND era < (SELECT era FROM keystore_meta) RETURNING key, sealed, era), ",
        buried!("$2")
    ));
    let buried = buried
        .bind(key.to_bytes().to_vec())
        .bind(inner.node)
        .fetch_one(connection)
        .await?;
    Ok(buried > 0)
}

/// Goes on where a process that has begun an era was killed, or a change came late: takes some records away, and returns
/// how many.
pub(super) async fn go_on(inner: &Inner) -> Result<u64, KeystoreError> {
    let due: Option<i64> = repeated(|| {
        sqlx::query_scalar(concat!(
            "SELECT max(era) FROM keystore_emptied WHERE ",
            left_behind!()
        ))
        .fetch_one(&inner.pool)
    })
    .await?;
    // Whether records of it are left takes a look at the whole table.
    let Some(due) = due else {
        return Ok(0);
    };
    let buried: i64 = repeated(|| {
        sqlx::query_scalar(concat!(
            "WITH c AS (DELETE FROM keystore_sessions WHERE key = ANY (ARRAY(SELECT key FROM keystore_sessions \
               WHERE era <= $3 ORDER BY key LIMIT $1)) AND era <= $3 RETURNING key, sealed, era), ",
            buried!("$2")
        ))
        .bind(STEP)
        .bind(inner.node)
        .bind(due)
        .fetch_one(&inner.pool)
    })
    .await?;
    if buried == 0 {
        repeated(|| {
            sqlx::query(concat!(
                "DELETE FROM keystore_emptied WHERE ",
                left_behind!(),
                " AND era <= $1"
            ))
            .bind(due)
            .execute(&inner.pool)
        })
        .await?;
    }
    Ok(buried.cast_unsigned())
}
