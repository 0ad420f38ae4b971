//! The errors of this crate, each with a code that doesn't change.
//!
//! This room must never carry plaintext, key material or sealed bytes in an error. The texts hold
//! record keys and paths: they are for the operator's log, not for an answer to a client.

use std::sync::Arc;

use crate::key::RecordKey;

/// Why the keystore couldn't make a change or answer a read.
///
/// A record that isn't there is no error: that is `Ok(None)`. Errors are cheap to clone, because
/// all callers whose changes share one durable write get the same one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// The record's bytes aren't what was sealed under this record key with this master key.
    #[error("record {record} is damaged, was moved, or belongs to another master key")]
    RecordDamaged {
        /// The record's key.
        record: RecordKey,
    },
    /// The record was sealed in a format that this version of the crate doesn't know.
    #[error("record {record} has the unknown format {version}")]
    RecordUnknownVersion {
        /// The record's key.
        record: RecordKey,
        /// The format's number, the first byte of the sealed record.
        version: u8,
    },
    /// The record is sealed with a master key that isn't in the ring.
    #[error("record {record} is sealed with master key {key_id}, which is not in the ring")]
    RecordUnknownKey {
        /// The record's key.
        record: RecordKey,
        /// The id of the missing master key.
        key_id: u32,
    },
    /// The sealed record would exceed the maximum; nothing was stored.
    #[error(
        "record {record} would take {bytes} bytes sealed; the maximum is {}",
        crate::MAX_SEALED_RECORD
    )]
    RecordTooLarge {
        /// The record's key.
        record: RecordKey,
        /// Its size when sealed.
        bytes: usize,
    },
    /// Sealed bytes outside the store aren't what was sealed for this purpose with this key.
    #[error("sealed bytes are damaged, serve another purpose, or belong to another master key")]
    SealedDamaged,
    /// Sealed bytes outside the store have a format that this version of the crate doesn't know.
    #[error("sealed bytes have the unknown format {version}")]
    SealedUnknownVersion {
        /// The format's number.
        version: u8,
    },
    /// Sealed bytes outside the store need a master key that isn't in the ring.
    #[error("sealed bytes need master key {key_id}, which is not in the ring")]
    SealedUnknownKey {
        /// The id of the missing master key.
        key_id: u32,
    },
    /// Two master keys of one ring have the same id.
    #[error("the ring already has a master key {key_id}")]
    MasterKeyIdTaken {
        /// The id.
        key_id: u32,
    },
    /// The cipher refused to seal, because the plaintext exceeds the maximum of AES-GCM. Nothing was
    /// stored.
    #[error("sealing failed")]
    SealingFailed,
    /// The source of randomness failed; nothing was stored.
    #[error("the source of randomness failed: {reason}")]
    RandomnessUnavailable {
        /// The source's own error.
        reason: Arc<str>,
    },
    /// The store can't be reached, or an earlier write failed and it refuses further changes.
    #[error("the store is not available: {reason}")]
    StoreUnavailable {
        /// The error of the engine or of the operating system.
        reason: Arc<str>,
    },
    /// Other writers changed the same records between the store's read and its write, in each of its
    /// attempts. Nothing was changed, except that a removal of everything may have removed some
    /// records; asking again may succeed.
    #[error("other changes of the same records came first in every attempt")]
    StoreContended,
    /// Another process, or another keystore of this one, has the store open.
    #[error("the store in {path} is held by another process")]
    StoreHeld {
        /// The folder.
        path: Arc<str>,
    },
    /// The store's files aren't as the engine wrote them.
    #[error("the store is corrupt: {reason}")]
    StoreCorrupt {
        /// The engine's own error.
        reason: Arc<str>,
    },
}

impl KeystoreError {
    /// The error's stable code, for logs, metrics and scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RecordDamaged { .. } => "record_damaged",
            Self::RecordUnknownVersion { .. } => "record_unknown_version",
            Self::RecordUnknownKey { .. } => "record_unknown_key",
            Self::RecordTooLarge { .. } => "record_too_large",
            Self::SealedDamaged => "sealed_damaged",
            Self::SealedUnknownVersion { .. } => "sealed_unknown_version",
            Self::SealedUnknownKey { .. } => "sealed_unknown_key",
            Self::MasterKeyIdTaken { .. } => "master_key_id_taken",
            Self::SealingFailed => "sealing_failed",
            Self::RandomnessUnavailable { .. } => "randomness_unavailable",
            Self::StoreUnavailable { .. } => "store_unavailable",
            Self::StoreContended => "store_contended",
            Self::StoreHeld { .. } => "store_held",
            Self::StoreCorrupt { .. } => "store_corrupt",
        }
    }

    /// The record that the error is about, where it is about one.
    #[must_use]
    pub fn record(&self) -> Option<RecordKey> {
        match self {
            Self::RecordDamaged { record }
            | Self::RecordUnknownVersion { record, .. }
            | Self::RecordUnknownKey { record, .. }
            | Self::RecordTooLarge { record, .. } => Some(*record),
            _ => None,
        }
    }

    /// The error of a store that can't be reached, or refuses changes.
    pub fn unavailable(reason: impl Into<Arc<str>>) -> Self {
        Self::StoreUnavailable {
            reason: reason.into(),
        }
    }

    /// The error of a store whose files are damaged.
    pub fn corrupt(reason: impl Into<Arc<str>>) -> Self {
        Self::StoreCorrupt {
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_about_a_record_names_it() {
        let record = RecordKey::from_bytes(&[0x5a; 32]);
        for (error, code) in [
            (KeystoreError::RecordDamaged { record }, "record_damaged"),
            (
                KeystoreError::RecordUnknownVersion { record, version: 9 },
                "record_unknown_version",
            ),
            (
                KeystoreError::RecordUnknownKey { record, key_id: 9 },
                "record_unknown_key",
            ),
            (
                KeystoreError::RecordTooLarge {
                    record,
                    bytes: 9_999,
                },
                "record_too_large",
            ),
        ] {
            assert_eq!(error.code(), code);
            assert_eq!(error.record(), Some(record));
            assert!(error.to_string().contains(&"5a".repeat(32)), "{error}");
        }
    }
}
