//! Why a data directory, or a secret in it, can't be used, and what to do.
//!
//! This room must never repeat the content of a file.

use std::io;
use std::path::{Path, PathBuf};

/// Why a data directory or a secret file can't be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the fields are what the messages say
pub enum DataDirError {
    /// Another process works here: `lacre` ends with status 69.
    #[error(
        "{} is in use by another process{}: stop it, or choose another --data-dir",
        path.display(), pid.map_or_else(String::new, |pid| format!(" ({pid})"))
    )]
    Held { path: PathBuf, pid: Option<u32> },
    /// A later version of lacre wrote here. Nothing was touched.
    #[error(
        "{} has layout {found}, and this lacre knows {known} at most: run the newer lacre",
        path.display()
    )]
    TooNew {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    /// The version file is no number that a lacre wrote.
    #[error("{} is damaged: restore the directory from a backup", path.display())]
    BadVersion { path: PathBuf },
    /// Keys or sessions are there, and the version file isn't.
    #[error(
        "{} is missing, beside keys or sessions whose layout it told: restore the directory from a \
         backup, or that file alone if nothing else is missing",
        path.display()
    )]
    VersionMissing { path: PathBuf },
    /// Reading or writing failed.
    #[error("can't read and write {}: {why}", path.display())]
    Unwritable { path: PathBuf, why: io::Error },
    /// Others than its owner may read or change a secret.
    #[error(
        "{0} may be used by others (mode {mode:04o}): run `chmod 600 {0}`, and if others could \
         read it, rotate the key",
        path.display()
    )]
    SecretExposed { path: PathBuf, mode: u32 },
    /// Others can write to the directory, or to something in it that is no secret.
    #[error(
        "{0} can be changed by others (mode {mode:04o}): look through what is in it, and run \
         `chmod go-w {0}`",
        path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    /// It belongs to another user than the one who works here.
    #[error(
        "{0} belongs to another user ({uid}): run lacre as that user, or look through what is in it \
         and run `chown` with the user who runs lacre",
        path.display()
    )]
    Foreign { path: PathBuf, uid: u32 },
    /// A link or a device where a file is expected.
    #[error(
        "{} is a link or no file, and is not followed: put the file itself there",
        path.display()
    )]
    Link { path: PathBuf },
    /// The master-key file isn't one.
    #[error("{}, line {line}: {why}", path.display())]
    BadMasterKey {
        path: PathBuf,
        line: usize,
        why: &'static str,
    },
}

impl DataDirError {
    /// The stable name of this problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Held { .. } => "data_dir_held",
            Self::TooNew { .. } => "data_dir_too_new",
            Self::BadVersion { .. } => "data_dir_bad_version",
            Self::VersionMissing { .. } => "data_dir_version_missing",
            Self::Unwritable { .. } => "data_dir_unwritable",
            Self::SecretExposed { .. } => "secret_exposed",
            Self::Exposed { .. } => "data_dir_exposed",
            Self::Foreign { .. } => "data_dir_foreign",
            Self::Link { .. } => "data_dir_link",
            Self::BadMasterKey { .. } => "master_key_bad",
        }
    }

    pub(in super::super) fn unusable(path: &Path, why: io::Error) -> Self {
        Self::Unwritable {
            path: path.to_owned(),
            why,
        }
    }
}
