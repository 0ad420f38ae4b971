//! A look at a deployment that makes and changes nothing of it.
//!
//! sled writes into its files whenever it opens them, and `SQLite` makes journals. So what is looked at
//! is a private copy, which is removed at the end. While it is made the directory's lock is shared:
//! no server starts meanwhile, and where one runs there is nothing to copy, since it can be asked.
//!
//! This room must never open a file of the deployment for writing.

use super::data_dir::{DataDir, DataDirError};
use super::error::OpenError;
use super::kept_time::go_on;
use super::service::assemble;
use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::config::Config;
use crate::entropy::Entropy;
use crate::service::Service;
use crate::sessions::keyring::KeyringError;
use lacre_keystore::Epoch;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A deployment as it was at one moment. What is changed of it is lost.
#[derive(Debug)]
pub struct Inspected {
    service: Service,
    _copy: TempDir,
}

impl Inspected {
    /// Copies the deployment that `config` describes into a private directory under `scratch`, which
    /// must not be inside of it, and opens the copy. Ends no session that a change of an account has
    /// left to end, and writes no audit event.
    ///
    /// Fails where a server holds the directory ([`DataDirError::Held`]), where there is no whole
    /// deployment, and where the accounts are not in a file ([`OpenError::NotCopied`]).
    pub async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
        scratch: &Path,
    ) -> Result<Self, OpenError> {
        let path = &config.data_dir;
        if !DataDir::exists(path)? {
            return Err(OpenError::Absent { path: path.clone() });
        }
        let accounts = Accounts::sqlite_file(config.accounts.url.expose());
        let accounts = accounts.ok_or(OpenError::NotCopied)?;
        let unusable = |why| DataDirError::unusable(path, why);
        let copy = tempfile::Builder::new()
            .prefix("lacre-look-")
            .tempdir_in(scratch)
            .map_err(unusable)?;
        let shared = DataDir::share(path)?;
        go_on(path, &*clock)?;
        copy_whole(path, &accounts, copy.path()).map_err(unusable)?;
        drop(shared);
        let data_dir = DataDir::open(copy.path())?;
        if !data_dir.keyring().exists() {
            // Opening would make one, and a master key beside the original's.
            return Err(KeyringError::Missing.into());
        }
        let url = Accounts::sqlite_url(&data_dir.accounts());
        let parts = (clock, entropy);
        let service = assemble(config, (&data_dir, &url, Epoch::Unasked), parts).await?;
        Ok(Self {
            service,
            _copy: copy,
        })
    }

    /// Accounts and sessions.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Closes and removes the copy.
    pub async fn close(self) {
        self.service.lacre().keystore().close().await;
        self.service.accounts().close().await;
    }
}

/// Copies the layout's version, the keyring, the keystore and the accounts with their journal.
fn copy_whole(from: &Path, accounts: &Path, to: &Path) -> io::Result<()> {
    for name in ["version", "keyring"] {
        copy_file(&from.join(name), &to.join(name))?;
    }
    copy_file(accounts, &to.join("accounts.sqlite"))?;
    copy_file(&journal(accounts), &to.join("accounts.sqlite-wal"))?;
    copy_directory(&from.join("keystore"), &to.join("keystore"))
}

/// Copies a file, where there is one.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Copies a directory, where there is one.
fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    std::fs::create_dir(to)?;
    for entry in entries {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &to)?;
        } else {
            copy_file(&entry.path(), &to)?;
        }
    }
    Ok(())
}

/// Where `SQLite` keeps what isn't in the database's own file yet.
fn journal(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push("-wal");
    name.into()
}
