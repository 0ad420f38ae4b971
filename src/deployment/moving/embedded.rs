//! The way out of a directory, which this process has to itself.
//!
//! This room must never go on where the sessions have left for somewhere else.

use super::database::Database;
use super::error::MoveError;
use super::redis::Arrivals;
use super::sides::{Arriving, Gone, Leaving, Step};
use super::steps::{MovedAll, Waiting, move_all, number};
use super::target::Target;
use crate::accounts::{Accounts, Owner, Snapshot, TakenIn};
use crate::config::Config;
use crate::deployment::data_dir::{LEFT, MoveMark, read_move, write_move};
use crate::entropy::Entropy;
use crate::service::{Home, Service};
use lacre_keystore::moving::Origin;
use lacre_keystore::{Moved, PostgresMove, look};
use rand::SeedableRng as _;
use std::time::Duration;
use tokio::sync::MutexGuard;

/// For how long another move is waited for.
const OTHERS: Duration = Duration::from_secs(5);

/// Moves the sessions of this process, which has its store to itself, into the database that `target` names.
pub async fn move_from_directory(
    service: &Service,
    target: &Target,
    dry_run: bool,
    entropy: &Entropy,
    waiting: &mut dyn Waiting,
) -> Result<MovedAll, MoveError> {
    let home = service.home().ok_or(MoveError::Nothing)?;
    let url = match (target, &home.accounts_url) {
        (Target::Directory(_), _) => return Err(MoveError::SameEngine("sled")),
        (Target::Postgres(url), _) => url.as_str(),
        (Target::Redis(_), Some(url)) => url.as_str(),
        (Target::Redis(_), None) => return Err(MoveError::AccountsInFile),
    };
    // One that nobody waits for any more needs a moment to give up.
    let kept = tokio::time::timeout(OTHERS, home.moving.lock()).await;
    let kept = kept.map_err(|_| MoveError::UnderWay)?;
    if let Some(mark) = read_move(&home.directory, LEFT)? {
        return gone_on(&mark, target, (url, home.lease)).await;
    }
    let deployment = service.lacre().deployment_name();
    let looked = look(url).await.map_err(MoveError::target)?;
    let weak = looked.weaknesses.iter();
    if let Some(weakness) = weak.clone().find(|weakness| weakness.forbids_serving()) {
        return Err(MoveError::Weak(weakness.advice()));
    }
    let is_ours =
        matches!(&looked.moved, Some(Moved::Coming { about, .. }) if *about == deployment);
    if !is_ours && (looked.moved.is_some() || looked.common.is_some()) {
        return Err(MoveError::Used(target.to_string()));
    }
    if let Target::Redis(url) = target {
        Arrivals::check(url, &deployment, target).await?;
    }
    if home.accounts_url.is_none() {
        owner(url, &deployment, target).await?;
    }
    let departure = Departure {
        service,
        home,
        url,
        kept: tokio::sync::Mutex::new(kept),
        keys: tokio::sync::Mutex::default(),
        target,
        entropy,
    };
    if dry_run {
        return Ok(MovedAll {
            sessions: Some(departure.records().await?),
            ..MovedAll::default()
        });
    }
    let (id, place) = (number(entropy), target.to_string());
    let to = arriving(target, url, (home.lease, &id)).await?;
    move_all(&departure, &*to, (&id, &deployment, &place), waiting).await
}

/// The target of a move that leaves a directory: nothing of the deployment is there yet. `url` is that of the database.
async fn arriving(
    target: &Target,
    url: &str,
    (lease, id): (Duration, &str),
) -> Result<Box<dyn Arriving>, MoveError> {
    let database = PostgresMove::open(url, lease).await;
    let database = database.map_err(MoveError::target)?;
    Ok(match target {
        Target::Redis(url) => Box::new(Arrivals::new(url, id, (database, lease)).await?),
        _ => Box::new(Database(database)),
    })
}

/// Goes on with a move out of the directory of `config`, where no server works there and the sessions have left it.
pub async fn finish(config: &Config, target: &Target) -> Result<MovedAll, MoveError> {
    let mark = read_move(&config.data_dir, LEFT)?.ok_or(MoveError::Nothing)?;
    let url = match target {
        Target::Postgres(url) => url.as_str(),
        _ => config.accounts.url.expose(),
    };
    gone_on(&mark, target, (url, config.keystore.lease)).await
}

async fn gone_on(
    mark: &MoveMark,
    target: &Target,
    (url, lease): (&str, Duration),
) -> Result<MovedAll, MoveError> {
    let place = target.to_string();
    if mark.about != place {
        return Err(MoveError::Elsewhere(mark.about.clone()));
    }
    let to = arriving(target, url, (lease, &mark.id)).await?;
    if to.ready(&mark.id).await? {
        return Ok(MovedAll::default());
    }
    Err(MoveError::Used(place))
}

/// Fails where the database has accounts of others, which those of this deployment would take the place of.
async fn owner(url: &str, deployment: &str, target: &Target) -> Result<bool, MoveError> {
    match Accounts::owner(url, deployment).await? {
        Owner::NoAccounts => Ok(false),
        Owner::Ours => Ok(true),
        Owner::Nobody | Owner::Another => Err(MoveError::Used(target.to_string())),
    }
}

/// A deployment that has its directory to itself, about to leave it.
struct Departure<'s> {
    service: &'s Service,
    home: &'s Home,
    url: &'s str,
    kept: tokio::sync::Mutex<MutexGuard<'s, Option<Snapshot>>>,
    /// Once they were taken along, keys are kept from changing.
    keys: tokio::sync::Mutex<Option<MutexGuard<'s, ()>>>,
    target: &'s Target,
    entropy: &'s Entropy,
}

impl Leaving for Departure<'_> {
    fn origin(&self) -> &dyn Origin {
        self.service.lacre().keystore()
    }

    fn records(&self) -> Step<'_, u64> {
        Box::pin(async move {
            let stats = self.service.lacre().keystore().stats().await;
            Ok(stats.map_err(MoveError::source)?.records)
        })
    }

    fn hold(&self, hold: bool) -> Step<'_, ()> {
        Box::pin(async move {
            if !hold {
                if read_move(&self.home.directory, LEFT)?.is_some() {
                    return Ok(());
                }
                **self.kept.lock().await = None;
                *self.keys.lock().await = None;
            }
            let done = self.service.lacre().keystore().hold_changes(hold).await;
            done.map_err(MoveError::source)
        })
    }

    fn keyring(&self) -> Step<'_, Vec<u8>> {
        Box::pin(async move {
            let lacre = self.service.lacre();
            let mut keys = self.keys.lock().await;
            if keys.is_none() {
                *keys = Some(lacre.rotation().stand_still().await);
            }
            Ok(lacre.sealed_keyring(&lacre.keystore().master_keys())?)
        })
    }

    fn take_along(&self) -> Step<'_, Option<u64>> {
        Box::pin(async move {
            if self.home.accounts_url.is_some() {
                return Ok(None);
            }
            let lacre = self.service.lacre();
            let deployment = lacre.deployment_name();
            let into = TakenIn {
                deployment: &deployment,
                ours: owner(self.url, &deployment, self.target).await?,
                now: lacre.now(),
            };
            let mut held = self.service.accounts().held().await?;
            let mut random = rand::rngs::StdRng::from_rng(&mut (self.entropy)());
            let taken = Accounts::take_from(self.url, into, &mut random, &mut held).await?;
            **self.kept.lock().await = Some(held);
            Ok(Some(taken.accounts))
        })
    }

    fn leave<'a>(&'a self, id: &'a str, to: &'a str) -> Step<'a, ()> {
        Box::pin(async move {
            let lacre = self.service.lacre();
            lacre.write_receipts().await;
            let mark = MoveMark {
                id: id.to_owned(),
                about: to.to_owned(),
            };
            write_move(&self.home.directory, LEFT, &mark)?;
            lacre.forget_content_keys();
            lacre.keystore().leave().await.map_err(MoveError::source)
        })
    }

    fn again<'a>(&'a self, id: &'a str) -> Step<'a, Gone> {
        Box::pin(async move {
            // The mark may be there although its writing has failed, and then no server starts here any more.
            let mark = read_move(&self.home.directory, LEFT)?;
            Ok(if mark.is_some_and(|mark| mark.id == id) {
                Gone::Partly
            } else {
                Gone::No
            })
        })
    }
}
