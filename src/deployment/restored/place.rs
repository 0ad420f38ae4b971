//! The directory that is restored into: what is there, and how it makes way.
//!
//! This room must never remove what somebody may want back.

use super::error::RestoreError;
use crate::archive::Holds;
use crate::clock::{Clock, UnixSeconds};
use crate::config::Config;
use crate::deployment::data_dir::{
    DataDir, DataDirError, LEFT, MasterKeyFile, MasterKeySource, UNFINISHED, write_secret,
};
use crate::deployment::epoch::epoch;
use crate::deployment::parts::Keys;
use crate::deployment::settled::{master_keys, own_issuer, rules};
use crate::entropy::Entropy;
use crate::lacre::Lacre;
use crate::sessions::keyring::Keyring;
use lacre_keystore::{
    DigestKey, Epoch, Keystore, KeystoreError, LocalStore, MasterKeyRing, Sessions, SledEngine,
    SledOptions,
};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a keystore is built before it takes its place.
const BUILT: &str = "keystore.restored";

/// What stands in the file of a restore that is under way.
const RUN_AGAIN: &[u8] = b"run `lacre restore` again\n";
/// The same as long as nothing was replaced: what is asked of a restore over something is asked then.
const NOT_YET: &[u8] = b"nothing is restored yet: run `lacre restore` again\n";

/// What is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing of a deployment.
    Nothing,
    /// The deployment of the backup, whose keys and keystore open.
    Living,
    /// Something else, or what can't be opened.
    Other,
}

/// A directory that this process holds.
pub(super) struct Place<'a> {
    config: &'a Config,
    data_dir: DataDir,
}

impl<'a> Place<'a> {
    /// Takes the directory, to restore so much into it. Where there is none yet, one is made in which a restore
    /// is under way: whatever is cut off from here on, nobody makes another deployment there.
    pub(super) fn take(config: &'a Config, holds: Holds) -> Result<Self, RestoreError> {
        let path = &config.data_dir;
        if !DataDir::exists(path)? {
            if holds == Holds::Sessions {
                return Err(RestoreError::OtherDeployment);
            }
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|why| DataDirError::unusable(path, why))?;
            write_secret(&path.join(UNFINISHED), NOT_YET)?;
        }
        Ok(Self {
            config,
            data_dir: DataDir::open(&config.data_dir)?,
        })
    }

    pub(super) fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Whether an earlier restore was cut off.
    pub(super) fn is_unfinished(&self) -> bool {
        let path = self.data_dir.path().join(UNFINISHED);
        std::fs::read(&path).map_or_else(|_| path.exists(), |text| text != NOT_YET)
    }

    /// Nothing is restored after all.
    pub(super) fn give_up(&self) -> Result<(), RestoreError> {
        if self.data_dir.path().join(UNFINISHED).exists() && !self.is_unfinished() {
            self.end()?;
        }
        Ok(())
    }

    /// Has every start refused until [`end`](Self::end).
    pub(super) fn begin(&self) -> Result<(), RestoreError> {
        let path = self.data_dir.path().join(UNFINISHED);
        Ok(write_secret(&path, RUN_AGAIN)?)
    }

    pub(super) fn end(&self) -> Result<(), RestoreError> {
        let directory = self.data_dir.path();
        std::fs::remove_file(directory.join(UNFINISHED))
            .and_then(|()| std::fs::File::open(directory)?.sync_all())
            .map_err(|why| self.unusable(why))
    }

    /// What is there, the keystore tried as well.
    pub(super) async fn found(&self, deployment: &str, entropy: &Entropy) -> Found {
        let keystore = self.data_dir.keystore();
        let keys = match Keys::look(self.data_dir.path(), &master_keys(self.config)) {
            Ok(None) => return Found::Nothing,
            Ok(Some(keys)) if keys.keyring.handles().name() == deployment => keys,
            Ok(Some(_)) | Err(_) => return Found::Other,
        };
        // Without its records nobody knows what has ended.
        if !keystore.exists() {
            return Found::Other;
        }
        let digest_key = keys.keyring.digest_key();
        let options = self.options(digest_key, epoch(self.config, entropy));
        let Ok(opened) = open_keystore(&keystore, keys.master, &options) else {
            return Found::Other;
        };
        let opens = opened.verify_opens().await;
        opened.close().await;
        if opens.is_ok() {
            Found::Living
        } else {
            Found::Other
        }
    }

    /// Whether the keys of this deployment are there and open.
    pub(super) fn has_keys_of(&self, deployment: &str) -> bool {
        let keys = Keys::look(self.data_dir.path(), &master_keys(self.config));
        matches!(keys, Ok(Some(keys)) if keys.keyring.handles().name() == deployment)
    }

    /// The keyring that is here.
    pub(super) fn keyring(&self) -> Result<Keyring, RestoreError> {
        let keys = Keys::look(self.data_dir.path(), &master_keys(self.config))?;
        let keys = keys.ok_or(RestoreError::OtherDeployment)?;
        Ok(keys.keyring)
    }

    /// Moves keys and keystore out of the way, and master keys that lie here and are others.
    pub(super) fn set_aside(
        &self,
        keys: &MasterKeyFile,
        now: UnixSeconds,
    ) -> Result<Option<PathBuf>, RestoreError> {
        let mut names = vec![self.data_dir.keyring(), self.data_dir.keystore()];
        names.push(self.data_dir.path().join(LEFT));
        if self.config.master_key_file == self.data_dir.master_key() {
            let theirs = MasterKeyFile::read(&self.data_dir.master_key());
            if !matches!(theirs, Ok(Some(theirs)) if keys.is_within(&theirs)) {
                names.push(self.data_dir.master_key());
            }
        }
        names.retain(|name| name.symlink_metadata().is_ok());
        if names.is_empty() {
            return Ok(None);
        }
        let aside = self.make_aside(now)?;
        for name in names {
            self.move_to(&aside, &name)?;
        }
        Ok(Some(aside))
    }

    /// Moves the log of ends out of the way, to what else was moved.
    pub(super) fn set_receipts_aside(
        &self,
        aside: Option<PathBuf>,
        now: UnixSeconds,
    ) -> Result<PathBuf, RestoreError> {
        let aside = match aside {
            Some(aside) => aside,
            None => self.make_aside(now)?,
        };
        self.move_to(&aside, &self.data_dir.receipts())?;
        Ok(aside)
    }

    fn move_to(&self, aside: &Path, name: &Path) -> Result<(), RestoreError> {
        let to = aside.join(name.file_name().unwrap_or_default());
        std::fs::rename(name, to).map_err(|why| self.unusable(why))
    }

    fn make_aside(&self, now: UnixSeconds) -> Result<PathBuf, RestoreError> {
        let mut number = 0;
        loop {
            let name = format!("before-restore-{now}-{number}");
            let path = self.data_dir.path().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(self.unusable(error)),
            }
        }
    }

    /// Fails where [`put_master_keys`](Self::put_master_keys) would fail for what is there, and changes nothing.
    pub(super) fn can_put_master_keys(&self, keys: &MasterKeyFile) -> Result<(), RestoreError> {
        let source = master_keys(self.config);
        // In the data directory others make way.
        if source.file() == Some(&*self.data_dir.master_key()) {
            return Ok(());
        }
        match source.read()? {
            Some(theirs) if keys.is_within(&theirs) => Ok(()),
            None if source.file().is_some() => Ok(()),
            _ => Err(other_master_keys(&source)),
        }
    }

    /// Writes the master keys where there are none. Others that lie elsewhere are never replaced.
    pub(super) fn put_master_keys(&self, keys: &MasterKeyFile) -> Result<(), RestoreError> {
        let source = master_keys(self.config);
        match (source.read()?, source.file()) {
            (Some(theirs), _) if keys.is_within(&theirs) => Ok(()),
            (None, Some(path)) => Ok(keys.save(path)?),
            _ => Err(other_master_keys(&source)),
        }
    }

    /// The deployment that is here, without its accounts.
    pub(super) fn lacre(
        &self,
        (clock, entropy): (Arc<dyn Clock>, Entropy),
    ) -> Result<Lacre, RestoreError> {
        let keys = Keys::look(self.data_dir.path(), &master_keys(self.config))?;
        let Keys {
            master, keyring, ..
        } = keys.ok_or(RestoreError::OtherDeployment)?;
        let options = self.options(keyring.digest_key(), epoch(self.config, &entropy));
        let keystore = open_keystore(&self.data_dir.keystore(), master, &options)?;
        let leeway = self.config.token.leeway.as_secs();
        let rules = rules(self.config, own_issuer(&keyring), leeway);
        let builder = Lacre::builder(keystore, keyring, rules)
            .clock(clock)
            .entropy(entropy)
            .receipts(self.data_dir.receipts());
        Ok(builder.build())
    }

    /// A new keystore, beside its place.
    pub(super) fn build_keystore(
        &self,
        ring: MasterKeyRing,
        digest_key: DigestKey,
    ) -> Result<Keystore, RestoreError> {
        let built = self.data_dir.path().join(BUILT);
        match std::fs::remove_dir_all(&built) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.unusable(error)),
            _ => {
                let options = self.options(digest_key, Epoch::Nowhere);
                Ok(open_keystore(&built, ring, &options)?)
            }
        }
    }

    /// Puts the keystore that was built in its place. What is noted elsewhere is of the keystore of before, and
    /// the operator says that nothing has ended since.
    pub(super) fn put_built_keystore(
        &self,
        digest_key: DigestKey,
        entropy: &Entropy,
    ) -> Result<(), RestoreError> {
        let built = self.data_dir.path().join(BUILT);
        std::fs::rename(&built, self.data_dir.keystore()).map_err(|why| self.unusable(why))?;
        let options = self.options(digest_key, epoch(self.config, entropy));
        SledEngine::accept(self.data_dir.keystore(), &options, &Sessions::Keep)?;
        Ok(())
    }

    fn options(&self, digest_key: DigestKey, epoch: Epoch) -> SledOptions {
        SledOptions {
            cache_capacity: self.config.keystore.cache_bytes,
            digest_key,
            epoch,
        }
    }

    fn unusable(&self, why: std::io::Error) -> RestoreError {
        DataDirError::unusable(self.data_dir.path(), why).into()
    }
}

fn other_master_keys(source: &MasterKeySource) -> RestoreError {
    RestoreError::MasterKeyOther {
        path: source.place().into(),
    }
}

fn open_keystore(
    at: &Path,
    ring: MasterKeyRing,
    options: &SledOptions,
) -> Result<Keystore, KeystoreError> {
    let engine = SledEngine::open_with(at, options)?;
    Keystore::open(LocalStore::open(engine)?, ring, rand::rngs::SysRng)
}
