//! The keys and the keystore of a directory, each opened by the same steps whoever opens it.
//!
//! This room must never make a new key where an old one is missing.

use super::data_dir::{
    COMING, DataDir, LEFT, MasterKeySource, UNFINISHED, read_move, read_secret, write_secret,
};
use super::error::OpenError;
use super::key_files::ring;
use crate::clock::UnixSeconds;
use crate::entropy::Entropy;
use crate::sessions::keyring::{Keyring, KeyringError};
use lacre_keystore::{Keystore, KeystoreError, LocalStore, MasterKeyRing};
use std::path::Path;

/// The keys of a deployment.
pub(super) struct Keys {
    pub(super) master: MasterKeyRing,
    pub(super) keyring: Keyring,
    /// Whether the keyring was made just now: it isn't on the disk until [`Keys::keep`].
    pub(super) new: bool,
}

impl Keys {
    /// Reads the master keys and the keyring; makes both where the directory is new.
    pub(super) fn open(
        data_dir: &DataDir,
        master_keys: &MasterKeySource,
        now: UnixSeconds,
        entropy: &Entropy,
    ) -> Result<Self, OpenError> {
        if data_dir.path().join(UNFINISHED).exists() {
            return Err(OpenError::RestoreUnfinished {
                path: data_dir.path().to_owned(),
            });
        }
        check_moved(data_dir.path())?;
        let sealed = read_secret(&data_dir.keyring())?;
        if sealed.is_some() && !is_there(master_keys) {
            return Err(missing(master_keys));
        }
        if sealed.is_none() && data_dir.keystore().exists() {
            return Err(KeyringError::Missing.into());
        }
        let master = ring(&master_keys.open(&mut entropy())?)?;
        let new = sealed.is_none();
        let keyring = if let Some(sealed) = sealed {
            Keyring::open(&sealed, &master)?
        } else {
            Keyring::generate(&mut entropy())?.begun_at(now, &master)?
        };
        Ok(Self {
            master,
            keyring,
            new,
        })
    }

    /// Whether the master keys open the keyring, without making either; `None` where the directory has
    /// neither keyring nor keystore yet. What fails here is what [`Keys::open`] refuses.
    pub(super) fn look(
        directory: &Path,
        master_keys: &MasterKeySource,
    ) -> Result<Option<Self>, OpenError> {
        check_moved(directory)?;
        let Some(sealed) = read_secret(&directory.join("keyring"))? else {
            let lost = directory.join("keystore").exists();
            return if lost {
                Err(KeyringError::Missing.into())
            } else {
                Ok(None)
            };
        };
        let Some(file) = master_keys.read()? else {
            return Err(missing(master_keys));
        };
        let master = ring(&file)?;
        let keyring = Keyring::open(&sealed, &master)?;
        Ok(Some(Self {
            master,
            keyring,
            new: false,
        }))
    }

    /// Writes a new keyring. What must exist wherever there is a keyring is made before.
    pub(super) fn keep(&self, data_dir: &DataDir, entropy: &Entropy) -> Result<(), OpenError> {
        if self.new {
            let sealed = self.keyring.seal(&self.master, &mut entropy())?;
            write_secret(&data_dir.keyring(), &sealed)?;
        }
        Ok(())
    }
}

/// Refuses a directory whose sessions are elsewhere, or aren't all there yet.
pub(super) fn check_moved(directory: &Path) -> Result<(), OpenError> {
    if let Some(mark) = read_move(directory, LEFT)? {
        return Err(OpenError::Moved { to: mark.about });
    }
    if read_move(directory, COMING)?.is_some() {
        return Err(OpenError::MoveUnfinished {
            place: directory.display().to_string(),
        });
    }
    Ok(())
}

fn is_there(master_keys: &MasterKeySource) -> bool {
    master_keys.file().is_none_or(Path::exists)
}

fn missing(master_keys: &MasterKeySource) -> OpenError {
    OpenError::MasterKeyMissing {
        path: master_keys.place().into(),
    }
}

/// A keystore whose records the master keys open.
pub(super) async fn keystore_on(
    engine: impl lacre_keystore::Engine,
    master: MasterKeyRing,
) -> Result<Keystore, KeystoreError> {
    let keystore = Keystore::open(LocalStore::open(engine)?, master, rand::rngs::SysRng)?;
    keystore.verify_opens().await?;
    Ok(keystore)
}
