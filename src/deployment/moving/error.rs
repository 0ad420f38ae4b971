//! Why sessions weren't moved.
//!
//! This room must never repeat a URL, which may have a password.

use crate::accounts::AccountsError;
use crate::deployment::error::OpenError;
use crate::receipts::ReceiptsError;
use lacre_keystore::KeystoreError;
use std::path::PathBuf;
use thiserror::Error;

/// Why sessions weren't moved. Unless it says otherwise they are used where they were, and the same command goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MoveError {
    /// What was named is no store.
    #[error(
        "--to is a store's URL: `postgres://USER:PASSWORD@HOST/DATABASE`, `redis://USER:PASSWORD@HOST`, `redis+cluster://HOST,HOST`, \
         or for keystore.engine = \"sled\" the data directory, as `sled:/PATH`"
    )]
    NoTarget,
    /// To Redis, of a deployment whose accounts are in a file.
    #[error(
        "the accounts are in a file, and nodes on Redis have them in PostgreSQL: move to postgres://… first, which takes them \
         along, and from there to Redis"
    )]
    AccountsInFile,
    /// The store took changes again before the move was over.
    #[error(
        "the store that is in use took changes again before the move was over, because this command stood still, or a \
         server was replaced or came back as it was earlier: it was given up, and can be gone on with"
    )]
    HoldOver,
    /// It is of the kind that is in use.
    #[error(
        "--to is a store of the kind that is in use, `{0}`: to move a directory stop the server and move its files; to \
         move a database copy it while no node runs"
    )]
    SameEngine(&'static str),
    /// Something else is there.
    #[error(
        "{0} isn't free: it has another deployment, or sessions that were there before; name an empty database or \
         directory. Nothing was changed"
    )]
    Used(String),
    /// The sessions have left for somewhere else.
    #[error("the sessions were moved to {0} already: name that one")]
    Elsewhere(String),
    /// Another command is at it.
    #[error("the sessions are being moved by another command: wait for it")]
    UnderWay,
    /// The one who asked has gone.
    #[error("nobody waits for the end of the move: it was given up, and can be gone on with")]
    GivenUp,
    /// There are other master keys.
    #[error(
        "{} has other master keys than those in use, which no session would open with: name another directory, or put \
         the ones in use there",
        .0.display()
    )]
    OtherMasterKey(PathBuf),
    /// The disk is too small.
    #[error("{} has room for {free} bytes, and the sessions need about {needed} there", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// How many there are.
        free: u64,
        /// How many there have to be.
        needed: u64,
    },
    /// There is nothing to move.
    #[error("there is no deployment in the store that is in use")]
    Nothing,
    /// The database of the new store doesn't keep what it says.
    #[error("the store that --to names can't hold sessions: {0}")]
    Weak(&'static str),
    /// Something of the deployment.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The store that is left.
    #[error("{0}")]
    Source(KeystoreError),
    /// The store that is arrived at.
    #[error("the store that --to names: {0}")]
    Target(KeystoreError),
    /// The accounts.
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// The log of ends.
    #[error("{0}")]
    Receipts(#[from] ReceiptsError),
}

impl MoveError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTarget => "migration_target_invalid",
            Self::AccountsInFile => "migration_accounts_in_file",
            Self::SameEngine(_) => "migration_same_engine",
            Self::Used(_) => "migration_target_used",
            Self::Elsewhere(_) => "migration_elsewhere",
            Self::UnderWay => "migration_under_way",
            Self::GivenUp | Self::HoldOver => "migration_given_up",
            Self::OtherMasterKey(_) => "migration_master_key_other",
            Self::NoRoom { .. } => "migration_no_room",
            Self::Nothing => "deployment_missing",
            Self::Weak(_) => "store_not_durable",
            Self::Open(error) => error.code(),
            Self::Source(error) | Self::Target(error) => error.code(),
            Self::Accounts(error) => error.code(),
            Self::Receipts(error) => error.code(),
        }
    }

    /// Whether it may pass by itself: the same may go well a moment later, by servers that are connected to anew.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::HoldOver | Self::Accounts(AccountsError::AccountsUnavailable) => true,
            Self::Source(error) | Self::Target(error) => {
                matches!(error, KeystoreError::StoreUnavailable { .. })
            }
            _ => false,
        }
    }

    /// Of the store that is left; of one that somebody else holds, that another command is at it.
    pub(super) fn source(error: KeystoreError) -> Self {
        Self::of(error, Self::Source)
    }

    /// Of the store that is arrived at.
    pub(super) fn target(error: KeystoreError) -> Self {
        Self::of(error, Self::Target)
    }

    fn of(error: KeystoreError, side: fn(KeystoreError) -> Self) -> Self {
        match error {
            KeystoreError::StoreHeld { .. } => Self::UnderWay,
            error => side(error),
        }
    }
}

impl From<crate::deployment::data_dir::DataDirError> for MoveError {
    fn from(error: crate::deployment::data_dir::DataDirError) -> Self {
        Self::Open(error.into())
    }
}

impl From<crate::sessions::keyring::KeyringError> for MoveError {
    fn from(error: crate::sessions::keyring::KeyringError) -> Self {
        Self::Open(error.into())
    }
}
