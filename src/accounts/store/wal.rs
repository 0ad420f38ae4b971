//! Whether the write-ahead log of a `SQLite` database still has every commit that was answered.
//!
//! `SQLite` takes the first frame of the log whose checksum is wrong for its end. That is right after a power cut, and
//! drops commits where a file was damaged or lost. The index of the log, which lies beside it after a kill, says how
//! far the commits went: its header is written when the log is on the disk, so never ahead of it
//! (<https://www.sqlite.org/walformat.html>).
//!
//! This room must never write, and never refuse what a power cut leaves.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader};
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::super::error::AccountsError;

/// Bytes of the index's header, which stands there twice.
const INDEX_HEADER: usize = 48;
/// Where the index says how many frames are in the database already: behind both headers.
const CHECKPOINTED: usize = 2 * INDEX_HEADER;
const IS_INIT: usize = 12;
const LAST_FRAME: usize = 16;
const SALTS: usize = 32;

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The number that a log begins with. Its last bit says that the checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;

/// Fails where commits are missing that the index of the log knows of; `Ok` too where there is no index to
/// tell by.
///
/// A server may be at work on the database meanwhile.
pub(in super::super) fn has_all(database: &Path) -> Result<(), AccountsError> {
    let Some(known) = Known::at(&beside(database, "-shm")) else {
        return Ok(());
    };
    let found = match found(&beside(database, "-wal"), &known) {
        Ok(found) => found,
        Err(error) => {
            log::error!("the log of the accounts can't be read: {error}");
            return Err(AccountsError::AccountsUnavailable);
        }
    };
    let missing = match found {
        Found::Frames(frames) => frames < known.frames,
        // All of them are in the database: it was about to be closed.
        Found::NoLog => known.checkpointed < known.frames,
        Found::Newer => false,
    };
    // What was read of a log that somebody began anew in between says nothing.
    if missing && Known::at(&beside(database, "-shm")).as_ref() == Some(&known) {
        log::error!(
            "{}-wal lacks changes that were confirmed: {found:?} of {} frames",
            database.display(),
            known.frames
        );
        return Err(AccountsError::AccountsIncomplete);
    }
    Ok(())
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(database);
    path.push(ending);
    path.into()
}

/// What the index knows of the log.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    frames: u32,
    checkpointed: u32,
    salts: [u8; 8],
}

impl Known {
    /// `None` where there is no index, or it says nothing that can be relied on.
    fn at(path: &Path) -> Option<Self> {
        // Never closed. A process that closes a file loses all its locks on it, those of `SQLite`'s connections
        // among them (POSIX, fcntl).
        let index = ManuallyDrop::new(File::open(path).ok()?);
        let mut bytes = [0; CHECKPOINTED + 4];
        index.read_exact_at(&mut bytes, 0).ok()?;
        let (first, second) = bytes[..CHECKPOINTED].split_at(INDEX_HEADER);
        // This file is of the machine's own order of bytes.
        let number =
            |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
        let known = Self {
            frames: number(LAST_FRAME),
            checkpointed: number(CHECKPOINTED),
            salts: first[SALTS..SALTS + 8].try_into().ok()?,
        };
        (first == second && first[IS_INIT] == 1 && known.frames > 0).then_some(known)
    }
}

/// What the log has.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// So many frames one after the other, each with the checksum of all before it.
    Frames(u32),
    /// No log, or none that `SQLite` would take for one.
    NoLog,
    /// It was begun anew, and the index is of before.
    Newer,
}

fn found(path: &Path, known: &Known) -> io::Result<Found> {
    let mut log = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::NoLog),
        Err(error) => return Err(error),
    };
    let mut header = [0; LOG_HEADER];
    if !filled(&mut log, &mut header)? {
        return Ok(Found::NoLog);
    }
    let word = |at: usize| big_endian(&header[at..at + 4]);
    let (magic, page) = (word(0), word(8));
    let mut sum = Sum::of_words(magic & 1 == 1);
    sum.add(&header[..24]);
    let is_page = page.is_power_of_two() && (512..=65536).contains(&page);
    if magic & !1 != MAGIC || !is_page || !sum.is(&header[24..]) {
        return Ok(Found::NoLog);
    }
    if header[16..24] != known.salts {
        return Ok(Found::Newer);
    }
    let mut frame = vec![0; FRAME_HEADER + page as usize];
    for before in 0..known.frames {
        if !filled(&mut log, &mut frame)? {
            return Ok(Found::Frames(before));
        }
        sum.add(&frame[..8]);
        sum.add(&frame[FRAME_HEADER..]);
        if frame[8..16] != known.salts || !sum.is(&frame[16..FRAME_HEADER]) {
            return Ok(Found::Frames(before));
        }
    }
    Ok(Found::Frames(known.frames))
}

/// Whether there were as many bytes.
fn filled(log: &mut impl io::Read, bytes: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn big_endian(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap_or_default())
}

/// The checksum of a log, over all that it was given.
#[derive(Debug)]
struct Sum {
    of: [u32; 2],
    word: fn([u8; 4]) -> u32,
}

impl Sum {
    fn of_words(big_endian: bool) -> Self {
        let word = if big_endian {
            u32::from_be_bytes
        } else {
            u32::from_le_bytes
        };
        Self { of: [0; 2], word }
    }

    /// A multiple of eight bytes.
    fn add(&mut self, bytes: &[u8]) {
        let [mut first, mut second] = self.of;
        for [one, two] in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            first = first.wrapping_add((self.word)(*one)).wrapping_add(second);
            second = second.wrapping_add((self.word)(*two)).wrapping_add(first);
        }
        self.of = [first, second];
    }

    fn is(&self, bytes: &[u8]) -> bool {
        let [first, second] = self.of.map(u32::to_be_bytes);
        bytes == [first, second].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AnyConnection, Connection as _, Executor as _};
    use tempfile::TempDir;

    /// A database as a kill leaves it, with so many commits in its log.
    async fn killed(commits: usize, checkpoint: Option<&'static str>) -> TempDir {
        sqlx::any::install_default_drivers();
        let (live, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let url = format!("sqlite:{}?mode=rwc", live.path().join("db").display());
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        connection
            .execute("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)")
            .await
            .unwrap();
        for _ in 0..commits {
            let insert = "INSERT INTO t VALUES (random())";
            connection.execute(insert).await.unwrap();
        }
        if let Some(checkpoint) = checkpoint {
            connection.execute(checkpoint).await.unwrap();
        }
        for name in ["db", "db-wal", "db-shm"] {
            std::fs::copy(live.path().join(name), left.path().join(name)).unwrap();
        }
        connection.close().await.unwrap();
        left
    }

    fn look(left: &TempDir) -> Result<(), AccountsError> {
        has_all(&left.path().join("db"))
    }

    const LACKING: Result<(), AccountsError> = Err(AccountsError::AccountsIncomplete);

    #[tokio::test]
    async fn a_flipped_bit_anywhere_in_the_log_is_noticed() {
        let left = killed(3, None).await;
        assert_eq!(look(&left), Ok(()));
        let log = left.path().join("db-wal");
        let whole = std::fs::read(&log).unwrap();
        for place in (0..whole.len()).step_by(97).chain(0..LOG_HEADER) {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << (place % 8);
            std::fs::write(&log, flipped).unwrap();
            // Its salts are protected by its checksum, as all of the header is.
            assert_eq!(look(&left), LACKING, "byte {place}");
        }
        std::fs::write(&log, whole).unwrap();
        assert_eq!(look(&left), Ok(()));
    }

    #[tokio::test]
    async fn a_log_that_was_cut_off_or_lost_is_noticed() {
        let left = killed(3, None).await;
        let log = left.path().join("db-wal");
        let whole = std::fs::read(&log).unwrap();
        for length in [0, 31, 32, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&log, &whole[..length]).unwrap();
            assert_eq!(look(&left), LACKING, "{length} bytes");
        }
        std::fs::remove_file(&log).unwrap();
        assert_eq!(look(&left), LACKING);
    }

    #[tokio::test]
    async fn a_log_of_which_all_is_in_the_database_may_be_lost() {
        let left = killed(3, Some("PRAGMA wal_checkpoint(FULL)")).await;
        assert_eq!(look(&left), Ok(()));
        std::fs::remove_file(left.path().join("db-wal")).unwrap();
        assert_eq!(look(&left), Ok(()));
    }

    /// A part of it would be taken for newer than the database, and isn't.
    #[tokio::test]
    async fn a_damaged_log_is_noticed_even_where_all_of_it_is_in_the_database() {
        let left = killed(3, Some("PRAGMA wal_checkpoint(FULL)")).await;
        let log = left.path().join("db-wal");
        let mut bytes = std::fs::read(&log).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&log, bytes).unwrap();
        assert_eq!(look(&left), LACKING);
    }

    /// The index reaches the disk when it will; the log before each answer.
    #[tokio::test]
    async fn what_a_power_cut_leaves_is_taken() {
        let earlier = killed(2, None).await;
        let left = killed(5, Some("PRAGMA wal_checkpoint(RESTART)")).await;
        let index = left.path().join("db-shm");
        std::fs::copy(earlier.path().join("db-shm"), &index).unwrap();
        assert_eq!(look(&left), Ok(()), "an index of before the log began anew");
        let whole = std::fs::read(&index).unwrap();
        for length in [0, 47, 99] {
            std::fs::write(&index, &whole[..length]).unwrap();
            assert_eq!(look(&left), Ok(()), "{length} bytes of the index");
        }
        std::fs::remove_file(&index).unwrap();
        assert_eq!(look(&left), Ok(()), "no index");
        let torn = killed(3, None).await;
        let log = torn.path().join("db-wal");
        let mut bytes = std::fs::read(&log).unwrap();
        bytes.extend([7; 5000]);
        std::fs::write(&log, bytes).unwrap();
        assert_eq!(look(&torn), Ok(()), "the beginning of another commit");
    }

    #[tokio::test]
    async fn a_database_that_was_closed_or_never_made_lacks_nothing() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(look(&home), Ok(()));
        std::fs::write(home.path().join("db"), "").unwrap();
        assert_eq!(look(&home), Ok(()));
    }
}
