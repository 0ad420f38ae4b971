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

pub(crate) mod accepting;
mod check;
mod copying;
pub(crate) mod digest;
mod found;
mod mark;
mod opening;
mod plan;
mod reading;
mod redo;
mod swap;
mod trial;

use std::fs::{DirBuilder, File};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, TryLockError};

use super::engine::{Change, Engine};
use super::epoch::{Epoch, Keeper, Line};
use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange};
use crate::note::{Note, NotePlace, SealedNote};
use crate::store::Checked;
use digest::{Digest, DigestKey};
use mark::Mark;

/// The tree that holds the records.
const RECORDS: &str = "records";

/// The tree that holds the number of the last group of changes, that of its last change with it; the
/// digest; plans; the note of a removal of everything.
const STATE: &str = "state";
const GROUP: &str = "group";

/// The name of the line that is noted outside of the folder, in the state tree.
const LINE: &str = "line";
const DIGEST: &str = "digest";

/// How far the notes are written down elsewhere, in the state tree.
const HEAD: &str = "head";

/// What is added to sled's own numbers of notes, where the store was compacted, in the state tree.
const BASE: &str = "base";

/// The tree that holds the notes of records that have gone.
const NOTES: &str = "ends";

/// How a sled store is opened.
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// The bytes of pages that are kept in memory.
    pub cache_capacity: u64,
    /// The key of the digest: the same at each opening.
    pub digest_key: DigestKey,
    /// Where it is noted how far the store has come.
    pub epoch: Epoch,
}

impl Default for SledOptions {
    /// 64 MiB of cache; sled's own default is 1 GiB. A key that everybody knows. Noted nowhere.
    fn default() -> Self {
        Self {
            cache_capacity: 64 << 20,
            digest_key: DigestKey::public(),
            epoch: Epoch::Nowhere,
        }
    }
}

/// An engine that keeps its records in a folder, for one process at a time.
pub struct SledEngine {
    /// The store, or why there is none at the moment. Held for writing only while it is opened anew.
    opened: RwLock<Result<Opened, KeystoreError>>,
    folder: PathBuf,
    options: SledOptions,
    /// Held until the engine is gone; dropped last, as it stands last.
    _lock: File,
}

/// A store that is open.
struct Opened {
    /// Taken out by `drop` alone.
    store: Option<Store>,
    /// sled's database file once more, to sync it.
    database: File,
    /// Where each durable group is noted.
    mark: Mark,
    /// The same outside of the folder, where that is wanted.
    keeper: Option<Keeper>,
    /// The number of the last durable group.
    group: AtomicU64,
    /// Why nothing is asked of sled any more, once it has panicked.
    broken: OnceLock<KeystoreError>,
}

struct Store {
    records: sled::Tree,
    state: sled::Tree,
    notes: sled::Tree,
    db: sled::Db,
    /// Changed by the one thread that writes.
    digest: Mutex<Digest>,
    /// The number of the last note.
    number: AtomicU64,
    /// What sled's own numbers are added to.
    base: u64,
}

impl Store {
    /// A number that no note has, and that is greater than those of before, also of notes that are forgotten:
    /// whoever writes them down goes by it. sled's own numbers begin anew in a compacted store.
    fn next_number(&self) -> sled::Result<u64> {
        let last = self.number.load(Ordering::Relaxed);
        let own = self.base.saturating_add(self.db.generate_id()?);
        let next = own.max(last.saturating_add(1));
        self.number.store(next, Ordering::Relaxed);
        Ok(next)
    }

    /// The line that the store is of, where it is noted outside.
    fn line(&self) -> sled::Result<Option<Line>> {
        let damaged = |_| sled::Error::Unsupported("the name of its line isn't one".to_owned());
        let line = self.state.get(LINE)?;
        line.map(|line| Line::try_from(line.as_ref()).map_err(damaged))
            .transpose()
    }

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
    /// [`KeystoreError::DigestForeign`] where the digest was made with another key.
    /// [`KeystoreError::StoreOlder`] where it is behind what is noted outside of the folder, and
    /// [`KeystoreError::EpochMissing`], [`KeystoreError::EpochForeign`] and [`KeystoreError::EpochUnset`] where that can't be
    /// told: [`accept`](Self::accept) is the way on. What is refused is
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
        let lock = Opened::lock(folder)?;
        Ok(Self {
            opened: RwLock::new(Ok(Opened::open(folder, options)?)),
            folder: folder.to_owned(),
            options: options.clone(),
            _lock: lock,
        })
    }

    /// Runs one call of sled's. It never waits: where the store is being opened anew it fails.
    fn ask<T>(&self, call: impl FnOnce(&Store) -> sled::Result<T>) -> Result<T, KeystoreError> {
        self.with(|opened| opened.ask(call))
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, KeystoreError>,
    ) -> Result<T, KeystoreError> {
        let opened = match self.opened.try_read() {
            Ok(opened) => opened,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(opening_anew()),
        };
        work(opened.as_ref().map_err(Clone::clone)?)
    }
}

fn opening_anew() -> KeystoreError {
    KeystoreError::unavailable("the store is being opened anew")
}

impl Opened {
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

    /// Fails where somebody has removed the file that is written: what goes into it is lost with this process.
    fn is_there(&self) -> io::Result<()> {
        match self.database.metadata()?.nlink() {
            0 => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "its file was removed",
            )),
            _ => Ok(()),
        }
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
            .and_then(|()| self.is_there())
            .and_then(|()| self.mark.note(group))
            .map_err(|error| io_error("sync the store", &error))?;
        // The last: what is noted there is durable here.
        if let Some(keeper) = &self.keeper {
            keeper.keep(group)?;
        }
        self.group.store(group, Ordering::Relaxed);
        Ok(())
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
        // The digest counts them: at the opening it was compared with what is there.
        self.ask(|store| Ok(store.digest().tally().records))
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

    fn check(&self, begin: bool, limit: usize) -> Result<Checked, KeystoreError> {
        self.ask(|store| store.check(begin, limit))
    }

    fn persist(&self) -> Result<(), KeystoreError> {
        self.with(Opened::persist)
    }

    fn size_on_disk(&self) -> Result<u64, KeystoreError> {
        self.ask(|store| store.db.size_on_disk())
    }

    fn may_reopen(&self) -> Result<(), KeystoreError> {
        swap::probe(&self.folder)
            .map_err(|error| io_error("write as much as an opening needs", &error))
    }

    fn reopen(&self) -> Result<(), KeystoreError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        drop(std::mem::replace(&mut *opened, Err(opening_anew())));
        trial::wait_until_let_go(&self.folder);
        *opened = Opened::open(&self.folder, &self.options);
        opened.as_ref().map(drop).map_err(Clone::clone)
    }

    fn compact(&self, progress: &dyn Fn(u64, u64)) -> Result<bool, KeystoreError> {
        let folder =
            swap::room(&self.folder).map_err(|error| io_error("make room for a copy", &error))?;
        self.with(|opened| {
            let into = Store::open(&folder, &self.options)?;
            let copied = opened.ask(|store| store.copy_into(&into, progress));
            let _ = catch_unwind(AssertUnwindSafe(move || drop(into)));
            trial::wait_until_let_go(&folder);
            copied
        })?;
        swap::commit(&self.folder).map_err(|error| io_error("make the copy durable", &error))?;
        Ok(true)
    }
}

/// sled flushes as its last handle goes, and panics where it can't; nothing waits for that flush,
/// because everything that was promised has been persisted before.
impl Drop for Opened {
    fn drop(&mut self) {
        let store = self.store.take();
        if catch_unwind(AssertUnwindSafe(move || drop(store))).is_err() {
            log::error!("the store could not be closed in good order");
        }
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

fn io_error(task: &str, error: &io::Error) -> KeystoreError {
    KeystoreError::unavailable(format!("could not {task}: {error}"))
}
