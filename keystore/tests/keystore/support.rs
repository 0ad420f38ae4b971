//! What the tests share: keys, records and keystores to try.

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) use lacre_keystore::conformance::samples::{key, record, ring, user};
use lacre_keystore::{
    Engine, Keystore, KeystoreError, LocalStore, MemoryEngine, RecordKey, SledEngine, Stored, Swap,
};
use rand::rngs::SysRng;
use tempfile::TempDir;

/// Where a test's keystore lives. The folder goes when the test ends.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Opens the store as a foreign program would, past the engine.
pub(crate) fn open_by_hand(home: &Home) -> sled::Db {
    until_let_go(home.path());
    sled::open(home.path()).unwrap()
}

/// Waits until no engine of this process holds the store any more: sled lets go of a closed one, and
/// writes to it for the last time, in a background task.
pub(crate) fn until_let_go(folder: &Path) {
    let Ok(database) = File::open(folder.join("db")) else {
        return;
    };
    let begun = Instant::now();
    while database.try_lock().is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "held for good");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// An engine of each kind.
pub(crate) trait Kind {
    /// Opens the engine that lives there.
    fn engine(home: &Home) -> impl Engine;
}

pub(crate) struct Memory;
pub(crate) struct Sled;

impl Kind for Memory {
    fn engine(_: &Home) -> impl Engine {
        MemoryEngine::new()
    }
}

impl Kind for Sled {
    fn engine(home: &Home) -> impl Engine {
        SledEngine::open(home.path()).unwrap()
    }
}

pub(crate) fn keystore_on(engine: impl Engine) -> Keystore {
    Keystore::open(LocalStore::open(engine).unwrap(), ring(), SysRng).unwrap()
}

/// Runs each named test on each engine.
macro_rules! on_every_engine {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<$crate::support::Memory>().await;
            })+
        }
        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test::<$crate::support::Sled>().await;
            })+
        }
    };
}
pub(crate) use on_every_engine;

/// The generation of the record of this name.
pub(crate) async fn generation(keystore: &Keystore, key: &RecordKey) -> Option<u64> {
    keystore
        .get(key)
        .await
        .unwrap()
        .map(|stored| stored.record.generation)
}

/// Swaps the version that was seen for a record of that generation.
pub(crate) async fn swap(
    keystore: &Keystore,
    key: &RecordKey,
    seen: &Stored,
    generation: u64,
) -> Result<Swap, KeystoreError> {
    let new = record(generation);
    keystore.compare_and_swap(key, seen, &new).await
}

/// Starts an ignored test of this program as a process of its own, which reads this line from its
/// standard input and is there to be killed.
pub(crate) fn child(test: &str, line: impl Display) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
    child
}

/// The answer of a local store's read, which is there without waiting: for threads without a
/// runtime.
pub(crate) fn at_once<T>(answer: impl Future<Output = T>) -> T {
    use futures_util::FutureExt as _;
    answer.now_or_never().expect("a local store reads at once")
}

/// The first of two, or the second in `make cluster`.
#[allow(clippy::disallowed_methods)] // the test's own switch
pub(crate) fn many<T>(quick: T, full: T) -> T {
    if std::env::var_os("LACRE_TEST_CLUSTER").is_some() {
        full
    } else {
        quick
    }
}
