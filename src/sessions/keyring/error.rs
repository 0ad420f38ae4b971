//! Why there is no keyring.

use crate::token::KeyError;
use lacre_keystore::KeystoreError;
use thiserror::Error;

/// Why there is no keyring.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The master key doesn't open it.
    #[error("the keyring doesn't open: {0}")]
    NotOurs(KeystoreError),
    /// It opens and is not a keyring.
    #[error("the keyring is damaged")]
    Damaged,
    /// It opens, and is that of another deployment.
    #[error("the keyring is that of another deployment")]
    Foreign,
    /// It is missing, and there are records that only it can find.
    #[error("the keyring is missing, and the keystore has sessions that were made with it")]
    Missing,
    /// So many earlier signing keys are still accepted that there is no room for another.
    #[error(
        "there are {MAX_SIGNERS} signing keys, which is the most: another one is made when the oldest is \
         accepted no more, as `lacre keys status` says, or now with --drop-earlier, which logs everybody out"
    )]
    TooManySigners,
}

/// The most signing keys: more than overlap in any rotation.
pub(crate) const MAX_SIGNERS: usize = 16;

impl From<KeyError> for KeyringError {
    fn from(_: KeyError) -> Self {
        Self::Damaged
    }
}

impl KeyringError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOurs(_) => "master_key_mismatch",
            Self::Damaged => "keyring_damaged",
            Self::Foreign => "store_foreign",
            Self::Missing => "keyring_missing",
            Self::TooManySigners => "signing_keys_too_many",
        }
    }
}
