//! What the journal says of ends, made once more in servers that may have lost them.
//!
//! Each bucket says up to which number of the journal the ends are made in it. What was written down since, and a little
//! before, is made again, page by page; each page raises that number, so that what is broken off goes on where it was.
//! An end that was made already finds nothing. A record that was put after an end was written down says so itself.
//!
//! This room must never say of an end that it is made before it is.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::try_join_all;
use redis::Pipeline;

use super::bucket::Bucket;
use super::functions::call;
use super::map::{Map, Shard};
use super::read::end as limit;
use super::wire::{accepted, bytes, items, number, strange};
use crate::error::KeystoreError;
use crate::key::KeyRange;
use crate::shared::journal::{End, Journal, Place};

/// How many ends are made with one question.
const PAGE: usize = 2_000;

/// How many records one step of the end of all looks at.
const STEP: usize = 500;

/// After how many ends is said how far it is.
const SAID_EVERY: u64 = 100_000;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Replayed {
    /// How many ends were made once more.
    pub(super) ends: u64,
    /// How many records have gone by it.
    pub(super) gone: u64,
}

/// Makes the ends of the journal once more that servers may lack in which those up to the number `known` are made. Each
/// step is counted.
pub(super) async fn replay(
    (journal, steps): (&Journal, &AtomicU64),
    map: &Map,
    known: u64,
) -> Result<Replayed, KeystoreError> {
    let pages = journal.since(known).await?;
    let (mut after, mut replayed, mut said) = (pages.after, Replayed::default(), 0);
    loop {
        let page = journal.page(after, PAGE).await?;
        let last = page.last().map(|(place, _)| *place);
        let is_last = page.len() < PAGE;
        let ends_here = page.len() as u64;
        // What comes to the journal meanwhile is made by whoever wrote it there.
        let upto = if is_last {
            pages.last
        } else {
            // The rest of those with its number is on the next page.
            last.map_or(0, |last| last.number - 1)
        };
        replayed.gone += make(steps, map, page, upto).await?;
        replayed.ends += ends_here;
        steps.fetch_add(1, Ordering::SeqCst);
        if replayed.ends >= said + SAID_EVERY {
            said = replayed.ends;
            log::info!(
                "ends of the journal are made once more: {said} of {}",
                pages.count
            );
        }
        match last {
            Some(last) if !is_last => after = last,
            _ => return Ok(replayed),
        }
    }
}

/// Makes these ends in all servers, and says in each bucket that those up to a number are made.
async fn make(
    steps: &AtomicU64,
    map: &Map,
    page: Vec<(Place, End)>,
    upto: u64,
) -> Result<u64, KeystoreError> {
    let all = page.iter().filter(|(_, end)| *end == End::All);
    let all = all.map(|(place, _)| place.number).max();
    let shards = map.shards.iter().filter(|shard| !shard.buckets.is_empty());
    let made = shards.map(|shard| async {
        let mut gone = 0;
        if let Some(all) = all {
            for bucket in &shard.buckets {
                gone += end_all(steps, shard, *bucket, all).await?;
            }
        }
        let mut pipeline = redis::pipe();
        for bucket in &shard.buckets {
            ask(&mut pipeline, *bucket, &page, upto);
        }
        for said in shard.polls.send(&pipeline).await? {
            gone += number(accepted(said)?).ok_or_else(strange)?;
        }
        Ok::<_, KeystoreError>(gone)
    });
    Ok(try_join_all(made).await?.into_iter().sum())
}

fn ask(pipeline: &mut Pipeline, bucket: Bucket, page: &[(Place, End)], upto: u64) {
    let mut asked = call("replay", bucket);
    asked.arg(&upto.to_be_bytes()[..]);
    for (place, end) in page {
        let (key, keep) = match end {
            End::Record(key) if Bucket::of_key(key) == bucket => (&key[..], None),
            End::User(user, keep) if Bucket::of_user(*user) == bucket => {
                (&user.as_bytes()[..], keep.as_ref())
            }
            _ => continue,
        };
        asked
            .arg(&place.number.to_be_bytes()[..])
            .arg(key)
            .arg(keep.map_or(&[][..], |keep| keep));
    }
    pipeline.add_command(asked);
}

/// Makes the end of all records in a bucket.
async fn end_all(
    steps: &AtomicU64,
    shard: &Shard,
    bucket: Bucket,
    number_of_it: u64,
) -> Result<u64, KeystoreError> {
    let (mut from, mut gone) = (limit(b'[', &KeyRange::ALL.first()), 0);
    loop {
        let mut asked = call("replay_all", bucket);
        asked
            .arg(&number_of_it.to_be_bytes()[..])
            .arg(&from)
            .arg(STEP);
        let mut said = items(shard.polls.ask(asked).await?).into_iter();
        let last = said.next().and_then(bytes).ok_or_else(strange)?;
        gone += said.next().and_then(number).ok_or_else(strange)?;
        steps.fetch_add(1, Ordering::SeqCst);
        if last.is_empty() {
            return Ok(gone);
        }
        from = [b"(", &last[..]].concat();
    }
}
