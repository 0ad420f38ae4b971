//! Out of a database, which nobody has to itself.
//!
//! This room must never go on where the database has left for somewhere else.

use super::database::Database;
use super::embedded::Arrival;
use super::error::MoveError;
use super::sides::Leaving as _;
use super::steps::{MovedAll, Waiting, move_all};
use super::target::Target;
use crate::clock::Clock;
use crate::config::Config;
use crate::deployment::settled::master_keys;
use crate::deployment::shared::{Records, opened};
use crate::entropy::Entropy;
use lacre_keystore::{Moved, PostgresMove, look};
use std::sync::Arc;

/// Moves the sessions out of the database that `config` names, while nodes work on it.
pub async fn move_from_database(
    config: &Config,
    target: &Target,
    dry_run: bool,
    (clock, entropy): (Arc<dyn Clock>, Entropy),
    waiting: &mut dyn Waiting,
) -> Result<MovedAll, MoveError> {
    let Target::Directory(path) = target else {
        return Err(MoveError::SameEngine("postgres"));
    };
    // Its records may be elsewhere.
    Records::of(config).check(&look(config.shared_url()).await.map_err(MoveError::source)?)?;
    let source = PostgresMove::open(config.shared_url(), config.keystore.lease).await;
    let source = Database(source.map_err(MoveError::source)?);
    let place = target.to_string();
    match source.0.moved().await.map_err(MoveError::source)? {
        Some(Moved::Left { about, .. }) if about != place => {
            return Err(MoveError::Elsewhere(about));
        }
        Some(Moved::Left { id, .. }) => {
            if !dry_run && !Arrival::finish(path, &id)? {
                return Err(MoveError::Used(place));
            }
            return Ok(MovedAll::default());
        }
        Some(Moved::Coming { .. }) => return Err(MoveError::Nothing),
        Some(Moved::Came { .. }) | None => {}
    }
    let common = source.0.common().await.map_err(MoveError::source)?;
    let common = common.ok_or(MoveError::Nothing)?;
    let (ring, keyring) = opened(&common, &master_keys(config))?;
    let sessions = source.records().await?;
    let deployment = keyring.handles().name();
    Arrival::check(config, path, &ring, &deployment, sessions)?;
    if dry_run {
        return Ok(MovedAll {
            sessions: Some(sessions),
            ..MovedAll::default()
        });
    }
    let arrival = Arrival::take(config, path, (ring, keyring), (clock, Arc::clone(&entropy)))?;
    let id = super::steps::number(&entropy);
    move_all(&source, &arrival, (&id, &deployment, &place), waiting).await
}
