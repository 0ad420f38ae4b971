//! The records of servers, read and brought as they are kept.
//!
//! This room must never say of what was brought that it is confirmed.

use futures_util::future::try_join_all;

use super::RedisMove;
use super::asking::{elsewhere, found, of_move};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey};
use crate::moving::{Change, Destination, Origin};
use crate::shared::redis::bucket::Bucket;
use crate::shared::redis::functions::call;
use crate::shared::redis::read::{end as limit, named};
use crate::shared::redis::wire::{accepted, bytes, items, number, strange};
use crate::store::{Answer, Sealed};

/// What is before what is sealed of a record: when it expires, and which ends it was put after.
const BEFORE: usize = 16;

impl RedisMove {
    /// Records behind this key, as the servers keep them.
    async fn walk(
        &self,
        after: Option<RecordKey>,
        most: usize,
    ) -> Result<Vec<(RecordKey, Vec<u8>)>, KeystoreError> {
        let map = self.map();
        let after = after.map(|key| key.to_bytes());
        let first = after.unwrap_or(KeyRange::ALL.first());
        let mut from = match &after {
            Some(after) => limit(b'(', after),
            None => limit(b'[', &first),
        };
        let mut found = Vec::new();
        for bucket in Bucket::between(&first, &KeyRange::ALL.last()) {
            while found.len() < most {
                let step = most - found.len();
                let mut asked = call("walk", bucket);
                asked.arg(&from).arg(step);
                let mut said = items(map.read(bucket, asked).await?).into_iter();
                let last = said.next().and_then(bytes).ok_or_else(strange)?;
                let seen = said.next().and_then(number).ok_or_else(strange)?;
                while let Some(key) = said.next() {
                    let record = said.next().and_then(bytes).ok_or_else(strange)?;
                    found.push((named(key)?, record));
                }
                if seen < step as u64 {
                    break;
                }
                from = [b"(", &last[..]].concat();
            }
        }
        Ok(found)
    }
}

impl Origin for RedisMove {
    fn page(&self, after: Option<RecordKey>, most: usize) -> Answer<'_, Vec<(RecordKey, Sealed)>> {
        Box::pin(async move {
            let page = self.walk(after, most).await?.into_iter();
            let sealed = page.map(|(key, record)| {
                let (before, sealed) = record.split_at_checked(BEFORE).ok_or_else(strange)?;
                let expires_at = before.first_chunk().ok_or_else(strange)?;
                let sealed = Sealed {
                    bytes: sealed.to_vec(),
                    expires_at: u64::from_be_bytes(*expires_at),
                };
                Ok((key, sealed))
            });
            sealed.collect()
        })
    }
}

impl Destination for RedisMove {
    fn page(&self, after: Option<RecordKey>, most: usize) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            let page = Origin::page(self, after, most).await?.into_iter();
            Ok(page.map(|(key, sealed)| (key, sealed.bytes)).collect())
        })
    }

    fn change(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            let map = self.map();
            let Some(id) = found(&map).await?.deployment else {
                return Err(elsewhere());
            };
            let of_bucket = |bucket: Bucket| {
                let mut asked = of_move("bring", bucket, &id);
                let mut any = false;
                for change in &changes {
                    let name = change.key.to_bytes();
                    if Bucket::of_key(&name) != bucket {
                        continue;
                    }
                    any = true;
                    let new = change.now.as_ref();
                    let new =
                        new.map(|new| [&new.expires_at.to_be_bytes()[..], &new.bytes].concat());
                    asked.arg(&name[..]).arg(new.unwrap_or_default());
                }
                any.then_some(asked)
            };
            let made = map.shards.iter().map(|shard| {
                let mut pipeline = redis::pipe();
                let mut count = 0;
                for asked in shard.buckets.iter().filter_map(|bucket| of_bucket(*bucket)) {
                    pipeline.add_command(asked);
                    count += 1;
                }
                async move {
                    if count == 0 {
                        return Ok(());
                    }
                    for said in shard.polls.send(&pipeline).await? {
                        if number(accepted(said)?) != Some(1) {
                            return Err(elsewhere());
                        }
                    }
                    Ok(())
                }
            });
            try_join_all(made).await.map(drop)
        })
    }
}
