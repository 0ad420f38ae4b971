//! Out of a database, or of Redis with a database: stores that nobody has to himself.
//!
//! This room must never go on where the sessions have left for somewhere else.

use super::arrival::Arrival;
use super::database::Database;
use super::error::MoveError;
use super::redis::{Arrivals, Departures};
use super::sides::{Arriving, Leaving as _};
use super::steps::{MovedAll, Waiting, go_on, move_all, number};
use super::target::Target;
use super::within::Within;
use crate::clock::Clock;
use crate::config::Config;
use crate::deployment::settled::master_keys;
use crate::deployment::shared::{Records, name_on_redis, opened};
use crate::entropy::Entropy;
use crate::sessions::keyring::Keyring;
use lacre_keystore::{
    Journal, JournalOptions, KeystoreError, MasterKeyRing, Moved, PostgresMove, RedisMove, look,
    redis_look,
};
use rand::Rng as _;
use std::path::Path;
use std::sync::Arc;

/// How often two databases are looked at whose keys change meanwhile.
const LOOKS: usize = 10;

/// What a move is done by.
type Means = (Arc<dyn Clock>, Entropy);

/// Moves the sessions out of the database that `config` names, while nodes work on it.
pub async fn move_from_database(
    config: &Config,
    target: &Target,
    dry_run: bool,
    means: Means,
    waiting: &mut dyn Waiting,
) -> Result<MovedAll, MoveError> {
    if let Target::Postgres(_) = target {
        return Err(MoveError::SameEngine("postgres"));
    }
    let (url, place) = (config.shared_url(), target.to_string());
    let looked = look(url).await.map_err(MoveError::source)?;
    if let (Target::Redis(to), Some(elsewhere)) = (target, &looked.elsewhere) {
        let name = name_on_redis(elsewhere).ok_or(MoveError::Nothing)?;
        return came_to_redis(config, (to, &name), target, dry_run).await;
    }
    // Its records may be elsewhere.
    Records::of(config).check(&looked)?;
    let source = PostgresMove::open(url, config.keystore.lease).await;
    let source = Database(source.map_err(MoveError::source)?);
    match source.0.moved().await.map_err(MoveError::source)? {
        Some(Moved::Left { about, .. }) if about != place => {
            return Err(MoveError::Elsewhere(about));
        }
        Some(Moved::Left { .. }) if dry_run => return Ok(MovedAll::default()),
        Some(Moved::Left { id, .. }) => return finished(config, target, &id).await,
        Some(Moved::Coming { .. }) => return Err(MoveError::Nothing),
        Some(Moved::Came { .. }) | None => {}
    }
    let of = Of::read(config, &source.0).await?;
    let sessions = source.records().await?;
    let to = Checked::of(config, target, (&of, sessions)).await?;
    if dry_run {
        return Ok(counted(sessions));
    }
    let id = number(&means.1);
    let deployment = of.deployment.clone();
    let moved = (&*id, &*deployment, &*place);
    let lease = config.keystore.lease;
    match to {
        Checked::Directory(path) => {
            let arrival = Arrival::take(config, path, of.keys, means)?;
            move_all(&source, &arrival, moved, waiting).await
        }
        Checked::Redis(to, true) => {
            let arrivals = Arrivals::beside(to, &id, (&source.0, lease)).await?;
            move_all(&Within(&source.0), &arrivals, moved, waiting).await
        }
        Checked::Redis(to, false) => {
            let rest = PostgresMove::open(config.accounts.url.expose(), lease).await;
            let rest = rest.map_err(MoveError::target)?;
            let arrivals = Arrivals::new(to, &id, (rest, lease)).await?;
            move_all(&source, &arrivals, moved, waiting).await
        }
        Checked::Database(..) => Err(MoveError::SameEngine("postgres")),
    }
}

/// Moves the sessions out of the servers of Redis that `config` names, while nodes work on them.
pub async fn move_from_redis(
    config: &Config,
    target: &Target,
    dry_run: bool,
    means: Means,
    waiting: &mut dyn Waiting,
) -> Result<MovedAll, MoveError> {
    let Some(servers) = config
        .redis_url()
        .filter(|_| !matches!(target, Target::Redis(_)))
    else {
        return Err(MoveError::SameEngine("redis"));
    };
    let (url, place) = (config.shared_url(), target.to_string());
    let looked = look(url).await.map_err(MoveError::source)?;
    match &looked.moved {
        Some(Moved::Left { about, .. }) if *about != place => {
            return Err(MoveError::Elsewhere(about.clone()));
        }
        Some(Moved::Left { .. }) if dry_run => return Ok(MovedAll::default()),
        Some(Moved::Left { id, .. }) => return finished(config, target, id).await,
        Some(Moved::Coming { .. }) => return Err(MoveError::Nothing),
        Some(Moved::Came { .. }) | None => {}
    }
    let there = redis_look(servers.expose())
        .await
        .map_err(MoveError::source)?;
    let left = match there.moved {
        Some(Moved::Left { about, .. }) if about != place => {
            return Err(MoveError::Elsewhere(about));
        }
        Some(Moved::Left { id, .. }) => Some(id),
        _ => None,
    };
    if looked.elsewhere.is_none() && left.is_some() && is_here(url, target).await? {
        return Ok(MovedAll::default());
    }
    Records::of(config).check(&looked)?;
    if looked.elsewhere.as_deref().and_then(name_on_redis) != there.deployment {
        return Err(MoveError::Source(KeystoreError::StoreForeign));
    }
    let rest = PostgresMove::open(url, config.keystore.lease).await;
    let rest = rest.map_err(MoveError::source)?;
    let of = Of::read(config, &rest).await?;
    let id = number(&means.1);
    let records = RedisMove::open(servers.expose(), &id).await;
    let records = records.map_err(MoveError::source)?;
    let sessions = records.records().await.map_err(MoveError::source)?;
    let to = Checked::of(config, target, (&of, sessions)).await?;
    if dry_run {
        return Ok(left.map_or_else(|| counted(sessions), |_| MovedAll::default()));
    }
    let journal = journal(config, &means.1).await?;
    if left.is_none() {
        let prepared = records.prepare(&journal).await;
        prepared.map_err(MoveError::source)?;
    }
    let source = Departures {
        records,
        rest: &rest,
        rest_stays: matches!(to, Checked::Database(_, true)),
        journal,
    };
    let (deployment, lease) = (of.deployment.clone(), config.keystore.lease);
    let to: Box<dyn Arriving + '_> = match to {
        Checked::Directory(path) => Box::new(Arrival::take(config, path, of.keys, means)?),
        Checked::Database(_, true) => Box::new(Within(&rest)),
        Checked::Database(to, false) => {
            let database = PostgresMove::open(to, lease).await;
            Box::new(Database(database.map_err(MoveError::target)?))
        }
        Checked::Redis(..) => return Err(MoveError::SameEngine("redis")),
    };
    if let Some(id) = left {
        return go_on(&source, &*to, (&id, &deployment, &place), waiting).await;
    }
    move_all(&source, &*to, (&id, &deployment, &place), waiting).await
}

/// Ends a move out of a database that was left by it.
async fn finished(config: &Config, target: &Target, id: &str) -> Result<MovedAll, MoveError> {
    let lease = config.keystore.lease;
    let opened = async |url: &str| {
        let database = PostgresMove::open(url, lease).await;
        database.map_err(MoveError::target)
    };
    let is_ready = match target {
        Target::Directory(path) => Arrival::finish(path, id)?,
        Target::Postgres(url) => Database(opened(url).await?).ready(id).await?,
        Target::Redis(url) => {
            let rest = opened(config.accounts.url.expose()).await?;
            let arrivals = Arrivals::new(url, id, (rest, lease)).await?;
            arrivals.ready(id).await?
        }
    };
    if is_ready {
        return Ok(MovedAll::default());
    }
    Err(MoveError::Used(target.to_string()))
}

/// Ends a move to Redis of records whose database says that they are there.
async fn came_to_redis(
    config: &Config,
    (url, name): (&str, &str),
    target: &Target,
    dry_run: bool,
) -> Result<MovedAll, MoveError> {
    let there = redis_look(url).await.map_err(MoveError::target)?;
    if there.deployment.as_deref() != Some(name) {
        return Err(MoveError::Used(target.to_string()));
    }
    if !dry_run {
        let lease = config.keystore.lease;
        let rest = PostgresMove::open(config.shared_url(), lease).await;
        let rest = rest.map_err(MoveError::source)?;
        let arrivals = Arrivals::beside(url, name, (&rest, lease)).await?;
        if !arrivals.ready(name).await? {
            return Err(MoveError::Used(target.to_string()));
        }
    }
    Ok(MovedAll::default())
}

fn counted(sessions: u64) -> MovedAll {
    MovedAll {
        sessions: Some(sessions),
        ..MovedAll::default()
    }
}

/// Whether the target is the database of this URL.
async fn is_here(url: &str, target: &Target) -> Result<bool, MoveError> {
    match target {
        Target::Postgres(other) => is_one(url, other).await,
        _ => Ok(false),
    }
}

/// Whether the databases of two URLs are one. Bytes that are sealed twice are never the same; they may be sealed anew
/// between two looks.
async fn is_one(url: &str, other: &str) -> Result<bool, MoveError> {
    if url == other {
        return Ok(true);
    }
    let sealed = async |url: &str| {
        let looked = look(url).await.map_err(MoveError::target)?;
        Ok::<_, MoveError>(looked.common.map(|common| common.sealed))
    };
    for _ in 0..LOOKS {
        let (before, theirs, after) =
            (sealed(url).await?, sealed(other).await?, sealed(url).await?);
        if before.is_none() || before == after {
            return Ok(before.is_some() && before == theirs);
        }
    }
    Err(MoveError::Source(KeystoreError::StoreContended))
}

/// What is moved.
struct Of {
    keys: (MasterKeyRing, Keyring),
    deployment: String,
}

impl Of {
    async fn read(config: &Config, source: &PostgresMove) -> Result<Self, MoveError> {
        let common = source.common().await.map_err(MoveError::source)?;
        let common = common.ok_or(MoveError::Nothing)?;
        let keys = opened(&common, &master_keys(config))?;
        let deployment = keys.1.handles().name();
        Ok(Self { keys, deployment })
    }
}

/// A target that can be arrived at. Of a database, and of one beside Redis, whether it is the one that everything but the
/// records stays in.
enum Checked<'t> {
    Directory(&'t Path),
    Database(&'t str, bool),
    Redis(&'t str, bool),
}

impl<'t> Checked<'t> {
    async fn of(
        config: &'t Config,
        target: &'t Target,
        (of, sessions): (&Of, u64),
    ) -> Result<Self, MoveError> {
        let used = || MoveError::Used(target.to_string());
        let (database, is_redis) = match target {
            Target::Directory(path) => {
                Arrival::check(config, path, &of.keys.0, &of.deployment, sessions)?;
                return Ok(Self::Directory(path));
            }
            Target::Postgres(url) => (&**url, None),
            Target::Redis(url) => {
                Arrivals::check(url, &of.deployment, target).await?;
                (config.accounts.url.expose(), Some(&**url))
            }
        };
        let looked = look(database).await.map_err(MoveError::target)?;
        let weak = looked.weaknesses.iter();
        if let Some(weakness) = weak.clone().find(|weakness| weakness.forbids_serving()) {
            return Err(MoveError::Weak(weakness.advice()));
        }
        let stays = is_one(config.shared_url(), database).await?;
        let is_free = match &looked.moved {
            Some(Moved::Coming { about, .. }) => *about == of.deployment,
            Some(Moved::Left { .. }) => false,
            Some(Moved::Came { .. }) | None => stays || looked.common.is_none(),
        };
        if !is_free {
            return Err(used());
        }
        Ok(match is_redis {
            Some(url) => Self::Redis(url, stays),
            None => Self::Database(database, stays),
        })
    }
}

/// The journal of the ends on Redis, for the time of a move.
async fn journal(config: &Config, entropy: &Entropy) -> Result<Journal, MoveError> {
    let mut node = [0; 8];
    entropy().fill_bytes(&mut node);
    let options = JournalOptions {
        node: i64::from_be_bytes(node),
        writer: None,
        longest: config.session.absolute_ttl,
    };
    let journal = Journal::open(config.shared_url(), options).await;
    journal.map_err(MoveError::source)
}
