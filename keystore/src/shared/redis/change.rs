//! What changes records, and what each change has to wait for.
//!
//! A change and what tells of it are one function. Who finds that what it wanted to end has ended already, or has
//! lost a swap, goes by a change that may not have been answered yet: the function writes the feed all the same, and
//! what it has written is confirmed after that other change, and waits as long.
//!
//! This room must never let a change that ends something be answered without the wait.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::{Cmd, Value};
use tokio::sync::oneshot;

use super::bucket::Bucket;
use super::functions::call;
use super::parts::Inner;
use super::read::{end, named};
use super::wire::{items, number, strange};
use super::writer::Job;
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::store::Write;

/// How many records one step of the removal of all takes.
const STEP: usize = 500;

/// For how long a server may make a change after it was asked for.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// What was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// How long the answer has to wait, where it says that something has ended.
    pub(super) wait: Option<Duration>,
}

const NO_WAIT: Made = Made { wait: None };

/// The wait for a lease of so many microseconds, and one per cent: clocks differ in rate.
fn wait(lease_us: u64) -> Made {
    let lease = Duration::from_micros(lease_us);
    Made {
        wait: Some(lease + lease / 100),
    }
}

pub(super) async fn apply(
    inner: &Inner,
    writes: Vec<Write>,
) -> Result<(bool, Made), KeystoreError> {
    let Some(first) = writes.first() else {
        return Ok((true, NO_WAIT));
    };
    let user = first.key.user;
    if writes.iter().any(|write| write.key.user != user) {
        return Err(KeystoreError::unavailable("writes of more than one user"));
    }
    let (number_of_it, mut asked) = change(inner, "apply", Bucket::of_user(user))?;
    for write in &writes {
        let expected = write
            .expected
            .as_ref()
            .map(|bytes| [b"=", &bytes[..]].concat());
        let new = write.new.as_ref();
        let new = new.map(|new| [b"=", &new.expires_at.to_be_bytes()[..], &new.bytes].concat());
        asked
            .arg(&write.key.to_bytes()[..])
            .arg(expected.unwrap_or_default())
            .arg(new.unwrap_or_default())
            .arg(u8::from(write.ends_tokens));
    }
    let said = items(made(inner, Bucket::of_user(user), asked).await?);
    let [fits, lease_us] = two(said)?;
    let ends = writes.iter().any(|write| write.ends_tokens);
    if fits == 1 {
        let changed: Vec<_> = writes.iter().map(|write| write.key).collect();
        let removed = |write: &&Write| write.expected.is_some() && write.new.is_none();
        let gone = writes.iter().filter(removed);
        let gone: Vec<_> = gone.map(|write| write.key).collect();
        inner.made(number_of_it, &changed, &gone);
    }
    Ok((fits == 1, if ends { wait(lease_us) } else { NO_WAIT }))
}

pub(super) async fn remove(inner: &Inner, key: RecordKey) -> Result<(bool, Made), KeystoreError> {
    let bucket = Bucket::of_user(key.user);
    let (number_of_it, mut asked) = change(inner, "remove", bucket)?;
    asked.arg(&key.to_bytes()[..]);
    let [lease_us, there] = two(items(made(inner, bucket, asked).await?))?;
    if there == 1 {
        inner.made(number_of_it, &[key], &[key]);
    }
    Ok((there == 1, wait(lease_us)))
}

pub(super) async fn remove_user(
    inner: &Inner,
    user: UserTag,
    keep: Option<RecordKey>,
) -> Result<(Vec<RecordKey>, Made), KeystoreError> {
    let range = KeyRange::of_user(user);
    let bucket = Bucket::of_user(user);
    let (number_of_it, mut asked) = change(inner, "remove_range", bucket)?;
    let keep = keep.map(|key| key.to_bytes().to_vec());
    asked
        .arg(end(b'[', &range.first()))
        .arg(end(b'[', &range.last()))
        .arg(-1)
        .arg(keep.unwrap_or_default());
    let (gone, made) = removed(made(inner, bucket, asked).await?)?;
    inner.made(number_of_it, &gone, &gone);
    Ok((gone, made))
}

/// Removes everything, bucket after bucket. That it has begun is noted first: an opening goes on with it.
pub(super) async fn remove_all(inner: &Inner) -> Result<(u64, Made), KeystoreError> {
    let who = format!("{}:{}", inner.node, inner.next_change());
    note_emptying(inner, &who, true).await?;
    let (mut count, mut latest) = (0, NO_WAIT);
    for bucket in Bucket::all() {
        let mut from = end(b'[', &KeyRange::ALL.first());
        loop {
            let (number_of_it, mut asked) = change(inner, "remove_range", bucket)?;
            asked
                .arg(&from)
                .arg(end(b'[', &KeyRange::ALL.last()))
                .arg(STEP)
                .arg("");
            let (gone, made) = removed(made(inner, bucket, asked).await?)?;
            inner.made(number_of_it, &gone, &gone);
            count += gone.len() as u64;
            latest = Made {
                wait: latest.wait.max(made.wait),
            };
            match gone.last() {
                Some(last) if gone.len() == STEP => from = end(b'(', &last.to_bytes()),
                _ => break,
            }
        }
    }
    note_emptying(inner, &who, false).await?;
    Ok((count, latest))
}

async fn note_emptying(inner: &Inner, who: &str, begun: bool) -> Result<(), KeystoreError> {
    let mut asked = call("emptying", Bucket::FIRST);
    asked.arg(who).arg(u8::from(begun));
    made(inner, Bucket::FIRST, asked).await.map(drop)
}

/// A change of this process's own at every server, confirmed after whatever was found changed, and the wait for it.
pub(super) async fn barrier(inner: &Inner) -> Result<((), Made), KeystoreError> {
    let map = inner.map()?;
    let firsts = map.shards.iter().filter_map(|shard| shard.buckets.first());
    let barriers = firsts.map(|bucket| async {
        let (_, asked) = change(inner, "barrier", *bucket)?;
        let said = items(made(inner, *bucket, asked).await?);
        said.into_iter().next().and_then(number).ok_or_else(strange)
    });
    let leases = try_join_all(barriers).await?;
    let longest = leases.into_iter().max().ok_or_else(strange)?;
    Ok(((), wait(longest)))
}

/// Whether it is this process's turn.
pub(super) async fn take_turn(
    inner: &Inner,
    chore: &'static str,
    every: Duration,
) -> Result<bool, KeystoreError> {
    let mut asked = call("turn", Bucket::FIRST);
    let every = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
    asked.arg(chore).arg(every);
    let taken = made(inner, Bucket::FIRST, asked).await?;
    Ok(number(taken) == Some(1))
}

/// What a change begins with: whose it is, which, and until when it may be made, by the server's clock.
fn change(inner: &Inner, what: &str, bucket: Bucket) -> Result<(u64, Cmd), KeystoreError> {
    let map = inner.map()?;
    let ahead = map
        .of(bucket)?
        .ahead_us
        .load(std::sync::atomic::Ordering::SeqCst);
    let now = i64::try_from(inner.lease.now() / 1_000).unwrap_or(i64::MAX);
    let deadline = i64::try_from(DEADLINE.as_micros()).unwrap_or(i64::MAX);
    let until = now.saturating_add(ahead).saturating_add(deadline);
    let number_of_it = inner.next_change();
    let mut asked = call(what, bucket);
    asked.arg(inner.node).arg(number_of_it).arg(until);
    Ok((number_of_it, asked))
}

/// Has the server's writer make a change.
async fn made(inner: &Inner, bucket: Bucket, asked: Cmd) -> Result<Value, KeystoreError> {
    let (answer, said) = oneshot::channel();
    let map = inner.map()?;
    let gone = || KeystoreError::unavailable("another server has taken over");
    let job = Job { asked, answer };
    map.of(bucket)?.jobs.send(job).map_err(|_| gone())?;
    said.await.map_err(|_| gone())?
}

/// Which records have gone, and the wait.
fn removed(said: Value) -> Result<(Vec<RecordKey>, Made), KeystoreError> {
    let mut said = items(said).into_iter();
    let lease_us = said.next().and_then(number).ok_or_else(strange)?;
    let gone = said.map(named).collect::<Result<Vec<_>, _>>()?;
    Ok((gone, wait(lease_us)))
}

fn two(said: Vec<Value>) -> Result<[u64; 2], KeystoreError> {
    let mut said = said.into_iter().map(number);
    match [said.next().flatten(), said.next().flatten()] {
        [Some(one), Some(two)] => Ok([one, two]),
        _ => Err(strange()),
    }
}
