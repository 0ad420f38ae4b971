//! The keystore itself: records by key, opened and sealed on the way.
//!
//! What each function promises is told in the crate's documentation; what it rests on, in
//! [`crate::store`].
//!
//! This room must never overwrite a record that the caller hasn't seen, and never report a change
//! that isn't durable.

mod copying;
mod decoy;
mod listing;
mod moving;
mod noting;
mod removal;
mod rewrapping;
mod swapping;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rand::TryCryptoRng;

use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey};
use crate::record::Record;
use crate::seal::codec;
use crate::seal::master_key::{MasterKey, MasterKeyRing};
use crate::seal::nonces::NonceSource;
use crate::store::{Checked, LeaseReport, Sealed, Stamp, Stats, Store, Write};

use decoy::Decoy;

pub use copying::SealedPage;
pub use listing::Page;
pub use noting::Noting;
pub use removal::SweepStep;
pub use rewrapping::{FormerRing, Rewrap, SealedUnder};

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
    store: Box<dyn Store>,
    ring: RwLock<Arc<MasterKeyRing>>,
    nonces: Mutex<NonceSource>,
    decoy: Decoy,
}

/// A record as it was read, with the version that a change can be tied to.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// Which state of the record this is.
    pub version: Version,
}

/// What [`Keystore::get_or_decoy`] returns.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The record under the key, or a decoy.
    pub stored: Stored,
    /// Whether it is the record under the key.
    pub is_there: bool,
}

/// One state of one record, told from every other state it ever had or will have: sealing draws a
/// new nonce each time, so even an equal record sealed again is another version.
pub struct Version {
    sealed: Vec<u8>,
    /// The stamp of the read that last found this version.
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

/// What became of [`Keystore::compare_and_swap`], [`Keystore::put_new_and_remove`] and
/// [`Keystore::remove_beside`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a swap that was lost changed nothing"]
pub enum Swap {
    /// The change is made, durably.
    Won,
    /// A record has changed or gone since it was read, or a name was taken; nothing was changed.
    Lost,
}

impl Keystore {
    /// Opens a keystore on a store.
    ///
    /// `random` gives the nonces that records are sealed with: the operating system's
    /// `rand::rngs::SysRng` in a service, a seeded one in a test that wants the same bytes again.
    pub fn open(
        store: impl Store,
        ring: MasterKeyRing,
        mut random: impl TryCryptoRng + Send + 'static,
    ) -> Result<Self, KeystoreError> {
        let mut nonces: NonceSource = Box::new(move |room| {
            random
                .try_fill_bytes(room)
                .map_err(|error| KeystoreError::RandomnessUnavailable {
                    reason: error.to_string().into(),
                })
        });
        Ok(Self {
            inner: Arc::new(Inner {
                store: Box::new(store),
                ring: RwLock::new(Arc::new(ring)),
                decoy: Decoy::new(&mut nonces)?,
                nonces: Mutex::new(nonces),
            }),
        })
    }

    /// The record under this key. A miss takes as long as a hit.
    pub async fn get(&self, key: &RecordKey) -> Result<Option<Stored>, KeystoreError> {
        let lookup = self.get_or_decoy(key).await?;
        Ok(lookup.is_there.then_some(lookup.stored))
    }

    /// Returns the record under this key, or a decoy where there is none, so that what the caller
    /// does next takes as long for a miss as for a hit.
    ///
    /// A decoy is as random as any record, its private scalar included, and stays the same for a
    /// key as long as the keystore is open.
    pub async fn get_or_decoy(&self, key: &RecordKey) -> Result<Lookup, KeystoreError> {
        let found = self.inner.store.get(key).await?;
        let is_there = found.sealed.is_some();
        // One way for both: what is read differs, and not what is done.
        let (own, decoy) = (self.ring(), self.inner.decoy.of(key));
        let (ring, key, sealed) = match found.sealed {
            Some(sealed) => (&*own, key, sealed),
            None => (decoy.ring, decoy.key, decoy.sealed.clone()),
        };
        Ok(Lookup {
            stored: Stored {
                record: codec::open(ring, key, &sealed)?,
                version: Version::new(sealed, found.stamp),
            },
            is_there,
        })
    }

    /// Whether the record is certainly still this version, told without asking the store and
    /// without waiting.
    ///
    /// `false` may be said of a version that still stands: then
    /// [`get_if_changed`](Self::get_if_changed) tells. From the answer to a change on, `true` is
    /// never said of the version before.
    #[must_use]
    pub fn is_current(&self, key: &RecordKey, version: &Version) -> bool {
        self.inner.store.is_current(key, version.stamp())
    }

    /// The record under this key, opened only if it isn't the version that the caller has.
    ///
    /// The store is read only where [`is_current`](Self::is_current) can't tell. From the answer to
    /// a change on, the result is never [`Current::Same`] for the version before.
    pub async fn get_if_changed(
        &self,
        key: &RecordKey,
        seen: &Version,
    ) -> Result<Current, KeystoreError> {
        if self.is_current(key, seen) {
            return Ok(Current::Same);
        }
        let found = self.inner.store.get(key).await?;
        match found.sealed {
            None => Ok(Current::Gone),
            Some(sealed) if sealed == seen.sealed => {
                seen.stamp.store(found.stamp.to_bits(), Ordering::SeqCst);
                Ok(Current::Same)
            }
            Some(sealed) => Ok(Current::Changed(Stored {
                record: codec::open(&self.ring(), key, &sealed)?,
                version: Version::new(sealed, found.stamp),
            })),
        }
    }

    /// Has `watcher` told the key of each record that is removed from now on, whoever removes it,
    /// before the removal is answered: for whoever keeps something that must go with the record.
    /// Returns `false`, and changes nothing, where another watcher is told already.
    ///
    /// It may be called on the thread that writes: it must be quick and must not use the keystore.
    #[must_use = "nothing is told where another watcher is"]
    pub fn watch_removals(&self, watcher: impl Fn(&RecordKey) + Send + Sync + 'static) -> bool {
        self.inner.store.watch_removals(Box::new(watcher))
    }

    /// Stores a record under a key that has none.
    pub async fn put_new(
        &self,
        key: &RecordKey,
        record: &Record,
    ) -> Result<PutOutcome, KeystoreError> {
        let ring = self.ring();
        let write = Write {
            key: *key,
            expected: None,
            new: Some(self.seal(&ring, key, record)?),
            ends_tokens: false,
        };
        Ok(if self.inner.store.apply(vec![write]).await? {
            PutOutcome::Stored
        } else {
            PutOutcome::Taken
        })
    }

    /// Returns when what this process has read of a record so far is known wherever the store is used: to be
    /// waited for before an answer that goes by another's change, such as "it has ended already".
    pub async fn settled(&self) -> Result<(), KeystoreError> {
        self.inner.store.settled().await
    }

    /// Returns as soon as a record can be read, or with the error that a read would have now: see [`Store::readable`].
    pub async fn readable(&self) -> Result<(), KeystoreError> {
        self.inner.store.readable().await
    }

    /// Whether this process is to do now what one process does for all of a store: see [`Store::take_turn`].
    pub async fn takes_turn(
        &self,
        chore: &'static str,
        every: Duration,
    ) -> Result<bool, KeystoreError> {
        self.inner.store.take_turn(chore, every).await
    }

    /// How the lease fares by which this process uses what it keeps; `None` where it has the store to itself.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseReport> {
        self.inner.store.lease()
    }

    /// Whether changes are taken: not after a write has failed, nor after [`close`](Self::close).
    pub fn health(&self) -> Result<(), KeystoreError> {
        self.inner.store.health()
    }

    /// The ids of the master keys: the one that seals, then those that still open.
    #[must_use]
    pub fn master_key_ids(&self) -> Vec<u32> {
        self.ring().keys().map(MasterKey::id).collect()
    }

    /// The master keys, for a backup that seals them and for what rotates them. As long as they are held, a
    /// rotation doesn't come to its end.
    #[must_use]
    pub fn master_keys(&self) -> Arc<MasterKeyRing> {
        self.ring()
    }

    /// The size of the keystore.
    pub async fn stats(&self) -> Result<Stats, KeystoreError> {
        self.inner.store.stats().await
    }

    /// Whether there is no record.
    pub async fn is_empty(&self) -> Result<bool, KeystoreError> {
        Ok(self.inner.store.page(KeyRange::ALL, 1).await?.is_empty())
    }

    /// Whether the ring is the one that this store was sealed with, to be asked before anything is
    /// changed: `Ok` where there is no record or one of the first few opens, otherwise the error
    /// of the first.
    ///
    /// A single damaged record doesn't keep a service from starting; a wrong master key does.
    pub async fn verify_opens(&self) -> Result<(), KeystoreError> {
        let mut first_error = None;
        let first = self.inner.store.page(KeyRange::ALL, TRIED_AT_START).await?;
        for (key, sealed) in first {
            match codec::open(&self.ring(), &key, &sealed) {
                Ok(_) => return Ok(()),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Brings what the store takes on disk down to about the room that it needs. Changes wait meanwhile, and
    /// reads may fail with `store_unavailable` for a moment at the end. `progress` is told how many records are done,
    /// and of how many.
    pub async fn compact(
        &self,
        progress: impl Fn(u64, u64) + Send + 'static,
    ) -> Result<(), KeystoreError> {
        self.inner.store.compact(Box::new(progress)).await
    }

    /// Looks whether all records are there that have to be, each as it was written last, beside changes, and tells
    /// `progress` how many were looked at. `false` where the store keeps no account of them.
    ///
    /// [`KeystoreError::StoreIncomplete`] where they aren't: ended sessions may be among those that are there.
    pub async fn check(&self, progress: impl Fn(u64)) -> Result<bool, KeystoreError> {
        let mut begin = true;
        loop {
            match self.inner.store.check(begin).await? {
                Checked::Unkept => return Ok(false),
                Checked::Going(seen) => progress(seen),
                Checked::Done { agrees: true, .. } => return Ok(true),
                Checked::Done {
                    expected, found, ..
                } => return Err(KeystoreError::StoreIncomplete { expected, found }),
            }
            begin = false;
        }
    }

    /// Takes no more changes, and returns once those under way are durable and answered. Reads
    /// still work.
    pub async fn close(&self) {
        if let Err(error) = self.inner.store.close().await {
            log::warn!("the store was not closed in good order: {error}");
        }
    }

    /// The ring that opens and seals now. Who seals holds it until the store has answered: see
    /// [`FormerRing::is_in_use`].
    fn ring(&self) -> Arc<MasterKeyRing> {
        let ring = self.inner.ring.read();
        Arc::clone(&ring.unwrap_or_else(PoisonError::into_inner))
    }

    fn seal(
        &self,
        ring: &MasterKeyRing,
        key: &RecordKey,
        record: &Record,
    ) -> Result<Sealed, KeystoreError> {
        Ok(Sealed {
            bytes: codec::seal(ring, key, record, self.nonce()?)?,
            expires_at: record.expires_at.min(record.ends_at),
        })
    }

    fn nonce(&self) -> Result<[u8; 12], KeystoreError> {
        let mut nonce = [0; 12];
        let nonces = self.inner.nonces.lock();
        nonces.unwrap_or_else(PoisonError::into_inner)(&mut nonce)?;
        Ok(nonce)
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Keystore").finish_non_exhaustive()
    }
}

/// A version is long and says nothing to a reader.
impl fmt::Debug for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Version")
    }
}
