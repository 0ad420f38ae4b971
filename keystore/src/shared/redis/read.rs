//! What is read.
//!
//! This room must never hand out a record that is from another server than the lease.

use futures_util::future::try_join_all;
use redis::Value;

use super::bucket::Bucket;
use super::functions::call;
use super::parts::{Inner, PATIENCE};
use super::wire::{bytes, items, number, strange};
use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange, RecordKey, UserTag};
use crate::store::{Found, Stats, Writes};

/// How often a read is made again because the servers have changed meanwhile.
const ATTEMPTS: usize = 4;

/// How many records are read at once.
const STEP: usize = 500;

/// The record under this key, from the server that the lease is from: by a connection to the very process that the polls
/// ask, which is no replica, for that answers no such question.
pub(super) async fn get(inner: &Inner, key: RecordKey) -> Result<Found, KeystoreError> {
    let bytes_of_key = key.to_bytes();
    let mut failure = KeystoreError::unavailable("another server answers");
    for _ in 0..ATTEMPTS {
        let standing = inner.lease.held(PATIENCE).await?;
        let map = inner.map()?;
        if map.number != standing.leader.0 {
            tokio::task::yield_now().await;
            continue;
        }
        let bucket = Bucket::of_user(key.user);
        let mut asked = call("get", bucket);
        asked.arg(&bytes_of_key[..]);
        let asked = map.read(bucket, asked);
        let (read, stamp) = inner.stamps.around_async(&bytes_of_key, asked).await;
        match read {
            Ok(read) if inner.lease.standing() == standing => {
                let sealed = match read {
                    Value::Nil => None,
                    // Behind eight bytes that say when it expires, and eight that say which ends it was put after.
                    read => Some(
                        bytes(read)
                            .and_then(|read| Some(read.get(16..)?.to_vec()))
                            .ok_or_else(strange)?,
                    ),
                };
                return Ok(Found { sealed, stamp });
            }
            Ok(_) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Records of a range, those alone that may have expired at a time where one is given.
pub(super) async fn page(
    inner: &Inner,
    range: KeyRange,
    expired_at: Option<u64>,
    limit: usize,
) -> Result<Vec<(RecordKey, Vec<u8>)>, KeystoreError> {
    let map = inner.map()?;
    let (first, last) = (range.first(), range.last());
    let expired_at = expired_at.map(u64::to_be_bytes);
    let expired_at = expired_at.as_ref().map_or(&[][..], |time| time);
    let mut found = Vec::new();
    for bucket in Bucket::between(&first, &last) {
        let mut from = end(b'[', &first);
        while found.len() < limit {
            let step = match expired_at {
                [] => STEP.min(limit - found.len()),
                _ => STEP,
            };
            let mut asked = call("page", bucket);
            asked
                .arg(&from)
                .arg(end(b'[', &last))
                .arg(step)
                .arg(expired_at);
            let mut said = items(map.read(bucket, asked).await?).into_iter();
            let at = said.next().and_then(bytes).ok_or_else(strange)?;
            let seen = said.next().and_then(number).ok_or_else(strange)?;
            while let Some(key) = said.next() {
                let sealed = said.next().and_then(bytes).ok_or_else(strange)?;
                found.push((named(key)?, sealed));
            }
            if seen < step as u64 {
                break;
            }
            from = [b"(", &at[..]].concat();
        }
    }
    found.truncate(limit);
    Ok(found)
}

pub(super) async fn count(
    inner: &Inner,
    user: UserTag,
    max: usize,
) -> Result<usize, KeystoreError> {
    let range = KeyRange::of_user(user);
    let bucket = Bucket::of_user(user);
    let mut asked = call("count", bucket);
    asked
        .arg(end(b'[', &range.first()))
        .arg(end(b'[', &range.last()));
    let count = number(inner.map()?.read(bucket, asked).await?).ok_or_else(strange)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX).min(max))
}

pub(super) async fn stats(inner: &Inner) -> Result<Stats, KeystoreError> {
    let map = inner.map()?;
    let sizes = Bucket::all().map(|bucket| map.read(bucket, call("size", bucket)));
    let sizes = try_join_all(sizes).await?;
    let sizes = sizes
        .into_iter()
        .map(|size| number(size).ok_or_else(strange));
    Ok(Stats {
        records: sizes.sum::<Result<u64, _>>()?,
        bytes_on_disk: 0,
        writes: Writes::default(),
    })
}

/// One end of a range of names, as the server takes it: itself included, or not.
pub(super) fn end(how: u8, key: &KeyBytes) -> Vec<u8> {
    [&[how], &key[..]].concat()
}

/// The key that these bytes are.
pub(super) fn named(value: Value) -> Result<RecordKey, KeystoreError> {
    let key = bytes(value)
        .and_then(|bytes| Some(RecordKey::from_bytes(bytes.as_slice().try_into().ok()?)));
    key.ok_or_else(|| KeystoreError::corrupt("a key has another length than 32 bytes"))
}
