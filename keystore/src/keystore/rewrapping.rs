//! Another ring of master keys, and what was sealed under an earlier key sealed anew.
//!
//! The way to change the key: [`Keystore::set_ring`] with a ring that seals with the new key and opens with
//! the earlier ones; wait until the ring of before [is in use](FormerRing::is_in_use) no more, and for
//! [`Keystore::settle`]; [`Keystore::rewrap`] and [`Keystore::rewrap_notes`] to the end; then nothing
//! needs the earlier keys, which [`Keystore::sealed_under`] and [`Keystore::notes_under`] show.
//!
//! This room must never change what a record says, bring back one that has gone, or call a key
//! unneeded while something under it may still be written.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, Weak};

use futures_util::future::join_all;

use super::Keystore;
use super::noting::{open_note, seal_note};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey};
use crate::note::NotePlace;
use crate::seal::codec;
use crate::seal::master_key::{MasterKeyRing, key_id_of};
use crate::store::Write;

/// The most notes of one step.
const MAX_STEP: usize = 4096;

/// A ring that another has taken the place of.
#[derive(Clone, Debug)]
pub struct FormerRing(Weak<MasterKeyRing>);

impl FormerRing {
    /// Whether something that was sealed with it may still be on its way into the store: a change that
    /// isn't answered, or a note that hasn't been left yet. `false` is final. A change whose caller
    /// waits no more isn't seen: [`Keystore::settle`] waits for those.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// One step of sealing anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrap<P> {
    /// How many were sealed anew.
    pub rewrapped: usize,
    /// The errors of those that didn't open and stay as they are.
    pub damaged: Vec<KeystoreError>,
    /// How many were looked at.
    pub seen: usize,
    /// Where the next step begins: to be given as `after`. Nothing after the last step.
    pub next: Option<P>,
}

/// Under which master keys some of what there is was sealed, as it says itself: nothing was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedUnder<P> {
    /// Ids of keys, and how many under each.
    pub keys: BTreeMap<u32, u64>,
    /// Where the next step begins: to be given as `after`. Nothing after the last step.
    pub next: Option<P>,
}

impl Keystore {
    /// Opens and seals with another ring from now on: to add a master key, and to drop one that nothing
    /// needs any more. Returns what tells when the ring of before has come to rest.
    pub fn set_ring(&self, ring: MasterKeyRing) -> FormerRing {
        let held = self.inner.ring.write();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *held, Arc::new(ring));
        FormerRing(Arc::downgrade(&former))
    }

    /// Returns once every change that was asked for before is made or never will be, those included
    /// whose callers wait no more.
    pub async fn settle(&self) -> Result<(), KeystoreError> {
        self.inner.store.apply(Vec::new()).await.map(drop)
    }

    /// Seals records that an older master key sealed anew under the current one: at most `limit`
    /// (1 to 4096) are looked at, from behind the key `after`. Nobody is logged out by it.
    ///
    /// A record that is changed or removed meanwhile is left to that change. What is changed is sealed
    /// with the current key as well, unless it was sealed before the ring was set.
    pub async fn rewrap(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<Rewrap<RecordKey>, KeystoreError> {
        let (entries, next) = self.sealed_page(KeyRange::ALL, after, limit).await?;
        let seen = entries.len();
        let ring = self.ring();
        let (mut writes, mut damaged) = (Vec::new(), Vec::new());
        for (key, sealed) in entries {
            if key_id_of(&sealed) == Some(ring.current_id()) {
                continue;
            }
            match codec::open(&ring, &key, &sealed) {
                Ok(record) => writes.push(Write {
                    key,
                    expected: Some(sealed),
                    new: Some(self.seal(&ring, &key, &record)?),
                    ends_tokens: false,
                }),
                Err(error) => damaged.push(error),
            }
        }
        let made = writes
            .into_iter()
            .map(|write| self.inner.store.apply(vec![write]));
        let mut rewrapped = 0;
        for made in join_all(made).await {
            rewrapped += usize::from(made?);
        }
        Ok(Rewrap {
            rewrapped,
            damaged,
            seen,
            next,
        })
    }

    /// As [`rewrap`](Self::rewrap), for the notes of sessions that ended.
    pub async fn rewrap_notes(
        &self,
        after: Option<NotePlace>,
        limit: usize,
    ) -> Result<Rewrap<NotePlace>, KeystoreError> {
        let limit = limit.clamp(1, MAX_STEP);
        let notes = self.inner.store.notes(after, limit).await?;
        let seen = notes.len();
        let next = notes.last().map(|note| note.place);
        let ring = self.ring();
        let (mut anew, mut damaged) = (Vec::new(), Vec::new());
        for note in notes {
            if key_id_of(&note.sealed) == Some(ring.current_id()) {
                continue;
            }
            match open_note(&ring, &note.sealed) {
                Ok(content) => {
                    let sealed = seal_note(&ring, self.nonce()?, &content)?;
                    anew.push((note, sealed));
                }
                Err(error) => damaged.push(error),
            }
        }
        let rewrapped = if anew.is_empty() {
            0
        } else {
            self.inner.store.replace_notes(anew).await?
        };
        Ok(Rewrap {
            rewrapped: usize::try_from(rewrapped).unwrap_or(usize::MAX),
            damaged,
            seen,
            next: next.filter(|_| seen == limit),
        })
    }

    /// Under which keys records are sealed: at most `limit` (1 to 4096) from behind the key `after`.
    pub async fn sealed_under(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SealedUnder<RecordKey>, KeystoreError> {
        let (entries, next) = self.sealed_page(KeyRange::ALL, after, limit).await?;
        let keys = counted(entries.iter().map(|(_, sealed)| &sealed[..]));
        Ok(SealedUnder { keys, next })
    }

    /// Under which keys notes are sealed: at most `limit` (1 to 4096) from behind the place `after`.
    pub async fn notes_under(
        &self,
        after: Option<NotePlace>,
        limit: usize,
    ) -> Result<SealedUnder<NotePlace>, KeystoreError> {
        let limit = limit.clamp(1, MAX_STEP);
        let notes = self.inner.store.notes(after, limit).await?;
        let last = notes.last().map(|note| note.place);
        let keys = counted(notes.iter().map(|note| &note.sealed[..]));
        let next = last.filter(|_| notes.len() == limit);
        Ok(SealedUnder { keys, next })
    }
}

/// How many are sealed under each key. What is too short to name one is under none.
fn counted<'s>(sealed: impl Iterator<Item = &'s [u8]>) -> BTreeMap<u32, u64> {
    let mut keys = BTreeMap::new();
    for id in sealed.filter_map(key_id_of) {
        *keys.entry(id).or_default() += 1;
    }
    keys
}
