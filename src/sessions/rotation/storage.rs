//! Where the keys of a deployment lie, as a rotation sees it.
//!
//! This room must never know a path or a format: those are the deployment's.

use lacre_keystore::{MasterKey, MasterKeyRing};
use std::fmt;
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;

/// Where the keys of a deployment lie. All calls may block for as long as a disk takes, and each change is
/// durable, whole, when it returns.
pub(crate) trait KeyStorage: Send + Sync {
    /// Puts a sealed keyring in the place of the one that is there.
    fn write_keyring(&self, sealed: &[u8]) -> Result<(), StorageError>;

    /// The master keys that are there now: the one that seals first.
    fn read_master_keys(&self) -> Result<MasterKeyRing, StorageError>;

    /// Fails where master keys can't be added or removed here, and changes nothing.
    fn can_change_master_keys(&self) -> Result<(), StorageError>;

    /// Adds a master key, which seals from now on.
    fn add_master_key(&self, key: &MasterKey) -> Result<(), StorageError>;

    /// Removes these master keys, none of which seals.
    fn remove_master_keys(&self, ids: &[u32]) -> Result<(), StorageError>;

    /// What an operator calls the place of the master keys.
    fn master_keys_lie(&self) -> String;

    /// Where the keyring lies in a store that other nodes use as well: what there is to it besides. Then the master keys
    /// are on each node, and nobody adds or removes one but an operator.
    fn shared(&self) -> Option<&dyn SharedKeys> {
        None
    }

    /// Bytes that are free where records are kept, where that is known.
    fn free_space(&self) -> Option<u64>;
}

/// An answer to come.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// A keyring that several nodes go by, each with the master keys in a place of its own.
pub(crate) trait SharedKeys: Send + Sync {
    /// Puts a sealed keyring in the place of the one of the version `seen`. Answers with its version when no node goes
    /// by the one before; `None`, and nothing changed, where another node was first.
    fn put(&self, seen: u64, sealed: Vec<u8>) -> Answer<'_, Option<u64>>;

    /// Says to the others which master keys this node has now.
    fn announce(&self) -> Answer<'_, ()>;

    /// Fails where a node at work hasn't said that it has this key.
    fn all_have<'a>(&'a self, key: &'a MasterKey) -> Answer<'a, ()>;

    /// After how long nothing is on its way into the store any more that a node sealed before the last change.
    fn at_rest_after(&self) -> Duration;
}

/// Why keys can't be read or written where they lie.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct StorageError {
    /// What it is.
    pub kind: StorageErrorKind,
    /// The stable code.
    pub code: &'static str,
    /// A sentence for the operator.
    pub message: String,
}

/// What kept keys from being read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// It isn't lacre's to write.
    ReadOnly,
    /// The disk is full.
    Full,
    /// Anything else.
    Other,
}

/// A deployment whose keys lie nowhere: they end with the process.
pub(crate) struct Nowhere;

impl KeyStorage for Nowhere {
    fn write_keyring(&self, _sealed: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    fn read_master_keys(&self) -> Result<MasterKeyRing, StorageError> {
        Err(nowhere())
    }

    fn can_change_master_keys(&self) -> Result<(), StorageError> {
        Err(nowhere())
    }

    fn add_master_key(&self, _key: &MasterKey) -> Result<(), StorageError> {
        Err(nowhere())
    }

    fn remove_master_keys(&self, _ids: &[u32]) -> Result<(), StorageError> {
        Err(nowhere())
    }

    fn master_keys_lie(&self) -> String {
        "memory".to_owned()
    }

    fn free_space(&self) -> Option<u64> {
        None
    }
}

fn nowhere() -> StorageError {
    StorageError {
        kind: StorageErrorKind::Other,
        code: "master_key_not_kept",
        message: "the master key of this deployment is kept nowhere, and ends with the process"
            .to_owned(),
    }
}

impl fmt::Debug for dyn KeyStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyStorage({})", self.master_keys_lie())
    }
}
