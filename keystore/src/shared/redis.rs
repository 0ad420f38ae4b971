//! The store on Redis or Valkey, 7 or later, one server or a cluster, which any number of processes may write to.
//!
//! | file | holds |
//! |---|---|
//! | `functions` | what the servers run: each change is one function (`functions.lua`) |
//! | `place` | where the store is: its URL |
//! | `bucket` | which part of the store a record is in |
//! | `wire` | one connection to one server |
//! | `view` | a cluster, as one of its servers sees it |
//! | `witness` | what a change has to be confirmed by |
//! | `layout` | which server leads which part |
//! | `map` | the servers and the connections to them |
//! | `prepare` | what a store has before anything is kept in it |
//! | `parts` | what the files below have in common |
//! | `writer` | what writes to one server: many changes with one wait |
//! | `feed` | what is told of ends |
//! | `poll` | what asks what has ended, and so renews the lease |
//! | `question` | one poll of one server |
//! | `replay` | what the journal says of ends, made once more |
//! | `change`, `read` | changes and reads |
//! | `told` | which ends of its own a process has told of |
//! | `trust` | whether servers keep what they say |
//! | `moving` | the store as a side of a move of all records |
//! | `look` | a look at a store, of which nothing is changed |
//!
//! A change that ends tokens changes the record and writes the feed in one step. It is answered when it is flushed to
//! the disk of the server that leads, when every replica that may take its place has confirmed it, and when the lease of
//! every process that may not have heard of it is over.
//!
//! Whatever takes records away is written down in the journal first, in `PostgreSQL`, and made once more from there
//! before any lease on servers that are not certainly those of before.
//!
//! # What it doesn't give
//!
//! It survives the crash or the pause of one server, a partition, and a failover that the cluster votes for. Two of those
//! at once, a takeover by hand, or a backup that is put back may take changes away: what had ended ends once more by the
//! journal, but a refresh is lost, and the token of before it is good again until it is used.

mod bucket;
mod change;
mod feed;
mod functions;
mod layout;
mod look;
mod map;
mod moving;
mod parts;
mod place;
mod poll;
mod prepare;
mod question;
mod read;
mod replay;
mod told;
mod trust;
mod view;
mod wire;
mod witness;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::io::Io;
use super::journal::Journal;
use super::lease::{Lease, RunningClock, Standing};
use super::poller::Poller;
use super::postgres::notes::{self, Notes};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::{Note, NotePlace, SealedNote};
use crate::store::{Answer, Found, LeaseReport, RemovalWatcher, Stamp, Stats, Store, Write};
use change::{DEADLINE, Made};
use layout::Layout;
use map::Map;
use parts::{Inner, PATIENCE};
use place::Place;
use poll::Polling;
use prepare::Head;

pub use look::{RedisLookedAt, redis_look};
pub use moving::RedisMove;
pub use place::redis_says_tls;
pub use trust::RedisWeakness;

/// For how long a removal of everything may take.
const LONG: Duration = Duration::from_mins(10);

/// For how long the lease may have been over before [`Store::health`] says so: a lapse is waited for.
const LAPSE: Duration = Duration::from_secs(1);

/// How often an opening looks again where a primary has no replica, and after how long.
const MOMENTS: u32 = 6;
const MOMENT: Duration = Duration::from_millis(500);

/// What a store on Redis is opened with.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The lease of a deployment that is new. After that it lies in the store.
    pub lease: Duration,
    /// A number that no other process has, drawn anew by each.
    pub node: i64,
    /// What the deployment is called. The first process writes it down; a store of another one is refused.
    pub deployment: String,
    /// Whether the store may be made where there is none. Who knows that there was one is refused an empty one.
    pub make: bool,
}

/// A [`Store`] on Redis or Valkey.
pub struct RedisStore {
    inner: Arc<Inner>,
    poller: Option<Poller>,
    io: Io,
}

/// What the servers of this URL don't keep, by their settings. Nothing is changed.
///
/// `store_unavailable` where one of them can't be reached.
pub async fn redis_weaknesses(url: &str) -> Result<Vec<RedisWeakness>, KeystoreError> {
    let place = Place::of(url)?;
    let layout = Layout::find(&place, &[]).await?;
    trust::weaknesses(&place, &layout).await
}

impl RedisStore {
    /// Opens the store at this URL, makes what it needs where there is nothing yet, makes the ends of the journal once
    /// more, and waits for the first lease. The journal is of the same deployment, and of this process.
    ///
    /// `store_unavailable` where a server or the journal's database can't be reached, `store_not_durable` where one doesn't
    /// keep what it says, with what to change; `store_too_new` where a later version of this program made the store,
    /// `store_foreign` where another deployment did, and `store_emptied` where there is none and none is to be made.
    pub async fn open(
        url: &str,
        options: RedisOptions,
        journal: Journal,
        clock: RunningClock,
    ) -> Result<Self, KeystoreError> {
        let io = Io::start("lacre-redis")?;
        let place = Place::of(url)?;
        let inner = Arc::new(Inner::new(Lease::new(clock), journal, options.node));
        let (opening, at) = (Arc::clone(&inner), place.clone());
        let (handle, with) = (io.handle()?, options.clone());
        let preparing = async move { prepared(&opening, &at, &handle, &with).await };
        let emptying = io.ask(preparing).await?;
        let (asking, handle) = (Arc::clone(&inner), io.handle()?);
        let poller = Poller::start(|stop| async move {
            let polling = Polling::new(&asking, place, handle, options.deployment);
            polling.until(&stop).await;
        })?;
        let store = Self {
            inner,
            poller: Some(poller),
            io,
        };
        store.first_lease().await?;
        if emptying {
            log::warn!("the removal of all sessions had begun and wasn't over: it goes on");
            store.remove_all().await?;
        }
        Ok(store)
    }

    /// Waits for the first lease, for as long as the ends of the journal are made before it.
    async fn first_lease(&self) -> Result<(), KeystoreError> {
        let replayed = || self.inner.replayed.load(Ordering::SeqCst);
        let mut before = replayed();
        while let Err(error) = self.inner.lease.held(Duration::from_secs(5)).await {
            let now = replayed();
            if now == before {
                return Err(error);
            }
            before = now;
        }
        Ok(())
    }

    super::calls::changes_of_records!(change::remove_all);

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
        let (standing, until) = (self.inner.lease.standing(), Instant::now() + patience);
        let (answer, made) = self
            .ask(patience, |inner| async move {
                let made = change(inner).await;
                if made.is_err() {
                    // It may still be made, for so long.
                    tokio::spawn(async move {
                        tokio::time::sleep(DEADLINE + DEADLINE / 100).await;
                        drop(under_way);
                    });
                }
                made
            })
            .await?;
        if let Some(wait) = made.wait {
            self.stands(made.written, standing, (wait, until + wait))
                .await?;
        }
        Ok(answer)
    }

    /// Waits until no process goes by what was before a change that has just been made, and until its servers are known to
    /// have led after it: one that is cut off may take changes until it finds out itself, and where all its replicas had failed it
    /// asks nobody (`docs/decisions/0080-answered-behind-a-poll.md`).
    async fn stands(
        &self,
        written: bool,
        standing: Standing,
        (wait, until): (Duration, Instant),
    ) -> Result<(), KeystoreError> {
        let lease = &self.inner.lease;
        let made_at = lease.now();
        tokio::time::sleep(wait).await;
        let left = until.saturating_duration_since(Instant::now());
        lease.counted_since(made_at, left).await?;
        // What isn't written down was made at the servers of then alone.
        if !written && lease.standing() != standing {
            return Err(KeystoreError::unavailable("another server has taken over"));
        }
        Ok(())
    }

    /// Asks the database of the journal about notes.
    fn of_notes<'s, T, A>(
        &'s self,
        question: impl FnOnce(Arc<Notes>) -> A + Send + 's,
    ) -> Answer<'s, T>
    where
        T: Send + 'static,
        A: Future<Output = Result<T, KeystoreError>> + Send + 'static,
    {
        Box::pin(async move {
            let asked = self.inner.journal.of_notes(question);
            let answer = tokio::time::timeout(PATIENCE, asked).await;
            answer.unwrap_or_else(|_| Err(KeystoreError::unavailable("it doesn't answer in time")))
        })
    }
}

/// The servers, if they keep what they say.
async fn fit(place: &Place) -> Result<Layout, KeystoreError> {
    let mut attempts = 0..MOMENTS;
    loop {
        let layout = Layout::find(place, &[]).await?;
        let weaknesses = trust::weaknesses(place, &layout).await?.into_iter();
        let forbidding: Vec<_> = weaknesses
            .filter(|weakness| weakness.forbids_serving())
            .collect();
        // In the middle of a failover a primary has no replica for a moment.
        if forbidding == [RedisWeakness::NoReplica] && attempts.next().is_some() {
            tokio::time::sleep(MOMENT).await;
            continue;
        }
        if !forbidding.is_empty() {
            let reasons: Vec<_> = forbidding.into_iter().map(RedisWeakness::advice).collect();
            return Err(KeystoreError::StoreUnfit {
                reason: reasons.join("; ").into(),
            });
        }
        return Ok(layout);
    }
}

/// Looks whether the servers keep what they say, and makes what the store needs; whether the removal of everything
/// has begun and isn't over.
async fn prepared(
    inner: &Inner,
    place: &Place,
    io: &tokio::runtime::Handle,
    options: &RedisOptions,
) -> Result<bool, KeystoreError> {
    let layout = fit(place).await?;
    let map = Map::connect(place, &layout, io, 0).await?;
    prepare::in_use(&map).await?;
    if !options.make {
        prepare::all_there(&map).await?;
    }
    let nonce = inner.lease.now();
    prepare::buckets(&map, options.lease, &options.deployment, nonce).await?;
    let mut emptying = false;
    for shard in &map.shards {
        for (_, head) in Head::read(inner, shard).await? {
            head.check(&options.deployment)?;
            emptying |= head.emptying;
        }
    }
    Ok(emptying)
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Found> {
        let key = *key;
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            read::get(&inner, key).await
        }))
    }

    super::calls::changes_with_or_without_notes!();

    super::calls::calls_about_the_lease!();

    fn notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        self.of_notes(move |kept| async move { notes::page(&kept, None, after, limit).await })
    }

    fn own_notes(&self, after: Option<NotePlace>, limit: usize) -> Answer<'_, Vec<SealedNote>> {
        self.of_notes(move |kept| async move {
            notes::page(&kept, Some(kept.writer()), after, limit).await
        })
    }

    fn replace_notes(&self, notes: Vec<(SealedNote, Vec<u8>)>) -> Answer<'_, u64> {
        self.of_notes(move |kept| async move { notes::replace(&kept, notes).await })
    }

    fn forget_notes(&self, before: u64) -> Answer<'_, u64> {
        self.of_notes(move |kept| async move { notes::forget(&kept, before).await })
    }

    fn settle_notes(&self) -> Answer<'_, Option<NotePlace>> {
        self.of_notes(|kept| async move { notes::settled(&kept).await })
    }

    fn keep_notes_from(&self, number: u64) {
        self.inner.journal.keep_notes_from(number);
    }

    fn keep_head(&self, head: Vec<u8>) -> Answer<'_, ()> {
        self.of_notes(move |kept| async move { notes::keep_head(&kept, head).await })
    }

    fn head(&self) -> Answer<'_, Option<Vec<u8>>> {
        self.of_notes(|kept| async move { notes::head(&kept).await })
    }

    fn page(&self, range: KeyRange, limit: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            read::page(&inner, range, None, limit).await
        }))
    }

    fn page_to_sweep(
        &self,
        range: KeyRange,
        now: u64,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        // It may have to look at many that stay.
        Box::pin(self.ask(LONG, move |inner| async move {
            read::page(&inner, range, Some(now), limit).await
        }))
    }

    fn count(&self, user: UserTag, max: usize) -> Answer<'_, usize> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            read::count(&inner, user, max).await
        }))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(self.ask(PATIENCE, |inner| async move { read::stats(&inner).await }))
    }

    fn settled(&self) -> Answer<'_, ()> {
        Box::pin(self.change(
            PATIENCE,
            |inner| async move { change::barrier(&inner).await },
        ))
    }

    fn readable(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.inner.open()?;
            self.inner.lease.held(PATIENCE).await.map(drop)
        })
    }

    fn health(&self) -> Result<(), KeystoreError> {
        self.inner.open()?;
        if self.inner.lease.over_for(LAPSE) {
            return Err(KeystoreError::unavailable("it doesn't answer in time"));
        }
        Ok(())
    }

    fn take_turn(&self, chore: &'static str, every: Duration) -> Answer<'_, bool> {
        Box::pin(self.ask(PATIENCE, move |inner| async move {
            change::take_turn(&inner, chore, every).await
        }))
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        // The poll ends first: without it there is no lease, and nothing is used any more.
        drop(self.poller.take());
    }
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RedisStore").finish_non_exhaustive()
    }
}
