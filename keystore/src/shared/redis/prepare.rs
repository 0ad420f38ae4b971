//! What a store has before anything is kept in it: made by whichever process comes first.
//!
//! This room must never use a store that a later version of this program made, nor one of another deployment.

use std::time::Duration;

use redis::Value;

use super::bucket::Bucket;
use super::feed::Entry;
use super::functions::call;
use super::map::{Map, Shard};
use super::parts::Inner;
use super::wire::{Wire, accepted, big_endian, items, number, strange, text};
use super::witness::ASKED;
use crate::error::KeystoreError;
use crate::shared::postgres::Moved;

/// The layout that this program knows.
const VERSION: i32 = 3;

/// The oldest layout whose programs can go on beside this one: those of before don't know that changes may be held.
const OLDEST: i32 = 3;

/// How long replicas get.
const REPLICAS_MS: u64 = 500;

/// What a bucket says of itself.
pub(super) struct Head {
    said: Said,
    /// The last entry of its feed.
    pub(super) last: Entry,
    /// Whether the removal of everything has begun and isn't over.
    pub(super) emptying: bool,
    /// Up to which number the ends in the journal are made.
    pub(super) journalled: u64,
}

/// What a bucket was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    version: i32,
    oldest: i32,
    lease_us: u64,
    deployment: String,
}

impl Head {
    /// Those of all buckets of a server.
    pub(super) async fn read(
        inner: &Inner,
        shard: &Shard,
    ) -> Result<Vec<(Bucket, Self)>, KeystoreError> {
        let mut pipeline = redis::pipe();
        for bucket in &shard.buckets {
            pipeline.add_command(call("head", *bucket));
        }
        if shard.buckets.is_empty() {
            return Ok(Vec::new());
        }
        let said = shard.polls.send(&pipeline).await?;
        let heads = shard.buckets.iter().zip(said).map(|(bucket, said)| {
            let mut parts = items(accepted(said)?).into_iter();
            let mut part = || parts.next().ok_or_else(strange);
            let (mut said, last, time) = (items(part()?), items(part()?), items(part()?));
            let journalled = said.pop().and_then(big_endian).ok_or_else(strange)?;
            let emptying = said.pop().is_some_and(|who| who != Value::Nil);
            let gone = || KeystoreError::unavailable("the store has been emptied");
            let head = Self {
                said: Said::read(said).ok_or_else(gone)?,
                last: last
                    .into_iter()
                    .next()
                    .and_then(Entry::read)
                    .ok_or_else(gone)?,
                emptying,
                journalled,
            };
            let mut time = time.into_iter().map(number);
            if let (Some(Some(seconds)), Some(Some(microseconds))) = (time.next(), time.next()) {
                shard.hear_time(inner.lease.now(), seconds, microseconds);
            }
            Ok((*bucket, head))
        });
        heads.collect()
    }

    pub(super) fn check(&self, deployment: &str) -> Result<(), KeystoreError> {
        self.said.check(deployment)
    }
}

impl Said {
    /// By the names of the fields, in the order in which they are read.
    const FIELDS: [&'static str; 4] = ["version", "oldest", "lease", "deployment"];

    fn read(said: Vec<Value>) -> Option<Self> {
        let mut said = said.into_iter();
        Some(Self {
            version: text(said.next()?)?.parse().ok()?,
            oldest: text(said.next()?)?.parse().ok()?,
            lease_us: number(said.next()?)?,
            deployment: text(said.next()?)?,
        })
    }

    /// No earlier layout is known: no service has used one. A store of a later version is used where that one says that it can be done: nodes of two versions stand beside
    /// each other while one takes the place of the other.
    fn check(&self, deployment: &str) -> Result<(), KeystoreError> {
        if self.oldest > VERSION {
            return Err(KeystoreError::StoreTooNew {
                found: self.version,
                known: VERSION,
            });
        }
        if self.version < VERSION {
            return Err(KeystoreError::corrupt(
                "its layout is of before the first release",
            ));
        }
        if self.deployment != deployment {
            return Err(KeystoreError::StoreForeign);
        }
        if !(1_000..=10_000_000).contains(&self.lease_us) {
            return Err(KeystoreError::corrupt("its lease can't be"));
        }
        Ok(())
    }
}

/// A store that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Which deployment's it is; nothing where there is none.
    pub(super) deployment: Option<String>,
    /// What a move has left there.
    pub(super) moved: Option<Moved>,
}

/// What store is there, by what the first bucket says. Nothing is changed.
pub(super) async fn found(wire: &Wire) -> Result<Found, KeystoreError> {
    let [meta, ..] = Bucket::FIRST.keys();
    let mut asked = redis::cmd("HMGET");
    asked.arg(meta).arg(&Said::FIELDS);
    asked.arg(&["coming", "moved", "moved_to", "leased"]);
    let mut said = items(wire.ask(asked).await?);
    let mut rest = said
        .split_off(Said::FIELDS.len().min(said.len()))
        .into_iter();
    let mut rest = || rest.next().filter(|said| *said != Value::Nil);
    let (coming, left, to, leased) = (rest(), rest(), rest(), rest());
    if let (Some(leased), Some(lease)) = (leased, said.get_mut(2)) {
        // It has none while nobody may use it.
        *lease = leased;
    }
    let Some(said) = Said::read(said) else {
        return Ok(Found::default());
    };
    said.check(&said.deployment)?;
    let read = |said: Value| text(said).ok_or_else(strange);
    let moved = match (coming, left, to) {
        (Some(about), ..) => Some(Moved::Coming {
            id: said.deployment.clone(),
            about: read(about)?,
        }),
        (_, Some(id), Some(to)) => Some(Moved::Left {
            id: read(id)?,
            about: read(to)?,
        }),
        _ => None,
    };
    Ok(Found {
        deployment: Some(said.deployment),
        moved,
    })
}

/// Fails where records have left the store, or are being brought to it.
pub(super) async fn in_use(map: &Map) -> Result<(), KeystoreError> {
    match found(&map.of(Bucket::FIRST)?.polls).await?.moved {
        Some(Moved::Left { about, .. }) => Err(KeystoreError::StoreMoved { to: about.into() }),
        Some(Moved::Coming { .. }) => Err(KeystoreError::StoreUnfinished),
        Some(Moved::Came { .. }) | None => Ok(()),
    }
}

/// What a bucket is made with to which records are brought.
pub(super) fn coming(asked: &mut redis::Cmd, lease: Duration) {
    let lease = u64::try_from(lease.as_micros()).unwrap_or(u64::MAX);
    asked.arg(VERSION).arg(OLDEST).arg(lease);
}

/// Fails where a bucket isn't there: the store has lost what it had, or is another one.
pub(super) async fn all_there(map: &Map) -> Result<(), KeystoreError> {
    for shard in &map.shards {
        let mut pipeline = redis::pipe();
        for bucket in &shard.buckets {
            pipeline.add_command(call("head", *bucket));
        }
        if shard.buckets.is_empty() {
            continue;
        }
        for said in shard.polls.send(&pipeline).await? {
            let said = items(accepted(said)?).into_iter().next();
            if Said::read(items(said.ok_or_else(strange)?)).is_none() {
                return Err(KeystoreError::StoreEmptied);
            }
        }
    }
    Ok(())
}

/// Makes the buckets where there are none. What the first one says counts for all of them.
pub(super) async fn buckets(
    map: &Map,
    lease: Duration,
    deployment: &str,
    nonce: u64,
) -> Result<(), KeystoreError> {
    let asked = Said {
        version: VERSION,
        oldest: OLDEST,
        lease_us: u64::try_from(lease.as_micros()).unwrap_or(u64::MAX),
        deployment: deployment.to_owned(),
    };
    let first = map.of(Bucket::FIRST)?;
    let settled = made(first, &[Bucket::FIRST], &asked, nonce).await?;
    let settled = settled.into_iter().next().ok_or_else(strange)?;
    settled.check(deployment)?;
    for shard in &map.shards {
        if shard.buckets.is_empty() {
            continue;
        }
        for said in made(shard, &shard.buckets, &settled, nonce).await? {
            said.check(deployment)?;
        }
    }
    Ok(())
}

/// Makes these buckets of one server, and answers what they say.
async fn made(
    shard: &Shard,
    buckets: &[Bucket],
    with: &Said,
    nonce: u64,
) -> Result<Vec<Said>, KeystoreError> {
    let mut pipeline = redis::pipe();
    for bucket in buckets {
        let mut init = call("init", *bucket);
        init.arg(with.version)
            .arg(with.oldest)
            .arg(with.lease_us)
            .arg(&with.deployment)
            .arg(nonce);
        pipeline.add_command(init);
    }
    shard.witness.ask(&mut pipeline, REPLICAS_MS);
    let mut said = shard.polls.send(&pipeline).await?;
    let behind = said.split_off(said.len().saturating_sub(ASKED));
    // Not confirmed: a replica that lacks it is told apart by the polls.
    drop(behind);
    let said = said.into_iter().map(|said| {
        let said = items(accepted(said)?);
        Said::read(said).ok_or_else(strange)
    });
    said.collect()
}
