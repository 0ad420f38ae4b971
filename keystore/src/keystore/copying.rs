//! Taking records out of a keystore and into another one, sealed all the way.
//!
//! This room must never hand out or take in a record that isn't sealed.

use super::{Keystore, PutOutcome};
use crate::error::KeystoreError;
use crate::key::{KeyRange, RecordKey};
use crate::seal::codec;

/// Some records as they are kept, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPage {
    /// Names and sealed records, damaged ones as they are.
    pub entries: Vec<(RecordKey, Vec<u8>)>,
    /// Where the next page begins: to be given as `after`. Nothing on the last page.
    pub next: Option<RecordKey>,
}

impl Keystore {
    /// Sealed records of all users, at most `limit` of them (1 to 4096), from behind the key
    /// `after`. They open under this ring's keys, with [`import`](Self::import), and nowhere else.
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

    /// Stores an exported record under its name where that is free.
    ///
    /// The record must open under this ring, an older key of it will do; it is sealed anew, so the
    /// versions of before stay in the past. A session that ended since the export begins again:
    /// whether that is meant is for the caller to know.
    pub async fn import(
        &self,
        key: &RecordKey,
        sealed: &[u8],
    ) -> Result<PutOutcome, KeystoreError> {
        let record = codec::open(&self.ring(), key, sealed)?;
        self.put_new(key, &record).await
    }
}
