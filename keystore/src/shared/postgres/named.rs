//! A record's key, as the tables have it.

use crate::error::KeystoreError;
use crate::key::RecordKey;

/// The key that these bytes are.
pub(super) fn named(bytes: &[u8]) -> Result<RecordKey, KeystoreError> {
    let bytes = bytes.try_into();
    bytes
        .map(RecordKey::from_bytes)
        .map_err(|_| KeystoreError::corrupt("a key has another length than 32 bytes"))
}
