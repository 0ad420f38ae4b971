//! What asks what has ended, and so renews the lease.
//!
//! A poll asks every server that leads, at once: for its feeds behind the last entry that is known; for a change; for
//! the confirmation of that change by every replica that may take its place; and for how it sees its cluster. A replica
//! that has been promoted confirms nothing more to the server of before. So who has all confirmations led when
//! the feeds were read, and what they brought is confirmed as well. Besides, all of those who lead must see each as
//! leading: where all replicas of one have failed, nobody else could contradict it.
//!
//! Where an entry that was known isn't there any more, or a connection has broken, or another server leads, everything is
//! connected anew, the ends of the journal are made once more behind a poll that would count, and everything that is kept is read once more. Where a
//! server has even lost an entry that was confirmed, that is said.
//!
//! This room must never renew the lease before everything that a poll brought has been applied, nor give one for servers
//! in which an end of the journal may be missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::runtime::Handle;

use super::bucket::Bucket;
use super::feed::Entry;
use super::layout::Layout;
use super::map::Map;
use super::parts::Inner;
use super::place::{Address, Place};
use super::prepare::Head;
use super::question::{MANY, Question, polled};
use super::replay::replay;
use super::view::View;
use super::wire::{items, strange};
use super::witness::Lack;
use crate::error::KeystoreError;
use crate::shared::lease::Leader;
use crate::shared::pace::Pace;
use crate::shared::poller::Stop;

/// How long a round may take before everything is connected anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long there is nothing between a failure and the next attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// What the thread keeps from poll to poll.
pub(super) struct Polling<'i> {
    inner: &'i Inner,
    place: Place,
    io: Handle,
    deployment: String,
    known: Vec<Address>,
    seen: Option<Seen>,
    /// The last entries that were confirmed, also of the servers of before.
    confirmed: HashMap<Bucket, Entry>,
    maps: u64,
    pace: Pace,
    failing: bool,
}

/// Up to where what has ended is known.
struct Seen {
    map: Arc<Map>,
    cursors: HashMap<Bucket, Entry>,
    /// What each server is asked, by its place in the map. Most polls ask what the one before has asked.
    questions: Vec<Option<Question>>,
    /// Some of it isn't known to be confirmed.
    unconfirmed: bool,
}

/// How a round has ended.
enum Round {
    /// The lease is renewed; the next poll is due after this.
    Renewed(Duration),
    /// Replicas didn't confirm it in time.
    Unconfirmed,
    /// Something may have been missed.
    Anew(&'static str),
}

impl<'i> Polling<'i> {
    pub(super) fn new(inner: &'i Inner, place: Place, io: Handle, deployment: String) -> Self {
        Self {
            inner,
            known: place.addresses.clone(),
            place,
            io,
            deployment,
            seen: None,
            confirmed: HashMap::new(),
            maps: 0,
            pace: Pace::default(),
            failing: false,
        }
    }

    pub(super) async fn until(mut self, stop: &Stop) {
        while !stop.is_asked() {
            let turn = self.turn(stop);
            let pause = match turn.await {
                Ok(Round::Renewed(pause)) => {
                    if std::mem::take(&mut self.failing) {
                        log::info!("the store answers again");
                    }
                    pause
                }
                Ok(Round::Unconfirmed) => Duration::from_millis(10),
                Ok(Round::Anew(why)) => {
                    log::debug!("everything is read once more: {why}");
                    self.seen = None;
                    Duration::ZERO
                }
                Err(error) => self.failed(&error),
            };
            stop.pause(pause).await;
        }
        self.inner.set_map(None);
    }

    fn failed(&mut self, error: &KeystoreError) -> Duration {
        if !std::mem::replace(&mut self.failing, true) {
            log::error!("nothing is known of what has ended: {error}");
        }
        self.seen = None;
        // Nobody else need find it out.
        self.inner.set_map(None);
        PAUSE
    }

    /// Connects where there is nothing, and polls once.
    async fn turn(&mut self, stop: &Stop) -> Result<Round, KeystoreError> {
        if self.seen.is_none() {
            let Some(seen) = self.arrived(stop).await? else {
                return Ok(Round::Anew("the store is closed"));
            };
            self.seen = Some(seen);
        }
        in_time(self.round()).await
    }

    /// One poll.
    async fn round(&mut self) -> Result<Round, KeystoreError> {
        let inner = self.inner;
        let Some(seen) = &mut self.seen else {
            return Err(strange());
        };
        let sent_at = inner.lease.now();
        if seen.map.broken.load(Ordering::SeqCst) {
            return Ok(Round::Anew("a connection has broken"));
        }
        let (map, cursors) = (&seen.map, &seen.cursors);
        let asked = map.shards.iter().zip(&mut seen.questions);
        let asked = asked.map(|(shard, question)| polled(inner, shard, cursors, question));
        let mut lease: Option<Duration> = None;
        let mut views = Vec::new();
        let mut confirmed = true;
        let mut entries = Vec::new();
        let brought = join_all(asked).await;
        for (brought, question) in brought.into_iter().zip(&mut seen.questions) {
            let Some(brought) = brought? else {
                return Ok(Round::Anew("an entry that was known isn't there"));
            };
            match brought.view {
                Ok(view) => views.extend(view),
                Err(Lack::Replicas) => confirmed = false,
                Err(lack) => return Err(lack.into_error()),
            }
            if let Some(length) = brought.lease {
                lease = Some(lease.map_or(length, |lease| lease.min(length)));
            }
            if !brought.entries.is_empty() {
                // The next one asks behind them.
                *question = None;
            }
            entries.extend(brought.entries);
        }
        let records = entries.iter().flat_map(|(_, entries)| entries);
        if records.map(|entry| entry.ended.len()).sum::<usize>() > MANY {
            // Applying them would take longer than a lease, and reading once more takes less.
            return Ok(Round::Anew("too much has ended at once"));
        }
        for (bucket, entries) in entries {
            for entry in &entries {
                apply(inner, entry);
            }
            if let Some(last) = entries.into_iter().next_back() {
                seen.cursors.insert(bucket, last);
                seen.unconfirmed = true;
            }
        }
        if !confirmed {
            return Ok(Round::Unconfirmed);
        }
        if !agreed(&seen.map, &views) {
            return Err(disagreed());
        }
        let lease = lease.ok_or_else(strange)?;
        if std::mem::take(&mut seen.unconfirmed) {
            self.confirmed.clone_from(&seen.cursors);
        }
        inner.lease.renew(sent_at, lease);
        let pause = self.pace.next(lease, sent_at, inner.lease.now());
        Ok(Round::Renewed(pause))
    }

    /// Connects to the servers, makes the ends of the journal once more, and forgets everything: nothing is known of what
    /// ended before. Nothing where the thread is to end meanwhile.
    async fn arrived(&mut self, stop: &Stop) -> Result<Option<Seen>, KeystoreError> {
        let inner = self.inner;
        inner.set_map(None);
        let (map, cursors, known) = in_time(self.connected()).await?;
        in_time(lead(inner, &map, &cursors)).await?;
        let replaying = replay((&inner.journal, &inner.replayed), &map, known);
        let stopped = async {
            while !stop.is_asked() {
                stop.pause(PAUSE).await;
            }
        };
        let replayed = tokio::select! {
            replayed = replaying => replayed?,
            () = stopped => return Ok(None),
        };
        if replayed.gone > 0 {
            log::warn!(
                "{} sessions were back that had ended, and have gone once more, by {} ends of the journal",
                replayed.gone,
                replayed.ends
            );
        }
        inner.set_map(Some(Arc::clone(&map)));
        inner.told.forget();
        let leader = Leader(map.number);
        inner
            .lease
            .begin_anew(leader, || inner.stamps.all_changed());
        Ok(Some(Seen {
            questions: map.shards.iter().map(|_| None).collect(),
            map,
            cursors,
            unconfirmed: true,
        }))
    }

    /// Connects to the servers; where their feeds are, and up to which number the ends of the journal are made in all of
    /// them.
    async fn connected(
        &mut self,
    ) -> Result<(Arc<Map>, HashMap<Bucket, Entry>, u64), KeystoreError> {
        let layout = Layout::find(&self.place, &self.known).await?;
        self.known.clone_from(&layout.known);
        self.maps += 1;
        let map = Map::connect(&self.place, &layout, &self.io, self.maps).await?;
        let (mut cursors, mut known) = (HashMap::new(), u64::MAX);
        for shard in &map.shards {
            for (bucket, head) in Head::read(self.inner, shard).await? {
                head.check(&self.deployment)?;
                cursors.insert(bucket, head.last);
                known = known.min(head.journalled);
            }
        }
        self.look_back(&map).await?;
        Ok((Arc::new(map), cursors, known))
    }

    /// Says so where a server has lost what was confirmed.
    async fn look_back(&mut self, map: &Map) -> Result<(), KeystoreError> {
        let mut lost = false;
        for (bucket, before) in &self.confirmed {
            let mut feed = redis::cmd("XRANGE");
            feed.arg(bucket.feed())
                .arg("-")
                .arg("+")
                .arg("COUNT")
                .arg(1);
            let mut there = redis::cmd("XRANGE");
            there.arg(bucket.feed()).arg(before.at()).arg(before.at());
            let polls = &map.of(*bucket)?.polls;
            let first = items(polls.ask(feed).await?).into_iter().next();
            let first = first.and_then(Entry::read).ok_or_else(strange)?;
            let there = items(polls.ask(there).await?).into_iter().next();
            let there = there.and_then(Entry::read);
            // What was taken away to make room was the oldest.
            let made_room = first.place > before.place;
            lost |= there.as_ref() != Some(before) && !made_room;
        }
        if lost {
            log::error!(
                "the store is an earlier one: a server has lost what it had confirmed. What has ended is in the journal \
                 and ends once more; tokens that were refreshed since are back until they are used"
            );
            self.confirmed.clear();
        }
        Ok(())
    }
}

/// Whether these servers lead now, by what a poll counts by. What is read from the journal after that has all that
/// was made at servers which they have taken the place of.
async fn lead(
    inner: &Inner,
    map: &Map,
    cursors: &HashMap<Bucket, Entry>,
) -> Result<(), KeystoreError> {
    let asked = map.shards.iter().map(async |shard| {
        let brought = polled(inner, shard, cursors, &mut None).await?;
        let brought = brought.ok_or_else(|| {
            KeystoreError::unavailable("an entry that was there a moment ago isn't")
        })?;
        brought.view.map_err(Lack::into_error)
    });
    let views = try_join_all(asked).await?;
    let views: Vec<_> = views.into_iter().flatten().collect();
    if agreed(map, &views) {
        Ok(())
    } else {
        Err(disagreed())
    }
}

fn disagreed() -> KeystoreError {
    KeystoreError::unavailable("some of its servers see another one lead")
}

/// The answer, or an error where it takes too long.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, KeystoreError>>,
) -> Result<T, KeystoreError> {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| Err(KeystoreError::unavailable("it doesn't answer in time")))
}

/// Whether all of those who lead see each of them as leading; who is alone needs nobody.
pub(super) fn agreed(map: &Map, views: &[Arc<View>]) -> bool {
    map.shards.iter().all(|shard| {
        let Some(id) = &shard.witness.id else {
            return true;
        };
        let slots = &shard.witness.slots;
        let agree = views.iter().filter(|view| view.leads(id, slots)).count();
        agree == map.shards.len()
    })
}

/// What an entry says. One of this process's own changes is told of by whoever hears of it first.
fn apply(inner: &Inner, entry: &Entry) {
    let ended = &entry.ended;
    for (key, _) in ended {
        inner.changed(key);
    }
    let own = entry.own(inner.node);
    let gone = ended.iter().filter(|(_, gone)| *gone);
    let mut gone = gone.map(|(key, _)| key).peekable();
    if gone.peek().is_some() && own.is_none_or(|number| inner.told.first(number)) {
        gone.for_each(|key| inner.tell(key));
    }
    if own.is_none() {
        inner.heard.fetch_add(ended.len() as u64, Ordering::Relaxed);
    }
}
