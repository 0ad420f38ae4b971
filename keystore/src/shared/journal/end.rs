//! An end, how the table has it, and by what it is found there.

use std::ops::RangeInclusive;

use crate::key::{KeyBytes, UserTag};

/// What an end is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shared) enum End {
    /// A record.
    Record(KeyBytes),
    /// The records of a user, but one.
    User(UserTag, Option<KeyBytes>),
    /// All records.
    All,
}

/// Which ends were written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shared) struct Ticket {
    /// Their number.
    pub(in crate::shared) number: u64,
    pub(super) places: RangeInclusive<i32>,
}

impl Ticket {
    /// So many of this number, behind those of it that others have.
    pub(super) fn behind(number: u64, others: usize, count: usize) -> Self {
        let place = |place: usize| i32::try_from(place).unwrap_or(i32::MAX);
        Self {
            number,
            places: place(others + 1)..=place(others + count),
        }
    }
}

impl End {
    /// As the table has it: the key, and what is kept.
    pub(super) fn columns(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Self::Record(key) => (key.to_vec(), None),
            Self::User(user, keep) => (user.as_bytes().to_vec(), keep.map(|keep| keep.to_vec())),
            Self::All => (Vec::new(), None),
        }
    }

    pub(super) fn of_columns(key: &[u8], keep: Option<&[u8]>) -> Option<Self> {
        if let Ok(key) = key.try_into() {
            return Some(Self::Record(key));
        }
        if let Ok(user) = key.try_into() {
            let keep = keep.map(KeyBytes::try_from).transpose().ok()?;
            return Some(Self::User(UserTag::from_bytes(user), keep));
        }
        key.is_empty().then_some(Self::All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_what_its_columns_say() {
        for end in [
            End::Record([7; 32]),
            End::User(UserTag::from_bytes([8; 16]), None),
            End::User(UserTag::from_bytes([8; 16]), Some([9; 32])),
            End::All,
        ] {
            let (key, keep) = end.columns();
            assert_eq!(End::of_columns(&key, keep.as_deref()), Some(end));
        }
        assert_eq!(End::of_columns(&[1; 31], None), None);
        assert_eq!(End::of_columns(&[1; 16], Some(&[1; 31])), None);
    }
}
