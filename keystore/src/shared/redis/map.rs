//! The servers of a store and the connections to them, for as long as nothing becomes of any of them.
//!
//! When a connection breaks, or another server leads, all of it is made anew, and everything is read once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use redis::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::bucket::{BUCKETS, Bucket};
use super::functions;
use super::layout::{Layout, Primary};
use super::place::Place;
use super::wire::{Wire, accepted, items, says_elsewhere, strange, text};
use super::witness::Witness;
use super::writer::{self, Job};
use crate::error::KeystoreError;

/// The servers as they are now.
pub(super) struct Map {
    /// Another one after each change.
    pub(super) number: u64,
    pub(super) shards: Vec<Arc<Shard>>,
    by_bucket: [usize; BUCKETS],
    /// Something has become of a connection, or another server leads.
    pub(super) broken: Arc<AtomicBool>,
}

/// One server, and what it leads.
pub(super) struct Shard {
    pub(super) buckets: Vec<Bucket>,
    pub(super) witness: Arc<Witness>,
    pub(super) polls: Wire,
    pub(super) reads: Wire,
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    /// The server's time less this process's, in microseconds, and no more than that: it is taken when an answer has
    /// come.
    pub(super) ahead_us: AtomicI64,
}

impl Map {
    /// Connects to all of them. The polls go by this runtime, and everything else by that of the store.
    pub(super) async fn connect(
        place: &Place,
        layout: &Layout,
        io: &Handle,
        number: u64,
    ) -> Result<Self, KeystoreError> {
        let broken = Arc::<AtomicBool>::default();
        let mut by_bucket = [usize::MAX; BUCKETS];
        let connecting = layout
            .primaries
            .iter()
            .map(|primary| Shard::connect(place, primary, io, &broken));
        let shards = futures_util::future::join_all(connecting).await;
        let shards = shards.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (index, shard) in shards.iter().enumerate() {
            for bucket in &shard.buckets {
                if let Some(place) = by_bucket.get_mut(bucket.index()) {
                    *place = index;
                }
            }
        }
        Ok(Self {
            number,
            shards: shards.into_iter().map(Arc::new).collect(),
            by_bucket,
            broken,
        })
    }

    pub(super) fn of(&self, bucket: Bucket) -> Result<&Arc<Shard>, KeystoreError> {
        let index = self.by_bucket.get(bucket.index());
        let shard = index.and_then(|index| self.shards.get(*index));
        shard.ok_or_else(|| KeystoreError::unavailable("no server has all of the slots"))
    }

    /// The answer of the server that has this bucket; what it says by an error may be that it hasn't any more.
    pub(super) async fn read(
        &self,
        bucket: Bucket,
        asked: redis::Cmd,
    ) -> Result<Value, KeystoreError> {
        let mut pipeline = redis::pipe();
        pipeline.add_command(asked);
        let said = self.of(bucket)?.reads.send(&pipeline).await;
        let said = said.map(|said| said.into_iter().next().unwrap_or(Value::Nil));
        if said.as_ref().map_or(true, says_elsewhere) {
            self.broken.store(true, Ordering::SeqCst);
        }
        accepted(said?)
    }
}

impl Shard {
    async fn connect(
        place: &Place,
        primary: &Primary,
        io: &Handle,
        broken: &Arc<AtomicBool>,
    ) -> Result<Self, KeystoreError> {
        let polls = Wire::connect(place, &primary.address).await?;
        let run = run_id(&polls).await?;
        if !primary.buckets.is_empty() {
            equip(&polls).await?;
        }
        let (at, to) = (place.clone(), primary.address.clone());
        let connecting = io.spawn(async move {
            let (reads, writes) = (
                Wire::connect(&at, &to).await?,
                Wire::connect(&at, &to).await?,
            );
            let runs = [run_id(&reads).await?, run_id(&writes).await?];
            Ok::<_, KeystoreError>((reads, writes, runs))
        });
        let connected = connecting.await;
        let connected = connected.map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        let (reads, writes, runs) = connected?;
        // What is read and written has to be of the process that the polls are of.
        if runs.iter().any(|other| *other != run) {
            return Err(KeystoreError::unavailable("another server answers"));
        }
        let witness = Arc::new(Witness::new(
            primary.id.clone(),
            primary.address.clone(),
            primary.buckets.iter().map(|bucket| bucket.slot()).collect(),
            primary.replicas,
        ));
        let (jobs, asked) = mpsc::unbounded_channel();
        io.spawn(writer::run(
            writes,
            asked,
            Arc::clone(&witness),
            Arc::clone(broken),
        ));
        Ok(Self {
            buckets: primary.buckets.clone(),
            witness,
            polls,
            reads,
            jobs,
            ahead_us: AtomicI64::new(0),
        })
    }
}

impl Shard {
    /// The server's time, that has just come, and what the clock of the lease says.
    pub(super) fn hear_time(&self, now: u64, seconds: u64, microseconds: u64) {
        let time = seconds
            .saturating_mul(1_000_000)
            .saturating_add(microseconds);
        let now = now / 1_000;
        let ahead = time.cast_signed().saturating_sub(now.cast_signed());
        self.ahead_us.store(ahead, Ordering::SeqCst);
    }
}

/// Which process it is.
async fn run_id(wire: &Wire) -> Result<String, KeystoreError> {
    let mut info = redis::cmd("INFO");
    info.arg("server");
    let said = text(wire.ask(info).await?).ok_or_else(strange)?;
    let mut lines = said.lines();
    let run = lines.find_map(|line| line.strip_prefix("run_id:"));
    run.map(str::to_owned).ok_or_else(strange)
}

/// Brings the functions where the server hasn't got them. Its replicas get them from it.
async fn equip(wire: &Wire) -> Result<(), KeystoreError> {
    if !items(wire.ask(functions::list()).await?).is_empty() {
        return Ok(());
    }
    let loaded = wire.ask(functions::load()).await;
    // Another process may have been first, and the answer to that is an error.
    if items(wire.ask(functions::list()).await?).is_empty() {
        loaded?;
        return Err(strange());
    }
    Ok(())
}
