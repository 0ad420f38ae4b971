//! Why a deployment doesn't open, each case with a code that doesn't change.

use super::data_dir::DataDirError;
#[cfg(feature = "server")]
use crate::accounts::AccountsError;
#[cfg(feature = "server")]
use crate::federation::KeysError;
#[cfg(feature = "server")]
use crate::service::ServiceError;
use crate::sessions::keyring::KeyringError;
use lacre_keystore::KeystoreError;
use std::path::PathBuf;
use thiserror::Error;

/// Why a deployment doesn't open. Nothing of it was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory, or a file of keys in it.
    #[error("{0}")]
    DataDir(#[from] DataDirError),
    /// The master key's file is missing, and there is a keyring that only it opens.
    #[error("{}: the master key is missing, and without it no session opens; put the file back", path.display())]
    MasterKeyMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The machine's clock is more than a day behind the latest time that the deployment has reached.
    #[error(
        "the machine's clock is {} hours behind the time at which this deployment was last in use \
         ({mark}, in Unix seconds): set the clock right; or, if it was wrong then and is right now, remove \
         {}: tokens that have expired since the present time are good again",
        behind / 3600, path.display()
    )]
    ClockFarBehind {
        /// The file that the latest time is in.
        path: PathBuf,
        /// The latest time, in Unix seconds.
        mark: u64,
        /// By how many seconds the clock is behind.
        behind: u64,
    },
    /// There is no deployment to look at.
    #[error("there is no deployment in {}", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A restore was cut off.
    #[error(
        "{}: a restore was cut off here: run `lacre restore` again, with the same backup or another one",
        path.display()
    )]
    RestoreUnfinished {
        /// The directory.
        path: PathBuf,
    },
    /// The sessions are in another store now.
    #[error(
        "the sessions of this deployment were moved to {to}: set keystore.engine and keystore.url (or data_dir) to it; here \
         nothing is kept up to date any more"
    )]
    Moved {
        /// Where they are, without what a URL has of secrets.
        to: String,
    },
    /// Sessions are being brought here.
    #[error(
        "{place}: sessions are being brought here from another store, which is still the one in use: run `lacre keystore \
         migrate` to its end"
    )]
    MoveUnfinished {
        /// Where.
        place: String,
    },
    /// The accounts aren't in a file, so that they can't be copied.
    #[error(
        "accounts in PostgreSQL can't be looked at without changing them: start the server, and ask it"
    )]
    NotCopied,
    /// The directory is that of a node of its own.
    #[cfg(feature = "server")]
    #[error(
        "{} has the keys or the sessions of another keystore.engine, which `{engine}` doesn't go on with: choose another \
         data_dir for a new deployment, or go back to that engine",
        path.display()
    )]
    EngineChanged {
        /// The directory.
        path: PathBuf,
        /// The engine of the configuration.
        engine: &'static str,
    },
    /// The deployment's records are by another engine.
    #[cfg(feature = "server")]
    #[error(
        "this database is of a deployment whose sessions are by keystore.engine = \"{theirs}\", and here it is \
         \"{ours}\": give all nodes one configuration; sessions go from one engine to another by `lacre keystore migrate`"
    )]
    RecordsElsewhere {
        /// The engine of the configuration.
        ours: &'static str,
        /// The deployment's.
        theirs: &'static str,
    },
    /// A node is at work that none may be beside.
    #[cfg(feature = "server")]
    #[error(
        "a node of this deployment is at work on {host}: stop all of them, and wait ten seconds"
    )]
    NodesAtWork {
        /// Where it is.
        host: String,
    },
    /// The server of the store doesn't keep what it says.
    #[cfg(feature = "server")]
    #[error("the database that the nodes share can't hold what it has to: {0}")]
    StoreWeak(&'static str),
    /// The clock is further from the database's than tokens may be off.
    #[cfg(feature = "server")]
    #[error("{0}")]
    ClockOff(String),
    /// There is a deployment in the store, and no master key here.
    #[cfg(feature = "server")]
    #[error(
        "the store has a deployment, and {} isn't there: copy the master key of its other nodes there", path.display()
    )]
    MasterKeyOfOthersMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The keyring in the store doesn't open.
    #[cfg(feature = "server")]
    #[error(
        "the keyring in the store doesn't open with the master key in {} ({why}): this node has another master key than \
         the others, or keystore.url leads to the store of another deployment",
        path.display()
    )]
    StoreForeign {
        /// Where the master keys are.
        path: PathBuf,
        /// Why not.
        why: KeyringError,
    },
    /// Another node is at work with other settings.
    #[cfg(feature = "server")]
    #[error(
        "{key} is `{ours}` here and `{theirs}` at the node on {host}, so that each would refuse the other's tokens: give \
         all nodes one configuration; to change it, stop them all first"
    )]
    NodesDiffer {
        /// The key of the configuration.
        key: &'static str,
        /// Its value here.
        ours: String,
        /// Where the other node is.
        host: String,
        /// Its value there.
        theirs: String,
    },
    /// The keyring.
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    /// The keystore.
    #[error("{0}")]
    Keystore(#[from] KeystoreError),
    /// The accounts' database.
    #[cfg(feature = "server")]
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    /// There is a keyring, and so there were accounts: with an empty database in their place the tokens
    /// of users would be accepted whom nobody can disable or delete any more.
    #[cfg(feature = "server")]
    #[error(
        "{accounts}: the accounts of this deployment are missing; put them back from the backup, or, to \
         begin without any, remove `keyring` and `keystore` from {}, which ends all sessions",
        data_dir.display()
    )]
    AccountsMissing {
        /// Where they were looked for, without what an URL has of secrets.
        accounts: String,
        /// The directory of the deployment.
        data_dir: PathBuf,
    },
    /// The database has the accounts of other deployments.
    #[cfg(feature = "server")]
    #[error(
        "{accounts}: these are the accounts of another deployment; put those of this one in their place, \
         or, to go on with these, remove `keyring` and `keystore` from {}, which ends all sessions",
        data_dir.display()
    )]
    AccountsForeign {
        /// Where they are, without what an URL has of secrets.
        accounts: String,
        /// The directory of the deployment.
        data_dir: PathBuf,
    },
    /// The keys of an outside issuer, in a file.
    #[cfg(feature = "server")]
    #[error("the keys of an issuer can't be used: {0}")]
    Issuer(#[from] KeysError),
    /// Sessions that a change of an account had to end before the start don't end.
    #[cfg(feature = "server")]
    #[error("sessions are left to end from before the start: {0}")]
    Outbox(#[from] ServiceError),
}

impl OpenError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DataDir(error) => error.code(),
            Self::MasterKeyMissing { .. } => "master_key_missing",
            Self::ClockFarBehind { .. } => "clock_far_behind",
            Self::Absent { .. } => "deployment_missing",
            Self::RestoreUnfinished { .. } => "restore_unfinished",
            Self::Moved { .. } => "store_moved",
            Self::MoveUnfinished { .. } => "migration_unfinished",
            Self::NotCopied => "deployment_not_copied",
            #[cfg(feature = "server")]
            Self::EngineChanged { .. } | Self::RecordsElsewhere { .. } => "keystore_engine_changed",
            #[cfg(feature = "server")]
            Self::NodesAtWork { .. } => "nodes_at_work",
            #[cfg(feature = "server")]
            Self::StoreWeak(_) => "store_not_durable",
            #[cfg(feature = "server")]
            Self::ClockOff(_) => "clock_off",
            #[cfg(feature = "server")]
            Self::MasterKeyOfOthersMissing { .. } => "master_key_missing",
            #[cfg(feature = "server")]
            Self::StoreForeign { why, .. } => why.code(),
            #[cfg(feature = "server")]
            Self::NodesDiffer { .. } => "node_settings_differ",
            Self::Keyring(error) => error.code(),
            Self::Keystore(error) => error.code(),
            #[cfg(feature = "server")]
            Self::Accounts(error) => error.code(),
            #[cfg(feature = "server")]
            Self::AccountsMissing { .. } => "accounts_missing",
            #[cfg(feature = "server")]
            Self::AccountsForeign { .. } => "accounts_foreign",
            #[cfg(feature = "server")]
            Self::Issuer(error) => error.code(),
            #[cfg(feature = "server")]
            Self::Outbox(error) => error.code(),
        }
    }
}
