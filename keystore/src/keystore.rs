//! The keystore itself: records by key, opened and sealed on the way.
//!
//! Reading is synchronous and goes straight to the engine; changing is asynchronous and goes
//! through the committer. What each promises is told in the crate's documentation.
//!
//! This room must never overwrite a record that the caller hasn't seen, and never report a change
//! that isn't durable.

mod copying;
mod decoy;
mod listing;
mod removal;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rand::TryCryptoRng;

use crate::codec;
use crate::committer::Committer;
use crate::engine::{Change, Engine, KeyRange};
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::master_key::MasterKeyRing;
use crate::record::Record;
use crate::stamps::{Stamp, Stamps};

use decoy::Decoy;

pub use copying::SealedPage;
pub use listing::{Page, Rewrap};

/// How many of the first records [`Keystore::verify_opens`] may try.
const TRIED_AT_START: usize = 16;

/// A store of session records. Cloning it is cheap; all clones are one keystore.
///
/// The store is released when the last clone is dropped.
#[derive(Clone)]
pub struct Keystore {
    inner: Arc<Inner>,
}

struct Inner {
    // Before the engine: it is dropped first, and its thread ends then.
    committer: Committer,
    ring: RwLock<Arc<MasterKeyRing>>,
    nonces: Mutex<NonceSource>,
    decoy: Decoy,
    stamps: Arc<Stamps>,
    engine: Arc<dyn Engine>,
}

type NonceSource = Box<dyn FnMut(&mut [u8]) -> Result<(), KeystoreError> + Send>;

/// A record as it was read, with the version that a change can be tied to.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Which state of the record this is.
    pub version: Version,
}

/// What [`Keystore::get_or_nobodys`] came back with.
#[derive(Clone, Debug)]
pub struct Sought {
    /// The record of the name, or nobody's.
    pub stored: Stored,
    /// Whether it is that of the name.
    pub is_there: bool,
}

/// One state of one record, told from every other state it ever had or will have: sealing draws a
/// new nonce each time, so even an equal record sealed again is another version.
pub struct Version {
    sealed: Vec<u8>,
    /// The [`Stamp`] of the read that last found this version.
    stamp: AtomicU64,
}

/// What [`Keystore::get_if_changed`] found.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // looked into at once, and never kept
pub enum Current {
    /// There is no record of this name.
    Gone,
    /// The record is the version that the caller has.
    Same,
    /// The record is another version.
    Changed(Stored),
}

impl Version {
    fn new(sealed: Vec<u8>, stamp: Stamp) -> Self {
        Self {
            sealed,
            stamp: AtomicU64::new(stamp.to_bits()),
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp::from_bits(self.stamp.load(Ordering::SeqCst))
    }

    /// How many bytes a version takes.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // none is empty
    pub fn len(&self) -> usize {
        self.sealed.len()
    }
}

impl Clone for Version {
    fn clone(&self) -> Self {
        Self::new(self.sealed.clone(), self.stamp())
    }
}

/// When a version was read doesn't make it another.
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.sealed == other.sealed
    }
}

impl Eq for Version {}

/// What became of [`Keystore::put_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a record that was not stored opens no token"]
pub enum PutOutcome {
    /// The record is stored, durably.
    Stored,
    /// There is a record of this name; it stays as it is.
    Taken,
}

/// What became of [`Keystore::compare_and_swap`] and [`Keystore::put_new_and_remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a swap that was lost changed nothing"]
pub enum Swap {
    /// The new record is stored, durably.
    Won,
    /// A record has changed or gone since it was read, or a name was taken; nothing was changed.
    Lost,
}

/// The size of the keystore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// How many records there are, expired ones that haven't been swept included.
    pub records: u64,
    /// The bytes that the store's files take; 0 in memory.
    pub bytes_on_disk: u64,
}

impl Keystore {
    /// Opens a keystore on an engine that nothing else writes to. Its records are counted once.
    ///
    /// `random` gives the nonces that records are sealed with: the operating system's
    /// `rand::rngs::SysRng` in a service, a seeded one in a test that wants the same bytes again.
    pub fn open(
        engine: impl Engine,
        ring: MasterKeyRing,
        mut random: impl TryCryptoRng + Send + 'static,
    ) -> Result<Self, KeystoreError> {
        let engine: Arc<dyn Engine> = Arc::new(engine);
        let mut nonces: NonceSource = Box::new(move |room| {
            random
                .try_fill_bytes(room)
                .map_err(|error| KeystoreError::RandomnessUnavailable {
                    reason: error.to_string().into(),
                })
        });
        let stamps = Arc::new(Stamps::new());
        Ok(Self {
            inner: Arc::new(Inner {
                committer: Committer::start(Arc::clone(&engine), Arc::clone(&stamps))?,
                ring: RwLock::new(Arc::new(ring)),
                decoy: Decoy::new(&mut nonces)?,
                nonces: Mutex::new(nonces),
                stamps,
                engine,
            }),
        })
    }

    /// The record of this name. It takes as long to find none.
    pub fn get(&self, key: &RecordKey) -> Result<Option<Stored>, KeystoreError> {
        let sought = self.get_or_nobodys(key)?;
        Ok(sought.is_there.then_some(sought.stored))
    }

    /// The record of this name, or nobody's where there is none: for whoever goes on with it as if
    /// it had been found, so that the time of the whole doesn't tell.
    ///
    /// Nobody's record is as random as any, its private scalar included, and stays the same for a
    /// name as long as the keystore is open.
    pub fn get_or_nobodys(&self, key: &RecordKey) -> Result<Sought, KeystoreError> {
        let (found, stamp) = self.read(key)?;
        let is_there = found.is_some();
        // One way for both: what is read differs, and not what is done.
        let (own, nobodys) = (self.ring(), self.inner.decoy.of(key));
        let (ring, key, sealed) = match found {
            Some(sealed) => (&*own, key, sealed),
            None => (nobodys.ring, nobodys.key, nobodys.sealed.clone()),
        };
        Ok(Sought {
            stored: Stored {
                record: codec::open(ring, key, &sealed)?,
                version: Version::new(sealed, stamp),
            },
            is_there,
        })
    }

    /// The record of this name, opened only if it isn't the version that the caller has.
    ///
    /// All writing goes through this keystore, which therefore knows whether anything was written
    /// that could concern the record: where nothing was, the answer needs no look into the store.
    /// From the answer to a change on it is never [`Current::Same`] for the version of before.
    pub fn get_if_changed(
        &self,
        key: &RecordKey,
        seen: &Version,
    ) -> Result<Current, KeystoreError> {
        if self.inner.stamps.holds(&key.to_bytes(), seen.stamp()) {
            return Ok(Current::Same);
        }
        match self.read(key)? {
            (None, _) => Ok(Current::Gone),
            (Some(sealed), stamp) if sealed == seen.sealed => {
                seen.stamp.store(stamp.to_bits(), Ordering::SeqCst);
                Ok(Current::Same)
            }
            (Some(sealed), stamp) => Ok(Current::Changed(Stored {
                record: codec::open(&self.ring(), key, &sealed)?,
                version: Version::new(sealed, stamp),
            })),
        }
    }

    /// Has `told` hear the name of each record that is removed from now on, whoever removes it,
    /// before the removal is answered: for whoever keeps something that must go with the record.
    /// Returns `false`, and changes nothing, where somebody is told already.
    ///
    /// It is called on the thread that writes: it must be quick and must not use the keystore.
    #[must_use = "nothing is told where somebody else is"]
    pub fn tell_removals(&self, told: impl Fn(&RecordKey) + Send + Sync + 'static) -> bool {
        let told = move |key: &_| told(&RecordKey::from_bytes(key));
        self.inner.committer.tell_removals(Box::new(told))
    }

    /// Stores a record under a name that has none.
    pub async fn put_new(
        &self,
        key: &RecordKey,
        record: &Record,
    ) -> Result<PutOutcome, KeystoreError> {
        let made = self.change(key, None, Some(self.seal(key, record)?));
        Ok(if made.await? {
            PutOutcome::Stored
        } else {
            PutOutcome::Taken
        })
    }

    /// Stores a record in the place of the version that was read.
    pub async fn compare_and_swap(
        &self,
        key: &RecordKey,
        seen: &Stored,
        record: &Record,
    ) -> Result<Swap, KeystoreError> {
        let made = self.change(key, Some(&seen.version), Some(self.seal(key, record)?));
        Ok(if made.await? { Swap::Won } else { Swap::Lost })
    }

    /// Whether changes are still taken: not after a write has failed, nor after
    /// [`close`](Self::close).
    pub fn health(&self) -> Result<(), KeystoreError> {
        self.inner.committer.health()
    }

    /// The size of the keystore.
    pub fn stats(&self) -> Result<Stats, KeystoreError> {
        Ok(Stats {
            records: self.inner.committer.records(),
            bytes_on_disk: self.inner.engine.size_on_disk()?,
        })
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> Result<bool, KeystoreError> {
        Ok(self.inner.engine.scan(&KeyRange::ALL, 1)?.is_empty())
    }

    /// Whether the ring is the one that this store was sealed with, to be asked before anything is
    /// changed: `Ok` where there is no record or one of the first few opens, otherwise the error
    /// of the first.
    ///
    /// A single damaged record doesn't keep a service from starting; a wrong master key does.
    pub fn verify_opens(&self) -> Result<(), KeystoreError> {
        let mut first_error = None;
        for (key, sealed) in self.inner.engine.scan(&KeyRange::ALL, TRIED_AT_START)? {
            match codec::open(&self.ring(), &RecordKey::from_bytes(&key), &sealed) {
                Ok(_) => return Ok(()),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Takes no more changes, and returns once those under way are durable and answered. Reads
    /// still work.
    pub async fn close(&self) {
        self.inner.committer.close().await;
    }

    /// What the store has under a name, and for how long that can be relied on.
    fn read(&self, key: &RecordKey) -> Result<(Option<Vec<u8>>, Stamp), KeystoreError> {
        let (key, stamps) = (key.to_bytes(), &self.inner.stamps);
        let (found, stamp) = stamps.around(&key, || self.inner.engine.get(&key));
        match found {
            Ok(found) => Ok((found, stamp)),
            Err(error) => {
                stamps.distrust();
                Err(error)
            }
        }
    }

    /// The ring that opens and seals now.
    fn ring(&self) -> Arc<MasterKeyRing> {
        let ring = self.inner.ring.read();
        Arc::clone(&ring.unwrap_or_else(PoisonError::into_inner))
    }

    fn seal(&self, key: &RecordKey, record: &Record) -> Result<Vec<u8>, KeystoreError> {
        let mut nonce = [0; 12];
        let nonces = self.inner.nonces.lock();
        nonces.unwrap_or_else(PoisonError::into_inner)(&mut nonce)?;
        codec::seal(&self.ring(), key, record, nonce)
    }

    async fn change(
        &self,
        key: &RecordKey,
        expected: Option<&Version>,
        new: Option<Vec<u8>>,
    ) -> Result<bool, KeystoreError> {
        let change = Change {
            key: key.to_bytes(),
            expected: expected.map(|version| version.sealed.clone()),
            new,
        };
        self.inner.committer.swap(change).await?.wait().await
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Keystore {{ records: {} }}",
            self.inner.committer.records()
        )
    }
}

/// A version is long and says nothing to a reader.
impl fmt::Debug for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Version")
    }
}
