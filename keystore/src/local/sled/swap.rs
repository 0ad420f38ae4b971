//! A compacted copy of a store, and how it takes the store's place.
//!
//! sled frees room in its file and never makes the file much shorter: after many changes it takes
//! several times what is in it. So everything is copied into a fresh store, in a folder inside of the store's.
//!
//! | folder | while it is there |
//! |---|---|
//! | `compacting` | the copy isn't whole: it goes at the next opening |
//! | `compacted` | the copy is whole and durable: the store's own files are removed |
//! | `moving` | the store's own files are gone: those of the copy move into their place |
//!
//! Each step is one rename, made durable before the next begins, and can be done twice: a crash
//! anywhere leaves the store of before or the copy, and both hold the same.
//!
//! This room must never remove a file of the store before the copy is whole and durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::trial::{files_of_sled, make_folder, remove};

const COMPACTING: &str = "compacting";
const COMPACTED: &str = "compacted";
const MOVING: &str = "moving";
const PROBE: &str = "probe";

/// What an opening may write beyond a copy of what is there.
const SPARE: u64 = 1 << 20;

/// Makes an empty folder for the copy.
pub(super) fn room(store: &Path) -> io::Result<PathBuf> {
    let folder = store.join(COMPACTING);
    remove(&folder)?;
    make_folder(&folder)?;
    Ok(folder)
}

/// The copy is whole: makes it durable, and the one that counts.
pub(super) fn commit(store: &Path) -> io::Result<()> {
    let copy = store.join(COMPACTING);
    sync_tree(&copy)?;
    fs::rename(&copy, store.join(COMPACTED))?;
    File::open(store)?.sync_all()
}

/// Does what is left to do with a copy, for a store that is closed.
pub(super) fn finish(store: &Path) -> io::Result<()> {
    let (compacted, moving) = (store.join(COMPACTED), store.join(MOVING));
    remove(&store.join(COMPACTING))?;
    let _ = fs::remove_file(store.join(PROBE));
    if compacted.symlink_metadata().is_ok() {
        for file in files_of_sled(store)? {
            let file = store.join(file);
            if file.symlink_metadata()?.is_dir() {
                fs::remove_dir_all(file)?;
            } else {
                fs::remove_file(file)?;
            }
        }
        File::open(store)?.sync_all()?;
        fs::rename(&compacted, &moving)?;
        File::open(store)?.sync_all()?;
    }
    if moving.symlink_metadata().is_ok() {
        for file in fs::read_dir(&moving)? {
            let name = file?.file_name();
            fs::rename(moving.join(&name), store.join(&name))?;
        }
        File::open(store)?.sync_all()?;
        fs::remove_dir(&moving)?;
        File::open(store)?.sync_all()?;
    }
    Ok(())
}

/// Writes as much as an opening may need, and removes it.
pub(super) fn probe(store: &Path) -> io::Result<()> {
    let mut length = SPARE;
    for file in files_of_sled(store)? {
        length += store.join(file).symlink_metadata()?.len();
    }
    let path = store.join(PROBE);
    let probed = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| {
            match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length) {
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
            file.write_all(&[0; 4096])?;
            file.sync_all()
        });
    let removed = fs::remove_file(&path);
    probed.and(removed)
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}
