//! Looking through the keystore, page by page.

use super::Keystore;
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey, SessionId, UserTag};
use crate::record::Record;
use crate::seal::codec;

/// The maximum of records on one page, however many are asked for.
const MAX_PAGE: usize = 4096;

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

impl Keystore {
    /// A user's records, at most `limit` of them (1 to 4096), from behind the session `after`.
    pub async fn list(
        &self,
        user: UserTag,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Page, KeystoreError> {
        let after = after.map(|session| RecordKey::new(user, session));
        self.open_page(KeyRange::of_user(user), after, limit).await
    }

    /// How many records of a user there are, expired and damaged ones included, counted no further
    /// than `max`. None is opened.
    pub async fn count(&self, user: UserTag, max: usize) -> Result<usize, KeystoreError> {
        self.inner.store.count(user, max).await
    }

    /// The records of all users, at most `limit` of them (1 to 4096), from behind the key `after`.
    ///
    /// Pages are read one by one: what is put or removed between two of them is seen or missed
    /// according to its place in the order. A record that is there all the time is on exactly one
    /// page.
    pub async fn list_all(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<Page, KeystoreError> {
        self.open_page(KeyRange::ALL, after, limit).await
    }

    async fn open_page(
        &self,
        range: KeyRange,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<Page, KeystoreError> {
        let (sealed, next) = self.sealed_page(range, after, limit).await?;
        let ring = self.ring();
        let (mut entries, mut damaged) = (Vec::with_capacity(sealed.len()), Vec::new());
        for (key, sealed) in sealed {
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
    pub(super) async fn sealed_page(
        &self,
        range: KeyRange,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<(Vec<(RecordKey, Vec<u8>)>, Option<RecordKey>), KeystoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let rest = match after {
            Some(key) => range.after(&key.to_bytes()),
            None => Some(range),
        };
        let Some(rest) = rest else {
            return Ok((Vec::new(), None));
        };
        let mut entries = self.inner.store.page(rest, limit + 1).await?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|(key, _)| *key);
        Ok((entries, next))
    }
}
