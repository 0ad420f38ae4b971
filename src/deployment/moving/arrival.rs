//! A directory that sessions arrive in.
//!
//! This room must never touch a directory that another process holds, and never remove what somebody may want back.

use super::error::MoveError;
use super::sides::{Arriving, Step};
use crate::clock::Clock;
use crate::config::Config;
use crate::deployment::data_dir::{
    CAME, COMING, DataDir, DataDirError, LEFT, MasterKeyFile, MoveMark, UNFINISHED, read_move,
    remove_move, write_mark, write_move, write_secret,
};
use crate::deployment::epoch::epoch;
use crate::deployment::key_files::ring;
use crate::entropy::Entropy;
use crate::receipts::{Event, Log, new_chain};
use crate::sessions::keyring::Keyring;
use lacre_keystore::moving::{Change, Destination};
use lacre_keystore::store::Answer;
use lacre_keystore::{
    Keystore, KeystoreError, LocalStore, MasterKeyRing, RecordKey, SledEngine, SledOptions,
};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a session takes in a directory at the most, with what the engine needs besides.
const ROOM_OF_ONE: u64 = 3 << 10;
/// What a directory takes without any.
const ROOM: u64 = 4 << 20;

/// A directory that sessions arrive in.
pub(super) struct Arrival<'c> {
    config: &'c Config,
    from: &'static str,
    data_dir: DataDir,
    ring: MasterKeyRing,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    keystore: Mutex<Option<Keystore>>,
    /// Whether the log of receipts says already that the sessions came.
    told: AtomicBool,
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
        if !is_free || is_there(UNFINISHED) {
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
            keystore: Mutex::default(),
            told: AtomicBool::new(false),
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

    fn slot(&self) -> MutexGuard<'_, Option<Keystore>> {
        self.keystore.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<(), MoveError> {
        if self.slot().is_some() {
            return Ok(());
        }
        let options = SledOptions {
            cache_capacity: self.config.keystore.cache_bytes,
            digest_key: self.keyring.digest_key(),
            epoch: epoch(self.config, &self.entropy),
        };
        let ring = ring(&keys_of(&self.ring))?;
        let opened = SledEngine::open_with(self.data_dir.keystore(), &options)
            .and_then(LocalStore::open)
            .and_then(|store| Keystore::open(store, ring, rand::rngs::SysRng));
        *self.slot() = Some(opened.map_err(MoveError::target)?);
        Ok(())
    }

    fn keystore(&self) -> Result<Keystore, KeystoreError> {
        let closed = || KeystoreError::unavailable("it isn't open");
        self.slot().clone().ok_or_else(closed)
    }
}

impl Destination for Arrival<'_> {
    fn page(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move { Destination::page(&self.keystore()?, after, limit).await })
    }

    fn change(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move { self.keystore()?.change(changes).await })
    }
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
        self
    }

    fn furnish<'a>(&'a self, keyring: &'a [u8]) -> Step<'a, ()> {
        Box::pin(async move {
            let open = self.slot().clone();
            if let Some(keystore) = open {
                keystore.verify_opens().await.map_err(MoveError::target)?;
                keystore.close().await;
                *self.slot() = None;
            }
            let (signers, now) = (self.keyring.signers(), self.clock.now());
            let said = Event::Moved {
                from: self.from.to_owned(),
            };
            let chain = || new_chain(&mut (self.entropy)());
            let path = self.data_dir.receipts();
            if !self.told.load(Ordering::SeqCst) {
                Log::go_on_restored(&path, None, &said, &signers.receipts(), now, chain)?;
                self.told.store(true, Ordering::SeqCst);
            }
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

    /// What it lacks is opened by [`begin`](Self::begin).
    fn again(&self) -> Step<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
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
