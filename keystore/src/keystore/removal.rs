//! Ending sessions: one, a user's, all, those whose time is over, and those in another's way.

use futures_util::future::join_all;

use super::{Keystore, Stored, Swap, Version};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, UserTag};
use crate::note::Note;
use crate::record::Record;
use crate::seal::codec;
use crate::seal::master_key::MasterKeyRing;
use crate::store::Write;

/// How many records one step of a sweep takes; other changes get their turn between steps.
const STEP: usize = 512;

impl Keystore {
    /// Removes a record, whatever its state, damaged included. False where there was none; its
    /// absence is durable then, too.
    pub async fn remove(&self, key: &RecordKey) -> Result<bool, KeystoreError> {
        self.inner.store.remove(*key).await
    }

    /// Removes a record if it is still the version that was read; false where it isn't.
    pub async fn remove_if(&self, key: &RecordKey, seen: &Stored) -> Result<bool, KeystoreError> {
        self.inner.store.apply(vec![removal(key, seen)]).await
    }

    /// Removes all records of a user, damaged ones included, and returns their names.
    ///
    /// It takes its turn among the changes and is not divided: every record of the user whose
    /// `put_new` took its turn before is removed, and none slips past it while it runs. A crash
    /// leaves all of them or none. One that takes its turn afterwards is stored; who wants none of
    /// those must refuse the user first.
    pub async fn remove_user(&self, user: UserTag) -> Result<Vec<RecordKey>, KeystoreError> {
        self.inner.store.remove_user(user, None).await
    }

    /// Removes all records of a user but one, as [`remove_user`](Self::remove_user) does; the one
    /// needn't be there.
    pub async fn remove_user_but(
        &self,
        user: UserTag,
        keep: &RecordKey,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        self.inner.store.remove_user(user, Some(*keep)).await
    }

    /// Stores a record under a name that has none, and removes others as they were read: all of it
    /// or nothing. [`Swap::Lost`] where the name is taken or one of the others has changed or gone.
    pub async fn put_new_and_remove(
        &self,
        key: &RecordKey,
        record: &Record,
        others: &[(RecordKey, Stored)],
    ) -> Result<Swap, KeystoreError> {
        self.noting(None)
            .put_new_and_remove(key, record, others)
            .await
    }

    /// Removes records as they were read while another one, `kept`, is as it was read as well: all of it
    /// or nothing. [`Swap::Lost`] where one of them has changed or gone.
    ///
    /// So of several who each find the others' records one too many, one succeeds. The kept record is
    /// sealed anew, so that it is another version afterwards.
    pub async fn remove_beside(
        &self,
        kept: &RecordKey,
        seen: &Stored,
        others: &[(RecordKey, Stored)],
    ) -> Result<Swap, KeystoreError> {
        self.noting(None).remove_beside(kept, seen, others).await
    }

    pub(super) fn removing_beside(
        &self,
        ring: &MasterKeyRing,
        kept: &RecordKey,
        seen: &Stored,
        others: &[(RecordKey, Stored)],
    ) -> Result<Vec<Write>, KeystoreError> {
        let mut writes = removals(others);
        let same = Write {
            key: *kept,
            expected: Some(seen.version.sealed.clone()),
            new: Some(self.seal(ring, kept, &seen.record)?),
            ends_tokens: false,
        };
        writes.insert(0, same);
        Ok(writes)
    }

    pub(super) fn putting_and_removing(
        &self,
        ring: &MasterKeyRing,
        key: &RecordKey,
        record: &Record,
        others: &[(RecordKey, Stored)],
    ) -> Result<Vec<Write>, KeystoreError> {
        let mut writes = removals(others);
        // The new one first: who reads meanwhile sees too many rather than too few.
        let new = Write {
            key: *key,
            expected: None,
            new: Some(self.seal(ring, key, record)?),
            ends_tokens: false,
        };
        writes.insert(0, new);
        Ok(writes)
    }

    /// Removes every record that is there when it begins, damaged ones included, and returns how
    /// many it removed.
    ///
    /// It runs in steps, and other changes get their turn between them: a record that is put
    /// meanwhile may stay or go. Once begun it goes on to its end, whether or not anybody waits.
    /// Where a step fails or a crash comes between two of them, the store removes all it has when
    /// it is opened anew, what was put meanwhile included.
    pub async fn remove_all(&self) -> Result<u64, KeystoreError> {
        self.inner.store.remove_all().await
    }

    /// Removes the records of sessions that are over at `now` (Unix seconds) and returns how many
    /// it removed: [`sweep_step`](Self::sweep_step) from the first record to the last.
    pub async fn sweep(&self, now: u64) -> Result<usize, KeystoreError> {
        let (mut removed, mut rest) = (0, Some(KeyRange::ALL));
        while let Some(range) = rest {
            let step = self.sweep_step(range, now).await?;
            removed += step.removed.len();
            rest = step.rest;
        }
        Ok(removed)
    }

    /// Removes the expired among the first records of `range`, at most 512 of them, as one durable
    /// write.
    ///
    /// A record that is refreshed meanwhile stays: each is removed only as it was read. Damaged
    /// records stay, and are logged.
    pub async fn sweep_step(&self, range: KeyRange, now: u64) -> Result<SweepStep, KeystoreError> {
        self.sweep_step_noting(range, now, |_| None).await
    }

    /// As [`sweep_step`](Self::sweep_step), leaving the note that is made of each record.
    pub async fn sweep_step_noting(
        &self,
        range: KeyRange,
        now: u64,
        note: impl Fn(&Record) -> Option<Note>,
    ) -> Result<SweepStep, KeystoreError> {
        let store = &self.inner.store;
        let entries = store.page_to_sweep(range, now, STEP).await?;
        let rest = match entries.last() {
            Some((last, _)) if entries.len() == STEP => range.after(&last.to_bytes()),
            _ => None,
        };
        let mut expired = Vec::new();
        for (key, sealed) in entries {
            match codec::open(&self.ring(), &key, &sealed) {
                Ok(record) if record.is_expired(now) => {
                    let write = Write {
                        key,
                        expected: Some(sealed),
                        new: None,
                        ends_tokens: true,
                    };
                    let made = self.noting(note(&record)).apply(vec![write]);
                    expired.push((key, record.user_id, made));
                }
                Ok(_) => {}
                Err(error) => log::warn!("the sweep left a record that does not open: {error}"),
            }
        }
        let made = expired
            .into_iter()
            .map(async |(key, user_id, made)| Ok((key, user_id, made.await?)));
        let mut removed = Vec::new();
        for made in join_all(made).await {
            let (key, user_id, made) = made?;
            if made {
                removed.push((key, user_id));
            }
        }
        Ok(SweepStep { removed, rest })
    }
}

/// What one step of a sweep did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepStep {
    /// The records that were removed, each with the user whose session it was.
    pub removed: Vec<(RecordKey, String)>,
    /// The range of the next step; nothing after the last.
    pub rest: Option<KeyRange>,
}

/// The removals of records as they were read.
fn removals(others: &[(RecordKey, Stored)]) -> Vec<Write> {
    let others = others.iter();
    let mut writes: Vec<_> = others.map(|(other, seen)| removal(other, seen)).collect();
    // A key that is given twice is removed once.
    writes.sort_by_key(|write| write.key);
    writes.dedup();
    writes
}

/// The removal of a record as it was read.
pub(super) fn removal(key: &RecordKey, seen: &Stored) -> Write {
    Write {
        key: *key,
        expected: Some(seen.version.sealed.clone()),
        new: None,
        ends_tokens: true,
    }
}

impl Version {
    /// The id of the master key that this version is sealed with.
    #[must_use]
    pub fn key_id(&self) -> Option<u32> {
        crate::seal::master_key::key_id_of(&self.sealed)
    }
}
