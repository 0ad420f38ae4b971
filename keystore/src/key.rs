//! Names of records: whose session, and which.
//!
//! A key is the user's tag followed by the session's id, in that order, so that one walk over
//! neighbouring keys lists all sessions of a user.
//!
//! This room must never derive a tag or an id: where they come from, and what they hide, is the
//! business of the caller.

mod range;

use std::fmt;

pub use range::KeyRange;

/// The 32 bytes of a record's key.
pub type KeyBytes = [u8; 32];

/// Sixteen bytes that stand for one user; every session of the user has the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserTag([u8; 16]);

/// Sixteen bytes that stand for one session of a user.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

/// The name of one record: 32 bytes, the user's tag and then the session's id.
///
/// Keys order as their bytes do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// Whose session it is.
    pub user: UserTag,
    /// Which of the user's sessions it is.
    pub session: SessionId,
}

impl UserTag {
    /// A tag of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the tag.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SessionId {
    /// An id of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl RecordKey {
    /// The name of the record of this user's session.
    #[must_use]
    pub const fn new(user: UserTag, session: SessionId) -> Self {
        Self { user, session }
    }

    /// A name of its 32 bytes: user tag, then session id.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (mut user, mut session) = ([0; 16], [0; 16]);
        user.copy_from_slice(&bytes[..16]);
        session.copy_from_slice(&bytes[16..]);
        Self::new(UserTag(user), SessionId(session))
    }

    /// The 32 bytes of the name: user tag, then session id.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.user.0);
        bytes[16..].copy_from_slice(&self.session.0);
        bytes
    }
}

/// Writes bytes as lower-case hex.
fn hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

impl fmt::Debug for UserTag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, out)
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The 64 hex digits by which errors and logs name a record.
impl fmt::Display for RecordKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.user.0, out)?;
        hex(&self.session.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_the_users_tag_and_then_the_sessions_id() {
        let key = RecordKey::new(UserTag::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        assert_eq!(key.to_bytes()[..16], [1; 16]);
        assert_eq!(key.to_bytes()[16..], [2; 16]);
        assert_eq!(
            format!("{key:?}"),
            format!("{}{}", "01".repeat(16), "02".repeat(16))
        );
        assert_eq!(format!("{key}"), format!("{key:?}"));
    }

    proptest! {
        #[test]
        fn a_key_and_its_bytes_are_one_and_order_alike(a: [u8; 32], b: [u8; 32]) {
            let (key_a, key_b) = (RecordKey::from_bytes(&a), RecordKey::from_bytes(&b));
            prop_assert_eq!(key_a.to_bytes(), a);
            prop_assert_eq!(key_a.cmp(&key_b), a.cmp(&b));
        }
    }
}
