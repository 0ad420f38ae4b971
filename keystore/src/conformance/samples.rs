//! Keys, records and a ring of master keys for tests.

use crate::{MasterKey, MasterKeyRing, PrivateScalar, Record, RecordKey, SessionId, UserTag};

/// The ring that the suite's keystores seal with: one master key, whose id is 1.
#[must_use]
pub fn ring() -> MasterKeyRing {
    MasterKeyRing::new(MasterKey::from_bytes(1, [1; 32]))
}

/// The tag of the user of this number.
#[must_use]
pub fn user(number: u8) -> UserTag {
    UserTag::from_bytes([number; 16])
}

/// The key of a user's session. The ids of all of them begin alike, so that they share what a
/// store keeps for several records.
#[must_use]
pub fn key(user_number: u8, session: u64) -> RecordKey {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&session.to_be_bytes());
    RecordKey::new(user(user_number), SessionId::from_bytes(id))
}

/// A record that is told from others by its generation, and expires at 2000.
#[must_use]
pub fn record(generation: u64) -> Record {
    Record {
        private_scalar: PrivateScalar::new([7; 32]),
        user_id: "alice".to_owned(),
        created_at: 1_000,
        authenticated_at: 1_000,
        expires_at: 2_000,
        ends_at: 9_000,
        last_seen_at: 1_000,
        generation,
        rotated_at: 1_000,
        access_ended: false,
        label: None,
        address: Some("192.0.2.1".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0)".to_owned()),
        client_id: None,
        last_seen_address: None,
        profile: None,
    }
}
