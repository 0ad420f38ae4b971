//! What was written down, to be made in the store once more.
//!
//! The store says up to which number the ends are made in it. One with a smaller number may come to the store later, by
//! a change that was under way, or be lost while that number is not; none is made more than some minutes after it
//! was written down. So what was written down up to an hour before that number counts as well.
//!
//! This room must never read from a server that may not lead any more.

use std::sync::PoisonError;
use std::time::Instant;

use sqlx::{Connection as _, PgConnection, PgPool};

use super::end::End;
use crate::error::KeystoreError;
use crate::shared::postgres::link::{LedSince, Link, failed};

/// The place of an end in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::shared) struct Place {
    pub(in crate::shared) number: u64,
    place: i32,
}

/// Which ends are to be made once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shared) struct Pages {
    /// Those behind this place.
    pub(in crate::shared) after: Place,
    /// The greatest number of all.
    pub(in crate::shared) last: u64,
    /// How many there are.
    pub(in crate::shared) count: u64,
}

impl Pages {
    /// Those for a store in which the ends up to the number `known` are made.
    pub(super) async fn since(
        link: Link,
        led: LedSince,
        known: u64,
    ) -> Result<Self, KeystoreError> {
        let mut connection = link.connect().await?;
        // What is read by the pool from now on is from a server that led at this time or later.
        let now = Instant::now();
        let found = found(&mut connection, known).await;
        let found = found.map_err(|error| failed(&error))?;
        *led.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        let _ = connection.close().await;
        Ok(found)
    }
}

async fn found(connection: &mut PgConnection, known: u64) -> Result<Pages, sqlx::Error> {
    // A change that is committed shows that the server leads, and that what was committed before is seen.
    sqlx::query("UPDATE keystore_meta SET journal_read = journal_read + 1")
        .execute(&mut *connection)
        .await?;
    let (first, last, count): (i64, i64, i64) = sqlx::query_as(
        "WITH k AS (SELECT written_at FROM keystore_journal WHERE number <= $1 ORDER BY number DESC LIMIT 1), \
         f AS (SELECT coalesce((SELECT min(number) FROM keystore_journal \
           WHERE written_at > (SELECT written_at FROM k) - interval '1 hour'), 0) AS first) \
         SELECT (SELECT first FROM f), (SELECT coalesce(max(number), 0) FROM keystore_journal), \
           (SELECT count(*) FROM keystore_journal WHERE number >= (SELECT first FROM f))",
    )
    .bind(known.cast_signed())
    .fetch_one(&mut *connection)
    .await?;
    let after = Place {
        // The smaller of the two: clocks may have been set.
        number: first.cast_unsigned().min(known + 1),
        place: 0,
    };
    Ok(Pages {
        after,
        last: last.cast_unsigned(),
        count: count.cast_unsigned(),
    })
}

/// Number, place, key, and what is kept.
type Row = (i64, i32, Vec<u8>, Option<Vec<u8>>);

pub(super) async fn page(
    pool: PgPool,
    after: Place,
    limit: usize,
) -> Result<Vec<(Place, End)>, KeystoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT number, place, key, keep FROM keystore_journal WHERE (number, place) > ($1, $2) \
         ORDER BY number, place LIMIT $3",
    )
    .bind(after.number.cast_signed())
    .bind(after.place)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&pool)
    .await
    .map_err(|error| failed(&error))?;
    let rows = rows.into_iter().map(|(number, place, key, keep)| {
        let end = End::of_columns(&key, keep.as_deref());
        let end = end.ok_or_else(|| KeystoreError::corrupt("an end is written down of nothing"))?;
        let number = number.cast_unsigned();
        Ok((Place { number, place }, end))
    });
    rows.collect()
}
