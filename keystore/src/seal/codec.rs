//! Records as sealed bytes, and back.
//!
//! The plaintext is the record in postcard's form; the seal is that of the master key ring, bound
//! to the record's key. So a flipped bit, a record under another's name, an unknown form and an
//! unknown master key are errors that name the record.
//!
//! This room must never panic on bytes from the store, and never return a record that wasn't
//! sealed, whole, under this very name.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::KeystoreError;
use crate::key::RecordKey;
use crate::record::MAX_SEALED_RECORD;
use crate::record::{PrivateScalar, Record};
use crate::seal::master_key::{MasterKeyRing, OVERHEAD, OpenError, Purpose};

/// The form of the plaintext. It borrows, so that the scalar isn't copied on its way, and it is
/// private, so that a `PrivateScalar` has no other way into a text.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    private_scalar: &'a [u8],
    user_id: &'a str,
    created_at: u64,
    authenticated_at: u64,
    expires_at: u64,
    ends_at: u64,
    last_seen_at: u64,
    generation: u64,
    rotated_at: u64,
    access_ended: bool,
    label: Option<&'a str>,
    address: Option<&'a str>,
    user_agent: Option<&'a str>,
    client_id: Option<&'a str>,
    /// This and the next are written only where there is one, so that a record without is what earlier
    /// versions wrote.
    #[serde(skip)]
    last_seen_address: Option<&'a str>,
    #[serde(skip)]
    profile: Option<&'a str>,
}

/// What follows the rest of a record with a profile, and what no address alone looks like: an empty text
/// and something after it.
type WithProfile<'a> = (&'a str, Option<&'a str>, &'a str);

/// Seals a record under its name with the ring's current key. `nonce` must be random.
pub(crate) fn seal(
    ring: &MasterKeyRing,
    key: &RecordKey,
    record: &Record,
    nonce: [u8; 12],
) -> Result<Vec<u8>, KeystoreError> {
    let plain = Plain::of(record);
    let length = plain.length().ok_or(KeystoreError::SealingFailed)?;
    let bytes = length + OVERHEAD;
    if bytes > MAX_SEALED_RECORD {
        return Err(KeystoreError::RecordTooLarge {
            record: *key,
            bytes,
        });
    }
    ring.seal(Purpose::Record, &key.to_bytes(), nonce, length, |room| {
        plain.write(room)
    })
    .ok_or(KeystoreError::SealingFailed)
}

/// Opens a record that was sealed under this name.
pub(crate) fn open(
    ring: &MasterKeyRing,
    key: &RecordKey,
    sealed: &[u8],
) -> Result<Record, KeystoreError> {
    let record = *key;
    let plaintext: Zeroizing<Vec<u8>> = ring
        .open(Purpose::Record, &key.to_bytes(), sealed)
        .map_err(|why| match why {
            OpenError::Damaged => KeystoreError::RecordDamaged { record },
            OpenError::UnknownVersion(version) => {
                KeystoreError::RecordUnknownVersion { record, version }
            }
            OpenError::UnknownKey(key_id) => KeystoreError::RecordUnknownKey { record, key_id },
        })?;
    parse(&plaintext).ok_or(KeystoreError::RecordDamaged { record })
}

/// The record of a plaintext, with nothing left over.
fn parse(plaintext: &[u8]) -> Option<Record> {
    let (mut plain, rest) = postcard::take_from_bytes::<Plain<'_>>(plaintext).ok()?;
    if !rest.is_empty() {
        (plain.last_seen_address, plain.profile) =
            match postcard::take_from_bytes::<&str>(rest).ok()? {
                (address, []) => (Some(address), None),
                _ => match postcard::take_from_bytes::<WithProfile<'_>>(rest).ok()? {
                    (("", address, profile), []) => (address, Some(profile)),
                    _ => return None,
                },
            };
    }
    plain.into_record()
}

impl<'a> Plain<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            private_scalar: record.private_scalar.expose(),
            user_id: &record.user_id,
            created_at: record.created_at,
            authenticated_at: record.authenticated_at,
            expires_at: record.expires_at,
            ends_at: record.ends_at,
            last_seen_at: record.last_seen_at,
            generation: record.generation,
            rotated_at: record.rotated_at,
            access_ended: record.access_ended,
            label: record.label.as_deref(),
            address: record.address.as_deref(),
            user_agent: record.user_agent.as_deref(),
            client_id: record.client_id.as_deref(),
            last_seen_address: record.last_seen_address.as_deref(),
            profile: record.profile.as_deref(),
        }
    }

    fn with_profile(&self) -> Option<WithProfile<'a>> {
        Some(("", self.last_seen_address, self.profile?))
    }

    fn length(&self) -> Option<usize> {
        let length = postcard::experimental::serialized_size(self).ok()?;
        let more = match (self.with_profile(), self.last_seen_address) {
            (Some(both), _) => postcard::experimental::serialized_size(&both).ok()?,
            (None, Some(address)) => postcard::experimental::serialized_size(address).ok()?,
            (None, None) => 0,
        };
        Some(length + more)
    }

    /// Writes as many bytes as [`length`](Self::length) says.
    fn write(&self, room: &mut [u8]) -> Option<()> {
        let written = postcard::to_slice(self, room).ok()?.len();
        let room = room.get_mut(written..)?;
        match (self.with_profile(), self.last_seen_address) {
            (Some(both), _) => drop(postcard::to_slice(&both, room).ok()?),
            (None, Some(address)) => drop(postcard::to_slice(address, room).ok()?),
            (None, None) => {}
        }
        Some(())
    }

    fn into_record(self) -> Option<Record> {
        Some(Record {
            private_scalar: PrivateScalar::new(self.private_scalar.try_into().ok()?),
            user_id: self.user_id.to_owned(),
            created_at: self.created_at,
            authenticated_at: self.authenticated_at,
            expires_at: self.expires_at,
            ends_at: self.ends_at,
            last_seen_at: self.last_seen_at,
            generation: self.generation,
            rotated_at: self.rotated_at,
            access_ended: self.access_ended,
            label: self.label.map(str::to_owned),
            address: self.address.map(str::to_owned),
            user_agent: self.user_agent.map(str::to_owned),
            client_id: self.client_id.map(str::to_owned),
            last_seen_address: self.last_seen_address.map(str::to_owned),
            profile: self.profile.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::sample;
    use crate::seal::master_key::MasterKey;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [0x11; 32];

    fn key() -> RecordKey {
        RecordKey::from_bytes(&KEY)
    }

    fn ring() -> MasterKeyRing {
        MasterKeyRing::new(MasterKey::from_bytes(1, [1; 32]))
    }

    fn sealed() -> Vec<u8> {
        seal(&ring(), &key(), &sample(1), [3; 12]).unwrap()
    }

    #[test]
    fn a_sealed_record_opens_as_it_was_and_shows_nothing() {
        let sealed = sealed();
        assert_eq!(open(&ring(), &key(), &sealed), Ok(sample(1)));
        assert!(!sealed.windows(6).any(|window| window == b"user-1"));
        assert!(!sealed.windows(8).any(|window| window == [1; 8]));
    }

    #[test]
    fn a_flipped_bit_names_the_record() {
        let (ring, sealed) = (ring(), sealed());
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = open(&ring, &key(), &damaged).unwrap_err();
            assert_eq!(error.record(), Some(key()), "bit {bit}");
            let code = match bit / 8 {
                0 => "record_unknown_version",
                1..5 => "record_unknown_key",
                _ => "record_damaged",
            };
            assert_eq!(error.code(), code, "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_and_every_extension_is_refused() {
        let (ring, mut sealed) = (ring(), sealed());
        for length in 0..sealed.len() {
            let error = open(&ring, &key(), &sealed[..length]).unwrap_err();
            assert_eq!(error.code(), "record_damaged", "length {length}");
        }
        sealed.push(0);
        assert_eq!(
            open(&ring, &key(), &sealed).unwrap_err().code(),
            "record_damaged"
        );
    }

    #[test]
    fn a_record_under_another_name_is_refused() {
        let (ring, sealed) = (ring(), sealed());
        for bit in 0..256 {
            let mut other = KEY;
            other[bit / 8] ^= 1 << (bit % 8);
            let other = RecordKey::from_bytes(&other);
            assert_eq!(
                open(&ring, &other, &sealed),
                Err(KeystoreError::RecordDamaged { record: other })
            );
        }
    }

    #[test]
    fn the_key_id_of_another_master_key_in_the_ring_doesnt_open() {
        let ring = ring()
            .with_older(MasterKey::from_bytes(2, [2; 32]))
            .unwrap();
        let mut sealed = sealed();
        sealed[4] = 2;
        assert_eq!(
            open(&ring, &key(), &sealed).unwrap_err().code(),
            "record_damaged"
        );
    }

    #[test]
    fn a_plaintext_with_a_tail_or_a_short_scalar_is_no_record() {
        let record = sample(1);
        let plain = Plain::of(&record);
        let mut text = vec![0; plain.length().unwrap()];
        plain.write(&mut text).unwrap();
        assert_eq!(parse(&text), Some(sample(1)));
        assert_eq!(parse(&[text.as_slice(), &[0]].concat()), None);
        assert_eq!(parse(&text[..text.len() - 1]), None);
        let short = Plain {
            private_scalar: &[1; 31],
            ..Plain::of(&record)
        };
        assert_eq!(parse(&postcard::to_allocvec(&short).unwrap()), None);
    }

    #[test]
    fn a_record_takes_no_more_than_the_limit() {
        let mut record = sample(1);
        record.user_agent = Some(String::new());
        // From 128 bytes on the text's own length takes one byte more, as in the full record.
        record.label = Some("l".repeat(200));
        let base = seal(&ring(), &key(), &record, [3; 12]).unwrap().len() + 1;
        record.user_agent = Some("u".repeat(MAX_SEALED_RECORD - base));
        let sealed = seal(&ring(), &key(), &record, [3; 12]).unwrap();
        assert_eq!(sealed.len(), MAX_SEALED_RECORD);
        assert_eq!(open(&ring(), &key(), &sealed), Ok(record.clone()));
        record.user_agent = Some("u".repeat(MAX_SEALED_RECORD - base + 1));
        assert_eq!(
            seal(&ring(), &key(), &record, [3; 12]),
            Err(KeystoreError::RecordTooLarge {
                record: key(),
                bytes: MAX_SEALED_RECORD + 1
            })
        );
    }

    #[test]
    fn a_record_without_an_address_of_its_last_use_is_what_earlier_versions_wrote() {
        let mut record = sample(1);
        let with = seal(&ring(), &key(), &record, [3; 12]).unwrap();
        record.last_seen_address = None;
        let without = seal(&ring(), &key(), &record, [3; 12]).unwrap();
        // A length and the text itself; nothing says that there is none.
        assert_eq!(with.len(), without.len() + 1 + "198.51.100.7".len());
        assert_eq!(open(&ring(), &key(), &without), Ok(record));
    }

    #[test]
    fn a_profile_is_kept_with_and_without_an_address_of_the_last_use() {
        for address in [None, Some(""), Some("198.51.100.7")] {
            for profile in [None, Some(""), Some("[]")] {
                let record = Record {
                    last_seen_address: address.map(str::to_owned),
                    profile: profile.map(str::to_owned),
                    ..sample(1)
                };
                let plain = Plain::of(&record);
                let mut text = vec![0; plain.length().unwrap()];
                plain.write(&mut text).unwrap();
                assert_eq!(parse(&text), Some(record), "{address:?} {profile:?}");
                assert_eq!(
                    parse(&[&*text, &[7]].concat()),
                    None,
                    "{address:?} {profile:?}"
                );
            }
        }
    }

    #[test]
    fn a_profile_after_an_address_alone_is_no_record() {
        let record = sample(1);
        let plain = Plain::of(&record);
        let mut text = vec![0; plain.length().unwrap()];
        plain.write(&mut text).unwrap();
        let more = postcard::to_allocvec(&(None::<&str>, "[]")).unwrap();
        assert_eq!(parse(&[text, more].concat()), None);
    }

    proptest! {
        #[test]
        fn bytes_of_chance_are_no_record(mut noise: Vec<u8>, pretend: bool) {
            if pretend {
                noise.splice(..0, [1, 0, 0, 0, 1]);
            }
            prop_assert!(open(&ring(), &key(), &noise).is_err());
        }

        #[test]
        fn a_plaintext_of_chance_never_panics(noise: Vec<u8>) {
            let _ = parse(&noise);
        }

        #[test]
        fn any_record_survives(
            scalar: [u8; 32],
            user_id: String,
            times: [u64; 7],
            access_ended: bool,
            texts in proptest::array::uniform6(proptest::option::of(".{0,40}")),
            nonce: [u8; 12],
        ) {
            let [label, address, user_agent, client_id, last_seen_address, profile] = texts;
            let record = Record {
                private_scalar: PrivateScalar::new(scalar),
                user_id,
                created_at: times[0],
                authenticated_at: times[1],
                expires_at: times[2],
                ends_at: times[3],
                last_seen_at: times[4],
                generation: times[5],
                rotated_at: times[6],
                access_ended,
                label,
                address,
                user_agent,
                client_id,
                last_seen_address,
                profile,
            };
            let sealed = seal(&ring(), &key(), &record, nonce).unwrap();
            prop_assert_eq!(open(&ring(), &key(), &sealed), Ok(record));
        }
    }
}
