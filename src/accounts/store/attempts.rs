//! The counters of attempts at rest. The function that counts is in `migrations/postgres/0007_attempts.sql`.
//!
//! This room must never count in two questions what has to be counted at once.

use super::row::get;
use super::{Question, Store};
use crate::accounts::attempts::{AtAccount, Back, Counter, Told};
use crate::accounts::error::AccountsError;
use std::time::Duration;

/// Those that others are changing are left to the next time, so that nobody waits for it, nor it for anybody.
const FORGET: &str = "DELETE FROM attempts WHERE key IN (SELECT key FROM attempts \
     WHERE used_up_to < (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT \
     LIMIT 10000 FOR UPDATE SKIP LOCKED)";

/// How many rows that takes at most, so that none of it lasts long.
const FORGET_AT_ONCE: u64 = 10_000;

impl Store {
    pub(in super::super) async fn count_attempt(
        &self,
        given_back: &[Back],
        from: Option<Counter>,
        at: Option<AtAccount>,
    ) -> Result<Told, AccountsError> {
        let pairs: Vec<_> = given_back
            .iter()
            .map(|back| (back.key, back.time))
            .collect();
        let text = serde_json::to_string(&pairs).map_err(|_| AccountsError::AccountsUnavailable)?;
        let question =
            sqlx::query("SELECT * FROM count_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
                .bind(text);
        let question = bound(question, from);
        let question = bound(question, at.map(|at| at.everywhere));
        let question = bound(question, at.map(|at| at.pair));
        // Not by a transaction of its own: it is one statement, and what it changes is waited for by nobody.
        let row = self
            .within(self.patience, question.fetch_one(&self.write))
            .await?;
        let wait = Duration::from_micros(get::<i64>(&row, "wait")?.try_into().unwrap_or(0));
        match get::<i64>(&row, "refused")? {
            1 => return Ok(Told::NoneLeftThere(wait)),
            2 => return Ok(Told::NoneLeftOfPair(wait)),
            _ => {}
        }
        let times = get::<i64>(&row, "times")?;
        let once = |counter: Counter| (counter, 1);
        let counted = [
            from.map(once),
            at.map(|at| once(at.everywhere)),
            at.map(|at| (at.pair, times)),
        ];
        let back = |(counter, times): (Counter, i64)| Back {
            key: counter.key,
            time: counter.share.saturating_mul(times),
        };
        Ok(Told::Counted(
            counted.into_iter().flatten().map(back).collect(),
        ))
    }

    pub(in super::super) async fn forget_attempts(&self) -> Result<u64, AccountsError> {
        let mut forgotten = 0;
        // An attack from many addresses leaves more rows in a minute than one statement takes.
        loop {
            let question: Question = sqlx::query(FORGET);
            let done = self
                .within(self.patience, question.execute(&self.write))
                .await?;
            forgotten += done.rows_affected();
            if done.rows_affected() < FORGET_AT_ONCE {
                return Ok(forgotten);
            }
        }
    }
}

fn bound(question: Question, counter: Option<Counter>) -> Question {
    question
        .bind(counter.map(|counter| counter.key))
        .bind(counter.map(|counter| counter.share))
        .bind(counter.map(|counter| i64::from(counter.count)))
}
