//! Who may have made, and may change, what lies in a data directory.
//!
//! Whoever can write into the directory can put a link where a file is expected, a key of their own
//! where ours is missing, or a socket where commands look for the server. So all of it belongs to
//! the user who works here or to root, nobody else can write to it, and no link is followed. The
//! directory itself may be reached through a link: what it points to is checked.
//!
//! This room must never make or change anything, and never wait for a file that is none.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::DataDirError;

/// What lies in the directory, besides the keystore's folder. The master key has rules of its own.
const NAMES: [&str; 11] = [
    "version",
    "lock",
    "keyring",
    "clock",
    "restoring",
    "receipts",
    "admin.sock",
    "accounts.sqlite",
    "accounts.sqlite-wal",
    "accounts.sqlite-shm",
    "accounts.sqlite-journal",
];

/// Refuses a directory that others can write to or that belongs to somebody else. One that isn't
/// there is fine.
pub fn check_directory(path: &Path) -> Result<(), DataDirError> {
    match std::fs::metadata(path) {
        Ok(about) => checked(path, &about, &Owners::of(&about)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DataDirError::unusable(path, error)),
    }
}

/// The same for the directory and all of ours that is in it.
pub(super) fn check_all(path: &Path) -> Result<(), DataDirError> {
    checks(path).collect()
}

/// Everything that [`check_all`] would refuse, and not only the first.
pub(in super::super) fn problems(path: &Path) -> Vec<DataDirError> {
    checks(path).filter_map(Result::err).collect()
}

fn checks(path: &Path) -> impl Iterator<Item = Result<(), DataDirError>> {
    let names = NAMES.into_iter().map(|name| check_entry(&path.join(name)));
    let keystore = std::iter::once_with(|| check_folder(&path.join("keystore")));
    std::iter::once_with(|| check_directory(path))
        .chain(names)
        .chain(keystore)
}

/// The same for the file of a database and its journals, wherever it lies.
pub(in super::super) fn check_database(file: &Path) -> Result<(), DataDirError> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        check_entry(&PathBuf::from(name))?;
    }
    Ok(())
}

/// Opens a file, with these options: not what a link points to, nor anything that isn't a file.
pub(super) fn open_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
                io::Error::other("it is a link, and links are not followed here")
            }
            _ => error,
        })?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no file"))
    }
}

/// Whether what this user owns is as good as one's own, for what lies in this directory.
pub(super) fn is_trusted(uid: u32, path: &Path) -> bool {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let about = std::fs::metadata(parent.unwrap_or(Path::new(".")));
    about.map_or(uid == 0, |about| Owners::of(&about).has(uid))
}

/// Whose files are taken: root's, one's own, and where root works in somebody's directory, theirs.
struct Owners {
    own: u32,
    directory: u32,
}

impl Owners {
    fn of(directory: &Metadata) -> Self {
        Self {
            own: rustix::process::geteuid().as_raw(),
            directory: directory.uid(),
        }
    }

    fn has(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own || (self.own == 0 && uid == self.directory)
    }
}

fn check_folder(folder: &Path) -> Result<(), DataDirError> {
    check_entry(folder)?;
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DataDirError::unusable(folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| DataDirError::unusable(folder, error))?;
        check_entry(&entry.path())?;
    }
    Ok(())
}

fn check_entry(path: &Path) -> Result<(), DataDirError> {
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DataDirError::unusable(path, error)),
    };
    let kind = about.file_type();
    if !kind.is_file() && !kind.is_dir() && !kind.is_socket() {
        return Err(DataDirError::Link {
            path: path.to_owned(),
        });
    }
    if !is_trusted(about.uid(), path) {
        return Err(foreign(path, &about));
    }
    not_writable(path, &about)
}

fn checked(path: &Path, about: &Metadata, owners: &Owners) -> Result<(), DataDirError> {
    if !about.is_dir() {
        return Err(DataDirError::unusable(
            path,
            ErrorKind::NotADirectory.into(),
        ));
    }
    if !owners.has(about.uid()) {
        return Err(foreign(path, about));
    }
    not_writable(path, about)
}

/// A group that root has let write is the one that root gave to the service, as orchestrators do
/// with volumes.
fn not_writable(path: &Path, about: &Metadata) -> Result<(), DataDirError> {
    let others = if about.uid() == 0 { 0o002 } else { 0o022 };
    if about.mode() & others == 0 {
        return Ok(());
    }
    Err(DataDirError::Exposed {
        path: path.to_owned(),
        mode: about.mode() & 0o7777,
    })
}

fn foreign(path: &Path, about: &Metadata) -> DataDirError {
    DataDirError::Foreign {
        path: path.to_owned(),
        uid: about.uid(),
    }
}

#[cfg(test)]
mod tests;
