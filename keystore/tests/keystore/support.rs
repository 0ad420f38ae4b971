//! What the tests share: keys, records and keystores to try.

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lacre_keystore::{
    Engine, Keystore, KeystoreError, LocalStore, MasterKey, MasterKeyRing, MemoryEngine,
    PrivateScalar, Record, RecordKey, SessionId, SledEngine, Stored, Swap, UserTag,
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

pub(crate) fn ring() -> MasterKeyRing {
    MasterKeyRing::new(MasterKey::from_bytes(1, [1; 32]))
}

pub(crate) fn keystore_on(engine: impl Engine) -> Keystore {
    Keystore::open(LocalStore::open(engine).unwrap(), ring(), SysRng).unwrap()
}

pub(crate) fn user(number: u8) -> UserTag {
    UserTag::from_bytes([number; 16])
}

pub(crate) fn key(user_number: u8, session: u64) -> RecordKey {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&session.to_be_bytes());
    RecordKey::new(user(user_number), SessionId::from_bytes(id))
}

/// A record that is told from others by its generation, and expires at 2000.
pub(crate) fn record(generation: u64) -> Record {
    Record {
        private_scalar: PrivateScalar::new([7; 32]),
        user_id: "alice".to_owned(),
        created_at: 1_000,
        authenticated_at: 1_000,
        expires_at: 2_000,
        ends_at: 9_000,
        last_seen_at: 1_000,
        generation,
        rotated_at: 1_000,
        access_ended: false,
        label: None,
        address: Some("192.0.2.1".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0)".to_owned()),
        client_id: None,
    }
}

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
