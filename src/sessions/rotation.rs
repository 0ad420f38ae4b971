//! Keys change while requests are served, and nobody is logged out.
//!
//! **Signing keys.** A new key is written and then signs; what earlier ones signed is accepted until the last of it
//! has expired, which the records tell. **Master keys.** A new key is written where the master keys lie, then
//! it seals; the keyring, the records and the notes of ends are sealed anew under it; when nothing is under
//! the earlier keys, and nothing can come under them any more, they are removed. What is written first says
//! what is meant to follow, so that a process that is killed anywhere leaves what the next one goes on with.
//! `docs/decisions/0046-key-rotation.md` has the order of the steps.
//!
//! This room must never remove a key that something may need, sign with a key that isn't durable, or
//! print one.

mod error;
mod storage;

pub use error::RotationError;
pub(crate) use storage::{KeyStorage, Nowhere};
pub use storage::{StorageError, StorageErrorKind};

use super::keyring::{Masters, PUBLISHED_BEFORE, Signers};
use super::records::Records;
use super::rules::Rules;
use crate::clock::UnixSeconds;
use crate::entropy::Entropy;
use lacre_keystore::{FormerRing, MasterKey, MasterKeyRing};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// How many records one step seals anew: other changes get their turn between two.
const STEP: usize = 256;
/// How many are looked at in one step where none is opened.
const LOOK: usize = 4096;
/// How often it is asked whether the ring of before has come to rest.
const PAUSE: Duration = Duration::from_millis(20);
/// By how many seconds a token may have been made after the time at which its key was replaced.
const MARGIN: u64 = 60;
/// Bytes that stay free on a disk on which all records are written anew.
const RESERVE: u64 = 64 << 20;

/// Rotates the keys of one deployment.
pub(crate) struct Rotation {
    records: Records,
    rules: Arc<Rules>,
    entropy: Entropy,
    storage: Box<dyn KeyStorage>,
    /// Held while the keyring and the ring change, for a moment.
    changing: Mutex<()>,
    /// Held while records are sealed anew.
    rewrapping: Mutex<()>,
    /// Rings of before with which something may still be sealed that isn't written yet.
    formers: std::sync::Mutex<Vec<FormerRing>>,
    done: AtomicU64,
    total: AtomicU64,
}

/// A signing key took the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSigner {
    /// The key that signs now.
    pub id: String,
    /// The keys that are still accepted.
    pub accepted: Vec<String>,
    /// Until when at the latest; nothing where none is.
    pub until: Option<UnixSeconds>,
    /// When the key of forwarded JWTs that goes with it begins to sign.
    pub forwards_at: UnixSeconds,
}

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

/// What is known of the keys, and of what needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysNow {
    /// Where the master keys lie.
    pub master_keys_lie: String,
    /// The one that seals, then the others.
    pub masters: Vec<MasterNow>,
    /// The one that signs, then the others.
    pub signers: Vec<SignerNow>,
    /// How many records and notes are done of how many, where they are being sealed anew.
    pub rewrapping: Option<(u64, u64)>,
}

/// A master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterNow {
    /// Its id.
    pub id: u32,
    /// Since when it seals, where that is known.
    pub since: Option<UnixSeconds>,
    /// How many records are sealed under it.
    pub records: u64,
    /// How many notes of ends are.
    pub notes: u64,
    /// Whether it goes when nothing needs it.
    pub retiring: bool,
}

/// A signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerNow {
    /// Its id.
    pub id: String,
    /// Since when it signs, where that is known.
    pub since: Option<UnixSeconds>,
    /// Until when it is accepted; nothing of the one that signs.
    pub until: Option<UnixSeconds>,
    /// Whether its key of forwarded JWTs signs now.
    pub forwards: bool,
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
            changing: Mutex::new(()),
            rewrapping: Mutex::new(()),
            formers: std::sync::Mutex::default(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }

    /// A new key signs from now on. What earlier ones signed is accepted until it has expired, or, where
    /// they are dropped, no more: then everybody has to log in again.
    pub(crate) async fn rotate_signer(
        &self,
        drop_earlier: bool,
    ) -> Result<NewSigner, RotationError> {
        let _changing = self.changing.lock().await;
        let (keyring, now) = (self.records.keyring(), self.records.now());
        let signers = if drop_earlier {
            Signers::anew(now, &mut (self.entropy)())?
        } else {
            let until = now.saturating_add(self.longest_life());
            keyring
                .signers()
                .with_new(now, until, &mut (self.entropy)())?
        };
        self.put(signers, Masters::clone(&keyring.masters()))?;
        Ok(self.new_signer(now))
    }

    fn new_signer(&self, now: UnixSeconds) -> NewSigner {
        let signers = self.records.keyring().signers();
        let mut ids = signers.iter().map(|signer| signer.id().to_owned());
        let until = signers
            .iter()
            .filter_map(|signer| signer.times.accepted_until);
        NewSigner {
            id: ids.next().unwrap_or_default(),
            forwards_at: if signers.iter().count() > 1 {
                now.saturating_add(PUBLISHED_BEFORE)
            } else {
                now
            },
            accepted: ids.collect(),
            until: until.max(),
        }
    }

    /// No token is good for longer.
    fn longest_life(&self) -> u64 {
        let rules = &self.rules;
        let life = rules.access_ttl.max(rules.refresh_ttl);
        life.saturating_add(rules.leeway).saturating_add(MARGIN)
    }

    /// Drops the signing keys of which nothing is good any more, and says which. A session that began under
    /// rules that let it last longer than those of now is waited for.
    pub(crate) async fn drop_signers(&self) -> Result<Vec<String>, RotationError> {
        let now = self.records.now();
        let keyring = self.records.keyring();
        let is_over = |until: Option<UnixSeconds>| until.is_some_and(|until| until <= now);
        let due = |signers: &Signers| {
            let mut earlier = signers.iter().skip(1);
            earlier.any(|signer| is_over(signer.times.accepted_until))
        };
        if !due(&keyring.signers()) {
            return Ok(Vec::new());
        }
        let lasting = self.lasting(now).await?;
        let _changing = self.changing.lock().await;
        let before = keyring.signers();
        let signers = before.accepted_until(|signer| {
            let until = signer.times.accepted_until;
            if !is_over(until) {
                return until;
            }
            let made_by = signer.times.retired_at.unwrap_or(u64::MAX);
            let made_by = made_by.saturating_add(MARGIN);
            // The last session whose tokens it may have signed.
            let last = lasting.range(..=made_by).map(|(_, ends)| *ends).max();
            last.map(|ends| ends.saturating_add(self.rules.leeway))
        })?;
        let ids = |signers: &Signers| -> Vec<String> {
            signers
                .iter()
                .map(|signer| signer.id().to_owned())
                .collect()
        };
        let kept = ids(&signers);
        self.put(signers, Masters::clone(&keyring.masters()))?;
        let mut dropped = ids(&before);
        dropped.retain(|id| !kept.contains(id));
        Ok(dropped)
    }

    /// When the last of the live sessions ends whose tokens were made at each time.
    async fn lasting(
        &self,
        now: UnixSeconds,
    ) -> Result<BTreeMap<UnixSeconds, UnixSeconds>, RotationError> {
        let (mut lasting, mut after) = (BTreeMap::<u64, u64>::new(), None);
        loop {
            let page = self.records.keystore().list_all(after, STEP).await?;
            let live = page.entries.iter().map(|(_, record)| record);
            for record in live.filter(|record| !record.is_expired(now)) {
                let ends = lasting.entry(record.rotated_at).or_default();
                *ends = (*ends).max(record.expires_at.min(record.ends_at));
            }
            after = page.next;
            if after.is_none() {
                return Ok(lasting);
            }
            tokio::task::yield_now().await;
        }
    }

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
        let earlier: Vec<u32> = ids(&ring).skip(1).collect();
        let (key_id, is_newer) = (ring.current_id(), found.current_id() > ring.current_id());
        drop(ring);
        let begun = is_newer || self.is_begun(&earlier).await?;
        self.room_for_all().await?;
        let writable = self.storage.can_change_master_keys();
        if begun {
            let earlier: Vec<u32> = ids(&found).skip(1).collect();
            let retire = !keep && writable.is_ok();
            let id = found.current_id();
            self.seal_with(found, if retire { &earlier } else { &[] })?;
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
        let masters = Masters::clone(&keyring.masters()).retiring(&retiring);
        self.put(Signers::clone(&keyring.signers()), masters)?;
        let key = MasterKey::generate(id, &mut (self.entropy)());
        self.storage.add_master_key(&key).map_err(refused)?;
        self.seal_with(self.storage.read_master_keys()?, &retiring)?;
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
        let earlier: Vec<u32> = ids(&ring).skip(1).collect();
        drop(ring);
        if earlier.is_empty() {
            return Ok(None);
        }
        if !self.is_begun(&earlier).await? {
            // The keyring may be all that is left.
            let _changing = self.changing.lock().await;
            self.seal_keyring()?;
            return Ok(None);
        }
        self.room_for_all().await?;
        {
            let _changing = self.changing.lock().await;
            self.seal_keyring()?;
        }
        self.finish(|_, _| ()).await.map(Some)
    }

    /// What an operator calls the place of the master keys.
    pub(crate) fn master_keys_lie(&self) -> String {
        self.storage.master_keys_lie()
    }

    /// What is known of the keys. It looks at every record, and opens none.
    pub(crate) async fn now(&self, progress: impl Fn(u64)) -> Result<KeysNow, RotationError> {
        let (records, notes) = self.under(progress).await?;
        let (keyring, now) = (self.records.keyring(), self.records.now());
        let (masters, signers) = (keyring.masters(), keyring.signers());
        let of = |counts: &BTreeMap<u32, u64>, id| counts.get(&id).copied().unwrap_or(0);
        let ring = self.records.keystore().master_keys();
        let master = |(place, id)| MasterNow {
            id,
            since: masters.since(id),
            records: of(&records, id),
            notes: of(&notes, id),
            retiring: place > 0 && masters.is_retiring(id),
        };
        let forwarder = signers.forwarder(now);
        let under_way = self.rewrapping.try_lock().is_err();
        Ok(KeysNow {
            master_keys_lie: self.storage.master_keys_lie(),
            masters: ids(&ring).enumerate().map(master).collect(),
            signers: signers
                .iter()
                .map(|signer| SignerNow {
                    id: signer.id().to_owned(),
                    since: signer.times.since,
                    until: signer.times.accepted_until,
                    forwards: signer.forwards(forwarder),
                })
                .collect(),
            rewrapping: under_way.then(|| (self.done.load(Relaxed), self.total.load(Relaxed))),
        })
    }

    /// Seals everything anew, and removes the keys that are to go. The caller holds the turn.
    async fn finish(&self, progress: impl Fn(u64, u64)) -> Result<Rewrapped, RotationError> {
        let keystore = self.records.keystore();
        // What was sealed with a ring of before and isn't written yet would be missed.
        while self.is_any_former_in_use() {
            tokio::time::sleep(PAUSE).await;
        }
        keystore.settle().await?;
        let rewrapped = self.rewrap(&progress).await?;
        let ring = keystore.master_keys();
        let current = ring.current_id();
        let earlier: Vec<u32> = ids(&ring).skip(1).collect();
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
            let refused = |error| RotationError::of_change(error, current);
            self.storage.remove_master_keys(&removed).map_err(refused)?;
            let ring = self.storage.read_master_keys()?;
            self.seal_with(ring, &[])?;
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

    /// The keystore seals with this ring from now on, and the keyring is sealed under it. The caller holds
    /// the turn to change both.
    fn seal_with(&self, ring: MasterKeyRing, retiring: &[u32]) -> Result<(), RotationError> {
        let held: Vec<u32> = ids(&ring).collect();
        let current = ring.current_id();
        let former = self.records.keystore().set_ring(ring);
        let formers = self.formers.lock();
        formers.unwrap_or_else(PoisonError::into_inner).push(former);
        let keyring = self.records.keyring();
        let masters = Masters::clone(&keyring.masters())
            .sealing_since(current, self.records.now())
            .retiring(retiring)
            .within(&held);
        self.put(Signers::clone(&keyring.signers()), masters)
    }

    /// The keyring as it is, sealed under the key of now.
    fn seal_keyring(&self) -> Result<(), RotationError> {
        let keyring = self.records.keyring();
        let current = self.records.keystore().master_keys().current_id();
        let masters = Masters::clone(&keyring.masters());
        let masters = masters.sealing_since(current, self.records.now());
        self.put(Signers::clone(&keyring.signers()), masters)
    }

    /// Writes the keyring with these keys, and then goes by them.
    fn put(&self, signers: Signers, masters: Masters) -> Result<(), RotationError> {
        let keyring = self.records.keyring();
        let ring = self.records.keystore().master_keys();
        let sealed = keyring.sealed_with(&signers, &masters, &ring, &mut (self.entropy)())?;
        self.storage.write_keyring(&sealed)?;
        keyring.take_over(signers, masters);
        Ok(())
    }
}

/// The ids of a ring: that of the key that seals, then the others.
fn ids(ring: &MasterKeyRing) -> impl Iterator<Item = u32> {
    ring.keys().map(MasterKey::id)
}

#[cfg(test)]
mod tests;
