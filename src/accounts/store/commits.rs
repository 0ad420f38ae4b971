//! Whether anything was committed to a database of `SQLite` since a moment, told without a question to it.
//!
//! In WAL mode all connections of all processes share the index of the log, a file beside the database whose
//! header each commit changes before it is answered, and by which `SQLite` itself tells whether the pages that it
//! keeps are still so (<https://www.sqlite.org/walformat.html>, section 2.1). So whoever commits is seen: this
//! process, another one, an operator's shell ([0062](../../../docs/decisions/0062-remembered-rows.md)).
//!
//! This room must never say that nothing was committed where it isn't sure.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::fstatfs;

use super::file::DatabaseFile;

/// Bytes of the header, which stands there twice: a commit writes the second first.
const HEADER: usize = 48;

/// The byte of the header that is 1 once it says something.
const IS_INIT: usize = 12;

/// Where a file is read as it is mapped, by the numbers that Linux gives to file systems: ext4, XFS, Btrfs, tmpfs,
/// F2FS, overlayfs. Elsewhere, on shares of a host for example, what is read may be behind.
const COHERENT: [u64; 6] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0xf2f5_2010,
    0x794c_7630,
];

/// What the database was like. Two that are equal had no commit between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment([u8; HEADER]);

/// The index of the log of a database.
#[derive(Debug)]
pub(super) struct Commits {
    /// Never closed. A process that closes a file loses all its locks on it, those of `SQLite`'s connections
    /// among them (POSIX, fcntl).
    index: ManuallyDrop<File>,
    over: AtomicBool,
}

impl Commits {
    /// Of the database at this path; `None` where commits can't be told.
    ///
    /// It has to be in WAL mode, and a connection to it has to stay open that has read from it: as long as there is one,
    /// the index stays the same file, and no process can do without it.
    pub(super) fn of(database: &Path) -> Option<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-shm");
        let path = PathBuf::from(path);
        if !cfg!(target_os = "linux") {
            return None;
        }
        let index = ManuallyDrop::new(File::open(&path).ok()?);
        let (named, about) = (DatabaseFile::at(&path).ok()?, index.metadata().ok()?);
        let kind = fstatfs(&*index).ok()?.f_type;
        let coherent = u64::try_from(kind).is_ok_and(|kind| COHERENT.contains(&kind));
        (coherent && named.is(&about)).then_some(Self {
            index,
            over: AtomicBool::new(false),
        })
    }

    /// The database as it is now; `None` where that can't be told, since a commit is just being made for
    /// example.
    pub(super) fn now(&self) -> Option<Moment> {
        let mut both = [0; 2 * HEADER];
        self.index.read_exact_at(&mut both, 0).ok()?;
        // Asked after the reading, so that it was so at the reading: a file that somebody has removed is not the one
        // that others go by.
        let is_there = self.index.metadata().ok()?.nlink() == 1;
        let (first, second) = both.split_at(HEADER);
        let over = self.over.load(Ordering::SeqCst);
        let told = is_there && first == second && first[IS_INIT] == 1 && !over;
        let header = first.try_into().ok()?;
        told.then_some(Moment(header))
    }

    /// Tells nothing any more: the connection is about to be closed.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AnyConnection, Connection as _, Executor as _};
    use std::collections::BTreeSet;
    use std::time::Duration;

    async fn connected(place: &Path, mode: &'static str) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite:{}?mode=rwc", place.display());
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        connection.execute(mode).await.unwrap();
        let table = "CREATE TABLE IF NOT EXISTS t (n INTEGER)";
        connection.execute(table).await.unwrap();
        connection
    }

    const WAL: &str = "PRAGMA journal_mode = WAL";

    #[tokio::test]
    async fn every_commit_makes_another_moment_and_nothing_else_does() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("a.sqlite");
        let mut keeping = connected(&place, WAL).await;
        let commits = Commits::of(&place).unwrap();
        let mut other = connected(&place, WAL).await;
        let mut seen = vec![commits.now().unwrap()];
        for turn in 0..300 {
            let writing = if turn % 2 == 0 {
                &mut keeping
            } else {
                &mut other
            };
            // Each writes what is there already, and some turns put the log back to its beginning.
            writing.execute("INSERT INTO t VALUES (1)").await.unwrap();
            let now = commits.now().unwrap();
            assert!(!seen.contains(&now), "{turn}");
            seen.push(now);
            other.fetch_all("SELECT * FROM t LIMIT 1").await.unwrap();
            assert_eq!(commits.now(), Some(now), "{turn}");
            if turn % 50 == 49 {
                keeping.execute("DELETE FROM t").await.unwrap();
                keeping
                    .fetch_all("PRAGMA wal_checkpoint(TRUNCATE)")
                    .await
                    .unwrap();
                seen.extend(commits.now());
            }
        }
        // What isn't committed is none.
        let now = commits.now();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        other.execute("INSERT INTO t VALUES (2)").await.unwrap();
        assert_eq!(commits.now(), now);
        other.execute("ROLLBACK").await.unwrap();
        assert_eq!(commits.now(), now);
        commits.end();
        assert_eq!(commits.now(), None);
    }

    #[tokio::test]
    async fn without_the_index_nothing_is_told() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("a.sqlite");
        assert!(Commits::of(&place).is_none());
        let journal = connected(&place, "PRAGMA journal_mode = DELETE").await;
        assert!(Commits::of(&place).is_none(), "no WAL mode");
        journal.close().await.unwrap();
        let keeping = connected(&place, WAL).await;
        let commits = Commits::of(&place).unwrap();
        assert!(commits.now().is_some());
        let index = home.path().join("a.sqlite-shm");
        let header = std::fs::read(&index).unwrap();
        std::fs::remove_file(&index).unwrap();
        assert_eq!(commits.now(), None);
        std::fs::write(&index, &header).unwrap();
        assert_eq!(commits.now(), None, "another file with the same bytes");
        drop(keeping);
    }

    /// A lock that `SQLite` has on the index is lost when its process closes the file anywhere.
    #[tokio::test]
    async fn no_lock_of_a_connection_is_lost_with_what_is_read() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("a.sqlite");
        let keeping = connected(&place, WAL).await;
        let index = home.path().join("a.sqlite-shm");
        let number = DatabaseFile::at(&index).unwrap();
        // The lock that a connection holds for as long as it is open is of this byte; those of others come and go.
        let is_kept = |line: &str| line.split_whitespace().nth(6) == Some("128");
        // The list is read in pieces, and where a lock of another process comes or goes meanwhile, one is left out or there
        // twice: beside many processes with locks, time and again.
        let locks = || {
            let seen = (0..2_000).map(|_| {
                let all = std::fs::read_to_string("/proc/locks").unwrap();
                let ours = all.lines().filter(|line| number.is_in(line));
                let kept = ours.filter(|line| is_kept(line));
                // Behind the place in the list.
                kept.filter_map(|line| line.split_once(": "))
                    .map(|(_, lock)| lock.to_owned())
                    .collect::<BTreeSet<_>>()
            });
            let mut found = seen.inspect(|_| std::thread::sleep(Duration::from_millis(1)));
            found.find(|locks| !locks.is_empty()).unwrap_or_default()
        };
        let before = locks();
        assert_eq!(before.len(), 1, "a connection holds one: {before:?}");
        let told = || Commits::of(&place).unwrap().now();
        assert!(told().is_some());
        assert_eq!(locks(), before);
        drop(keeping);
    }
}
