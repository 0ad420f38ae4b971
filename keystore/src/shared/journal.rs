//! Ends, written down in `PostgreSQL` for a store elsewhere that may lose them.
//!
//! | file | holds |
//! |---|---|
//! | `end` | an end, its columns, and by what it is found |
//! | `statement` | what is written with one commit |
//! | `line` | the connection that writes |
//! | `writer` | what writes: many ends with one commit |
//! | `pages` | what was written, to be made in the store once more |
//!
//! An end is written down before the store is asked to make it. So nobody can see an end in the store that isn't written
//! down, whoever made it and whatever became of him, and where the database doesn't answer no end is made. Each has a
//! number, which is greater than those of all that were written down before it was asked for. The store keeps with
//! each record up to which number the ends are made that it was put after; so an end of before doesn't count against a
//! record that was put under the same key later. A store that has come back as it was earlier is put right by what is
//! written down with greater numbers, before anybody goes by it.
//!
//! The notes of ends lie beside it.
//!
//! This room must never answer that an end is written down before that is durable.

mod end;
mod line;
mod pages;
mod statement;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgPool};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::io::Io;
use super::postgres::link::{LedSince, Link, failed};
use super::postgres::notes::{self, Due, Notes};
use super::postgres::schema;
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::note::Note;
use writer::Job;

pub(in crate::shared) use end::{End, Ticket};
pub(in crate::shared) use line::PATIENCE;
pub(in crate::shared) use pages::{Pages, Place};

/// The lease that new tables have, which this store's is not.
const LEASE: Duration = Duration::from_millis(50);

/// How many connections there are besides the one that writes.
const CONNECTIONS: u32 = 2;

/// How often what need not be kept any longer is taken away.
const TRIMMING: Duration = Duration::from_mins(10);

/// How many ends one step takes away.
const STEP: i64 = 5_000;

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// A number that no other process has, drawn anew by each: that of the store.
    pub node: i64,
    /// Where the notes of this process's ends are written down elsewhere: a name that the process has again when it is
    /// started anew, and no other has.
    pub writer: Option<String>,
    /// How long a record may live at most. An end stays written down for the longest time that any process has said.
    pub longest: Duration,
}

/// Ends and their notes in a database of `PostgreSQL`, for a store elsewhere. A process has one for each store.
pub struct Journal {
    pool: PgPool,
    led: LedSince,
    link: Link,
    notes: Arc<Notes>,
    jobs: mpsc::UnboundedSender<Job>,
    io: Io,
}

impl Journal {
    /// Opens the journal in the database of this URL, and makes its tables where there are none.
    ///
    /// `store_unavailable` where the database can't be reached, `store_too_new` where a later version of this
    /// program made its tables.
    pub async fn open(url: &str, options: JournalOptions) -> Result<Self, KeystoreError> {
        let io = Io::start("lacre-journal")?;
        let link = Link::of(url)?;
        let opening = link.clone();
        let opened = io.ask(async move {
            schema::prepare(&opening, LEASE).await?;
            let led = LedSince::default();
            let pool = opening.pool(CONNECTIONS, &led);
            let notes = Arc::new(Notes::new(pool.clone(), options.node, options.writer));
            let mut connection = opening.connect().await?;
            notes::arrived(&notes, &mut connection).await?;
            let kept = i64::try_from(options.longest.as_secs()).unwrap_or(i64::MAX);
            sqlx::query("UPDATE keystore_meta SET journal_kept = greatest(journal_kept, $1)")
                .bind(kept)
                .execute(&mut connection)
                .await
                .map_err(|error| failed(&error))?;
            connection.close().await.map_err(|error| failed(&error))?;
            trim(&pool).await?;
            let (jobs, asked) = mpsc::unbounded_channel();
            let (led_since, back) = (Arc::clone(&led), jobs.downgrade());
            let writes = writer::run(opening, led_since, Arc::clone(&notes), asked, back);
            tokio::spawn(writes);
            tokio::spawn(trimming(pool.clone()));
            Ok((pool, led, notes, jobs))
        });
        let (pool, led, notes, jobs) = opened.await?;
        Ok(Self {
            pool,
            led,
            link,
            notes,
            jobs,
            io,
        })
    }

    /// Writes ends down, all under one number that is greater than `above`. Fails at that time at the latest; then they are
    /// taken back where they are written down all the same.
    pub(in crate::shared) async fn write(
        &self,
        ends: Vec<End>,
        above: u64,
        until: Instant,
    ) -> Result<Ticket, KeystoreError> {
        Job::end(&self.jobs, ends, above, until).await
    }

    /// Leaves the notes of records that went, with these sealed bytes. Where that fails for time they may be left all the
    /// same.
    pub(in crate::shared) async fn leave(
        &self,
        note: &Note,
        gone: &[(RecordKey, Vec<u8>)],
    ) -> Result<(), KeystoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let due = gone.iter().map(|(key, sealed)| Due::of(note, key, sealed));
        Job::note(&self.jobs, due.collect(), Instant::now() + PATIENCE).await
    }

    /// Takes back what was written down of ends that were not made. It is not waited for.
    pub(in crate::shared) fn take_back(&self, ticket: Ticket) {
        Job::take_back(&self.jobs, ticket);
    }

    /// What has to be made once more in a store in which the ends up to this number were made.
    pub(in crate::shared) async fn since(&self, known: u64) -> Result<Pages, KeystoreError> {
        let (link, led) = (self.link.clone(), Arc::clone(&self.led));
        self.io.ask(Pages::since(link, led, known)).await
    }

    /// The next of them, at most so many.
    pub(in crate::shared) async fn page(
        &self,
        after: Place,
        limit: usize,
    ) -> Result<Vec<(Place, End)>, KeystoreError> {
        let pool = self.pool.clone();
        self.io.ask(pages::page(pool, after, limit)).await
    }

    /// Asks something of the notes, on the journal's own thread.
    pub(in crate::shared) async fn of_notes<T, A>(
        &self,
        question: impl FnOnce(Arc<Notes>) -> A,
    ) -> Result<T, KeystoreError>
    where
        T: Send + 'static,
        A: Future<Output = Result<T, KeystoreError>> + Send + 'static,
    {
        self.io.ask(question(Arc::clone(&self.notes))).await
    }

    pub(in crate::shared) fn keep_notes_from(&self, number: u64) {
        self.notes.keep_from(number);
    }
}

/// Takes away, now and then, what no record can be so old for any more.
async fn trimming(pool: PgPool) {
    loop {
        tokio::time::sleep(TRIMMING).await;
        if let Err(error) = trim(&pool).await {
            log::warn!("the journal of ends wasn't trimmed: {error}");
        }
    }
}

async fn trim(pool: &PgPool) -> Result<(), KeystoreError> {
    loop {
        let gone = sqlx::query(
            "DELETE FROM keystore_journal WHERE (number, place) IN (SELECT number, place FROM keystore_journal \
               WHERE written_at < clock_timestamp() - (SELECT journal_kept FROM keystore_meta) * interval '1 second' \
               LIMIT $1)",
        )
        .bind(STEP)
        .execute(pool)
        .await
        .map_err(|error| failed(&error))?;
        if gone.rows_affected() < STEP.unsigned_abs() {
            return Ok(());
        }
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Journal").finish_non_exhaustive()
    }
}
