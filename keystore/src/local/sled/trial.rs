//! Whether a store opens, tried on a copy of it.
//!
//! sled repairs as it opens: whatever follows a damaged place in its log it takes for what a crash
//! left, and writes zeros over it. One flipped bit in an early place loses nearly all records that
//! way, and the refusal that follows comes too late. So a copy is opened first, and read to its end;
//! only where that shows nothing missing may sled open the store itself. On file systems that share
//! blocks between copies (btrfs, XFS) the copy costs next to nothing; elsewhere it takes as long as
//! reading and writing the files, and their size for as long.
//!
//! This room must never open a file of the store for writing, and never follow a link.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;

/// Where the copy is made, inside the store's folder: there is room for it, and it is as private.
const NAME: &str = "trial";

/// Where the files of a store go that was never finished.
const UNFINISHED: &str = "unfinished";

/// What is ours in the folder, and nothing that sled reads.
pub(super) const OURS: [&str; 8] = [
    "lock",
    "mark",
    NAME,
    UNFINISHED,
    "compacting",
    "compacted",
    "moving",
    "probe",
];

/// How often, and how long between, sled's own lock is tried once the folder is ours.
pub(super) const LOCK_TRIES: u32 = 100;
pub(super) const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A copy of a store's files. It goes with this value.
pub(super) struct Trial(PathBuf);

/// Why there is no copy.
pub(super) enum NoTrial {
    /// The folder has no files of a store: there is nothing to lose.
    Empty,
    /// A foreign program has the store open.
    Held,
    /// The copy couldn't be made.
    Failed(io::Error),
}

impl From<io::Error> for NoTrial {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Trial {
    /// Copies the store in this folder, whose lock is ours. What an earlier start left of a copy goes.
    pub(super) fn of(folder: &Path) -> Result<Self, NoTrial> {
        let copy = folder.join(NAME);
        remove(&copy)?;
        let files = files_of_sled(folder)?;
        if files.is_empty() {
            return Err(NoTrial::Empty);
        }
        // Nobody may write while it is copied; sled locks this file, too.
        let _held = hold(&folder.join("db"))?;
        let copy = Self(copy);
        make_folder(&copy.0)?;
        for file in files {
            copy_to(&folder.join(&file), &copy.0.join(&file))?;
        }
        Ok(copy)
    }

    /// Waits until sled has let go of the copy.
    pub(super) fn wait_until_let_go(&self) {
        wait_until_let_go(&self.0);
    }

    /// The folder of the copy.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            log::warn!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// Removes what a start that was killed has left of a copy.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    remove(&folder.join(NAME))
}

/// Waits until sled has let go of a folder, which it does in a background task: one that came later would
/// still write into it as it is removed, and keep others of this process waiting.
pub(super) fn wait_until_let_go(folder: &Path) {
    if hold(&folder.join("db")).is_err() {
        log::warn!("sled still holds {}", folder.display());
    }
}

/// Whether the store in this folder was ever opened to the end: the mark is made then.
pub(super) fn was_finished(folder: &Path) -> bool {
    // What can't be looked at counts as there.
    folder.join("mark").try_exists().unwrap_or(true)
}

/// Moves what sled has put into the folder aside, for a new store to be made.
pub(super) fn set_aside(folder: &Path) -> io::Result<()> {
    let aside = folder.join(UNFINISHED);
    remove(&aside)?;
    make_folder(&aside)?;
    for file in files_of_sled(folder)? {
        fs::rename(folder.join(&file), aside.join(&file))?;
    }
    File::open(folder)?.sync_all()
}

/// The names of what sled has put into the folder.
pub(super) fn files_of_sled(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !OURS.iter().any(|ours| name == *ours) {
            files.push(name.into());
        }
    }
    Ok(files)
}

pub(super) fn hold(database: &Path) -> Result<Option<File>, NoTrial> {
    let database = match open(database) {
        Ok(database) => database,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    for _ in 0..LOCK_TRIES {
        match database.try_lock() {
            Ok(()) => return Ok(Some(database)),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(NoTrial::Held)
}

/// Copies a file, or a folder of files.
fn copy_to(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from)?.is_dir() {
        make_folder(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy_to(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    let mut from = open(from)?;
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut from, &mut copy).map(drop)
}

/// Opens a file for reading: not what a link points to, and nothing that isn't a file.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| named(path, &error))?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(named(path, &io::Error::other("not a file")))
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

pub(super) fn remove(copy: &Path) -> io::Result<()> {
    match fs::remove_dir_all(copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
