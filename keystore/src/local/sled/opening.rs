//! Opening a store in a folder that is ours: first it is read, or a copy tried, then it itself is opened.
//!
//! This room must never let sled open what it would have to refuse afterwards.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use rustix::fs::OFlags;

use super::digest::{Digest, Tally};
use super::found::{Found, Group, nothing_missing};
use super::mark::Mark;
use super::trial::{LOCK_PAUSE, LOCK_TRIES, NoTrial, Trial, set_aside, was_finished};
use super::{
    DIGEST, GROUP, LINE, NOTES, Opened, RECORDS, STATE, SledOptions, Store, guarded, io_error,
    is_lock, reading, swap, trial,
};
use crate::error::KeystoreError;
use crate::local::epoch::{GoOn, Keeper};
use crate::note::NotePlace;

impl Store {
    /// Opens sled in a folder that is ours.
    pub(super) fn open(folder: &Path, options: &SledOptions) -> Result<Self, KeystoreError> {
        open_sled(folder, options)
    }
}

impl Opened {
    /// Takes the folder's lock file, for this process alone, without waiting.
    pub(super) fn lock(folder: &Path) -> Result<File, KeystoreError> {
        lock(folder)
    }

    /// Opens the store in this folder, whose lock is ours.
    pub(super) fn open(folder: &Path, options: &SledOptions) -> Result<Self, KeystoreError> {
        swap::finish(folder)
            .map_err(|error| io_error("put the compacted store in place", &error))?;
        let noted = Mark::noted(folder).map_err(|error| io_error("read the mark", &error))?;
        let (found, read) = look(folder, options, noted)?;
        let (store, database) = open_itself(folder, options)?;
        if let Some(pages) = read {
            agrees(folder, &store, &pages, found.tally)?;
        }
        let group = guarded(|| last_group(&store))?;
        nothing_missing(group.number, noted)?;
        let opened = Self::take(folder, (store, database), group.number)?;
        // A group of its own: what is answered from now on rests on it.
        let redone = opened.ask(Store::redo)?;
        let settled = opened.ask(|store| store.settle(found.tally, group.changes))?;
        let (opened, begun) = opened.go_on(options, found.go_on)?;
        if settled || redone || begun {
            opened.persist()?;
        }
        Ok(opened)
    }

    /// What is open now, with its mark. Only where the store is whole, or is taken as it is: the mark says
    /// that it was finished.
    pub(super) fn take(
        folder: &Path,
        (store, database): (Store, File),
        group: u64,
    ) -> Result<Self, KeystoreError> {
        let mark = Mark::open(folder)
            .and_then(|mark| File::open(folder)?.sync_all().map(|()| mark))
            .map_err(|error| io_error("open the mark", &error))?;
        Ok(Self {
            store: Some(store),
            database,
            mark,
            keeper: None,
            group: AtomicU64::new(group),
            broken: OnceLock::new(),
        })
    }

    /// Has each group noted from now on as it was judged; says whether one has to be made durable for it.
    pub(super) fn go_on(
        mut self,
        options: &SledOptions,
        go_on: GoOn,
    ) -> Result<(Self, bool), KeystoreError> {
        self.keeper = Keeper::of(&options.epoch, go_on, &options.digest_key);
        let group = self.group.load(Ordering::Relaxed);
        match (go_on, &self.keeper) {
            (GoOn::Begin(_), Some(keeper)) => {
                keeper.begin(group)?;
                self.ask(|store| store.state.insert(LINE, keeper.line()).map(drop))?;
            }
            (GoOn::Take(_), Some(keeper)) => {
                self.ask(|store| store.state.insert(LINE, keeper.line()).map(drop))?;
            }
            (GoOn::Leave, _) => self.ask(|store| store.state.remove(LINE).map(drop))?,
            (GoOn::Apart | GoOn::On(_), _) | (_, None) => return Ok((self, false)),
        }
        Ok((self, true))
    }
}

/// Opens the store itself, whose files and names a crash of the machine leaves from then on.
pub(super) fn open_itself(
    folder: &Path,
    options: &SledOptions,
) -> Result<(Store, File), KeystoreError> {
    let store = open_sled(folder, options).map_err(|error| match error {
        KeystoreError::StoreHeld { .. } => held(folder),
        error => error,
    })?;
    let database = File::open(folder.join("db"))
        .and_then(|database| sync_all(folder, &database).map(|()| database))
        .map_err(|error| io_error("sync the new store", &error))?;
    Ok((store, database))
}

/// Takes the folder's lock file, for this process alone, without waiting.
fn lock(folder: &Path) -> Result<File, KeystoreError> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(folder.join("lock"))
        .map_err(|error| io_error("open the lock file", &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(held(folder)),
        Err(TryLockError::Error(error)) => Err(io_error("lock the folder", &error)),
    }
}

/// What the store holds once a crash's rest is done, which is told without opening it; and the pages of which
/// that was read, where no copy was opened for it.
pub(super) fn look(
    folder: &Path,
    options: &SledOptions,
    noted: Option<u64>,
) -> Result<(Found, Option<reading::Fingerprint>), KeystoreError> {
    trial::clear(folder).map_err(|error| io_error("remove an earlier copy", &error))?;
    match reading::read(folder, options, noted) {
        Some(read) => Ok((read.found, Some(read.pages))),
        None => Ok((try_on_copy(folder, options, noted)?, None)),
    }
}

/// Refuses a store that sled has opened otherwise than it was read.
fn agrees(
    folder: &Path,
    store: &Store,
    pages: &reading::Fingerprint,
    read: Tally,
) -> Result<(), KeystoreError> {
    if reading::is_of(folder, pages) {
        return Ok(());
    }
    log::warn!("sled came to other pages than were read; they are read once more");
    let found = guarded(|| store.tally())?;
    if found == read {
        return Ok(());
    }
    Err(KeystoreError::StoreIncomplete {
        expected: read.records,
        found: found.records,
    })
}

/// Opens a copy of the store and reads all of it, so that nothing that has to be refused is opened
/// itself: opening is where sled writes. Returns what the store holds once a crash's rest is done.
fn try_on_copy(
    folder: &Path,
    options: &SledOptions,
    noted: Option<u64>,
) -> Result<Found, KeystoreError> {
    let copy = match Trial::of(folder) {
        Ok(copy) => copy,
        // Without a file of sled's nothing may have been noted as durable either.
        Err(NoTrial::Empty) => {
            return nothing_missing(0, noted).and_then(|()| Found::nothing(options));
        }
        Err(no_trial) => return Err(not_tried(folder, no_trial)),
    };
    match read_all(&copy, options) {
        // A first start that was killed leaves files of sled's that it didn't write to their end. Nothing
        // was promised before the mark was there; they are kept all the same.
        Err(KeystoreError::StoreCorrupt { .. }) if !was_finished(folder) => {
            log::warn!("a store that was never finished is set aside, and another one is made");
            set_aside(folder).map_err(|error| io_error("set the files aside", &error))?;
            Found::nothing(options)
        }
        read => {
            let (group, found) = read?;
            nothing_missing(group.number, noted)?;
            found
        }
    }
}

/// Why a copy of the store could not be tried.
pub(super) fn not_tried(folder: &Path, why: NoTrial) -> KeystoreError {
    match why {
        NoTrial::Held => held(folder),
        NoTrial::Empty => KeystoreError::unavailable("there is no store"),
        NoTrial::Failed(error) => io_error(
            "copy the store, which is checked before it is opened and needs its size in room",
            &error,
        ),
    }
}

/// The last group of a copy of which everything can be read, and what it holds once what a crash left
/// undone is done, if nothing is missing and it is no earlier one.
#[allow(clippy::type_complexity)] // what can't be read differs from what is missing
fn read_all(
    copy: &Trial,
    options: &SledOptions,
) -> Result<(Group, Result<Found, KeystoreError>), KeystoreError> {
    let store = open_sled(copy.folder(), options)?;
    let read = guarded(|| {
        let group = last_group(&store)?;
        let mut rest = store.state.iter().chain(store.notes.iter());
        rest.try_for_each(|entry| entry.map(drop))?;
        Ok((group, store.tally()?))
    });
    let read = read.map(|(group, found)| {
        let checked = guarded(|| {
            let found = if store.redo()? { store.tally()? } else { found };
            Ok((found, store.last_entry(group.changes)?))
        });
        let found = checked.and_then(|(tally, entry)| {
            let line = guarded(|| store.line())?;
            Found::judged(group, tally, entry, line, options)
        });
        (group, found)
    });
    // A copy that is thrown away may go as it likes.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(store)));
    copy.wait_until_let_go();
    read
}

/// Opens sled in a folder whose lock is ours. sled's own lock can be held nevertheless: by an
/// earlier engine of this process whose last background task hasn't gone yet, for a moment, or by
/// a foreign program, for good.
pub(super) fn open_sled(folder: &Path, options: &SledOptions) -> Result<Store, KeystoreError> {
    let mut digest = Digest::new(options.digest_key.clone())?;
    let (records, state, notes, db) = guarded(|| open_trees(folder, options))?;
    if let Some(entry) = guarded(|| state.get(DIGEST))? {
        let entry = digest.read(&entry).ok_or(KeystoreError::DigestForeign)?;
        digest.take_up(entry.number, entry.after);
    }
    let base = guarded(|| state.get(super::BASE))?;
    let base = base.and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)));
    let last = guarded(|| notes.last())?;
    let last = last.and_then(|(place, _)| NotePlace::from_bytes(&place));
    Ok(Store {
        number: last.map_or(0, |place| place.number()).into(),
        base: base.unwrap_or(0),
        records,
        state,
        notes,
        db,
        digest: Mutex::new(digest),
    })
}

type Trees = (sled::Tree, sled::Tree, sled::Tree, sled::Db);

/// Removes what a kill has left of a snapshot that wasn't written to its end. sled writes one at an opening, beside
/// the one of before, and takes such a rest for the newest of them: it would find the store corrupt.
fn remove_cut_snapshots(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str);
        if name.is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn open_trees(folder: &Path, options: &SledOptions) -> sled::Result<Trees> {
    remove_cut_snapshots(folder)?;
    let mut tries = 0;
    let db = loop {
        tries += 1;
        match sled::Config::new()
            .path(folder)
            .cache_capacity(options.cache_capacity)
            // The committer flushes; a second flusher would only wake up for nothing.
            .flush_every_ms(None)
            .open()
        {
            Err(error) if is_lock(&error) && tries < LOCK_TRIES => thread::sleep(LOCK_PAUSE),
            outcome => break outcome?,
        }
    };
    let (records, state) = (db.open_tree(RECORDS)?, db.open_tree(STATE)?);
    let notes = db.open_tree(NOTES)?;
    db.flush()?;
    Ok((records, state, notes, db))
}

pub(super) fn last_group(store: &Store) -> sled::Result<Group> {
    Group::of(store.state.get(GROUP)?.as_deref())
}

/// Makes the files that sled has made, and their names, survive a crash of the machine.
fn sync_all(folder: &Path, database: &File) -> io::Result<()> {
    database.sync_all()?;
    File::open(folder.join("conf"))?.sync_all()?;
    File::open(folder)?.sync_all()?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

fn held(folder: &Path) -> KeystoreError {
    KeystoreError::StoreHeld {
        path: folder.display().to_string().into(),
    }
}
