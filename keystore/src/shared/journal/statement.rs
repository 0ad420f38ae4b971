//! What is written to the journal, each with one commit.
//!
//! This room must never write in two commits what has one number.

use std::sync::Arc;

use sqlx::PgConnection;

use super::end::{End, Ticket};
use crate::shared::postgres::notes::{self, Due, Notes};

/// What is written with one commit.
pub(super) enum Statement {
    Ends {
        keys: Vec<Vec<u8>>,
        kept: Vec<Option<Vec<u8>>>,
        /// The number has to be greater.
        floor: i64,
    },
    Notes(Arc<Notes>, Vec<Due>),
    /// Numbers, and the first and the last place of each.
    TakeBack(Vec<i64>, Vec<i32>, Vec<i32>),
}

impl Statement {
    /// Writes these ends down.
    pub(super) fn ends<'e>(ends: impl IntoIterator<Item = &'e End>, above: u64) -> Self {
        let (keys, kept) = ends.into_iter().map(End::columns).unzip();
        Self::Ends {
            keys,
            kept,
            floor: above.cast_signed(),
        }
    }

    /// Takes these back, all of them or none; also twice.
    pub(super) fn take_back(tickets: &[Ticket]) -> Self {
        let numbers = tickets.iter().map(|ticket| ticket.number.cast_signed());
        let first = tickets.iter().map(|ticket| *ticket.places.start());
        let last = tickets.iter().map(|ticket| *ticket.places.end());
        Self::TakeBack(numbers.collect(), first.collect(), last.collect())
    }

    /// Whether it may be made twice where nobody knows whether it was made: an end that is written down twice is one, a note
    /// would be two.
    pub(super) fn may_be_repeated(&self) -> bool {
        !matches!(self, Self::Notes(..))
    }

    /// Answers with the number of ends.
    pub(super) async fn make(&self, connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
        match self {
            Self::Ends { keys, kept, floor } => {
                sqlx::query_scalar(
                    "WITH d AS MATERIALIZED (SELECT nextval('keystore_journal_number') AS number), \
                     n AS MATERIALIZED (SELECT CASE WHEN number > $1 THEN number \
                       ELSE setval('keystore_journal_number', $1 + 1) END AS number FROM d), \
                     w AS (INSERT INTO keystore_journal (number, place, key, keep) \
                       SELECT n.number, e.place, e.key, e.keep \
                       FROM n, unnest($2::bytea[], $3::bytea[]) WITH ORDINALITY AS e (key, keep, place) \
                       RETURNING number) \
                     SELECT max(number) FROM w",
                )
                .bind(floor)
                .bind(keys)
                .bind(kept)
                .fetch_one(connection)
                .await
            }
            Self::Notes(notes, due) => {
                notes::leave(connection, notes.writer(), due.iter().cloned()).await?;
                Ok(0)
            }
            Self::TakeBack(numbers, first, last) => {
                sqlx::query(
                    "DELETE FROM keystore_journal j \
                     USING unnest($1::bigint[], $2::integer[], $3::integer[]) AS t (number, first, last) \
                     WHERE j.number = t.number AND j.place BETWEEN t.first AND t.last",
                )
                .bind(numbers)
                .bind(first)
                .bind(last)
                .execute(connection)
                .await?;
                Ok(0)
            }
        }
    }
}
