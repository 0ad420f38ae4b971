//! The keys and the keystore of a directory, each opened by the same steps whoever opens it.
//!
//! This room must never make a new key where an old one is missing.

use super::data_dir::{DataDir, MasterKeyFile, UNFINISHED, read_secret, write_secret};
use super::error::OpenError;
use crate::clock::UnixSeconds;
use crate::entropy::Entropy;
use crate::sessions::keyring::{Keyring, KeyringError};
use lacre_keystore::{Keystore, KeystoreError, LocalStore, MasterKey, MasterKeyRing};
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
        master_key_file: &Path,
        now: UnixSeconds,
        entropy: &Entropy,
    ) -> Result<Self, OpenError> {
        if data_dir.path().join(UNFINISHED).exists() {
            return Err(OpenError::RestoreUnfinished {
                path: data_dir.path().to_owned(),
            });
        }
        let sealed = read_secret(&data_dir.keyring())?;
        if sealed.is_some() && !master_key_file.exists() {
            return Err(OpenError::MasterKeyMissing {
                path: master_key_file.to_owned(),
            });
        }
        if sealed.is_none() && data_dir.keystore().exists() {
            return Err(KeyringError::Missing.into());
        }
        let master = ring(&MasterKeyFile::open(master_key_file, &mut entropy())?)?;
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
        master_key_file: &Path,
    ) -> Result<Option<Self>, OpenError> {
        let Some(sealed) = read_secret(&directory.join("keyring"))? else {
            let lost = directory.join("keystore").exists();
            return if lost {
                Err(KeyringError::Missing.into())
            } else {
                Ok(None)
            };
        };
        let Some(file) = MasterKeyFile::read(master_key_file)? else {
            return Err(OpenError::MasterKeyMissing {
                path: master_key_file.to_owned(),
            });
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

/// The key with the highest id seals, the others only open.
fn ring(file: &MasterKeyFile) -> Result<MasterKeyRing, OpenError> {
    let mut keys = file
        .keys()
        .rev()
        .map(|(id, key)| MasterKey::from_bytes(id, *key));
    let current = keys.next().ok_or(KeyringError::Missing)?;
    keys.try_fold(MasterKeyRing::new(current), MasterKeyRing::with_older)
        .map_err(OpenError::Keystore)
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
