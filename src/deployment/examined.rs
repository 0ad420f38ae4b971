//! What keeps a deployment from being opened, all of it, found by looking.
//!
//! Where a server runs the same is true of it, but for what it has open: nothing here takes the
//! directory's lock.
//!
//! This room must never make, change or open for writing anything.

use super::certificate::{Certificate, CertificateError};
use super::data_dir::{DataDir, UNDER_WAY, check_database, last_backup, problems};
use super::error::OpenError;
use super::kept_time;
use super::parts::Keys;
use crate::accounts::{Accounts, Owner};
use crate::clock::UnixSeconds;
use crate::config::Config;
use lacre_keystore::{EpochFile, KeystoreError, noted_at};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A deployment as it was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// Whether there is a data directory that a lacre has made.
    pub is_there: bool,
    /// Each reason for which a start would be refused.
    pub problems: Vec<OpenError>,
    /// What the servers of a shared store don't keep, by code, in words that say what to change; what forbids a start is
    /// among the problems.
    pub weak: Vec<(&'static str, &'static str)>,
    /// When something of it was last written, by the machine's clock.
    pub last_written: Option<SystemTime>,
    /// Files that a process left half-written beside the master keys, which lie outside of the directory.
    pub leftovers: Vec<PathBuf>,
    /// When the last backup was taken here, by the machine's clock.
    pub last_backup: Option<SystemTime>,
    /// Where it is noted outside how far the keystore has come, and what that note has.
    pub epoch: Option<Result<Option<u64>, KeystoreError>>,
    /// Where the public listener speaks TLS, when its certificate expires, if that can be read.
    pub certificate: Option<Result<Option<UnixSeconds>, CertificateError>>,
}

/// Looks at the deployment that `config` describes, when the machine's clock says `now`. Accounts in `PostgreSQL` are asked whose they are,
/// which waits for the database.
pub async fn examine(config: &Config, now: UnixSeconds) -> Examined {
    let directory = &config.data_dir;
    let mut examined = Examined {
        last_written: last_written(directory),
        leftovers: leftovers(config),
        last_backup: last_backup(directory),
        certificate: config.tls.files().map(|(certificate, key)| {
            Certificate::read(certificate, key).map(|read| read.expires_at())
        }),
        ..Examined::default()
    };
    let found = problems(directory).into_iter().map(OpenError::from);
    examined.problems.extend(found);
    match DataDir::exists(directory) {
        Ok(is_there) => examined.is_there = is_there,
        Err(error) => examined.problems.push(error.into()),
    }
    if let Err(error) = kept_time::check(directory, now) {
        examined.add(error);
    }
    let url = config.accounts.url.expose();
    let file = Accounts::sqlite_file(url);
    if let Some(Err(error)) = file.as_deref().map(check_database) {
        examined.add(error.into());
    }
    if config.keystore.engine.is_shared() {
        match super::shared::examine(config, now).await {
            Ok((weak, None)) => (examined.weak, examined.is_there) = (weak, false),
            Ok((weak, Some(keyring))) => {
                (examined.weak, examined.is_there) = (weak, true);
                let owner = Accounts::owner(url, &keyring.handles().name()).await;
                let checked = owner.map_err(OpenError::from);
                let checked = checked.and_then(|owner| super::settled::check_owner(owner, config));
                if let Err(error) = checked {
                    examined.add(error);
                }
            }
            Err(error) => examined.add(error),
        }
        return examined;
    }
    match Keys::look(directory, &super::settled::master_keys(config)) {
        Ok(None) => {}
        Ok(Some(keys)) => {
            examined.epoch = noted_outside(config, &keys);
            let whose = owner(url, file.as_deref(), &keys).await;
            if let Err(error) = whose.and_then(|owner| super::settled::check_owner(owner, config)) {
                examined.add(error);
            }
        }
        Err(error) => examined.add(error),
    }
    examined
}

/// What the file says that is named for it.
fn noted_outside(config: &Config, keys: &Keys) -> Option<Result<Option<u64>, KeystoreError>> {
    let file = config.keystore.epoch_file.as_ref()?;
    Some(noted_at(&EpochFile::new(file), &keys.keyring.digest_key()))
}

/// Whose the accounts are. A file is only looked for: who opens it with `SQLite` writes beside it.
async fn owner(url: &str, file: Option<&Path>, keys: &Keys) -> Result<Owner, OpenError> {
    match file {
        Some(file) => {
            Accounts::check_log(file)?;
            let about = std::fs::metadata(file);
            let lost = about.is_ok_and(|about| about.len() == 0) || !file.exists();
            Ok(if lost { Owner::NoAccounts } else { Owner::Ours })
        }
        None => Ok(Accounts::owner(url, &keys.keyring.handles().name()).await?),
    }
}

impl Examined {
    /// Adds a problem, unless it was found on another way already.
    fn add(&mut self, error: OpenError) {
        let text = error.to_string();
        if !self.problems.iter().any(|known| known.to_string() == text) {
            self.problems.push(error);
        }
    }
}

/// A start removes those in the data directory; elsewhere another process may be writing one.
fn leftovers(config: &Config) -> Vec<PathBuf> {
    let folder = config.master_key_file.parent();
    let folder = folder.filter(|folder| *folder != config.data_dir);
    let folder = folder.map(|folder| match folder.as_os_str() {
        none if none.is_empty() => Path::new("."),
        _ => folder,
    });
    let files = folder.and_then(|folder| folder.read_dir().ok());
    let files = files.into_iter().flatten().flatten();
    let left = files.filter(|file| file.file_name().to_string_lossy().starts_with(UNDER_WAY));
    left.map(|file| file.path()).collect()
}

/// When a file of the directory or of its keystore was last written.
fn last_written(directory: &Path) -> Option<SystemTime> {
    let files = [directory.to_owned(), directory.join("keystore")]
        .into_iter()
        .filter_map(|folder| folder.read_dir().ok())
        .flatten();
    let written = files.filter_map(|file| file.ok()?.metadata().ok()?.modified().ok());
    written.max()
}
