//! Why a file can't be read as a backup.
//!
//! This room must never tell what was inside of a file that isn't whole.

use std::io;
use thiserror::Error;

/// Why a backup can't be made or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file can't be read.
    #[error("the backup can't be read: {0}")]
    Unreadable(io::Error),
    /// It doesn't begin as a backup does.
    #[error("this is no backup of lacre")]
    Foreign,
    /// A newer lacre made it.
    #[error(
        "this backup has version {found}, and this lacre knows {known} at most: use the newer lacre"
    )]
    TooNew {
        /// Its version.
        found: u32,
        /// The newest that this program reads.
        known: u32,
    },
    /// It is encrypted under a passphrase, and none was given.
    #[error("this backup is encrypted under a passphrase: give it with --passphrase-file")]
    NeedsPassphrase,
    /// It is encrypted under a master key, and there is none of this id.
    #[error(
        "this backup is encrypted under master key {id}, which the file of the master keys doesn't have: put \
         the file of that time there, or name it with --key-file"
    )]
    NeedsMasterKey {
        /// The master key's id.
        id: u32,
    },
    /// The passphrase or the master key is another one.
    #[error("the backup doesn't open: the passphrase or the master key is another one")]
    WrongKey,
    /// Bytes are missing, or aren't those that were written.
    #[error("the backup is cut off or has been changed: use another copy")]
    Damaged,
    /// The key can't be derived, or the content not be sealed.
    #[error("the backup can't be encrypted")]
    Sealing,
}

impl ArchiveError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "backup_unreadable",
            Self::Foreign => "backup_foreign",
            Self::TooNew { .. } => "backup_too_new",
            Self::NeedsPassphrase => "backup_needs_passphrase",
            Self::NeedsMasterKey { .. } => "backup_needs_master_key",
            Self::WrongKey => "backup_key_wrong",
            Self::Damaged => "backup_damaged",
            Self::Sealing => "backup_unsealed",
        }
    }
}
