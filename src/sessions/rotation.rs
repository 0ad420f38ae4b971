//! Keys change while requests are served, and nobody is logged out.
//!
//! **Signing keys.** A new key is written and then signs; what earlier ones signed is accepted until the last of it
//! has expired, which the records tell. One that is dropped hands the log of ends over to the next before it
//! goes. **Master keys.** A new key is written where the master keys lie, then
//! it seals; the keyring, the records and the notes of ends are sealed anew under it; when nothing is under
//! the earlier keys, and nothing can come under them any more, they are removed. What is written first says
//! what is meant to follow, so that a process that is killed anywhere leaves what the next one goes on with.
//! `docs/decisions/0046-key-rotation.md` has the order of the steps.
//!
//! This room must never remove a key that something may need, sign with a key that isn't durable, or
//! print one.

mod error;
mod handing_over;
mod master;
mod signers;
mod status;
mod storage;

pub use error::RotationError;
pub(crate) use master::Begun;
pub use master::Rewrapped;
pub use signers::NewSigner;
pub use status::{KeysNow, MasterNow, SignerNow};
#[cfg(feature = "server")]
pub(crate) use storage::Answer;
pub(crate) use storage::{KeyStorage, Nowhere, SharedKeys};
pub use storage::{StorageError, StorageErrorKind};

use super::keyring::{KeyringError, Masters, Signers};
#[cfg(feature = "server")]
use super::receipting::Receipts;
use super::records::Records;
use super::rules::Rules;
use crate::entropy::Entropy;
use lacre_keystore::{FormerRing, KeystoreError, MasterKey, MasterKeyRing};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;
#[cfg(feature = "server")]
use tokio::sync::MutexGuard;

/// How many records one step seals anew: other changes get their turn between two.
const STEP: usize = 256;
/// How many are looked at in one step where none is opened.
const LOOK: usize = 4096;

/// Rotates the keys of one deployment.
pub(crate) struct Rotation {
    records: Records,
    rules: Arc<Rules>,
    entropy: Entropy,
    storage: Box<dyn KeyStorage>,
    #[cfg(feature = "server")]
    receipts: Option<Arc<Receipts>>,
    /// Held while the keyring and the ring change, for a moment.
    changing: Mutex<()>,
    /// Held while records are sealed anew.
    rewrapping: Mutex<()>,
    /// Rings of before with which something may still be sealed that isn't written yet.
    formers: std::sync::Mutex<Vec<FormerRing>>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Rotation {
    pub(crate) fn new(
        records: Records,
        rules: Arc<Rules>,
        entropy: Entropy,
        storage: Box<dyn KeyStorage>,
    ) -> Self {
        Self {
            records,
            rules,
            entropy,
            storage,
            #[cfg(feature = "server")]
            receipts: None,
            changing: Mutex::new(()),
            rewrapping: Mutex::new(()),
            formers: std::sync::Mutex::default(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }

    /// Has keys stay as they are for as long as the answer is kept: for whoever takes them elsewhere.
    #[cfg(feature = "server")]
    pub(crate) async fn stand_still(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// What an operator calls the place of the master keys.
    pub(crate) fn master_keys_lie(&self) -> String {
        self.storage.master_keys_lie()
    }

    /// How many records and notes are under each master key.
    async fn under(
        &self,
        progress: impl Fn(u64),
    ) -> Result<(BTreeMap<u32, u64>, BTreeMap<u32, u64>), RotationError> {
        let keystore = self.records.keystore();
        let add = |to: &mut BTreeMap<u32, u64>, keys: BTreeMap<u32, u64>| {
            for (id, count) in keys {
                *to.entry(id).or_default() += count;
            }
        };
        let (mut records, mut after) = (BTreeMap::new(), None);
        loop {
            let step = keystore.sealed_under(after, LOOK).await?;
            add(&mut records, step.keys);
            after = step.next;
            if after.is_none() {
                break;
            }
            progress(records.values().sum());
            tokio::task::yield_now().await;
        }
        let (mut notes, mut after) = (BTreeMap::new(), None);
        loop {
            let step = keystore.notes_under(after, LOOK).await?;
            add(&mut notes, step.keys);
            after = step.next;
            if after.is_none() {
                return Ok((records, notes));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Has all nodes seal with the newest key of this ring, which all of them must have. Each turns to it with the
    /// keyring that is sealed under it.
    async fn switch(
        &self,
        shared: &dyn SharedKeys,
        ring: MasterKeyRing,
    ) -> Result<(), RotationError> {
        shared.announce().await?;
        if let Some(key) = ring.keys().next() {
            shared.all_have(key).await?;
        }
        let keyring = self.records.keyring();
        let seen = keyring.version();
        let masters =
            Masters::clone(&keyring.masters()).sealing_since(ring.current_id(), self.records.now());
        let signers = Signers::clone(&keyring.signers());
        self.put_under(&ring, seen, (signers, masters)).await
    }

    /// Goes by a keyring that this node or another one has put into the store: its keys from now on, and the master
    /// key that it is sealed under, which this node must have. For the thread that hears of it.
    pub(crate) fn take_up(&self, sealed: &[u8], version: u64) -> Result<(), RotationError> {
        let (keystore, keyring) = (self.records.keystore(), self.records.keyring());
        if version <= keyring.version() {
            return Ok(());
        }
        let id = MasterKeyRing::sealed_by(sealed).ok_or(KeyringError::Damaged)?;
        let ring = keystore.master_keys();
        if ring.current_id() == id {
            return Ok(keyring.take_up(sealed, version, &ring)?);
        }
        let found = self.storage.read_master_keys()?;
        let found = found.sealing_with(id).ok_or(KeyringError::NotOurs(
            KeystoreError::SealedUnknownKey { key_id: id },
        ))?;
        keyring.take_up(sealed, version, &found)?;
        drop(ring);
        self.turn_to(found);
        Ok(())
    }

    /// Says to the other nodes, where there are any, which master keys this one has now.
    #[cfg(feature = "server")]
    pub(crate) async fn announce(&self) -> Result<(), RotationError> {
        if let Some(shared) = self.storage.shared() {
            shared.announce().await?;
        }
        Ok(())
    }

    /// The keystore seals with this ring from now on.
    fn turn_to(&self, ring: MasterKeyRing) {
        let former = self.records.keystore().set_ring(ring);
        let formers = self.formers.lock();
        formers.unwrap_or_else(PoisonError::into_inner).push(former);
    }

    /// The keystore seals with this ring from now on, and the keyring is sealed under it. The caller holds
    /// the turn to change both.
    async fn seal_with(&self, ring: MasterKeyRing, retiring: &[u32]) -> Result<(), RotationError> {
        let held: Vec<u32> = ids(&ring).collect();
        let current = ring.current_id();
        self.turn_to(ring);
        let keyring = self.records.keyring();
        let seen = keyring.version();
        let masters = Masters::clone(&keyring.masters())
            .sealing_since(current, self.records.now())
            .retiring(retiring)
            .within(&held);
        let signers = Signers::clone(&keyring.signers());
        self.put(seen, signers, masters).await
    }

    /// The keyring as it is, sealed under the key of now.
    async fn seal_keyring(&self) -> Result<(), RotationError> {
        let keyring = self.records.keyring();
        let seen = keyring.version();
        let current = self.records.keystore().master_keys().current_id();
        let masters = Masters::clone(&keyring.masters());
        let masters = masters.sealing_since(current, self.records.now());
        let signers = Signers::clone(&keyring.signers());
        self.put(seen, signers, masters).await
    }

    /// Writes the keyring with these keys, and then goes by them.
    async fn put(
        &self,
        seen: u64,
        signers: Signers,
        masters: Masters,
    ) -> Result<(), RotationError> {
        let ring = self.records.keystore().master_keys();
        self.put_under(&ring, seen, (signers, masters)).await
    }

    async fn put_under(
        &self,
        ring: &MasterKeyRing,
        seen: u64,
        (signers, masters): (Signers, Masters),
    ) -> Result<(), RotationError> {
        let keyring = self.records.keyring();
        let sealed = keyring.sealed_with(&signers, &masters, ring, &mut (self.entropy)())?;
        let Some(shared) = self.storage.shared() else {
            self.storage.write_keyring(&sealed)?;
            keyring.take_over(signers, masters);
            return Ok(());
        };
        let version = shared.put(seen, sealed.clone()).await?;
        let version = version.ok_or(RotationError::Elsewhere)?;
        // Unless it was heard of already.
        self.take_up(&sealed, version)
    }
}

/// The keys of a ring that sealed before the one that does. One that is there to be turned to is newer.
fn earlier(ring: &MasterKeyRing) -> Vec<u32> {
    ids(ring).filter(|id| *id < ring.current_id()).collect()
}

/// The ids of a ring: that of the key that seals, then the others.
fn ids(ring: &MasterKeyRing) -> impl Iterator<Item = u32> {
    ring.keys().map(MasterKey::id)
}

#[cfg(test)]
mod tests;
