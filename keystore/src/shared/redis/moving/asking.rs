//! What all buckets are asked of a move, and what counts as their answer.
//!
//! This room must never take an answer for one that not all who may take the server's place have confirmed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, Value};

use crate::error::KeystoreError;
use crate::shared::io::Io;
use crate::shared::redis::bucket::Bucket;
use crate::shared::redis::functions::call;
use crate::shared::redis::layout::Layout;
use crate::shared::redis::map::{Map, Shard};
use crate::shared::redis::place::Place;
use crate::shared::redis::poll::agreed;
use crate::shared::redis::prepare;
use crate::shared::redis::view::View;
use crate::shared::redis::wire::{accepted, number, strange};
use crate::shared::redis::witness::{ASKED, Lack};

/// For how long changes are held unless that is gone on with: whoever holds them may have gone.
const HOLD: Duration = Duration::from_secs(5);

/// How long replicas get to confirm, and how often they are asked.
const REPLICAS_MS: u64 = 300;
const ATTEMPTS: usize = 10;

pub(super) fn held(what: &str, bucket: Bucket, holder: &str) -> Cmd {
    let mut asked = call(what, bucket);
    asked.arg(holder);
    if what != "leave" {
        asked.arg(u64::try_from(HOLD.as_micros()).unwrap_or(u64::MAX));
    }
    asked
}

pub(super) fn of_move(what: &str, bucket: Bucket, id: &str) -> Cmd {
    let mut asked = call(what, bucket);
    asked.arg(id);
    asked
}

pub(super) async fn connected(
    io: &Io,
    place: &Place,
    layout: Layout,
) -> Result<Map, KeystoreError> {
    let (place, handle) = (place.clone(), io.handle()?);
    io.ask(async move { Map::connect(&place, &layout, &handle, 0).await })
        .await
}

pub(super) async fn found(map: &Map) -> Result<prepare::Found, KeystoreError> {
    prepare::found(&map.of(Bucket::FIRST)?.polls).await
}

pub(super) async fn lease(map: &Map) -> Result<u64, KeystoreError> {
    let [meta, ..] = Bucket::FIRST.keys();
    let mut asked = redis::cmd("HGET");
    asked.arg(meta).arg("lease");
    number(map.read(Bucket::FIRST, asked).await?).ok_or_else(strange)
}

/// Takes back what a move has left, unless the store was left.
pub(super) async fn released(map: &Map) -> Result<(), KeystoreError> {
    let release = |counts: u8| {
        move |bucket| {
            let mut asked = call("release", bucket);
            asked.arg(counts);
            asked
        }
    };
    if !all(map, std::iter::once(Bucket::FIRST), release(1)).await? {
        return Ok(());
    }
    let others = Bucket::all().filter(|bucket| *bucket != Bucket::FIRST);
    all(map, others, release(0)).await.map(drop)
}

pub(super) fn elsewhere() -> KeystoreError {
    KeystoreError::unavailable("somebody else uses the store that records are brought to")
}

/// Whether each of these buckets answers 1, when all who may take a server's place have confirmed it.
pub(super) async fn all(
    map: &Map,
    buckets: impl Iterator<Item = Bucket>,
    ask: impl Fn(Bucket) -> Cmd,
) -> Result<bool, KeystoreError> {
    let buckets: Vec<_> = buckets.collect();
    let asked = map.shards.iter().map(|shard| {
        let of_it = shard
            .buckets
            .iter()
            .filter(|bucket| buckets.contains(bucket));
        let of_it: Vec<_> = of_it.map(|bucket| ask(*bucket)).collect();
        confirmed(shard, of_it)
    });
    let (mut views, mut all) = (Vec::new(), true);
    for said in join_all(asked).await {
        let (answers, view) = said?;
        views.extend(view);
        all &= answers.into_iter().all(|answer| number(answer) == Some(1));
    }
    if !agreed(map, &views) {
        return Err(KeystoreError::unavailable(
            "some of its servers see another one lead",
        ));
    }
    Ok(all)
}

/// A change that nothing is left of. A server waits for what this connection has written, and for nothing where that is
/// confirmed, while other connections, and the waiting itself, write more: then its replicas are behind it each time.
fn written(pipeline: &mut Pipeline, bucket: Bucket) {
    let place = format!("{}:asked", bucket.feed());
    // Should the connection break between the two, it goes by itself.
    pipeline.cmd("SET").arg(&place).arg(1).arg("EX").arg(1);
    pipeline.cmd("DEL").arg(&place);
}

/// The answers of one server, when they are confirmed, and how it sees its cluster.
async fn confirmed(
    shard: &Shard,
    asked: Vec<Cmd>,
) -> Result<(Vec<Value>, Option<Arc<View>>), KeystoreError> {
    let mut pipeline = redis::pipe();
    if asked.is_empty() {
        if shard.witness.id.is_none() {
            return Ok((Vec::new(), None));
        }
        pipeline.add_command(shard.witness.who());
        let who = shard.polls.send(&pipeline).await?.into_iter().next();
        let view = shard.witness.led(who.ok_or_else(strange)?);
        return Ok((Vec::new(), Some(view.map_err(Lack::into_error)?)));
    }
    for asked in asked {
        pipeline.add_command(asked);
    }
    shard.witness.ask(&mut pipeline, REPLICAS_MS);
    let mut said = shard.polls.send(&pipeline).await?;
    let mut behind = said.split_off(said.len().saturating_sub(ASKED));
    let answers = said.into_iter().map(accepted).collect::<Result<_, _>>()?;
    for _ in 0..ATTEMPTS {
        match shard.witness.hear(behind) {
            Ok(view) => return Ok((answers, view)),
            Err(Lack::Replicas) => {}
            Err(lack) => return Err(lack.into_error()),
        }
        let mut again = redis::pipe();
        if let Some(bucket) = shard.buckets.first() {
            written(&mut again, *bucket);
        }
        shard.witness.ask(&mut again, REPLICAS_MS);
        let mut said = shard.polls.send(&again).await?;
        behind = said.split_off(said.len().saturating_sub(ASKED));
    }
    Err(Lack::Replicas.into_error())
}
