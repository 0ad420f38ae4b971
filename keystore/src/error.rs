//! What can go wrong here, each with a code that doesn't change.
//!
//! This room must never carry plaintext, key material or sealed bytes in an error. The texts name
//! records and files: they are for the operator's log, not for an answer to a client.

use std::sync::Arc;

use crate::key::RecordKey;

/// Why the keystore couldn't do what it was asked.
///
/// "There is no such record" is not among them: that is `Ok(None)`. Errors are cheap to clone,
/// because all waiters of one group of changes get the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// The record's bytes aren't what was sealed under this name with this master key.
    #[error("record {record} is damaged, was moved, or belongs to another master key")]
    RecordDamaged {
        /// The record's name.
        record: RecordKey,
    },
    /// The record was written in a form that this version doesn't know.
    #[error("record {record} has the unknown form {version}")]
    RecordUnknownVersion {
        /// The record's name.
        record: RecordKey,
        /// The form's number, the first byte of the sealed record.
        version: u8,
    },
    /// The record is sealed with a master key that isn't in the ring.
    #[error("record {record} is sealed with master key {key_id}, which is not in the ring")]
    RecordUnknownKey {
        /// The record's name.
        record: RecordKey,
        /// The id of the missing master key.
        key_id: u32,
    },
    /// The record takes more room than a record may; nothing was stored.
    #[error(
        "record {record} would take {bytes} bytes sealed, more than {}",
        crate::record::MAX_SEALED_RECORD
    )]
    RecordTooLarge {
        /// The record's name.
        record: RecordKey,
        /// Its size, sealed.
        bytes: usize,
    },
    /// Sealed bytes outside the store aren't what was sealed for this purpose with this key.
    #[error("sealed bytes are damaged, serve another purpose, or belong to another master key")]
    SealedDamaged,
    /// Sealed bytes outside the store have a form that this version doesn't know.
    #[error("sealed bytes have the unknown form {version}")]
    SealedUnknownVersion {
        /// The form's number.
        version: u8,
    },
    /// Sealed bytes outside the store need a master key that isn't in the ring.
    #[error("sealed bytes need master key {key_id}, which is not in the ring")]
    SealedUnknownKey {
        /// The id of the missing master key.
        key_id: u32,
    },
    /// Two master keys of one ring have the same id.
    #[error("the ring has a master key {key_id} already")]
    MasterKeyIdTaken {
        /// The id in question.
        key_id: u32,
    },
    /// The cipher refused to seal: more bytes than AES-GCM may take at once. Nothing was stored.
    #[error("sealing failed")]
    SealingFailed,
    /// The source of randomness failed; nothing was stored.
    #[error("no randomness: {reason}")]
    RandomnessUnavailable {
        /// What the source said.
        reason: Arc<str>,
    },
    /// The store can't be reached, or an earlier write failed and it refuses further changes.
    #[error("the store is not available: {reason}")]
    StoreUnavailable {
        /// What the engine or the operating system said.
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
    /// Records are missing from the store, or are what they were earlier.
    #[error(
        "the store doesn't hold what it held: {found} records are there and {expected} were durable, or some are \
         of an earlier time, so that ended sessions may be back; put its files back as they were, or go on with what is \
         there by `lacre keystore accept`, which ends all sessions"
    )]
    StoreIncomplete {
        /// How many records were durable.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The store is an earlier one than is noted outside of it.
    #[error(
        "the store is an earlier one: it ends with change group {found}, and {place} says that group {noted} was durable; \
         sessions that have ended since would be back, and accounts and keys beside it may be of then as well. Put the \
         files of now back, or go on with these by `lacre keystore accept`, which ends all sessions in them"
    )]
    StoreOlder {
        /// Where it is noted.
        place: Arc<str>,
        /// The last group that was durable.
        noted: u64,
        /// The last group that the store has.
        found: u64,
    },
    /// What is noted outside of the store isn't of this one.
    #[error(
        "{place} is damaged, or says how far another store has come: nobody can tell whether this one is an earlier \
         one. Put back the file that belongs to it, or go on by `lacre keystore accept`, which ends all sessions"
    )]
    EpochForeign {
        /// Where it is noted.
        place: Arc<str>,
    },
    /// What was noted outside of the store isn't there.
    #[error(
        "{place} is missing, which says how far the store has come: nobody can tell whether it is an earlier one. Put \
         the file back, or go on by `lacre keystore accept`, which ends all sessions"
    )]
    EpochMissing {
        /// Where it should be.
        place: Arc<str>,
    },
    /// The store is noted outside of it, and nobody says where.
    #[error(
        "it is noted outside of the store how far it has come, and `keystore.epoch_file` isn't set: set it as it was, \
         or go on without by `lacre keystore accept`, which ends all sessions"
    )]
    EpochUnset,
    /// The store's digest was made with another key.
    #[error(
        "the store's digest doesn't open with this deployment's keys: put the keyring and the store of one \
         deployment together, or move the store's folder away, which ends all sessions"
    )]
    DigestForeign,
    /// The store's files aren't what the engine wrote.
    #[error(
        "the store is damaged: {reason}; repair its files, or move its folder away, which ends all sessions"
    )]
    StoreCorrupt {
        /// What is damaged.
        reason: Arc<str>,
    },
    /// A later version of this program made the store.
    #[error("the store has the layout {found}, and this version knows {known}")]
    StoreTooNew {
        /// The layout that was found.
        found: i32,
        /// The latest that this version knows.
        known: i32,
    },
    /// The servers' settings or their number are such that the store wouldn't keep what it says.
    #[error("the store's servers don't keep what has ended: {reason}")]
    StoreUnfit {
        /// What is wrong, and what to change.
        reason: Arc<str>,
    },
    /// There is no store where there was one.
    #[error(
        "there is no session of this deployment where keystore.url leads, and nothing else of it: its servers have lost \
         what they had, or are others than before. Lead keystore.url to those of before; or, where all sessions are lost, \
         begin with none by `lacre keystore accept`"
    )]
    StoreEmptied,
    /// Another deployment made the store.
    #[error(
        "the store belongs to another deployment: give each deployment servers, or a database on one server, of its own"
    )]
    StoreForeign,
    /// The records have left for another store.
    #[error(
        "the sessions of this deployment were moved to {to}: set keystore.engine and keystore.url (or data_dir) to it"
    )]
    StoreMoved {
        /// Where they are.
        to: Arc<str>,
    },
    /// Records are being brought to this store from another one.
    #[error(
        "sessions are being brought to the store that keystore.url leads to, from another one which is still the one in \
         use: run `lacre keystore migrate` to its end"
    )]
    StoreUnfinished,
}

impl KeystoreError {
    /// The stable name of the case, for logs, metrics and scripts.
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
            Self::StoreIncomplete { .. } => "store_incomplete",
            Self::StoreOlder { .. } => "store_older",
            Self::EpochForeign { .. } => "epoch_foreign",
            Self::EpochMissing { .. } => "epoch_missing",
            Self::EpochUnset => "epoch_unset",
            Self::DigestForeign | Self::StoreForeign => "store_foreign",
            Self::StoreCorrupt { .. } => "store_corrupt",
            Self::StoreTooNew { .. } => "store_too_new",
            Self::StoreUnfit { .. } => "store_not_durable",
            Self::StoreEmptied => "store_emptied",
            Self::StoreMoved { .. } => "store_moved",
            Self::StoreUnfinished => "migration_unfinished",
        }
    }

    /// Whether a store that is refused so can be gone on with, where it can be read.
    pub(crate) fn may_be_accepted(&self) -> bool {
        matches!(
            self,
            Self::StoreIncomplete { .. }
                | Self::StoreOlder { .. }
                | Self::EpochForeign { .. }
                | Self::EpochMissing { .. }
                | Self::EpochUnset
                | Self::StoreCorrupt { .. }
        )
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

    /// An engine that can't do its work now.
    pub fn unavailable(reason: impl Into<Arc<str>>) -> Self {
        Self::StoreUnavailable {
            reason: reason.into(),
        }
    }

    /// An engine whose files are broken.
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
