//! The file of a backup, and what an operator gives to open it.
//!
//! This room must never make a master key.

use super::error::RestoreError;
use crate::archive::{ArchiveError, Unlock};
use crate::deployment::data_dir::{MasterKeyFile, MasterKeySource};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A backup's file, and what opens it.
pub struct Given {
    /// The file.
    pub file: PathBuf,
    /// The passphrase, where there is one.
    pub passphrase: Option<Zeroizing<String>>,
    /// The file of the master keys of the time of the backup, where it isn't that of the configuration.
    pub key_file: Option<PathBuf>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Given {
    /// Opens the file. It is read more than once, to its end before anything is touched, so that a pipe won't
    /// do.
    pub(super) fn open(&self) -> Result<File, ArchiveError> {
        // Before it is opened: a named pipe would hold whoever opens it.
        let about = std::fs::metadata(&self.file).map_err(ArchiveError::Unreadable)?;
        if !about.is_file() {
            let why = "it is no regular file, and a backup is read twice: put it into one first";
            return Err(ArchiveError::Unreadable(io::Error::other(why)));
        }
        File::open(&self.file).map_err(ArchiveError::Unreadable)
    }

    /// What opens the file: with a passphrase no master key is read.
    pub(super) fn unlocking(
        &self,
        configured: &MasterKeySource,
    ) -> Result<Unlocking, RestoreError> {
        let masters = match (&self.passphrase, &self.key_file) {
            (Some(_), _) => None,
            (None, Some(path)) => MasterKeyFile::read(path)?,
            (None, None) => configured.read()?,
        };
        Ok(Unlocking {
            passphrase: self.passphrase.clone(),
            masters,
        })
    }
}

pub(super) struct Unlocking {
    passphrase: Option<Zeroizing<String>>,
    masters: Option<MasterKeyFile>,
}

impl Unlock for Unlocking {
    fn passphrase(&self) -> Option<&str> {
        self.passphrase.as_ref().map(|text| text.as_str())
    }

    fn master_key(&self, id: u32) -> Option<&[u8; 32]> {
        let mut keys = self.masters.iter().flat_map(MasterKeyFile::keys);
        keys.find(|key| key.0 == id).map(|key| key.1)
    }
}
