//! The store as a side of a move of all records, whether or not processes work on it.
//!
//! Records leave in this order: each bucket takes no more changes, which each says in itself, so that whoever asks, whenever he
//! has asked, is refused; they are walked through; each bucket is told that it isn't used any more, the first one last.
//! What the first one says counts for all. A hold ends by itself after some seconds unless it is gone on with, and the first
//! change after that takes it away. So a bucket that is still held when it is left has taken no change in between, by
//! whatever clock; and what a server has lost is found out as well, for it has lost the hold with it.
//!
//! A bucket to which records are brought has no lease, nor has one that was left: nobody goes by either.
//!
//! This room must never leave a store of which a record may have changed after it was read, nor let one be used to which
//! not all records were brought and confirmed.

mod asking;
mod records;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asking::{all, connected, elsewhere, found, held, lease, of_move, released};
use futures_util::future::{join_all, try_join_all};
use redis::{Cmd, Value};
use tokio::task::JoinHandle;

use super::bucket::Bucket;
use super::fit;
use super::functions::call;
use super::layout::Layout;
use super::map::Map;
use super::place::Place;
use super::prepare;
use super::replay::replay;
use super::wire::{big_endian, number, strange};
use crate::error::KeystoreError;
use crate::shared::io::Io;
use crate::shared::journal::Journal;
use crate::shared::postgres::Moved;

/// How often it is gone on with.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a step is tried on servers connected to anew, and how long there is in between.
const TRIES: usize = 20;
const BETWEEN: Duration = Duration::from_millis(300);

/// Servers for one side of a move.
pub struct RedisMove {
    place: Place,
    /// Who holds changes.
    holder: String,
    map: Mutex<Arc<Map>>,
    holding: Mutex<Option<JoinHandle<()>>>,
    io: Io,
}

impl RedisMove {
    /// Connections to the servers of this URL, that keep what they say. `holder` is a name that nobody else has. Nothing is
    /// changed.
    pub async fn open(url: &str, holder: &str) -> Result<Self, KeystoreError> {
        let io = Io::start("lacre-move")?;
        let place = Place::of(url)?;
        let layout = fit(&place).await?;
        let map = connected(&io, &place, layout).await?;
        Ok(Self {
            place,
            holder: holder.to_owned(),
            map: Mutex::new(Arc::new(map)),
            holding: Mutex::default(),
            io,
        })
    }

    fn map(&self) -> Arc<Map> {
        Arc::clone(&self.map.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Connects to whoever leads now. Nothing that was read or held before counts any more.
    pub async fn again(&self) -> Result<(), KeystoreError> {
        self.set_holding(None);
        self.anew().await.map(drop)
    }

    /// Connects to whoever leads now.
    async fn anew(&self) -> Result<Arc<Map>, KeystoreError> {
        let layout = Layout::find(&self.place, &[]).await?;
        let map = Arc::new(connected(&self.io, &self.place, layout).await?);
        *self.map.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&map);
        Ok(map)
    }

    /// What the last move has left here.
    pub async fn moved(&self) -> Result<Option<Moved>, KeystoreError> {
        Ok(found(&self.map()).await?.moved)
    }

    /// What the store says that it is; nothing where there is none.
    pub async fn deployment(&self) -> Result<Option<String>, KeystoreError> {
        Ok(found(&self.map()).await?.deployment)
    }

    /// How many records there are.
    pub async fn records(&self) -> Result<u64, KeystoreError> {
        let map = self.map();
        let sizes = Bucket::all().map(|bucket| map.read(bucket, call("size", bucket)));
        let sizes = try_join_all(sizes).await?.into_iter();
        let sizes = sizes.map(|size| number(size).ok_or_else(strange));
        sizes.sum()
    }

    /// Takes back what a move has left that was cut off, and makes the ends of the journal once more that the servers may have
    /// lost: for records that are about to leave, when nobody else moves them.
    pub async fn prepare(&self, journal: &Journal) -> Result<(), KeystoreError> {
        let map = self.map();
        released(&map).await?;
        let mut known = u64::MAX;
        for bucket in Bucket::all() {
            let [meta, ..] = bucket.keys();
            let mut asked = redis::cmd("HGET");
            asked.arg(meta).arg("journal");
            let made = match map.read(bucket, asked).await? {
                Value::Nil => 0,
                made => big_endian(made).ok_or_else(strange)?,
            };
            known = known.min(made);
        }
        replay((journal, &AtomicU64::new(0)), &map, known)
            .await
            .map(drop)
    }

    /// Takes no changes from now on, of whoever asks for them, until [`leave`](Self::leave) or [`release`](Self::release), or
    /// some seconds after this process has gone.
    pub async fn hold(&self) -> Result<(), KeystoreError> {
        let map = self.map();
        if !all(&map, Bucket::all(), |bucket| self.held("hold", bucket)).await? {
            return Err(strange());
        }
        let holder = self.holder.clone();
        let holding = self.io.handle()?.spawn(async move {
            loop {
                tokio::time::sleep(AGAIN).await;
                let again = map.shards.iter().map(|shard| {
                    let mut pipeline = redis::pipe();
                    for bucket in &shard.buckets {
                        pipeline.add_command(held("hold_on", *bucket, &holder));
                    }
                    async move {
                        if !shard.buckets.is_empty() {
                            // Whether it is still held is asked for where it counts.
                            let _ = shard.polls.send(&pipeline).await;
                        }
                    }
                });
                join_all(again).await;
            }
        });
        self.set_holding(Some(holding));
        Ok(())
    }

    fn held(&self, what: &str, bucket: Bucket) -> Cmd {
        held(what, bucket, &self.holder)
    }

    fn set_holding(&self, holding: Option<JoinHandle<()>>) {
        let before = std::mem::replace(
            &mut *self.holding.lock().unwrap_or_else(PoisonError::into_inner),
            holding,
        );
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Takes changes again. Nothing becomes of a store that was left.
    pub async fn release(&self) -> Result<(), KeystoreError> {
        self.set_holding(None);
        let mut released_it = released(&self.map()).await;
        for _ in 0..TRIES {
            if released_it.is_ok() {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
            released_it = match self.anew().await {
                Ok(map) => released(&map).await,
                Err(error) => Err(error),
            };
        }
        released_it
    }

    /// Isn't used by anybody any more, from now on and for good, and says to where the records have gone by the move `id`; after
    /// [`hold`](Self::hold), and on the servers of then. `false`, and everything as before, where a change may have been taken
    /// meanwhile. It returns when no process goes by anything of this store.
    pub async fn leave(&self, id: &str, about: &str) -> Result<bool, KeystoreError> {
        let map = self.map();
        // This shows as well that the servers led when the records were read.
        if !all(&map, Bucket::all(), |bucket| self.held("hold_on", bucket)).await? {
            return Ok(false);
        }
        let lease_us = lease(&map).await?;
        let goes = |bucket: Bucket| {
            let mut asked = self.held("leave", bucket);
            asked.arg(id).arg(about);
            asked
        };
        let others = Bucket::all().filter(|bucket| *bucket != Bucket::FIRST);
        if !all(&map, others, goes).await? {
            return Ok(false);
        }
        let first = || std::iter::once(Bucket::FIRST);
        let mut left = all(&map, first(), goes).await;
        for _ in 0..TRIES {
            if left.is_ok() {
                break;
            }
            // It may have left: who is asked again says so.
            tokio::time::sleep(BETWEEN).await;
            left = match self.anew().await {
                Ok(map) => all(&map, first(), goes).await,
                Err(error) => Err(error),
            };
        }
        if !left? {
            return Ok(false);
        }
        self.set_holding(None);
        let lease = Duration::from_micros(lease_us);
        tokio::time::sleep(lease + lease / 100).await;
        Ok(true)
    }

    /// Takes records from now on that are brought by the move `id`, of the deployment `about`, and is used by nobody until
    /// [`ready`](Self::ready). No end of the journal up to the number `journalled` counts against them. `false`, and
    /// nothing changed, where the servers aren't free: those are that have nothing, or that records have left.
    pub async fn begin(
        &self,
        (id, about): (&str, &str),
        lease: Duration,
        journalled: u64,
    ) -> Result<bool, KeystoreError> {
        let map = self.map();
        let found = found(&map).await?;
        let is_free = match &found.moved {
            Some(Moved::Coming { about: earlier, .. }) => earlier == about,
            Some(_) => true,
            None => found.deployment.is_none(),
        };
        if !is_free {
            return Ok(false);
        }
        all(&map, Bucket::all(), |bucket| {
            let mut asked = call("come", bucket);
            prepare::coming(&mut asked, lease);
            asked
                .arg(id)
                .arg(about)
                .arg(&journalled.to_be_bytes()[..])
                .arg(journalled);
            asked
        })
        .await
    }

    /// Returns when everything that was brought is confirmed, by the servers that it was brought to.
    pub async fn confirm(&self) -> Result<(), KeystoreError> {
        let map = self.map();
        let id = found(&map).await?.deployment.ok_or_else(elsewhere)?;
        if all(&map, Bucket::all(), |bucket| {
            of_move("brought", bucket, &id)
        })
        .await?
        {
            return Ok(());
        }
        Err(elsewhere())
    }

    /// Lets the store be used, when the records have left the one of before. Says whether this move has come; it may have been
    /// said before.
    pub async fn ready(&self, id: &str) -> Result<bool, KeystoreError> {
        let came = |bucket| of_move("came", bucket, id);
        let mut ready = all(&self.map(), Bucket::all(), came).await;
        for _ in 0..TRIES {
            if ready.is_ok() {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
            ready = match self.anew().await {
                Ok(map) => all(&map, Bucket::all(), came).await,
                Err(error) => Err(error),
            };
        }
        ready
    }
}

impl Drop for RedisMove {
    fn drop(&mut self) {
        self.set_holding(None);
    }
}

impl std::fmt::Debug for RedisMove {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RedisMove").finish_non_exhaustive()
    }
}
