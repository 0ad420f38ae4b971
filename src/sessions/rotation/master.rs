//! Everything is sealed anew under another master key, and the earlier one goes.
//!
//! This room must never remove a key that something may be sealed under.

use super::error::RotationError;
use super::{Rotation, STEP, earlier, ids};
use crate::sessions::keyring::{Masters, Signers};
use lacre_keystore::{FormerRing, MasterKey, MasterKeyRing};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::MutexGuard;

/// How often it is asked whether the ring of before has come to rest.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// Bytes that stay free on a disk on which all records are written anew.
const RESERVE: u64 = 64 << 20;

/// Everything is sealed under one master key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_field_names)] // it is what the word says: how many were sealed anew
pub struct Rewrapped {
    /// The key that seals.
    pub id: u32,
    /// Whether it was made now. Otherwise it was there, and what was left to do is done.
    pub made: bool,
    /// How many records and notes were sealed anew.
    pub rewrapped: u64,
    /// Earlier keys that were removed.
    pub removed: Vec<u32>,
    /// Earlier keys that are still where the master keys lie, and which nothing needs.
    pub unneeded: Vec<u32>,
}

/// A master key seals, and what earlier ones sealed is to be sealed anew. Nobody else does so meanwhile.
#[derive(Debug)]
pub(crate) struct Begun<'r> {
    /// The key.
    pub(crate) id: u32,
    /// Whether it was made now.
    pub(crate) made: bool,
    _turn: MutexGuard<'r, ()>,
}

impl Rotation {
    /// A new master key seals from now on; [`finish_master`](Self::finish_master) seals everything anew under
    /// it. Where a rotation was begun and not ended, or where an operator has added a key, that one is gone on
    /// with, and no key is made. The earlier keys are to go, unless they are to be kept.
    pub(crate) async fn begin_master(&self, keep: bool) -> Result<Begun<'_>, RotationError> {
        let turn = self
            .rewrapping
            .try_lock()
            .map_err(|_| RotationError::UnderWay)?;
        let _changing = self.changing.lock().await;
        let ring = self.records.keystore().master_keys();
        let found = self.storage.read_master_keys()?;
        self.check(&ring, &found)?;
        let earlier = earlier(&ring);
        let (key_id, is_newer) = (ring.current_id(), found.current_id() > ring.current_id());
        let gone: Vec<u32> = ids(&ring)
            .filter(|id| !ids(&found).any(|other| other == *id))
            .collect();
        drop(ring);
        self.check_unneeded(&gone).await?;
        let begun = is_newer || self.is_begun(&earlier).await?;
        if let (true, Some(shared)) = (begun, self.storage.shared()) {
            let id = found.current_id();
            if is_newer {
                self.switch(shared, found).await?;
            }
            return Ok(Begun {
                id,
                made: false,
                _turn: turn,
            });
        }
        self.room_for_all().await?;
        let writable = self.storage.can_change_master_keys();
        if begun {
            let earlier: Vec<u32> = ids(&found).skip(1).collect();
            let retire = !keep && writable.is_ok();
            let id = found.current_id();
            self.seal_with(found, if retire { &earlier } else { &[] })
                .await?;
            return Ok(Begun {
                id,
                made: false,
                _turn: turn,
            });
        }
        let id = key_id.checked_add(1).ok_or(RotationError::NoId)?;
        let refused = |error| RotationError::of_change(error, id);
        writable.map_err(refused)?;
        let mut retiring = earlier;
        retiring.push(key_id);
        if keep {
            retiring.clear();
        }
        // What is meant is written before the key, so that a process that is killed in between is followed
        // by one that knows it.
        let keyring = self.records.keyring();
        let seen = keyring.version();
        let masters = Masters::clone(&keyring.masters()).retiring(&retiring);
        let signers = Signers::clone(&keyring.signers());
        self.put(seen, signers, masters).await?;
        let key = MasterKey::generate(id, &mut (self.entropy)());
        self.storage.add_master_key(&key).map_err(refused)?;
        self.seal_with(self.storage.read_master_keys()?, &retiring)
            .await?;
        Ok(Begun {
            id,
            made: true,
            _turn: turn,
        })
    }

    /// Seals everything anew, and removes the earlier keys that are to go. `progress` is told how many records
    /// and notes are done of how many.
    pub(crate) async fn finish_master(
        &self,
        begun: Begun<'_>,
        progress: impl Fn(u64, u64),
    ) -> Result<Rewrapped, RotationError> {
        let done = self.finish(progress).await?;
        Ok(Rewrapped {
            made: begun.made,
            ..done
        })
    }

    /// Brings to its end what a process before this one has begun, or what an operator began by adding a
    /// key. `None` where there is nothing to do.
    pub(crate) async fn go_on(&self) -> Result<Option<Rewrapped>, RotationError> {
        let _rewrapping = self
            .rewrapping
            .try_lock()
            .map_err(|_| RotationError::UnderWay)?;
        let ring = self.records.keystore().master_keys();
        let earlier = earlier(&ring);
        let current = ring.current_id();
        drop(ring);
        if let Some(shared) = self.storage.shared() {
            let found = self.storage.read_master_keys()?;
            if found.current_id() > current {
                let _changing = self.changing.lock().await;
                self.switch(shared, found).await?;
            } else if !self.is_begun(&earlier).await? {
                return Ok(None);
            }
            return self.finish(|_, _| ()).await.map(Some);
        }
        if earlier.is_empty() {
            return Ok(None);
        }
        if !self.is_begun(&earlier).await? {
            // The keyring may be all that is left.
            let _changing = self.changing.lock().await;
            self.seal_keyring().await?;
            return Ok(None);
        }
        self.room_for_all().await?;
        {
            let _changing = self.changing.lock().await;
            self.seal_keyring().await?;
        }
        self.finish(|_, _| ()).await.map(Some)
    }

    /// Seals everything anew, and removes the keys that are to go. The caller holds the turn.
    async fn finish(&self, progress: impl Fn(u64, u64)) -> Result<Rewrapped, RotationError> {
        let keystore = self.records.keystore();
        // What was sealed with a ring of before and isn't written yet would be missed.
        while self.is_any_former_in_use() {
            tokio::time::sleep(PAUSE).await;
        }
        keystore.settle().await?;
        if let Some(shared) = self.storage.shared() {
            tokio::time::sleep(shared.at_rest_after()).await;
        }
        let rewrapped = self.rewrap(&progress).await?;
        let ring = keystore.master_keys();
        let current = ring.current_id();
        let earlier = earlier(&ring);
        drop(ring);
        let (records, _) = self.under(|_| ()).await?;
        let left: u64 = earlier.iter().filter_map(|id| records.get(id)).sum();
        if left > 0 {
            return Err(RotationError::Damaged { records: left });
        }
        let _changing = self.changing.lock().await;
        let masters = self.records.keyring().masters();
        let (removed, unneeded): (Vec<u32>, Vec<u32>) =
            earlier.into_iter().partition(|id| masters.is_retiring(*id));
        if !removed.is_empty() {
            // Whoever keeps the file may have put another in its place meanwhile, such as that of before.
            let found = self.storage.read_master_keys()?;
            self.check(&keystore.master_keys(), &found)?;
            let refused = |error| RotationError::of_change(error, current);
            self.storage.remove_master_keys(&removed).map_err(refused)?;
            let ring = self.storage.read_master_keys()?;
            self.seal_with(ring, &[]).await?;
        }
        Ok(Rewrapped {
            id: current,
            made: false,
            rewrapped,
            removed,
            unneeded,
        })
    }

    /// Seals every record and note anew that isn't under the key of now, and says how many.
    async fn rewrap(&self, progress: &impl Fn(u64, u64)) -> Result<u64, RotationError> {
        let keystore = self.records.keystore();
        let (records, notes) = self.under(|_| ()).await?;
        let total = records.values().sum::<u64>() + notes.values().sum::<u64>();
        self.total.store(total, Relaxed);
        self.done.store(0, Relaxed);
        let (mut rewrapped, mut damaged) = (0, 0);
        let mut advance = |seen: usize, anew: usize| {
            let done = self.done.fetch_add(seen as u64, Relaxed) + seen as u64;
            rewrapped += anew as u64;
            progress(done.min(total), total);
        };
        let mut after = None;
        loop {
            let step = keystore.rewrap(after, STEP).await?;
            damaged += step.damaged.len();
            advance(step.seen, step.rewrapped);
            after = step.next;
            if after.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut after = None;
        loop {
            let step = keystore.rewrap_notes(after, STEP).await?;
            advance(step.seen, step.rewrapped);
            after = step.next;
            if after.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if damaged > 0 {
            log::warn!(damaged; "records that do not open were not sealed anew");
        }
        Ok(rewrapped)
    }

    /// Whether one of these earlier keys is to go, or something is still under it.
    async fn is_begun(&self, earlier: &[u32]) -> Result<bool, RotationError> {
        if earlier.is_empty() {
            return Ok(false);
        }
        let masters = self.records.keyring().masters();
        if earlier.iter().any(|id| masters.is_retiring(*id)) {
            return Ok(true);
        }
        let (records, notes) = self.under(|_| ()).await?;
        let mut needed = earlier.iter().copied();
        Ok(needed.any(|id| records.contains_key(&id) || notes.contains_key(&id)))
    }

    /// Refuses a place of the master keys that lacks the key in use, or has another under its id.
    fn check(&self, ring: &MasterKeyRing, found: &MasterKeyRing) -> Result<(), RotationError> {
        for key in ring.keys() {
            let same = |other: &MasterKey| other.id() == key.id() && other.is_same(key);
            let needed = key.id() == ring.current_id();
            let taken = |other: &MasterKey| other.id() == key.id() && !other.is_same(key);
            if (needed && !found.keys().any(same)) || found.keys().any(taken) {
                return Err(RotationError::Changed {
                    place: self.storage.master_keys_lie(),
                    id: key.id(),
                });
            }
        }
        Ok(())
    }

    /// Refuses a place of the master keys that lacks one of these, if something is under it.
    async fn check_unneeded(&self, gone: &[u32]) -> Result<(), RotationError> {
        if gone.is_empty() {
            return Ok(());
        }
        let (records, notes) = self.under(|_| ()).await?;
        let mut gone = gone.iter();
        match gone.find(|id| records.contains_key(id) || notes.contains_key(id)) {
            None => Ok(()),
            Some(id) => Err(RotationError::Changed {
                place: self.storage.master_keys_lie(),
                id: *id,
            }),
        }
    }

    /// A store that runs out of room takes no more changes until it is opened anew.
    async fn room_for_all(&self) -> Result<(), RotationError> {
        let Some(free) = self.storage.free_space() else {
            return Ok(());
        };
        let stats = self.records.keystore().stats().await?;
        // A store that isn't on this disk has no bytes on it.
        if stats.bytes_on_disk == 0 {
            return Ok(());
        }
        let needed = stats.bytes_on_disk.saturating_add(RESERVE);
        if free < needed {
            return Err(RotationError::Full { free, needed });
        }
        Ok(())
    }

    fn is_any_former_in_use(&self) -> bool {
        let mut formers = self.formers.lock().unwrap_or_else(PoisonError::into_inner);
        formers.retain(FormerRing::is_in_use);
        !formers.is_empty()
    }
}
