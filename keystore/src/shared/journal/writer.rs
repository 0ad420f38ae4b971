//! What writes ends and notes down: many with one commit.
//!
//! It has a connection of its own, and makes another one after each failure: the server that answered may not be the one
//! that leads any more.
//!
//! This room must never write an end down for a caller who has been told that it wasn't.

use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot};

use super::end::End;
use crate::error::KeystoreError;
use crate::shared::postgres::link::{LedSince, Link, failed};
use crate::shared::postgres::notes::{self, Due, Notes};

/// How many ends go together at most.
const MANY: usize = 512;

/// How long one write may take, and how long it may be waited for.
const PATIENCE: Duration = Duration::from_millis(800);

type Answer<T> = oneshot::Sender<Result<T, KeystoreError>>;

/// Which ends were written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shared) struct Ticket {
    /// Their number.
    pub(in crate::shared) number: u64,
    places: RangeInclusive<i32>,
}

/// What is asked for.
pub(super) enum Job {
    End {
        ends: Vec<End>,
        above: u64,
        asked_at: Instant,
        answer: Answer<Ticket>,
    },
    Note {
        due: Vec<Due>,
        asked_at: Instant,
        answer: Answer<()>,
    },
    TakeBack(Ticket),
}

fn closed() -> KeystoreError {
    KeystoreError::unavailable("the journal of ends is closed")
}

fn late() -> KeystoreError {
    KeystoreError::unavailable("the database of the journal of ends doesn't answer in time")
}

impl Job {
    pub(super) async fn end(
        jobs: &mpsc::UnboundedSender<Self>,
        ends: Vec<End>,
        above: u64,
    ) -> Result<Ticket, KeystoreError> {
        let (answer, said) = oneshot::channel();
        let asked_at = Instant::now();
        let job = Self::End {
            ends,
            above,
            asked_at,
            answer,
        };
        jobs.send(job).map_err(|_| closed())?;
        said.await.map_err(|_| closed())?
    }

    pub(super) async fn note(
        jobs: &mpsc::UnboundedSender<Self>,
        due: Vec<Due>,
    ) -> Result<(), KeystoreError> {
        let (answer, said) = oneshot::channel();
        let asked_at = Instant::now();
        let job = Self::Note {
            due,
            asked_at,
            answer,
        };
        jobs.send(job).map_err(|_| closed())?;
        said.await.map_err(|_| closed())?
    }

    pub(super) fn take_back(jobs: &mpsc::UnboundedSender<Self>, ticket: Ticket) {
        // Where it can't be taken back the end may come: it was asked for.
        let _ = jobs.send(Self::TakeBack(ticket));
    }

    /// Whether whoever asked is being told that it took too long.
    fn is_late(&self) -> bool {
        match self {
            Self::End { asked_at, .. } | Self::Note { asked_at, .. } => {
                asked_at.elapsed() >= PATIENCE
            }
            Self::TakeBack(_) => false,
        }
    }

    fn fail(self, error: KeystoreError) {
        // Nobody may wait any more.
        match self {
            Self::End { answer, .. } => drop(answer.send(Err(error))),
            Self::Note { answer, .. } => drop(answer.send(Err(error))),
            Self::TakeBack(_) => {}
        }
    }
}

/// Writes until nobody can ask any more.
pub(super) async fn run(
    link: Link,
    led: LedSince,
    notes: Arc<Notes>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) {
    let mut writer = Writer {
        link,
        notes,
        connection: None,
    };
    let mut asked = Vec::new();
    while jobs.recv_many(&mut asked, MANY).await > 0 {
        let (mut ends, mut due, mut back) = (Vec::new(), Vec::new(), Vec::new());
        for job in asked.drain(..) {
            match job {
                late_one if late_one.is_late() => late_one.fail(late()),
                Job::End { .. } => ends.push(job),
                Job::Note { .. } => due.push(job),
                Job::TakeBack(ticket) => back.push(ticket),
            }
        }
        let written = [
            writer.ends(ends).await,
            writer.notes(due).await,
            writer.take_back(back).await,
        ];
        if written.contains(&false) {
            // What others have may lead to a server that leads no more.
            let mut led = led.lock().unwrap_or_else(PoisonError::into_inner);
            *led = Some(Instant::now());
        }
    }
}

struct Writer {
    link: Link,
    notes: Arc<Notes>,
    connection: Option<PgConnection>,
}

impl Writer {
    /// Writes ends down under one number, and answers; whether that went well.
    async fn ends(&mut self, jobs: Vec<Job>) -> bool {
        if jobs.is_empty() {
            return true;
        }
        let (mut keys, mut kept, mut floor) = (Vec::new(), Vec::new(), 0);
        for job in &jobs {
            if let Job::End { ends, above, .. } = job {
                for end in ends {
                    let (key, keep) = end.columns();
                    keys.push(key);
                    kept.push(keep);
                }
                floor = floor.max(*above);
            }
        }
        let floor = floor.cast_signed();
        let written = self.made(&Statement::Ends { keys, kept, floor }).await;
        let well = written.is_ok();
        let mut place = 1;
        for job in jobs {
            match (job, &written) {
                (Job::End { ends, answer, .. }, Ok(number)) => {
                    let last = place + i32::try_from(ends.len()).unwrap_or(i32::MAX) - 1;
                    let ticket = Ticket {
                        number: number.cast_unsigned(),
                        places: place..=last,
                    };
                    place = last + 1;
                    let _ = answer.send(Ok(ticket));
                }
                (job, Ok(_)) => job.fail(closed()),
                (job, Err(error)) => job.fail(error.clone()),
            }
        }
        well
    }

    /// Leaves notes, and answers; whether that went well.
    async fn notes(&mut self, jobs: Vec<Job>) -> bool {
        if jobs.is_empty() {
            return true;
        }
        let (mut all, mut answers) = (Vec::new(), Vec::new());
        for job in jobs {
            if let Job::Note { due, answer, .. } = job {
                all.extend(due);
                answers.push(answer);
            }
        }
        let statement = Statement::Notes(Arc::clone(&self.notes), all);
        let left = self.made(&statement).await.map(drop);
        let well = left.is_ok();
        for answer in answers {
            let _ = answer.send(left.clone());
        }
        well
    }

    async fn take_back(&mut self, tickets: Vec<Ticket>) -> bool {
        if tickets.is_empty() {
            return true;
        }
        let (mut numbers, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for ticket in &tickets {
            numbers.push(ticket.number.cast_signed());
            first.push(*ticket.places.start());
            last.push(*ticket.places.end());
        }
        let taken = self.made(&Statement::TakeBack(numbers, first, last)).await;
        match taken {
            Ok(_) => true,
            Err(error) => {
                log::warn!("ends that were not made stay written down: {error}");
                false
            }
        }
    }

    /// Makes a write, once more where the connection had broken before it.
    async fn made(&mut self, statement: &Statement) -> Result<i64, KeystoreError> {
        let begun = Instant::now();
        let had_one = self.connection.is_some();
        match self.once(statement, PATIENCE).await {
            // An end that is written down twice is one; a note would be two.
            Err(Failure::Broken(_)) if had_one && !matches!(statement, Statement::Notes(..)) => {
                let rest = PATIENCE.saturating_sub(begun.elapsed());
                let again = self.once(statement, rest).await;
                again.map_err(Failure::into_error)
            }
            made => made.map_err(Failure::into_error),
        }
    }

    async fn once(&mut self, statement: &Statement, patience: Duration) -> Result<i64, Failure> {
        let writing = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.link.connect().await.map_err(Failure::Other)?,
            };
            match statement.make(&mut connection).await {
                Ok(made) => {
                    // One that has failed, or whose answer isn't waited for, isn't used again.
                    self.connection = Some(connection);
                    Ok(made)
                }
                Err(error) if error.as_database_error().is_none() => {
                    Err(Failure::Broken(failed(&error)))
                }
                Err(error) => Err(Failure::Other(failed(&error))),
            }
        };
        let written = tokio::time::timeout(patience, writing).await;
        written.unwrap_or_else(|_| Err(Failure::Other(late())))
    }
}

/// What is written with one commit.
enum Statement {
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
    /// Answers with the number of ends.
    async fn make(&self, connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
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

enum Failure {
    /// Of the connection.
    Broken(KeystoreError),
    Other(KeystoreError),
}

impl Failure {
    fn into_error(self) -> KeystoreError {
        match self {
            Self::Broken(error) | Self::Other(error) => error,
        }
    }
}
