//! Why nothing was restored, and what to do.
//!
//! This room must never repeat the content of a backup.

use crate::accounts::AccountsError;
use crate::archive::ArchiveError;
use crate::deployment::data_dir::DataDirError;
use crate::deployment::error::OpenError;
use crate::receipts::ReceiptsError;
use crate::service::ServiceError;
use lacre_keystore::KeystoreError;
use std::path::PathBuf;
use thiserror::Error;

/// Why a backup was not restored.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are what the messages say
pub enum RestoreError {
    /// The file.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// The directory.
    #[error("{0}")]
    DataDir(#[from] DataDirError),
    /// What was restored doesn't open.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The accounts' database.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// The keystore.
    #[error("{0}")]
    Keystore(#[from] KeystoreError),
    /// The log of ends.
    #[error("{0}")]
    Receipts(#[from] ReceiptsError),
    /// Sessions that had to end haven't.
    #[error("{0}")]
    Service(#[from] ServiceError),
    /// The databases of several nodes have something.
    #[error(
        "the databases of `keystore.url` and `accounts.url` aren't both empty: nothing was changed. With \
         `keystore.engine = \"postgres\"` a backup is restored into empty ones"
    )]
    DatabaseNotEmpty,
    /// They are in use.
    #[error(
        "nodes are at work on the database of `keystore.url`, or were ten seconds ago: nothing was changed. A backup \
         is restored into empty databases, and no node is started before"
    )]
    BesideNodes,
    /// There is something already.
    #[error(
        "{} isn't empty, or its accounts' database isn't: nothing was changed. With --replace the accounts of \
         the backup take the place of those that are there; keys and sessions stay where they are whole and \
         of the same deployment, and are moved aside otherwise",
        path.display()
    )]
    NotEmpty { path: PathBuf },
    /// The file has no accounts.
    #[error("this is an export of sessions: take it in with `lacre keystore import`")]
    SessionsOnly,
    /// The sessions can't be known to be live.
    #[error(
        "this backup was taken beside a running server, which may have ended and refreshed sessions since: \
         they can't be kept. Restore without --keep-sessions, and they end"
    )]
    NotAtRest,
    /// There is a keystore that knows better.
    #[error(
        "the keystore of this deployment is there, and knows what has ended: no session is taken from a \
         backup. Leave --keep-sessions out"
    )]
    StillThere,
    /// No session lasts in memory.
    #[error(
        "sessions can be kept with `keystore.engine = \"sled\"` alone: restore there, and move them with \
         `lacre keystore migrate`"
    )]
    NotKept,
    /// Sessions are taken in by the deployment that they are of.
    #[error(
        "the deployment of this backup isn't in this directory, or its keys don't open: restore all of a \
         backup with `lacre restore`"
    )]
    OtherDeployment,
    /// The file of the master keys is needed by something else.
    #[error(
        "{} has other master keys than the backup, and isn't in the data directory: move it away, or name \
         another `master_key_file`, and restore again",
        path.display()
    )]
    MasterKeyOther { path: PathBuf },
}

impl RestoreError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Archive(error) => error.code(),
            Self::DataDir(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Accounts(error) => error.code(),
            Self::Keystore(error) => error.code(),
            Self::Receipts(error) => error.code(),
            Self::Service(error) => error.code(),
            Self::BesideNodes => "restore_beside_nodes",
            Self::NotEmpty { .. } | Self::DatabaseNotEmpty => "restore_not_empty",
            Self::SessionsOnly => "backup_sessions_only",
            Self::NotAtRest => "backup_not_at_rest",
            Self::StillThere => "restore_keystore_there",
            Self::NotKept => "restore_not_kept",
            Self::OtherDeployment => "restore_other_deployment",
            Self::MasterKeyOther { .. } => "restore_master_key_other",
        }
    }
}
