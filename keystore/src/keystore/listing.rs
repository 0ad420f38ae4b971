//! Looking through the keystore, page by page, and re-sealing it under a new master key.

use std::sync::{Arc, PoisonError};

use super::Keystore;
use crate::codec;
use crate::engine::{Change, KeyBytes, KeyRange};
use crate::error::KeystoreError;
use crate::key::{RecordKey, SessionId, UserTag};
use crate::master_key::{MasterKeyRing, key_id_of};
use crate::record::Record;

/// The most records on one page, however many are asked for.
const PAGE: usize = 4096;

/// Some records, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records that opened.
    pub entries: Vec<(RecordKey, Record)>,
    /// The errors of those that didn't, each with the record's name.
    pub damaged: Vec<KeystoreError>,
    /// Where the next page begins: to be given as `after`. Nothing on the last page.
    pub next: Option<RecordKey>,
}

/// One step of re-sealing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrap {
    /// How many records this step sealed anew.
    pub rewrapped: usize,
    /// The errors of records that didn't open and stay as they are.
    pub damaged: Vec<KeystoreError>,
    /// Where the next step begins: to be given as `after`. Nothing after the last step.
    pub next: Option<RecordKey>,
}

impl Keystore {
    /// A user's records, at most `limit` of them (1 to 4096), from behind the session `after`.
    ///
    /// It may read from disk; call it where blocking is allowed.
    pub fn list(
        &self,
        user: UserTag,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Page, KeystoreError> {
        let after = after.map(|session| RecordKey::new(user, session));
        self.page(KeyRange::of_user(user), after, limit)
    }

    /// How many records of a user there are, expired and damaged ones included, counted no further
    /// than `most`. None is opened.
    pub fn count(&self, user: UserTag, most: usize) -> Result<usize, KeystoreError> {
        let range = KeyRange::of_user(user);
        self.inner.engine.count_up_to(&range, most)
    }

    /// The records of all users, at most `limit` of them (1 to 4096), from behind the key `after`.
    ///
    /// Pages are read one by one: what is put or removed between two of them is seen or missed
    /// according to its place in the order. A record that is there all the time is on exactly one
    /// page. It may read from disk; call it where blocking is allowed.
    pub fn list_all(&self, after: Option<RecordKey>, limit: usize) -> Result<Page, KeystoreError> {
        self.page(KeyRange::ALL, after, limit)
    }

    /// Opens and seals with another ring from now on; used to add a master key, and to drop one
    /// that no record needs any more.
    pub fn set_ring(&self, ring: MasterKeyRing) {
        let held = self.inner.ring.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    /// Seals records that an older master key sealed anew under the current one: at most `limit`
    /// (1 to 4096) are looked at, from behind the key `after`. Nobody is logged out by it.
    ///
    /// A record that is changed meanwhile is left to that change, which seals with the current key
    /// as well. When all steps are done and none was damaged, no record needs the older keys.
    pub async fn rewrap(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<Rewrap, KeystoreError> {
        let (entries, next) = self.entries(KeyRange::ALL, after, limit)?;
        let (mut pending, mut damaged) = (Vec::new(), Vec::new());
        for (key, sealed) in entries {
            let ring = self.ring();
            if key_id_of(&sealed) == Some(ring.current_id()) {
                continue;
            }
            let record_key = RecordKey::from_bytes(&key);
            match codec::open(&ring, &record_key, &sealed) {
                Ok(record) => {
                    let change = Change {
                        key,
                        expected: Some(sealed),
                        new: Some(self.seal(&record_key, &record)?),
                    };
                    pending.push(self.inner.committer.swap(change).await?);
                }
                Err(error) => damaged.push(error),
            }
        }
        let mut rewrapped = 0;
        for answer in pending {
            rewrapped += usize::from(answer.wait().await?);
        }
        Ok(Rewrap {
            rewrapped,
            damaged,
            next,
        })
    }

    fn page(
        &self,
        range: KeyRange,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<Page, KeystoreError> {
        let (sealed, next) = self.entries(range, after, limit)?;
        let ring = self.ring();
        let (mut entries, mut damaged) = (Vec::with_capacity(sealed.len()), Vec::new());
        for (key, sealed) in sealed {
            let key = RecordKey::from_bytes(&key);
            match codec::open(&ring, &key, &sealed) {
                Ok(record) => entries.push((key, record)),
                Err(error) => damaged.push(error),
            }
        }
        Ok(Page {
            entries,
            damaged,
            next,
        })
    }

    /// One page of sealed records, and the last key of it where more follow.
    #[allow(clippy::type_complexity)] // a name for it would be longer than its uses
    pub(super) fn entries(
        &self,
        range: KeyRange,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<(Vec<(KeyBytes, Vec<u8>)>, Option<RecordKey>), KeystoreError> {
        let limit = limit.clamp(1, PAGE);
        let rest = match after {
            Some(key) => range.after(&key.to_bytes()),
            None => Some(range),
        };
        let Some(rest) = rest else {
            return Ok((Vec::new(), None));
        };
        let mut entries = self.inner.engine.scan(&rest, limit + 1)?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more);
        let next = next.map(|(key, _)| RecordKey::from_bytes(key));
        Ok((entries, next))
    }
}
