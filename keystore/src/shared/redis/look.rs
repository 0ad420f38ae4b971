//! A look at a store: whether a start on it would go well.
//!
//! This room must never make or change anything.

use super::bucket::Bucket;
use super::layout::Layout;
use super::place::Place;
use super::prepare;
use super::trust::{self, RedisWeakness};
use super::wire::Wire;
use crate::error::KeystoreError;
use crate::shared::postgres::Moved;

/// A store as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisLookedAt {
    /// What the servers don't keep, by their settings.
    pub weaknesses: Vec<RedisWeakness>,
    /// Which deployment's it is; nothing where there is no store yet.
    pub deployment: Option<String>,
    /// What a move of records has left there.
    pub moved: Option<Moved>,
}

/// Looks at the servers of this URL.
///
/// `store_unavailable` where one of them can't be reached, `store_too_new` where this program is too old for what is there.
pub async fn redis_look(url: &str) -> Result<RedisLookedAt, KeystoreError> {
    let place = Place::of(url)?;
    let layout = Layout::find(&place, &[]).await?;
    let weaknesses = trust::weaknesses(&place, &layout).await?;
    let mut primaries = layout.primaries.iter();
    let first = primaries.find(|primary| primary.buckets.contains(&Bucket::FIRST));
    let found = match first {
        Some(primary) => prepare::found(&Wire::connect(&place, &primary.address).await?).await?,
        None => prepare::Found::default(),
    };
    Ok(RedisLookedAt {
        weaknesses,
        deployment: found.deployment,
        moved: found.moved,
    })
}
