//! Ending sessions: one, a user's, all, those whose time is over, and those in another's way.

use super::{Keystore, Stored, Swap, Version};
use crate::codec;
use crate::engine::{Change, KeyRange};
use crate::error::KeystoreError;
use crate::key::{RecordKey, UserTag};
use crate::record::Record;

/// How many records one step of a sweep takes; other changes get their turn between steps.
const STEP: usize = 512;

impl Keystore {
    /// Removes a record, whatever its state, damaged included. False where there was none; its
    /// absence is durable then, too.
    pub async fn remove(&self, key: &RecordKey) -> Result<bool, KeystoreError> {
        let removed = self.inner.committer.remove(key.to_bytes()).await?;
        removed.wait().await
    }

    /// Removes a record if it is still the version that was read; false where it isn't.
    pub async fn remove_if(&self, key: &RecordKey, seen: &Stored) -> Result<bool, KeystoreError> {
        self.change(key, Some(&seen.version), None).await
    }

    /// Removes all records of a user, damaged ones included, and returns their names.
    ///
    /// It takes its turn among the changes and is not divided: every record of the user whose
    /// `put_new` took its turn before is removed, and none slips past it while it runs. A crash
    /// leaves all of them or none. One that takes its turn afterwards is stored; who wants none of
    /// those must refuse the user first.
    pub async fn remove_user(&self, user: UserTag) -> Result<Vec<RecordKey>, KeystoreError> {
        self.remove_all_of(user, None).await
    }

    /// Removes all records of a user but one, as [`remove_user`](Self::remove_user) does; the one
    /// needn't be there.
    pub async fn remove_user_but(
        &self,
        user: UserTag,
        keep: &RecordKey,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        self.remove_all_of(user, Some(keep)).await
    }

    async fn remove_all_of(
        &self,
        user: UserTag,
        keep: Option<&RecordKey>,
    ) -> Result<Vec<RecordKey>, KeystoreError> {
        let (range, keep) = (KeyRange::of_user(user), keep.map(RecordKey::to_bytes));
        let removed = self.inner.committer.remove_all_but(range, keep).await?;
        let keys = removed.wait().await?;
        Ok(keys.iter().map(RecordKey::from_bytes).collect())
    }

    /// Stores a record under a name that has none, and removes others as they were read: all of it
    /// or nothing. [`Swap::Lost`] where the name is taken or one of the others has changed or gone.
    pub async fn put_new_and_remove(
        &self,
        key: &RecordKey,
        record: &Record,
        others: &[(RecordKey, Stored)],
    ) -> Result<Swap, KeystoreError> {
        let mut changes: Vec<_> = others
            .iter()
            .map(|(other, seen)| Change {
                key: other.to_bytes(),
                expected: Some(seen.version.sealed.clone()),
                new: None,
            })
            .collect();
        // A name that is given twice is removed once.
        changes.sort_by_key(|change| change.key);
        changes.dedup();
        // The new one first: who reads meanwhile sees too many rather than too few.
        let new = Some(self.seal(key, record)?);
        changes.insert(
            0,
            Change {
                key: key.to_bytes(),
                expected: None,
                new,
            },
        );
        let made = self.inner.committer.apply(changes).await?.wait().await?;
        Ok(if made { Swap::Won } else { Swap::Lost })
    }

    /// Removes every record that is there when it begins, damaged ones included, and returns how
    /// many it removed.
    ///
    /// It runs in steps, and other changes get their turn between them: a record that is put
    /// meanwhile may stay or go. Once begun it goes on to its end, whether or not anybody waits.
    /// Where a step fails or a crash comes between two of them, the store removes all it has when
    /// it is opened anew, what was put meanwhile included.
    pub async fn remove_all(&self) -> Result<u64, KeystoreError> {
        self.inner.committer.empty().await?.wait().await
    }

    /// Removes the records of sessions that are over at `now` (Unix seconds) and returns how many
    /// it removed.
    ///
    /// A record that is refreshed meanwhile stays: each is removed only as it was read. It runs in
    /// steps, each of a bounded number of records and one durable write. Damaged records stay, and
    /// are logged.
    pub async fn sweep(&self, now: u64) -> Result<usize, KeystoreError> {
        let mut removed = 0;
        let mut rest = Some(KeyRange::ALL);
        while let Some(range) = rest {
            let entries = self.inner.engine.scan(&range, STEP)?;
            rest = match entries.last() {
                Some((last, _)) if entries.len() == STEP => range.after(last),
                _ => None,
            };
            let mut pending = Vec::new();
            for (key, sealed) in entries {
                match codec::open(&self.ring(), &RecordKey::from_bytes(&key), &sealed) {
                    Ok(record) if record.is_expired(now) => {
                        let change = Change {
                            key,
                            expected: Some(sealed),
                            new: None,
                        };
                        pending.push(self.inner.committer.swap(change).await?);
                    }
                    Ok(_) => {}
                    Err(error) => log::warn!("sweeping passed over a record: {error}"),
                }
            }
            for answer in pending {
                removed += usize::from(answer.wait().await?);
            }
        }
        Ok(removed)
    }
}

impl Version {
    /// The id of the master key that this version is sealed with.
    #[must_use]
    pub fn key_id(&self) -> Option<u32> {
        crate::master_key::key_id_of(&self.sealed)
    }
}
