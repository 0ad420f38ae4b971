//! A keystore as a side of a move, sealed all the way.
//!
//! This room must never take a record that doesn't open for one that has ended.

use futures_util::future::try_join_all;

use super::Keystore;
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey};
use crate::moving::{Change, Destination, Origin};
use crate::seal::codec;
use crate::store::{Answer, Sealed, Write};

impl Keystore {
    /// Takes no more changes until it is told otherwise, and answers when those under way are made or never will be:
    /// for the last walk of a move. `store_unavailable` where other processes may write to the store as well.
    pub async fn hold_changes(&self, hold: bool) -> Result<(), KeystoreError> {
        self.inner.store.hold_changes(hold).await
    }

    /// Answers nothing any more, for good: the records live on elsewhere.
    pub async fn leave(&self) -> Result<(), KeystoreError> {
        self.inner.store.leave().await
    }
}

impl Origin for Keystore {
    fn page(&self, after: Option<RecordKey>, limit: usize) -> Answer<'_, Vec<(RecordKey, Sealed)>> {
        Box::pin(async move {
            let (page, _) = self.sealed_page(KeyRange::ALL, after, limit).await?;
            let ring = self.ring();
            let sealed = page.into_iter().map(|(key, bytes)| {
                // One that doesn't open stays until somebody ends it, there as here.
                let record = codec::open(&ring, &key, &bytes).ok();
                let expires_at =
                    record.map_or(u64::MAX, |record| record.expires_at.min(record.ends_at));
                (key, Sealed { bytes, expires_at })
            });
            Ok(sealed.collect())
        })
    }
}

impl Destination for Keystore {
    fn page(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Answer<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            let (page, _) = self.sealed_page(KeyRange::ALL, after, limit).await?;
            Ok(page)
        })
    }

    fn change(&self, changes: Vec<Change>) -> Answer<'_, ()> {
        Box::pin(async move {
            let writes = changes.into_iter().map(|change| {
                let write = Write {
                    key: change.key,
                    ends_tokens: change.before.is_some(),
                    expected: change.before,
                    new: change.now,
                };
                self.inner.store.apply(vec![write])
            });
            let made = try_join_all(writes).await?;
            if made.into_iter().all(|made| made) {
                return Ok(());
            }
            Err(KeystoreError::unavailable(
                "somebody else writes to the store that records are brought to",
            ))
        })
    }
}
