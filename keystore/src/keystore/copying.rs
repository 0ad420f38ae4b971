//! Export and import: records leave a keystore and enter another one sealed.
//!
//! This room must never return or accept a record that isn't sealed.

use super::{Keystore, PutOutcome};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey};
use crate::seal::codec;

/// Some records as they are kept, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPage {
    /// Record keys and sealed records; damaged ones as they are.
    pub entries: Vec<(RecordKey, Vec<u8>)>,
    /// Where the next page begins: to be given as `after`. Nothing on the last page.
    pub next: Option<RecordKey>,
}

impl Keystore {
    /// Sealed records of all users, at most `limit` of them (1 to 4096), from behind the key
    /// `after`. They open with [`import`](Self::import) under the keys of this ring, and nowhere
    /// else.
    ///
    /// It sees what [`list_all`](Self::list_all) sees.
    pub async fn export(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SealedPage, KeystoreError> {
        let (entries, next) = self.sealed_page(KeyRange::ALL, after, limit).await?;
        Ok(SealedPage { entries, next })
    }

    /// Stores an exported record under its record key, if there is none yet.
    ///
    /// The record must open under a key of this ring, current or older. It is sealed anew, so it is
    /// another version than the exported one. A session that ended after the export is there again:
    /// the caller must have decided that it should be.
    pub async fn import(
        &self,
        key: &RecordKey,
        sealed: &[u8],
    ) -> Result<PutOutcome, KeystoreError> {
        let record = codec::open(&self.ring(), key, sealed)?;
        self.put_new(key, &record).await
    }
}
