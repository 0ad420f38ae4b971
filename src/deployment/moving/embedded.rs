//! A directory as either side of a move.
//!
//! This room must never touch a directory that another process holds, and never remove what somebody may want back.

use super::database::Database;
use super::error::MoveError;
use super::redis::Arrivals;
use super::sides::{Arriving, Leaving, Step};
use super::steps::{MovedAll, Waiting, move_all, number};
use super::target::Target;
use crate::accounts::{Accounts, Owner, Snapshot, TakenIn};
use crate::clock::Clock;
use crate::config::Config;
use crate::deployment::data_dir::{
    CAME, COMING, DataDir, DataDirError, LEFT, MasterKeyFile, MoveMark, read_move, remove_move,
    write_mark, write_move, write_secret,
};
use crate::deployment::epoch::epoch;
use crate::deployment::key_files::ring;
use crate::entropy::Entropy;
use crate::receipts::{Event, Log, new_chain};
use crate::service::{Home, Service};
use crate::sessions::keyring::Keyring;
use lacre_keystore::moving::{Destination, Origin};
use lacre_keystore::{
    Keystore, LocalStore, MasterKeyRing, Moved, PostgresMove, SledEngine, SledOptions, look,
};
use rand::SeedableRng as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::MutexGuard;

/// What a session takes in a directory at the most, with what the engine needs besides.
const ROOM_OF_ONE: u64 = 3 << 10;
/// For how long another move is waited for.
const OTHERS: Duration = Duration::from_secs(5);
/// What a directory takes without any.
const ROOM: u64 = 4 << 20;

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
            *self.keys.lock().await = Some(lacre.rotation().stand_still().await);
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
}

/// A directory that sessions arrive in.
pub(super) struct Arrival<'c> {
    config: &'c Config,
    from: &'static str,
    data_dir: DataDir,
    ring: MasterKeyRing,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    keystore: std::sync::OnceLock<Keystore>,
}

impl<'c> Arrival<'c> {
    /// Fails where the directory can't be arrived at; makes and changes nothing.
    pub(super) fn check(
        config: &Config,
        path: &Path,
        ring: &MasterKeyRing,
        deployment: &str,
        sessions: u64,
    ) -> Result<(), MoveError> {
        let left = read_move(path, LEFT)?.is_some();
        let coming = read_move(path, COMING)?;
        let is_there = |name: &str| path.join(name).exists();
        let is_free = match coming {
            Some(mark) => mark.about == deployment,
            None => left || !(is_there("keyring") || is_there("keystore")),
        };
        if !is_free || is_there(super::super::data_dir::UNFINISHED) {
            return Err(MoveError::Used(format!("sled:{}", path.display())));
        }
        if let Some(key_file) = own_master_key(config, path)
            && let Some(theirs) = MasterKeyFile::read(&key_file)?
            && !keys_of(ring).is_within(&theirs)
        {
            return Err(MoveError::OtherMasterKey(key_file));
        }
        let mut there = path;
        while !there.exists()
            && let Some(parent) = there.parent()
        {
            there = parent;
        }
        let needed = ROOM + sessions * ROOM_OF_ONE;
        if let Ok(disk) = rustix::fs::statvfs(there) {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            if free < needed {
                let path = there.to_owned();
                return Err(MoveError::NoRoom { path, free, needed });
            }
        }
        Ok(())
    }

    /// Takes the directory for this process.
    pub(super) fn take(
        config: &'c Config,
        path: &Path,
        (ring, keyring): (MasterKeyRing, Keyring),
        (clock, entropy): (Arc<dyn Clock>, Entropy),
    ) -> Result<Self, MoveError> {
        Ok(Self {
            config,
            from: config.keystore.engine.name(),
            data_dir: DataDir::open(path)?,
            ring,
            keyring,
            clock,
            entropy,
            keystore: std::sync::OnceLock::new(),
        })
    }

    /// Lets a directory be used that this move has come to.
    pub(super) fn finish(path: &Path, id: &str) -> Result<bool, MoveError> {
        let is_this = |mark: Option<MoveMark>| mark.is_some_and(|mark| mark.id == id);
        if read_move(path, COMING)?.is_none() {
            return Ok(is_this(read_move(path, CAME)?));
        }
        let data_dir = DataDir::open(path)?;
        let_in(&data_dir, id)
    }

    fn unusable(&self, why: std::io::Error) -> MoveError {
        DataDirError::unusable(self.data_dir.path(), why).into()
    }

    /// Moves what sessions have left out of the way.
    fn set_aside(&self) -> Result<(), MoveError> {
        let directory = self.data_dir.path();
        if read_move(directory, LEFT)?.is_none() {
            return Ok(());
        }
        let aside = directory.join(format!("before-migrate-{}", self.clock.now()));
        match std::fs::create_dir(&aside) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(self.unusable(error));
            }
            _ => {}
        }
        // The mark of it last.
        for name in ["keyring", "keystore", CAME, LEFT] {
            match std::fs::rename(directory.join(name), aside.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(self.unusable(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn open(&self) -> Result<(), MoveError> {
        let options = SledOptions {
            cache_capacity: self.config.keystore.cache_bytes,
            digest_key: self.keyring.digest_key(),
            epoch: epoch(self.config, &self.entropy),
        };
        let ring = ring(&keys_of(&self.ring))?;
        let opened = SledEngine::open_with(self.data_dir.keystore(), &options)
            .and_then(LocalStore::open)
            .and_then(|store| Keystore::open(store, ring, rand::rngs::SysRng));
        let _ = self.keystore.set(opened.map_err(MoveError::target)?);
        Ok(())
    }

    fn keystore(&self) -> &dyn Destination {
        match self.keystore.get() {
            Some(keystore) => keystore,
            None => &Nowhere,
        }
    }
}

/// A directory that wasn't begun.
struct Nowhere;

impl Destination for Nowhere {
    fn page(
        &self,
        _after: Option<lacre_keystore::RecordKey>,
        _limit: usize,
    ) -> lacre_keystore::store::Answer<'_, Vec<(lacre_keystore::RecordKey, Vec<u8>)>> {
        Box::pin(std::future::ready(Err(not_open())))
    }

    fn change(
        &self,
        _changes: Vec<lacre_keystore::moving::Change>,
    ) -> lacre_keystore::store::Answer<'_, ()> {
        Box::pin(std::future::ready(Err(not_open())))
    }
}

fn not_open() -> lacre_keystore::KeystoreError {
    lacre_keystore::KeystoreError::unavailable("it isn't open")
}

impl Arriving for Arrival<'_> {
    fn begin<'a>(&'a self, id: &'a str, deployment: &'a str) -> Step<'a, String> {
        Box::pin(async move {
            let directory = self.data_dir.path();
            let mark = match read_move(directory, COMING)? {
                Some(mark) => mark,
                None => MoveMark {
                    id: id.to_owned(),
                    about: deployment.to_owned(),
                },
            };
            write_move(directory, COMING, &mark)?;
            self.set_aside()?;
            self.open()?;
            Ok(mark.id)
        })
    }

    fn destination(&self) -> &dyn Destination {
        self.keystore()
    }

    fn furnish<'a>(&'a self, keyring: &'a [u8]) -> Step<'a, ()> {
        Box::pin(async move {
            if let Some(keystore) = self.keystore.get() {
                keystore.verify_opens().await.map_err(MoveError::target)?;
                keystore.close().await;
            }
            let (signers, now) = (self.keyring.signers(), self.clock.now());
            let said = Event::Moved {
                from: self.from.to_owned(),
            };
            let chain = || new_chain(&mut (self.entropy)());
            let path = self.data_dir.receipts();
            Log::go_on_restored(&path, None, &said, &signers.receipts(), now, chain)?;
            if let Some(path) = own_master_key(self.config, self.data_dir.path()) {
                keys_of(&self.ring).save(&path)?;
            }
            write_mark(&DataDir::clock(self.data_dir.path()), now)?;
            Ok(write_secret(&self.data_dir.keyring(), keyring)?)
        })
    }

    fn ready<'a>(&'a self, id: &'a str) -> Step<'a, bool> {
        Box::pin(async move { let_in(&self.data_dir, id) })
    }
}

fn let_in(data_dir: &DataDir, id: &str) -> Result<bool, MoveError> {
    let directory = data_dir.path();
    match read_move(directory, COMING)? {
        Some(mark) if mark.id == id => {
            write_move(directory, CAME, &mark)?;
            remove_move(directory, COMING)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The file of the master keys in the directory, where they lie in the data directory.
fn own_master_key(config: &Config, path: &Path) -> Option<PathBuf> {
    let lies_there = config.master_key.is_none()
        && config.master_key_file.file_name().is_some()
        && config.master_key_file == config.data_dir.join("master.key");
    lies_there.then(|| path.join("master.key"))
}

fn keys_of(ring: &MasterKeyRing) -> MasterKeyFile {
    MasterKeyFile::of(ring.keys().map(|key| (key.id(), *key.expose())))
}
