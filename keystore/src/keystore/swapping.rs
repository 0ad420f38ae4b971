//! Records in the place of those that were read.

use super::{Keystore, Stored, Swap};
use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::record::Record;
use crate::store::Write;

impl Keystore {
    /// Stores a record in the place of the version that was read.
    pub async fn compare_and_swap(
        &self,
        key: &RecordKey,
        seen: &Stored,
        record: &Record,
    ) -> Result<Swap, KeystoreError> {
        self.swap(vec![self.swapping(key, seen, record)?]).await
    }

    /// As [`compare_and_swap`](Self::compare_and_swap), of several records of one user, as one change: all of
    /// them where each is the version that was read, or none. No key may stand twice among them.
    pub async fn compare_and_swap_all(
        &self,
        changes: &[(RecordKey, Stored, Record)],
    ) -> Result<Swap, KeystoreError> {
        let writes = changes
            .iter()
            .map(|(key, seen, record)| self.swapping(key, seen, record))
            .collect::<Result<_, _>>()?;
        self.swap(writes).await
    }

    fn swapping(
        &self,
        key: &RecordKey,
        seen: &Stored,
        record: &Record,
    ) -> Result<Write, KeystoreError> {
        Ok(Write {
            key: *key,
            expected: Some(seen.version.sealed.clone()),
            new: Some(self.seal(&self.ring(), key, record)?),
            ends_tokens: record.ends_tokens_of(&seen.record),
        })
    }

    async fn swap(&self, writes: Vec<Write>) -> Result<Swap, KeystoreError> {
        let made = self.inner.store.apply(writes).await?;
        Ok(if made { Swap::Won } else { Swap::Lost })
    }
}
