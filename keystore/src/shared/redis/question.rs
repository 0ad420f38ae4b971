//! One poll of one server.
//!
//! Most polls ask what the one before has asked, for little ends: a question is kept until something has been told.
//!
//! This room must never leave anything out of what a server tells.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;

use super::bucket::Bucket;
use super::feed::{Entry, behind};
use super::functions::call;
use super::map::Shard;
use super::parts::Inner;
use super::view::View;
use super::wire::{accepted, items, number, strange};
use super::witness::Lack;
use crate::error::KeystoreError;

/// How long replicas get to confirm a poll: longer than most leases, for a confirmation that comes late is still one.
const REPLICAS_MS: u64 = 200;

/// How many entries of a feed one poll brings, and how many records one poll applies. Where there are more, everything is
/// read once more.
pub(super) const MANY: usize = 10_000;

/// A poll of one server.
pub(super) struct Question {
    asked: Pipeline,
    /// How many replicas it waits for.
    replicas: usize,
}

/// What one server's poll brought.
pub(super) struct Brought {
    pub(super) entries: Vec<(Bucket, Vec<Entry>)>,
    pub(super) lease: Option<Duration>,
    pub(super) view: Result<Option<Arc<View>>, Lack>,
}

/// One server's poll; nothing where an entry that was known isn't there.
pub(super) async fn polled(
    inner: &Inner,
    shard: &Shard,
    cursors: &HashMap<Bucket, Entry>,
    question: &mut Option<Question>,
) -> Result<Option<Brought>, KeystoreError> {
    let Some(question) = Question::due(question, shard, cursors)? else {
        let who = shard.polls.ask(shard.witness.who()).await?;
        return Ok(Some(Brought {
            entries: Vec::new(),
            lease: None,
            view: shard.witness.led(who).map(Some),
        }));
    };
    let mut said = shard.polls.send(&question.asked).await?.into_iter();
    let mut told = items(accepted(said.next().ok_or_else(strange)?)?).into_iter();
    let mut next = || told.next().and_then(number).ok_or_else(strange);
    let (lease, seconds, microseconds) = (next()?, next()?, next()?);
    shard.hear_time(inner.lease.now(), seconds, microseconds);
    let mut entries = Vec::new();
    while let Some(which) = told.next() {
        let which = number(which).and_then(|which| usize::try_from(which).ok());
        let bucket = which.and_then(|which| shard.buckets.get(which));
        let (Some(bucket), Some(feed)) = (bucket, told.next()) else {
            return Err(strange());
        };
        let last = cursors.get(bucket).ok_or_else(strange)?;
        let Some(behind) = behind(last, feed) else {
            return Ok(None);
        };
        if behind.len() >= MANY {
            return Ok(None);
        }
        entries.push((*bucket, behind));
    }
    Ok(Some(Brought {
        entries,
        lease: Some(Duration::from_micros(lease)),
        view: shard.witness.hear(said.collect()),
    }))
}

impl Question {
    /// The one that was asked before, unless it waits for other replicas than there are by now; nothing where no bucket is
    /// there.
    fn due<'q>(
        kept: &'q mut Option<Self>,
        shard: &Shard,
        cursors: &HashMap<Bucket, Entry>,
    ) -> Result<Option<&'q Self>, KeystoreError> {
        let replicas = shard.witness.replicas();
        if kept.as_ref().is_none_or(|kept| kept.replicas != replicas) {
            *kept = Self::of(shard, cursors)?;
        }
        Ok(kept.as_ref())
    }

    /// What is asked of a server of which so much is known; nothing where no bucket is there.
    fn of(shard: &Shard, cursors: &HashMap<Bucket, Entry>) -> Result<Option<Self>, KeystoreError> {
        let Some(first) = shard.buckets.first() else {
            return Ok(None);
        };
        let mut poll = call("poll", *first);
        poll.arg(MANY + 1);
        for bucket in &shard.buckets {
            let last = cursors.get(bucket).ok_or_else(strange)?;
            poll.arg(bucket.feed()).arg(last.at());
            poll.arg(last.node()).arg(last.number());
        }
        let mut asked = redis::pipe();
        asked.add_command(poll);
        let replicas = shard.witness.ask(&mut asked, REPLICAS_MS);
        Ok(Some(Self { asked, replicas }))
    }
}
