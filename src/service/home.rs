//! Where a deployment lies that has its store to itself, for whoever moves it elsewhere.
//!
//! This room must never read or write there.

use crate::accounts::Snapshot;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// The place of a deployment.
pub struct Home {
    /// Its directory.
    pub directory: PathBuf,
    /// The URL of its accounts' database, which may hold a password; nothing where they are in a file.
    pub accounts_url: Option<Zeroizing<String>>,
    /// The lease of nodes, where it becomes one of several.
    pub lease: Duration,
    /// Held by whoever moves it. Once the sessions have left, the accounts are kept from changing.
    pub moving: Mutex<Option<Snapshot>>,
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}
