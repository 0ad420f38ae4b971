//! The keys of a deployment on its disk, for what rotates them.
//!
//! This room must never leave half a file, nor take a place that somebody else writes for one of ours.

use super::data_dir::{
    DataDir, DataDirError, LEFT, MasterKeyFile, MasterKeySource, read_move, replace_secret,
};
use super::error::OpenError;
use crate::sessions::keyring::KeyringError;
use crate::sessions::rotation::{KeyStorage, StorageError, StorageErrorKind};
use lacre_keystore::{MasterKey, MasterKeyRing};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The files of a deployment's keys.
#[derive(Debug)]
pub(super) struct KeyFiles {
    directory: PathBuf,
    keyring: PathBuf,
    master: MasterKeySource,
}

impl KeyFiles {
    /// Those of this directory.
    pub(super) fn of(data_dir: &DataDir, master: &MasterKeySource) -> Self {
        Self {
            directory: data_dir.path().to_owned(),
            keyring: data_dir.keyring(),
            master: master.clone(),
        }
    }

    fn file(&self) -> Result<&Path, StorageError> {
        let given = || StorageError {
            kind: StorageErrorKind::ReadOnly,
            code: "master_key_read_only",
            message: format!("the master keys are given by {}", self.master.place()),
        };
        self.master.file().ok_or_else(given)
    }

    fn read(&self) -> Result<MasterKeyFile, StorageError> {
        let missing = || StorageError {
            kind: StorageErrorKind::Other,
            code: "master_key_missing",
            message: format!(
                "{}: the master key is missing; put the file back",
                self.master.place()
            ),
        };
        self.master
            .read()
            .map_err(|error| unread(&error))?
            .ok_or_else(missing)
    }

    fn write(&self, keys: &MasterKeyFile) -> Result<(), StorageError> {
        let path = self.file()?;
        replace_secret(path, &keys.to_bytes()).map_err(|error| unwritten(path, &error))
    }
}

impl KeyStorage for KeyFiles {
    fn write_keyring(&self, sealed: &[u8]) -> Result<(), StorageError> {
        let left = read_move(&self.directory, LEFT).map_err(|error| unread(&error))?;
        if let Some(mark) = left {
            // They would be changed where nobody looks any more.
            let error = OpenError::Moved { to: mark.about };
            return Err(StorageError {
                kind: StorageErrorKind::Other,
                code: error.code(),
                message: error.to_string(),
            });
        }
        replace_secret(&self.keyring, sealed).map_err(|error| unwritten(&self.keyring, &error))
    }

    fn read_master_keys(&self) -> Result<MasterKeyRing, StorageError> {
        let keys = ring(&self.read()?);
        keys.map_err(|error| StorageError {
            kind: StorageErrorKind::Other,
            code: error.code(),
            message: error.to_string(),
        })
    }

    fn can_change_master_keys(&self) -> Result<(), StorageError> {
        let path = self.file()?;
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink());
        let tried = if is_link {
            // Whoever mounts secrets puts others in their place.
            Err(io::Error::new(
                ErrorKind::ReadOnlyFilesystem,
                "it is a link",
            ))
        } else {
            let directory = path.parent().filter(|parent| *parent != Path::new(""));
            tempfile::Builder::new()
                .prefix(".lacre-new-")
                .tempfile_in(directory.unwrap_or(Path::new(".")))
                .map(drop)
        };
        tried.map_err(|error| unwritten(path, &error))
    }

    fn add_master_key(&self, key: &MasterKey) -> Result<(), StorageError> {
        let keys = self.read()?.with_key(key.id(), key.expose());
        self.write(&keys)
    }

    fn remove_master_keys(&self, ids: &[u32]) -> Result<(), StorageError> {
        let keys = self.read()?.without(ids);
        self.write(&keys)
    }

    fn master_keys_lie(&self) -> String {
        self.master.place()
    }

    fn free_space(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.directory).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn unread(error: &DataDirError) -> StorageError {
    StorageError {
        kind: StorageErrorKind::Other,
        code: error.code(),
        message: error.to_string(),
    }
}

fn unwritten(path: &Path, error: &io::Error) -> StorageError {
    let (kind, code) = match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            (StorageErrorKind::ReadOnly, "data_dir_unwritable")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (StorageErrorKind::Full, "disk_full"),
        _ => (StorageErrorKind::Other, "data_dir_unwritable"),
    };
    StorageError {
        kind,
        code,
        message: format!("can't write {}: {error}", path.display()),
    }
}

/// The key with the highest id seals, the others only open.
pub(super) fn ring(file: &MasterKeyFile) -> Result<MasterKeyRing, OpenError> {
    let mut keys = file
        .keys()
        .rev()
        .map(|(id, key)| MasterKey::from_bytes(id, *key));
    let current = keys.next().ok_or(KeyringError::Missing)?;
    keys.try_fold(MasterKeyRing::new(current), MasterKeyRing::with_older)
        .map_err(OpenError::Keystore)
}
