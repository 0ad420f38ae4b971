//! A note in a file: written in its place for each group, and brought to the disk each second.
//!
//! What a group waits for is one write of 58 bytes into memory of the kernel, which outlives the process. The
//! disk has it a second later, by a thread that nobody waits for: only a crash of the machine can
//! leave an earlier note, one that is at most so much behind.
//!
//! This room must never leave half a note: a write of so few bytes into one sector is whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fs::OFlags;

use super::EpochPlace;

/// How far the disk may be behind.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A file that holds a note.
#[derive(Debug)]
pub struct EpochFile {
    path: PathBuf,
    open: Arc<Open>,
    /// Taken out by `drop` alone.
    syncing: Mutex<Option<Syncing>>,
}

#[derive(Debug, Default)]
struct Open {
    file: Mutex<Option<File>>,
    /// Whether something was written that the disk may not have.
    is_ahead: AtomicBool,
}

#[derive(Debug)]
struct Syncing {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl EpochFile {
    /// The file at this path. Nothing is opened or made yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            open: Arc::default(),
            syncing: Mutex::default(),
        }
    }

    fn opened(&self, options: &mut OpenOptions) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = options
            .custom_flags(flags.bits().cast_signed())
            .open(&self.path)?;
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::other("it is no file"))
        }
    }

    /// A name that nothing else has: it begins with the whole name of the note.
    fn in_the_making(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".lacre-new");
        name.into()
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    fn start_syncing(&self) -> io::Result<()> {
        let mut syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if syncing.is_some() {
            return Ok(());
        }
        let (stop, stopped) = channel::<()>();
        let open = Arc::clone(&self.open);
        let thread = thread::Builder::new()
            .name("lacre-epoch".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(SYNC_EVERY) == Err(RecvTimeoutError::Timeout) {
                    open.sync();
                }
                open.sync();
            })?;
        *syncing = Some(Syncing { stop, thread });
        Ok(())
    }
}

impl Open {
    fn sync(&self) {
        if !self.is_ahead.swap(false, Ordering::Relaxed) {
            return;
        }
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Not under the lock: a write must not wait for the disk.
        let Some(Ok(file)) = file.as_ref().map(File::try_clone) else {
            return;
        };
        if let Err(error) = file.sync_data() {
            self.is_ahead.store(true, Ordering::Relaxed);
            log::warn!("the epoch file could not be brought to the disk: {error}");
        }
    }
}

impl EpochPlace for EpochFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match self.opened(OpenOptions::new().read(true)) {
            Ok(file) => {
                let mut note = Vec::new();
                file.take(4096).read_to_end(&mut note)?;
                Ok(Some(note))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn begin(&self, note: &[u8]) -> io::Result<()> {
        let new = self.in_the_making();
        let _ = std::fs::remove_file(&new);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(note)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        File::open(self.folder())?.sync_all()?;
        *self
            .open
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(file);
        self.start_syncing()
    }

    fn write(&self, note: &[u8]) -> io::Result<()> {
        let mut open = self
            .open
            .file
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if open.is_none() {
            match self.opened(OpenOptions::new().write(true)) {
                Ok(file) => *open = Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            self.start_syncing()?;
        }
        // Who removes the file while it is in use would find out at the next start alone. It was there at this one.
        let is_there = |file: &File| Ok::<_, io::Error>(file.metadata()?.nlink() > 0);
        let there = open.as_ref().map(is_there).transpose()?;
        let Some(file) = open.as_ref().filter(|_| there == Some(true)) else {
            *open = None;
            drop(open);
            log::warn!("{} was removed, and is made again", self.path.display());
            return self.begin(note);
        };
        file.write_all_at(note, 0)?;
        self.open.is_ahead.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Brings the last note to the disk.
impl Drop for EpochFile {
    fn drop(&mut self) {
        let syncing = self.syncing.get_mut();
        let syncing = syncing.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Syncing { stop, thread }) = syncing {
            drop(stop);
            // Its panic is in the log.
            let _ = thread.join();
        }
    }
}
