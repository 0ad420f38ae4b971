//! Decoys: records that belong to nobody, returned where there is no record.
//!
//! A caller who asks for a key that has no record must not learn that from the time of the answer
//! (threat: handle-probing). So a miss opens a decoy, which was sealed at the start under a master
//! key of its own. There are several, so that the decoys of many keys lie in as many places of
//! memory as records do.
//!
//! This room must never return a decoy whose size or scalar tells it from a record.

use zeroize::Zeroizing;

use crate::error::KeystoreError;
use crate::key::{RecordKey, SessionId, UserTag};
use crate::record::{PrivateScalar, Record};
use crate::seal::codec;
use crate::seal::master_key::{MasterKey, MasterKeyRing};
use crate::seal::nonces::NonceSource;

/// How many there are; a power of two.
const COUNT: usize = 64;

/// Sealed decoys of the usual size.
pub(super) struct Decoy {
    ring: MasterKeyRing,
    key: RecordKey,
    sealed: Vec<Vec<u8>>,
}

/// One decoy, and what opens it.
pub(super) struct DecoyOf<'a> {
    pub(super) ring: &'a MasterKeyRing,
    pub(super) key: &'a RecordKey,
    pub(super) sealed: &'a Vec<u8>,
}

impl Decoy {
    /// Seals the records under a master key that nothing else is sealed with and that is never
    /// rotated.
    pub(super) fn new(random: &mut NonceSource) -> Result<Self, KeystoreError> {
        let mut master = Zeroizing::new([0; 32]);
        random(master.as_mut())?;
        let ring = MasterKeyRing::new(MasterKey::from_bytes(0, *master));
        let key = RecordKey::new(UserTag::from_bytes([0; 16]), SessionId::from_bytes([0; 16]));
        let mut sealed = Vec::with_capacity(COUNT);
        for _ in 0..COUNT {
            let (mut scalar, mut nonce) = (Zeroizing::new([0; 32]), [0; 12]);
            random(scalar.as_mut())?;
            random(&mut nonce)?;
            // As any key of P-256, whose order begins with four bytes of ones.
            if scalar[0] == 0xff {
                scalar[0] = 0x7f;
            }
            sealed.push(codec::seal(&ring, &key, &decoy_record(*scalar), nonce)?);
        }
        Ok(Self { ring, key, sealed })
    }

    /// The decoy for a key: always the same one.
    pub(super) fn of(&self, name: &RecordKey) -> DecoyOf<'_> {
        let number = usize::from(name.session.as_bytes()[0]) % COUNT;
        DecoyOf {
            ring: &self.ring,
            key: &self.key,
            sealed: &self.sealed[number],
        }
    }
}

/// As much as the session has of a user with an id that lacre made, logged in from a browser.
fn decoy_record(scalar: [u8; 32]) -> Record {
    Record {
        private_scalar: PrivateScalar::new(scalar),
        user_id: "x".repeat(22),
        created_at: 1 << 30,
        authenticated_at: 1 << 30,
        expires_at: 1 << 40,
        ends_at: 1 << 40,
        last_seen_at: 1 << 30,
        generation: 1,
        rotated_at: 1 << 30,
        access_ended: false,
        label: None,
        address: Some("127.0.0.1".to_owned()),
        user_agent: Some("x".repeat(90)),
        client_id: None,
        last_seen_address: None,
        profile: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn counting() -> NonceSource {
        let mut count = 0_u8;
        Box::new(move |room| {
            count = count.wrapping_add(1);
            room.fill(count);
            Ok(())
        })
    }

    #[test]
    fn a_decoy_opens_so_that_a_miss_does_all_the_work() {
        let decoy = Decoy::new(&mut counting()).unwrap();
        let mut scalars = BTreeSet::new();
        for number in 0..=255 {
            let name = RecordKey::from_bytes(&[number; 32]);
            let DecoyOf { ring, key, sealed } = decoy.of(&name);
            let opened = codec::open(ring, key, sealed).unwrap();
            let scalar = *opened.private_scalar.expose();
            assert!(scalar[0] != 0xff && scalar != [0; 32]);
            assert_eq!(opened, decoy_record(scalar));
            scalars.insert(scalar);
        }
        assert_eq!(scalars.len(), COUNT, "each has a secret of its own");
    }
}
