//! What can be wrong with a log of receipts.

use std::io;
use thiserror::Error;

/// Why receipts can't be believed, or can't be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptsError {
    /// A line isn't one of a log of receipts.
    #[error("line {line} is no receipt")]
    Malformed {
        /// Its number, from 1.
        line: u64,
    },
    /// A line was changed, or signed with another key.
    #[error("line {line} was changed: its signature is not that of its key")]
    Signature {
        /// Its number, from 1.
        line: u64,
    },
    /// A line doesn't follow the one before it.
    #[error(
        "line {line} doesn't follow the one before it: lines are missing, twice there, in another order, or of \
         another log"
    )]
    Broken {
        /// Its number, from 1.
        line: u64,
    },
    /// The end is missing.
    #[error("the end is missing: an export ends with a signed head")]
    Unclosed,
    /// There is no line.
    #[error("there are no receipts in it")]
    Empty,
    /// Nothing leads from the keys that are trusted to the one that signed the end.
    #[error("it is signed with the key {kid}, which is none of those that are trusted")]
    KeyUnknown {
        /// The key that signed the end.
        kid: String,
    },
    /// Two files are of one log and say different things.
    #[error("two files are of one log and differ from receipt {seq} on")]
    Forked {
        /// The first receipt in which they differ.
        seq: u64,
    },
    /// A receipt that somebody knows of is in none of the files.
    #[error(
        "receipt {seq} isn't in it as it is known: the file was cut at its end, or is older, or of another history"
    )]
    Unknown {
        /// The receipt.
        seq: u64,
    },
    /// The file isn't what was written last.
    #[error(
        "receipt {seq} was written and is not in the file as it was: the file was cut, changed or replaced by an \
         older one; put it back, or move it away to go on in a new one"
    )]
    RolledBack {
        /// The last receipt that is known to be written.
        seq: u64,
    },
    /// The file was written with keys that this deployment doesn't have.
    #[error(
        "the file was written with the key {kid}, which is none of this deployment's: put the right file there, or \
         move this one away"
    )]
    Foreign {
        /// The key of its last line.
        kid: String,
    },
    /// Receipts are kept by servers only.
    #[error("this deployment keeps no receipts")]
    NotKept,
    /// The file or the keystore can't be used.
    #[error("the receipts can't be reached: {reason}")]
    Unavailable {
        /// What the system says.
        reason: String,
    },
}

impl ReceiptsError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "receipts_malformed",
            Self::Signature { .. } => "receipts_signature",
            Self::Broken { .. } => "receipts_broken",
            Self::Unclosed => "receipts_unclosed",
            Self::Empty => "receipts_empty",
            Self::KeyUnknown { .. } => "receipts_key_unknown",
            Self::Forked { .. } => "receipts_forked",
            Self::Unknown { .. } => "receipts_known_missing",
            Self::RolledBack { .. } => "receipts_rolled_back",
            Self::Foreign { .. } => "receipts_foreign",
            Self::NotKept => "receipts_not_kept",
            Self::Unavailable { .. } => "receipts_unavailable",
        }
    }

    #[allow(clippy::needless_pass_by_value)] // for `map_err`
    pub(crate) fn unavailable(why: impl ToString) -> Self {
        let reason = why.to_string();
        Self::Unavailable { reason }
    }
}

impl From<io::Error> for ReceiptsError {
    fn from(error: io::Error) -> Self {
        Self::unavailable(error)
    }
}
