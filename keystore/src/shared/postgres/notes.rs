//! The notes of ends: each is written by the transaction of its end.
//!
//! The number of a note begins with its transaction's, so that the notes below the oldest transaction under way are all
//! there are and will be. Each is of the process whose end it was, which alone writes it down elsewhere; all read it.
//!
//! This room must never take a note away that is still to be written down elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use super::link::{failed, repeated};
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::note::{Note, NotePlace, SealedNote};

/// How many notes one step takes away.
const STEP: i64 = 2_000;

/// The most notes that stay, as in a store of one process.
const MAX_NOTES: i64 = 1_000_000;

/// For how long notes wait for the process that has to write them down elsewhere, and doesn't come back.
macro_rules! away {
    () => {
        "clock_timestamp() - interval '30 days'"
    };
}

/// How long the transactions under way are waited for, and how often they are looked at.
const SETTLING: (Duration, Duration) = (Duration::from_millis(500), Duration::from_millis(10));

/// The number of a note, in a statement that reads `keystore_meta`.
macro_rules! number {
    () => {
        "((pg_current_xact_id()::text::bigint + note_base) << 16) + nextval('keystore_notes_number')"
    };
}
pub(super) use number;

/// The notes, as one process leaves and reads them.
pub(in crate::shared) struct Notes {
    pool: PgPool,
    node: i64,
    /// The name under which they are written down elsewhere.
    writer: Option<String>,
    /// Those of this process that stay whatever is to be forgotten: from this number on.
    kept_from: AtomicU64,
}

impl Notes {
    pub(in crate::shared) fn new(pool: PgPool, node: i64, writer: Option<String>) -> Self {
        Self {
            pool,
            node,
            writer,
            kept_from: AtomicU64::new(u64::MAX),
        }
    }

    /// Who is to write down the notes of this process: the empty name stands for nobody.
    pub(in crate::shared) fn writer(&self) -> &str {
        self.writer.as_deref().unwrap_or_default()
    }

    pub(in crate::shared) fn keep_from(&self, number: u64) {
        self.kept_from.store(number, Ordering::SeqCst);
    }
}

/// Leaves the notes of records that went in this transaction, with these sealed bytes.
async fn left(
    connection: &mut PgConnection,
    (note, writer): (&Note, &str),
    gone: &[(RecordKey, Vec<u8>)],
) -> Result<(), sqlx::Error> {
    let gone = gone.iter().map(|(key, sealed)| Due::of(note, key, sealed));
    leave(connection, writer, gone).await
}

/// A note that is to be left.
#[derive(Clone)]
pub(in crate::shared) struct Due {
    key: Vec<u8>,
    at: i64,
    value: Vec<u8>,
}

impl Due {
    /// That of a record that went, with these sealed bytes.
    pub(in crate::shared) fn of(note: &Note, key: &RecordKey, sealed: &[u8]) -> Self {
        let key = key.to_bytes();
        Self {
            at: time(note.at()),
            value: note.value(&key, sealed),
            key: key.to_vec(),
        }
    }
}

/// Leaves notes, in this order.
pub(in crate::shared) async fn leave(
    connection: &mut PgConnection,
    writer: &str,
    due: impl IntoIterator<Item = Due>,
) -> Result<(), sqlx::Error> {
    let (mut keys, mut times, mut values) = (vec![], vec![], vec![]);
    for note in due {
        keys.push(note.key);
        times.push(note.at);
        values.push(note.value);
    }
    sqlx::query(concat!(
        "INSERT INTO keystore_notes (number, key, at, writer, value) SELECT ",
        number!(),
        ", key, at, $1, value FROM keystore_meta, \
           unnest($2::bytea[], $3::bigint[], $4::bytea[]) AS gone (key, at, value)"
    ))
    .bind(writer)
    .bind(keys)
    .bind(times)
    .bind(values)
    .execute(connection)
    .await?;
    Ok(())
}

/// The same for records that a statement has given back with their sealed bytes.
pub(super) async fn left_of_read(
    alone: &mut PgConnection,
    notes: &Notes,
    (keys, sealed): (&[Vec<u8>], &[Vec<u8>]),
    note: Option<&Note>,
) -> Result<(), sqlx::Error> {
    let Some(note) = note.filter(|_| !keys.is_empty()) else {
        return Ok(());
    };
    let named =
        |key: &[u8]| super::named::named(key).map_err(|error| sqlx::Error::Decode(error.into()));
    let gone = keys.iter().zip(sealed);
    let gone = gone.map(|(key, sealed)| Ok((named(key)?, sealed.clone())));
    let gone = gone.collect::<Result<Vec<_>, sqlx::Error>>()?;
    left(alone, (note, notes.writer()), &gone).await
}

/// A time, as the tables have it.
pub(super) fn time(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

type Row = (i64, Vec<u8>, i64, Vec<u8>);

/// The notes behind a place, those alone that one process is to write down where a name is given.
pub(in crate::shared) async fn page(
    notes: &Notes,
    writer: Option<&str>,
    after: Option<NotePlace>,
    limit: usize,
) -> Result<Vec<SealedNote>, KeystoreError> {
    let question = if writer.is_some() {
        "SELECT number, key, at, value FROM keystore_notes WHERE writer = $4 AND (number, key) > ($1, $2) \
         ORDER BY number, key LIMIT $3"
    } else {
        "SELECT number, key, at, value FROM keystore_notes WHERE (number, key) > ($1, $2) AND $4::text IS NULL \
         ORDER BY number, key LIMIT $3"
    };
    let (number, key) = after.map_or((-1, Vec::new()), |place| {
        (
            place.number().cast_signed(),
            place.key().to_bytes().to_vec(),
        )
    });
    let rows: Vec<Row> = sqlx::query_as(question)
        .bind(number)
        .bind(key)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(writer)
        .fetch_all(&notes.pool)
        .await
        .map_err(|error| failed(&error))?;
    rows.into_iter()
        .map(|(number, key, at, value)| {
            SealedNote::from_value(place(number, at, &key)?, &value)
                .ok_or_else(|| KeystoreError::corrupt("a note is shorter than a hash"))
        })
        .collect()
}

fn place(number: i64, at: i64, key: &[u8]) -> Result<NotePlace, KeystoreError> {
    let key = super::named::named(key)?.to_bytes();
    Ok(NotePlace::new(
        at.cast_unsigned(),
        number.cast_unsigned(),
        &key,
    ))
}

pub(in crate::shared) async fn replace(
    kept: &Notes,
    notes: Vec<(SealedNote, Vec<u8>)>,
) -> Result<u64, KeystoreError> {
    let (mut numbers, mut keys, mut before, mut values) = (vec![], vec![], vec![], vec![]);
    for (note, sealed) in &notes {
        numbers.push(note.place.number().cast_signed());
        keys.push(note.place.key().to_bytes().to_vec());
        before.push(note.value());
        values.push(note.value_with(sealed));
    }
    let replaced = repeated(|| {
        sqlx::query(
            "UPDATE keystore_notes n SET value = w.new \
             FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bytea[]) AS w (number, key, old, new) \
             WHERE n.number = w.number AND n.key = w.key AND n.value = w.old",
        )
        .bind(&numbers)
        .bind(&keys)
        .bind(&before)
        .bind(&values)
        .execute(&kept.pool)
    });
    Ok(replaced.await?.rows_affected())
}

/// Takes some of the oldest notes away that may go, up to the last of them whose time is before this one, or that is
/// beyond the most.
pub(in crate::shared) async fn forget(notes: &Notes, before: u64) -> Result<u64, KeystoreError> {
    let gone = repeated(|| {
        sqlx::query(concat!(
            "WITH oldest AS (SELECT n.number, n.key, n.at FROM keystore_notes n \
               LEFT JOIN keystore_writers w ON w.name = n.writer \
               WHERE CASE WHEN n.writer = $2 THEN n.number < $3 \
                 ELSE w.name IS NULL OR n.number < w.kept_from OR w.seen_at < ",
            away!(),
            " END ORDER BY n.number, n.key LIMIT $4), \
             beyond AS (SELECT number FROM keystore_notes ORDER BY number DESC OFFSET $5 LIMIT 1) \
             DELETE FROM keystore_notes n USING oldest s WHERE n.number = s.number AND n.key = s.key \
               AND n.number <= greatest((SELECT max(number) FROM oldest WHERE at < $1), \
                 (SELECT number FROM beyond))"
        ))
        .bind(time(before))
        .bind(notes.writer())
        .bind(time(notes.kept_from.load(Ordering::SeqCst)))
        .bind(STEP)
        .bind(MAX_NOTES)
        .execute(&notes.pool)
    });
    Ok(gone.await?.rows_affected())
}

/// The last note of those that this process is to write down, of which no more can come before it. Transactions that are
/// under way are waited for, but not for long: others may be in the database.
pub(in crate::shared) async fn settled(notes: &Notes) -> Result<Option<NotePlace>, KeystoreError> {
    let (long, pause) = SETTLING;
    let until = tokio::time::Instant::now() + long;
    loop {
        let (last, rest): (Option<(i64, i64, Vec<u8>)>, bool) = last(notes).await?;
        if !rest || tokio::time::Instant::now() >= until {
            return last
                .map(|(number, at, key)| place(number, at, &key))
                .transpose();
        }
        tokio::time::sleep(pause).await;
    }
}

/// The last note that is settled, and whether there are more.
async fn last(notes: &Notes) -> Result<(Option<(i64, i64, Vec<u8>)>, bool), KeystoreError> {
    type Last = (Option<i64>, Option<i64>, Option<Vec<u8>>, bool);
    let (number, at, key, rest): Last = sqlx::query_as(
        "SELECT l.number, l.at, l.key, EXISTS (SELECT 1 FROM keystore_notes WHERE writer = $1 AND number >= up_to) \
         FROM (SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + note_base) << 16 AS up_to \
           FROM keystore_meta) AS m \
         LEFT JOIN LATERAL (SELECT number, at, key FROM keystore_notes \
           WHERE writer = $1 AND number < up_to ORDER BY number DESC, key DESC LIMIT 1) AS l ON true",
    )
    .bind(notes.writer())
    .fetch_one(&notes.pool)
    .await
    .map_err(|error| failed(&error))?;
    let last = number
        .zip(at)
        .zip(key)
        .map(|((number, at), key)| (number, at, key));
    Ok((last, rest))
}

/// Keeps how far the notes are written down, and with it from where on they are kept.
pub(in crate::shared) async fn keep_head(
    notes: &Notes,
    head: Vec<u8>,
) -> Result<(), KeystoreError> {
    let kept_from = notes.kept_from.load(Ordering::SeqCst);
    // Until it was told a number none is kept.
    let kept_from = i64::try_from(kept_from).unwrap_or(0);
    let kept = repeated(|| {
        sqlx::query(
            "INSERT INTO keystore_writers (name, node, head, kept_from) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET head = $3, seen_at = clock_timestamp(), \
               kept_from = greatest(keystore_writers.kept_from, $4) WHERE keystore_writers.node = $2",
        )
        .bind(notes.writer())
        .bind(notes.node)
        .bind(&head)
        .bind(kept_from)
        .execute(&notes.pool)
    });
    if kept.await?.rows_affected() == 1 {
        return Ok(());
    }
    Err(KeystoreError::unavailable(
        "another node says that it is this one: the data directory of a node was copied, and each needs its own",
    ))
}

pub(in crate::shared) async fn head(notes: &Notes) -> Result<Option<Vec<u8>>, KeystoreError> {
    let head: Option<Option<Vec<u8>>> =
        sqlx::query_scalar("SELECT head FROM keystore_writers WHERE name = $1")
            .bind(notes.writer())
            .fetch_optional(&notes.pool)
            .await
            .map_err(|error| failed(&error))?;
    Ok(head.flatten())
}

/// Enters this process as the one that writes down the notes of its name, and brings what comes from another server, as by
/// a copy of the tables, to numbers that this one can go on from.
pub(in crate::shared) async fn arrived(
    notes: &Notes,
    connection: &mut PgConnection,
) -> Result<(), KeystoreError> {
    let arriving = async {
        if let Some(name) = &notes.writer {
            sqlx::query(
                "INSERT INTO keystore_writers (name, node) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET node = $2, seen_at = clock_timestamp()",
            )
            .bind(name)
            .bind(notes.node)
            .execute(&mut *connection)
            .await?;
        }
        sqlx::query(
            "WITH last AS (SELECT greatest((SELECT max(number) FROM keystore_notes), \
               (SELECT max(kept_from) FROM keystore_writers)) >> 16 AS number), \
             own AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS number) \
             UPDATE keystore_meta SET note_base = last.number + 1 - own.number FROM last, own \
             WHERE last.number >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint + note_base",
        )
        .execute(&mut *connection)
        .await?;
        // What no transaction of this server can have written would come with every poll.
        sqlx::query(
            "DELETE FROM keystore_ends WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())",
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    };
    arriving.await.map_err(|error: sqlx::Error| failed(&error))
}
