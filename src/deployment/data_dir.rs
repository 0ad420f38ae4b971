//! The data directory: one process at a time, private files, whole or not at all.
//!
//! | path | what |
//! |---|---|
//! | `version` | the layout of this directory, now `1` |
//! | `lock` | held while a process works here; holds its process id |
//! | `keystore/` | the session records of the sled engine |
//! | `accounts.sqlite` | the accounts, unless `accounts.url` says otherwise |
//! | `keyring` | the signing keys, sealed under the master key |
//! | `receipts` | the signed log of ends (docs/receipts.md), appended to and never changed |
//! | `node` | the name of this one of several nodes, under which its receipts go on |
//! | `master.key` | the master keys, unless `master_key_file` says otherwise |
//! | `clock` | the latest time that the deployment has reached |
//! | `restoring` | there while a restore is under way |
//! | `moving-here` | there while sessions are brought here from another store |
//! | `moved-here` | there once they are here |
//! | `moved` | there once the sessions have left for another store |
//! | `backed-up` | empty; was written when the last backup was whole |
//! | `admin.sock` | the admin socket of the running server |
//!
//! This room must never change a directory that is newer than this program or that another
//! process holds, never leave half a file, never read a secret that others may read, and never
//! work where others can write.

mod error;
mod mark;
mod master_key;
mod moved;
mod private;
mod secret_file;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

pub use error::DataDirError;
pub(super) use mark::{Mark, read_mark, write_mark};
pub use master_key::{MasterKeyFile, MasterKeySource};
#[cfg(feature = "server")]
pub(super) use moved::{CAME, MoveMark, remove_move, write_move};
pub(super) use moved::{COMING, LEFT, read_move};
pub use private::check_directory;
pub(super) use private::{check_database, problems};
#[cfg(feature = "server")]
pub(super) use secret_file::UNDER_WAY;
pub(super) use secret_file::replace_secret;
pub use secret_file::{read_or_create_secret, read_secret, write_secret};

/// What is there while a restore is under way.
pub(super) const UNFINISHED: &str = "restoring";

/// What is written anew whenever a backup is whole.
#[cfg(feature = "server")]
const BACKED_UP: &str = "backed-up";

/// Notes that a backup of the deployment in `directory` is whole and on the disk. Its time is all that counts.
#[cfg(feature = "server")]
pub fn note_backup(directory: &Path) -> Result<(), DataDirError> {
    write_secret(&directory.join(BACKED_UP), b"")
}

/// When the last backup was whole, by the machine's clock.
#[cfg(feature = "server")]
pub(super) fn last_backup(directory: &Path) -> Option<std::time::SystemTime> {
    let about = directory.join(BACKED_UP).symlink_metadata();
    about.ok()?.modified().ok()
}

/// The layout that this program reads and writes.
const VERSION: u32 = 1;

/// A data directory that this process holds until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens the directory at `path`, and makes it (mode 0700) if there is none.
    ///
    /// Nothing is made or changed where the directory is newer ([`DataDirError::TooNew`]), in
    /// use ([`DataDirError::Held`]), or where others can write to it or to what is in it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        private::check_all(path)?;
        // Before the lock, which would make a file: a newer directory is left alone.
        let known = read_version(path)?;
        if known.is_none() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|why| DataDirError::unusable(path, why))?;
        }
        let lock = take_lock(path)?;
        // Another process may have been here between the first look and the lock.
        secret_file::sweep(path).map_err(|why| DataDirError::unusable(path, why))?;
        if read_version(path)?.is_none() {
            write_secret(&path.join("version"), format!("{VERSION}\n").as_bytes())?;
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Whether there is a data directory at `path`. Makes and changes nothing.
    pub fn exists(path: &Path) -> Result<bool, DataDirError> {
        Ok(read_version(path)?.is_some())
    }

    /// Keeps other processes from taking the directory at `path` until the value is dropped, without
    /// taking it and without a byte changed; `None` where nobody ever took it.
    pub(super) fn share(path: &Path) -> Result<Option<File>, DataDirError> {
        let unusable = |why: io::Error| DataDirError::unusable(path, why);
        let lock = match private::open_file(&path.join("lock"), OpenOptions::new().read(true)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error)),
        };
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(Some(lock)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DataDirError::Held {
                path: path.to_owned(),
                pid: None,
            }),
            Err(error) => Err(unusable(error.into())),
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the sled engine.
    #[must_use]
    pub fn keystore(&self) -> PathBuf {
        self.path.join("keystore")
    }

    /// The `SQLite` database of the accounts.
    #[must_use]
    pub fn accounts(&self) -> PathBuf {
        self.path.join("accounts.sqlite")
    }

    /// The signing keys, sealed under the master key.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.path.join("keyring")
    }

    /// The signed log of ends.
    #[must_use]
    pub fn receipts(&self) -> PathBuf {
        self.path.join("receipts")
    }

    /// The name of this one of several nodes.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        self.path.join("node")
    }

    /// The master keys, where the configuration names no other file.
    #[must_use]
    pub fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    /// The latest time that the deployment in `path` has reached. Who looks at a deployment without
    /// holding it goes on from there as well.
    pub(super) fn clock(path: &Path) -> PathBuf {
        path.join("clock")
    }

    /// The admin socket of the server that works in `path`. Commands ask it without holding the
    /// directory, so this needs no open one.
    #[must_use]
    pub fn admin_socket(path: &Path) -> PathBuf {
        path.join("admin.sock")
    }
}

/// Makes every file that this process creates from now on private to its user, whatever library
/// creates it. For `main`, before anything is opened.
pub fn keep_new_files_private() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// The version of the directory, `None` where there is none yet. Touches nothing.
fn read_version(path: &Path) -> Result<Option<u32>, DataDirError> {
    let file = path.join("version");
    let read = private::open_file(&file, OpenOptions::new().read(true)).and_then(|file| {
        let mut text = String::new();
        file.take(64).read_to_string(&mut text).map(|_| text)
    });
    let text = match read {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return if is_in_use(path) {
                Err(DataDirError::VersionMissing { path: file })
            } else {
                Ok(None)
            };
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(DataDirError::unusable(path, error)),
    };
    let digits = text.strip_suffix('\n').unwrap_or(&text);
    match digits.parse() {
        Ok(VERSION) if digits == VERSION.to_string() => Ok(Some(VERSION)),
        Ok(found) if found > VERSION => Err(DataDirError::TooNew {
            path: path.to_owned(),
            found,
            known: VERSION,
        }),
        _ => Err(DataDirError::BadVersion { path: file }),
    }
}

/// Whether keys or sessions are here, which are made after the version was written. What can't be looked at
/// counts as there. Accounts and master keys may have been put here before the first start.
fn is_in_use(path: &Path) -> bool {
    ["keyring", "keystore"].into_iter().any(|name| {
        let looked_at = path.join(name).symlink_metadata();
        !looked_at.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    })
}

/// Takes the lock that ends with the process, however the process ends.
fn take_lock(path: &Path) -> Result<File, DataDirError> {
    let unusable = |why: io::Error| DataDirError::unusable(path, why);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let mut lock = private::open_file(&path.join("lock"), &mut options).map_err(unusable)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Whatever is wrong with the number, the directory is held.
            let _ = lock.read_to_string(&mut holder);
            return Err(DataDirError::Held {
                path: path.to_owned(),
                pid: holder.trim_end().parse().ok(),
            });
        }
        Err(error) => return Err(unusable(error.into())),
    }
    lock.set_len(0).map_err(unusable)?;
    lock.rewind().map_err(unusable)?;
    writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
    Ok(lock)
}

#[cfg(test)]
mod tests;
