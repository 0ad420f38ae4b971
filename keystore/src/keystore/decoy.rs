//! The work of reading a record, done where there is none.
//!
//! Whoever asks for a name that leads nowhere must not learn it from the clock: a miss opens a
//! record that was sealed at the start for nobody, under a key of its own, and forgets it.
//!
//! This room must never give its record away.

use std::hint::black_box;

use zeroize::Zeroizing;

use super::NonceSource;
use crate::codec;
use crate::error::KeystoreError;
use crate::key::{RecordKey, SessionId, UserTag};
use crate::master_key::{MasterKey, MasterKeyRing};
use crate::record::{PrivateScalar, Record};

/// A sealed record of nobody's, of the usual size.
pub(super) struct Decoy {
    ring: MasterKeyRing,
    key: RecordKey,
    sealed: Vec<u8>,
}

impl Decoy {
    /// Seals the record under a master key that nothing else is sealed with and that is never
    /// rotated.
    pub(super) fn new(random: &mut NonceSource) -> Result<Self, KeystoreError> {
        let (mut master, mut nonce) = (Zeroizing::new([0; 32]), [0; 12]);
        random(master.as_mut())?;
        random(&mut nonce)?;
        let ring = MasterKeyRing::new(MasterKey::from_bytes(0, *master));
        let key = RecordKey::new(UserTag::from_bytes([0; 16]), SessionId::from_bytes([0; 16]));
        let sealed = codec::seal(&ring, &key, &nobodys(), nonce)?;
        Ok(Self { ring, key, sealed })
    }

    /// Does what reading a record does, a copy out of the engine included.
    pub(super) fn read(&self) {
        let sealed = black_box(self.sealed.clone());
        drop(black_box(codec::open(&self.ring, &self.key, &sealed)));
    }
}

/// As much as a browser's session has.
fn nobodys() -> Record {
    Record {
        private_scalar: PrivateScalar::new([1; 32]),
        user_id: "x".repeat(26),
        created_at: 1 << 30,
        authenticated_at: 1 << 30,
        expires_at: 1 << 30,
        ends_at: 1 << 30,
        last_seen_at: 1 << 30,
        generation: 1,
        rotated_at: 1 << 30,
        access_ended: false,
        label: None,
        address: Some("127.0.0.1".to_owned()),
        user_agent: Some("x".repeat(90)),
        client_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_nobody_opens_so_that_a_miss_does_all_the_work() {
        let mut source: NonceSource = Box::new(|room| {
            room.fill(7);
            Ok(())
        });
        let decoy = Decoy::new(&mut source).unwrap();
        let opened = codec::open(&decoy.ring, &decoy.key, &decoy.sealed);
        assert_eq!(opened.unwrap(), nobodys());
    }
}
