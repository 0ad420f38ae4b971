//! Why a key was not rotated.

use super::storage::{StorageError, StorageErrorKind};
use crate::sessions::keyring::KeyringError;
use lacre_keystore::KeystoreError;
use thiserror::Error;

/// Why a key was not rotated, or not to the end. Nothing is lost: what is sealed opens, and whoever was
/// logged in is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RotationError {
    /// Records are being sealed anew already.
    #[error("a rotation of the master key is under way; `lacre keys status` says how far it is")]
    UnderWay,
    /// Another node has changed the keys meanwhile.
    #[error(
        "another node has changed the keys meanwhile, and nothing was changed here: run the command again"
    )]
    Elsewhere,
    /// The master keys lie where lacre can't write.
    #[error(
        "{why}: add a line with a new key there, `{}`, and then run `lacre keys rotate --master` again where \
         it is a file, or start the server again where it is the environment or a credential", new_line(*next_id)
    )]
    ReadOnly {
        /// What can't be written, and why.
        why: String,
        /// The id that a new key has to have, or a greater one.
        next_id: u32,
    },
    /// What lies there now isn't what this process goes by.
    #[error(
        "{place}: the master key {id} that is needed is missing there or is another: put it back before anything else"
    )]
    Changed {
        /// Where.
        place: String,
        /// The key.
        id: u32,
    },
    /// No id is greater than that of the key in use.
    #[error("the id of the master key is the greatest that there is")]
    NoId,
    /// There is too little room to write all records anew.
    #[error(
        "{free} bytes are free on the disk, and writing all records anew may take {needed}: make room, and run \
         the command again"
    )]
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that may be needed.
        needed: u64,
    },
    /// Some records don't open, so that nobody can say that they need no earlier key.
    #[error(
        "{records} records don't open and stay under an earlier master key, which stays as well: `lacre \
         keystore verify` names them; end them with `lacre sessions revoke`, and run the command again"
    )]
    Damaged {
        /// How many.
        records: u64,
    },
    /// The keys can't be read or written where they lie.
    #[error("{0}")]
    Storage(StorageError),
    /// The keyring.
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    /// The keystore.
    #[error("{0}")]
    Store(#[from] KeystoreError),
}

/// The command that makes the line of a new key.
fn new_line(id: u32) -> String {
    format!(r#"echo "{id}:$(head -c 32 /dev/urandom | basenc --base64url | tr -d =)""#)
}

impl From<StorageError> for RotationError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl RotationError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnderWay => "key_rotation_under_way",
            Self::Elsewhere => "keys_changed_elsewhere",
            Self::ReadOnly { .. } => "master_key_read_only",
            Self::Changed { .. } => "master_key_mismatch",
            Self::NoId => "master_key_ids_used_up",
            Self::Full { .. } => "disk_full",
            Self::Damaged { .. } => "master_key_needed",
            Self::Storage(error) => error.code,
            Self::Keyring(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// What can't be written, to an operator who has to write it.
    pub(super) fn of_change(error: StorageError, next_id: u32) -> Self {
        match error.kind {
            StorageErrorKind::ReadOnly => Self::ReadOnly {
                why: error.message,
                next_id,
            },
            _ => Self::Storage(error),
        }
    }
}
