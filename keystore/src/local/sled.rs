//! A store on disk: sled 0.34, and what it takes to rely on it.
//!
//! Three of sled's ways shape this file. Its `flush` ends in `sync_file_range`, which leaves the
//! file's size and the disk's own cache alone, so a `fdatasync` follows. It can panic on files
//! that aren't what it wrote, so every call is guarded and the first panic closes the engine for
//! good. It touches the folder before it finds it locked, and a lock it held may outlive its
//! handle for a moment, so the folder has a lock file of ours that is taken first.
//!
//! How several changes are made as one without sled's own ways is told in `redo`.
//!
//! This room must never call `flush_async` (it deadlocks), `apply_batch` or `transaction` (the
//! first of them puts one lock on every later operation), and never write from two threads.

mod check;
pub(crate) mod digest;
mod mark;
mod plan;
mod redo;
mod trial;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use super::engine::{Change, Engine};
use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange};
use crate::note::{Note, NotePlace, SealedNote};
use digest::{Digest, DigestKey, Tally};
use mark::Mark;
use rustix::fs::OFlags;
use trial::{LOCK_PAUSE, LOCK_TRIES, NoTrial, Trial, set_aside, was_finished};

/// The tree that holds the records.
const RECORDS: &str = "records";

/// The tree that holds the number of the last group of changes, that of its last change with it; the
/// digest; plans; the note of a removal of everything.
const STATE: &str = "state";
const GROUP: &str = "group";
const DIGEST: &str = "digest";

/// How far the notes are written down elsewhere, in the state tree.
const HEAD: &str = "head";

/// The tree that holds the notes of records that have gone.
const NOTES: &str = "ends";

/// How a sled store is opened.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// The bytes of pages that are kept in memory.
    pub cache_capacity: u64,
    /// The key of the digest: the same at each opening.
    pub digest_key: DigestKey,
}

impl Default for SledOptions {
    /// 64 MiB of cache; sled's own default is 1 GiB. A key that everybody knows.
    fn default() -> Self {
        Self {
            cache_capacity: 64 << 20,
            digest_key: DigestKey::public(),
        }
    }
}

/// An engine that keeps its records in a folder, for one process at a time.
pub struct SledEngine {
    /// Taken out by `drop` alone.
    store: Option<Store>,
    /// sled's database file once more, to sync it.
    database: File,
    /// Where each durable group is noted.
    mark: Mark,
    /// The number of the last durable group.
    group: AtomicU64,
    /// Why nothing is asked of sled any more, once it has panicked.
    broken: OnceLock<KeystoreError>,
    /// Held until the engine is gone; dropped last, as it stands last.
    _lock: File,
}

struct Store {
    records: sled::Tree,
    state: sled::Tree,
    notes: sled::Tree,
    db: sled::Db,
    /// Changed by the one thread that writes.
    digest: Mutex<Digest>,
}

impl Store {
    fn digest(&self) -> MutexGuard<'_, Digest> {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SledEngine {
    /// Opens the store in this folder, which is made, for its owner alone, where it doesn't exist.
    ///
    /// [`KeystoreError::StoreHeld`] where someone has it open; nothing in the folder is touched
    /// then. [`KeystoreError::StoreCorrupt`] where its files aren't sled's, and where changes that
    /// were durable are missing from them: then ended sessions may be back, and the way out is to
    /// put the files of before back, or to move the folder away, which ends all.
    /// [`KeystoreError::StoreIncomplete`] where records are missing, or are what they were earlier, and
    /// [`KeystoreError::DigestForeign`] where the digest was made with another key. What is refused is
    /// left as it was, to the byte: it is tried on a copy first (`trial`). A batch, or a removal of everything, that a
    /// crash has cut off is done first.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, KeystoreError> {
        Self::open_with(folder, &SledOptions::default())
    }

    /// As [`open`](Self::open), with options.
    pub fn open_with(
        folder: impl AsRef<Path>,
        options: &SledOptions,
    ) -> Result<Self, KeystoreError> {
        let folder = folder.as_ref();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| io_error("make the folder", &error))?;
        let lock = lock(folder)?;
        let noted = Mark::noted(folder).map_err(|error| io_error("read the mark", &error))?;
        let found = try_on_copy(folder, options, noted)?;
        let store = open_sled(folder, options).map_err(|error| match error {
            KeystoreError::StoreHeld { .. } => held(folder),
            error => error,
        })?;
        let group = guarded(|| last_group(&store))?;
        nothing_missing(group.number, noted)?;
        let database = File::open(folder.join("db"))
            .and_then(|database| sync_all(folder, &database).map(|()| database))
            .map_err(|error| io_error("sync the new store", &error))?;
        // Only where the store is whole: the mark says that it was finished.
        let mark = Mark::open(folder)
            .and_then(|mark| File::open(folder)?.sync_all().map(|()| mark))
            .map_err(|error| io_error("open the mark", &error))?;
        let engine = Self {
            store: Some(store),
            database,
            mark,
            group: AtomicU64::new(group.number),
            broken: OnceLock::new(),
            _lock: lock,
        };
        // A group of its own: what is answered from now on rests on it.
        let redone = engine.ask(Store::redo)?;
        if engine.ask(|store| store.settle(found, group.changes))? || redone {
            engine.persist()?;
        }
        Ok(engine)
    }

    /// Runs one call of sled's, unless an earlier one panicked: after that its state can't be
    /// trusted.
    fn ask<T>(&self, call: impl FnOnce(&Store) -> sled::Result<T>) -> Result<T, KeystoreError> {
        if let Some(error) = self.broken.get() {
            return Err(error.clone());
        }
        let Some(store) = &self.store else {
            return Err(KeystoreError::unavailable("the store is closed"));
        };
        guarded(|| call(store)).inspect_err(|error| {
            if matches!(error, KeystoreError::StoreCorrupt { .. }) {
                let _ = self.broken.set(error.clone());
            }
        })
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &KeyBytes) -> Result<Option<Vec<u8>>, KeystoreError> {
        let value = self.ask(|store| store.records.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(KeyBytes, Vec<u8>)>, KeystoreError> {
        let entries = self.ask(|store| {
            store
                .records
                .range(range.first()..=range.last())
                .take(limit)
                .collect::<sled::Result<Vec<_>>>()
        })?;
        entries
            .into_iter()
            .map(|(key, value)| {
                let key = KeyBytes::try_from(key.as_ref())
                    .map_err(|_| KeystoreError::corrupt("a key is not 32 bytes long"))?;
                Ok((key, value.to_vec()))
            })
            .collect()
    }

    fn count_up_to(&self, range: &KeyRange, most: usize) -> Result<usize, KeystoreError> {
        self.ask(|store| {
            let keys = store.records.range(range.first()..=range.last()).keys();
            keys.take(most)
                .try_fold(0, |count, key| key.map(|_| count + 1))
        })
    }

    fn count(&self) -> Result<u64, KeystoreError> {
        self.ask(|store| {
            store
                .records
                .iter()
                .keys()
                .try_fold(0, |count, key| key.map(|_| count + 1))
        })
    }

    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError> {
        self.ask(|store| store.apply(changes))
    }

    fn note_emptying(&self, under_way: bool, note: Option<&Note>) -> Result<(), KeystoreError> {
        self.ask(|store| store.note_emptying(under_way, note))
    }

    fn keep_note(
        &self,
        key: &KeyBytes,
        note: &Note,
        removed: &[u8],
    ) -> Result<Option<NotePlace>, KeystoreError> {
        self.ask(|store| store.keep_note(key, note, removed).map(Some))
    }

    fn drop_note(&self, place: &NotePlace) -> Result<(), KeystoreError> {
        self.ask(|store| store.notes.remove(place.as_bytes()).map(drop))
    }

    fn replace_note(&self, note: &SealedNote, sealed: &[u8]) -> Result<bool, KeystoreError> {
        self.ask(|store| {
            let place = note.place.as_bytes();
            let swap = store.notes.compare_and_swap(
                place,
                Some(note.value()),
                Some(note.value_with(sealed)),
            );
            swap.map(|made| made.is_ok())
        })
    }

    fn count_notes(&self) -> Result<u64, KeystoreError> {
        self.ask(|store| {
            let mut keys = store.notes.iter().keys();
            keys.try_fold(0, |count, key| key.map(|_| count + 1))
        })
    }

    fn notes(
        &self,
        after: Option<&NotePlace>,
        limit: usize,
    ) -> Result<Vec<SealedNote>, KeystoreError> {
        let from = after.map_or(Bound::Unbounded, |place| Bound::Excluded(place.as_bytes()));
        let found = self.ask(|store| {
            let range = store.notes.range::<&[u8], _>((from, Bound::Unbounded));
            range.take(limit).collect::<sled::Result<Vec<_>>>()
        })?;
        let named = found.into_iter().map(|(place, sealed)| {
            let place = NotePlace::from_bytes(&place).ok_or_else(|| {
                KeystoreError::corrupt("the place of a note is not 48 bytes long")
            })?;
            SealedNote::from_value(place, &sealed)
                .ok_or_else(|| KeystoreError::corrupt("a note is shorter than a hash"))
        });
        named.collect()
    }

    fn last_note(&self) -> Result<Option<NotePlace>, KeystoreError> {
        let last = self.ask(|store| store.notes.last())?;
        Ok(last.and_then(|(place, _)| NotePlace::from_bytes(&place)))
    }

    fn keep_head(&self, head: &[u8]) -> Result<(), KeystoreError> {
        self.ask(|store| store.state.insert(HEAD, head).map(drop))
    }

    fn head(&self) -> Result<Option<Vec<u8>>, KeystoreError> {
        let head = self.ask(|store| store.state.get(HEAD))?;
        Ok(head.map(|head| head.to_vec()))
    }

    fn persist(&self) -> Result<(), KeystoreError> {
        let group = self.group.load(Ordering::Relaxed) + 1;
        self.ask(|store| {
            let changes = store.digest().number();
            let value = [group.to_be_bytes(), changes.to_be_bytes()].concat();
            store.state.insert(GROUP, value)?;
            store.db.flush()
        })?;
        self.database
            .sync_data()
            .and_then(|()| self.mark.note(group))
            .map_err(|error| io_error("sync the store", &error))?;
        self.group.store(group, Ordering::Relaxed);
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        self.ask(|store| store.db.size_on_disk())
    }
}

/// sled flushes as its last handle goes, and panics where it can't; nothing waits for that flush,
/// because everything that was promised has been persisted before.
impl Drop for SledEngine {
    fn drop(&mut self) {
        let store = self.store.take();
        if catch_unwind(AssertUnwindSafe(move || drop(store))).is_err() {
            log::error!("the store could not be closed in good order");
        }
    }
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

/// Opens a copy of the store and reads all of it, so that nothing that has to be refused is opened
/// itself: opening is where sled writes. Returns what the store holds once a crash's rest is done.
fn try_on_copy(
    folder: &Path,
    options: &SledOptions,
    noted: Option<u64>,
) -> Result<Tally, KeystoreError> {
    let copy = match Trial::of(folder) {
        Ok(copy) => copy,
        // Without a file of sled's nothing may have been noted as durable either.
        Err(NoTrial::Empty) => return nothing_missing(0, noted).map(|()| Tally::default()),
        Err(NoTrial::Held) => return Err(held(folder)),
        Err(NoTrial::Failed(error)) => {
            return Err(io_error(
                "copy the store, which is checked before it is opened and needs its size in room",
                &error,
            ));
        }
    };
    match read_all(&copy, options) {
        // A first start that was killed leaves files of sled's that it didn't write to their end. Nothing
        // was promised before the mark was there; they are kept all the same.
        Err(KeystoreError::StoreCorrupt { .. }) if !was_finished(folder) => {
            log::warn!("a store that was never finished is set aside, and another one is made");
            set_aside(folder).map_err(|error| io_error("set the files aside", &error))?;
            Ok(Tally::default())
        }
        read => {
            let (group, found) = read?;
            nothing_missing(group.number, noted)?;
            found
        }
    }
}

/// The last group of a copy of which everything can be read, and what it holds once what a crash left
/// undone is done, if nothing is missing.
#[allow(clippy::type_complexity)] // what can't be read differs from what is missing
fn read_all(
    copy: &Trial,
    options: &SledOptions,
) -> Result<(Group, Result<Tally, KeystoreError>), KeystoreError> {
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
        let found = checked.and_then(|(found, entry)| match entry {
            Some(entry) => entry.check(found, group.changes).map(|()| found),
            None => Ok(found),
        });
        (group, found)
    });
    // A copy that is thrown away may go as it likes.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(store)));
    copy.wait_until_let_go();
    read
}

/// Refuses a store that ends with an earlier group than was durable, or of which that is unknown.
fn nothing_missing(group: u64, noted: Option<u64>) -> Result<(), KeystoreError> {
    if noted.is_none() && group > 0 {
        return Err(KeystoreError::corrupt(
            "its file `mark` is missing, so that nobody can tell whether changes are missing as well",
        ));
    }
    let noted = noted.unwrap_or(0);
    if group < noted {
        return Err(KeystoreError::corrupt(format!(
            "it ends with change group {group}, but group {noted} was durable"
        )));
    }
    Ok(())
}

/// Opens sled in a folder whose lock is ours. sled's own lock can be held nevertheless: by an
/// earlier engine of this process whose last background task hasn't gone yet, for a moment, or by
/// a foreign program, for good.
fn open_sled(folder: &Path, options: &SledOptions) -> Result<Store, KeystoreError> {
    let mut digest = Digest::new(options.digest_key.clone())?;
    let (records, state, notes, db) = guarded(|| open_trees(folder, options))?;
    if let Some(entry) = guarded(|| state.get(DIGEST))? {
        let entry = digest.read(&entry).ok_or(KeystoreError::DigestForeign)?;
        digest.take_up(entry.number, entry.after);
    }
    Ok(Store {
        records,
        state,
        notes,
        db,
        digest: Mutex::new(digest),
    })
}

type Trees = (sled::Tree, sled::Tree, sled::Tree, sled::Db);

fn open_trees(folder: &Path, options: &SledOptions) -> sled::Result<Trees> {
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

/// The last group of changes that is in a database.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Its number; 0 in a new database.
    number: u64,
    /// The number of its last change; 0 where no digest was kept yet.
    changes: u64,
}

fn last_group(store: &Store) -> sled::Result<Group> {
    let Some(value) = store.state.get(GROUP)? else {
        return Ok(Group::default());
    };
    let (words, rest) = value.as_chunks::<8>();
    let [number, changes] = match (words, rest) {
        // Of a version that kept no digest.
        ([number], []) => [u64::from_be_bytes(*number), 0],
        ([number, changes], []) => [number, changes].map(|word| u64::from_be_bytes(*word)),
        _ => {
            return Err(sled::Error::Unsupported(
                "the number of its last change group is not a number".to_owned(),
            ));
        }
    };
    Ok(Group { number, changes })
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

/// Runs sled's code and turns its errors, panics among them, into ours.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, KeystoreError> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| KeystoreError::corrupt("sled panicked"))?
        .map_err(|error| match error {
            sled::Error::Io(_) if is_lock(&error) => KeystoreError::StoreHeld {
                path: error.to_string().into(),
            },
            sled::Error::Io(error) => io_error("use the store", &error),
            // Its own text has an offset that is always empty.
            sled::Error::Corruption { .. } => {
                KeystoreError::corrupt("a file of it is not as sled wrote it")
            }
            error => KeystoreError::corrupt(error.to_string()),
        })
}

/// Whether sled says that its database file is locked. It has no better way to say it.
fn is_lock(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error)
        if error.to_string().starts_with("could not acquire lock"))
}

fn held(folder: &Path) -> KeystoreError {
    KeystoreError::StoreHeld {
        path: folder.display().to_string().into(),
    }
}

fn io_error(task: &str, error: &io::Error) -> KeystoreError {
    KeystoreError::unavailable(format!("could not {task}: {error}"))
}
