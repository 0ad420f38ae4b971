//! The store on `PostgreSQL`, 13 or later, which any number of processes may write to.
//!
//! | file | holds |
//! |---|---|
//! | `schema` | the tables, made by whichever process comes first |
//! | `link` | how a connection is set up; which server answers |
//! | `parts` | what the files below have in common |
//! | `poll` | the thread that asks what has ended, and so renews the lease |
//! | `change` | the statements that change records |
//! | `era` | the end of all records |
//! | `read` | the statements that read them |
//! | `notes` | the statements for notes of ends |
//! | `cluster` | what all processes go by, what each says of itself, and what one of them does for all |
//! | `length` | how long the lease of a database is whose records are elsewhere |
//! | `named` | a record's key, as the tables have it |
//! | `member` | what all processes go by, and who decides about it in each |
//! | `moving` | a side of a move of all records from one store to another |
//! | `look` | a look at a database, of which nothing is changed |
//! | `trust` | whether a server keeps what it says |
//!
//! A change that ends tokens writes the record and the row that tells the other processes in one statement. It is
//! committed synchronously, and answered when the lease of every process that may not have heard of it is over.
//!
//! This room must never read a record from a server other than the one that the lease is from.

mod change;
mod cluster;
mod era;
mod length;
pub(super) mod link;
mod look;
mod member;
mod moving;
mod named;
pub(super) mod notes;
mod parts;
mod poll;
mod read;
pub(super) mod schema;
mod told;
mod trust;
mod within;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::io::Io;
use super::lease::{Lease, RunningClock};
use super::poller::Poller;
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::{Note, NotePlace, SealedNote};
use crate::stamps::Stamps;
use crate::store::{Answer, Found, LeaseReport, RemovalWatcher, Stamp, Stats, Store, Write};
use link::{LedSince, Link, is_outdated};
use notes::Notes;
use parts::{Inner, Made, PATIENCE};
use poll::Polling;
use told::Told;

pub use cluster::{Alone, Cluster, Peer};
pub use link::says_tls;
pub use look::{LookedAt, look};
pub use member::{Common, Member};
pub use moving::{Moved, PostgresMove};
pub use trust::Weakness;

/// For how long a removal of everything may take.
const LONG: Duration = Duration::from_mins(10);

/// For how long the lease may have been over before [`Store::health`] says so: a lapse is waited for.
const LAPSE: Duration = Duration::from_secs(1);

/// What a store on `PostgreSQL` is opened with.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The most connections, besides the one that polls.
    pub connections: u32,
    /// The lease of a deployment that is new. After that it lies in the database.
    pub lease: Duration,
    /// A number that no other process has, drawn anew by each.
    pub node: i64,
    /// Where the notes of this process's ends are written down elsewhere: a name that the process has again when it is
    /// started anew, and no other has. Notes wait to be written down from the first one on, and the head is kept by it.
    pub writer: Option<String>,
}

/// A [`Store`] on `PostgreSQL`.
pub struct PostgresStore {
    inner: Arc<Inner>,
    cluster: Cluster,
    poller: Option<Poller>,
    io: Io,
}

impl PostgresStore {
    /// Opens the store at this URL, makes its tables where there are none, and waits for the first lease.
    ///
    /// `store_unavailable` where the database can't be reached, `store_too_new` where a later version of this
    /// program made its tables.
    pub async fn open(
        url: &str,
        options: PostgresOptions,
        clock: RunningClock,
    ) -> Result<Self, KeystoreError> {
        let io = Io::start("lacre-postgres")?;
        let link = Link::of(url)?;
        let lease = options.lease;
        let opening = link.clone();
        let opened = io.ask(async move {
            schema::prepare(&opening, lease).await?;
            let led = LedSince::default();
            Ok((opening.pool(options.connections, &led), led))
        });
        let (pool, led) = opened.await?;
        let inner = Arc::new(Inner {
            notes: Notes::new(pool.clone(), options.node, options.writer),
            pool,
            led,
            lease: Lease::new(clock),
            stamps: Stamps::new(),
            node: options.node,
            watcher: std::sync::OnceLock::new(),
            told: Told::default(),
            member: std::sync::OnceLock::new(),
            taken_up: AtomicU64::new(0),
            refused: std::sync::Mutex::default(),
            about: std::sync::Mutex::default(),
            heard: AtomicU64::new(0),
            counted: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
            under_way: Arc::default(),
        });
        let cluster = Cluster {
            inner: Arc::clone(&inner),
            link: link.clone(),
            io: io.handle()?,
        };
        let asking = Arc::clone(&inner);
        let poller = Poller::start(|stop| async move {
            Polling::new(&asking, link).until(&stop).await;
        })?;
        let store = Self {
            inner,
            cluster,
            poller: Some(poller),
            io,
        };
        store.inner.lease.held(Duration::from_secs(5)).await?;
        Ok(store)
    }

    /// Whether there is a lease by this database. To be asked *before* what is kept is looked at.
    #[cfg(feature = "redis")]
    #[inline]
    pub(crate) fn has_lease(&self) -> bool {
        self.inner.lease.holds()
    }

    /// Waits until there is a lease by this database.
    pub(crate) async fn leased(&self) -> Result<(), KeystoreError> {
        self.inner.lease.held(PATIENCE).await.map(drop)
    }

    /// The processes on this store, seen from this one. What is asked of it fails once the store is dropped.
    #[must_use]
    pub fn cluster(&self) -> Cluster {
        self.cluster.clone()
    }

    /// Says whether a connection of this age, to the database that this one is in, leads to a server that another one
    /// has taken the place of: such a server may live on, and then answers what isn't so any more.
    #[must_use = "it does nothing but say so"]
    pub fn outdated(&self) -> impl Fn(Duration) -> bool + Send + Sync + 'static {
        let led = Arc::clone(&self.inner.led);
        move |age| is_outdated(&led, age)
    }

    super::calls::changes_of_records!(era::remove_all);

    /// Makes a change, and answers when no process goes by what was before.
    async fn change<T, A>(
        &self,
        patience: Duration,
        change: impl FnOnce(Arc<Inner>) -> A + Send + 'static,
    ) -> Result<T, KeystoreError>
    where
        T: Send + 'static,
        A: Future<Output = Result<(T, Made), KeystoreError>> + Send + 'static,
    {
        // Before it is handed over: who waits for all that is under way waits for this one from now on.
        let under_way = Arc::clone(&self.inner.under_way).read_owned().await;
        self.inner.open()?;
        let (answer, made) = self
            .ask(patience, |inner| async move {
                let _under_way = under_way;
                change(inner).await
            })
            .await?;
        if let Some(wait) = made.wait {
            tokio::time::sleep(wait).await;
        }
        Ok(answer)
    }
}

impl Store for PostgresStore {
    fn get<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Found> {
        let key = *key;
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            read::get(&inner, key).await
        }))
    }

    super::calls::changes_with_or_without_notes!();

    super::calls::calls_about_the_lease!();

    fn notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            notes::page(&inner.notes, None, after, limit).await
        }))
    }

    fn own_notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            notes::page(&inner.notes, Some(inner.notes.writer()), after, limit).await
        }))
    }

    fn replace_notes(&self, notes: Vec<(SealedNote, Vec<u8>)>) -> Answer<'_, u64> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            notes::replace(&inner.notes, notes).await
        }))
    }

    fn forget_notes(&self, before: u64) -> Answer<'_, u64> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            match era::go_on(&inner).await? {
                0 => notes::forget(&inner.notes, before).await,
                some => Ok(some),
            }
        }))
    }

    fn settle_notes(&self) -> Answer<'_, Option<NotePlace>> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            notes::settled(&inner.notes).await
        }))
    }

    fn keep_notes_from(&self, number: u64) {
        self.inner.notes.keep_from(number);
    }

    fn keep_head(&self, head: Vec<u8>) -> Answer<'_, ()> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            notes::keep_head(&inner.notes, head).await
        }))
    }

    fn head(&self) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            notes::head(&inner.notes).await
        }))
    }

    fn page(&self, range: KeyRange, limit: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            read::page(&inner.pool, range, None, limit).await
        }))
    }

    fn page_to_sweep(
        &self,
        range: KeyRange,
        now: u64,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            read::page(&inner.pool, range, Some(now), limit).await
        }))
    }

    fn count(&self, user: UserTag, max: usize) -> Answer<'_, usize> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            read::count(&inner.pool, user, max).await
        }))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(self.ask(LONG, |inner| async move { read::stats(&inner).await }))
    }

    fn settled(&self) -> Answer<'_, ()> {
        Box::pin(self.change(PATIENCE, |inner| async move {
            Ok(((), change::barrier(&inner).await?))
        }))
    }

    fn readable(&self) -> Answer<'_, ()> {
        Box::pin(self.leased())
    }

    fn health(&self) -> Result<(), KeystoreError> {
        self.inner.open()?;
        if let Some(why) = self.inner.refusal() {
            return Err(KeystoreError::unavailable(why));
        }
        if self.inner.lease.over_for(LAPSE) {
            return Err(KeystoreError::unavailable("it doesn't answer in time"));
        }
        Ok(())
    }

    fn take_turn(&self, chore: &'static str, every: Duration) -> Answer<'_, bool> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            cluster::take_turn(&inner, chore, every).await
        }))
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // The poll ends first: without it there is no lease, and nothing is used any more.
        drop(self.poller.take());
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}
