//! The master keys, and the one way in which anything is sealed with them.
//!
//! A sealed blob is `version 1 ‖ key id, u32 big-endian ‖ nonce, 12 bytes ‖ AES-256-GCM
//! ciphertext ‖ tag, 16 bytes`. The first five bytes and the caller's context are authenticated
//! with it. The AES key is `HMAC-SHA-256(master key, label ‖ context)`: each context has a key of
//! its own, so random 96-bit nonces stay far from their limit (NIST SP 800-38D §8.3: 2³² blobs
//! under one key) however many records a deployment seals.
//!
//! This room must never use a master key as an AES key itself, print one, or return plaintext
//! whose tag hasn't been checked.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::error::KeystoreError;

const VERSION: u8 = 1;
const PREFIX: usize = 5;
const NONCE: usize = 12;
const TAG: usize = 16;

/// Bytes that sealing adds to a plaintext.
pub(crate) const OVERHEAD: usize = PREFIX + NONCE + TAG;

/// What a sealed blob is for. No label is the beginning of another, so label and context together
/// can be read in one way only.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// A session record; the context is its key.
    Record,
    /// Other bytes of the deployment; the context is chosen by the caller.
    Bytes,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Record => b"lacre record v1",
            Self::Bytes => b"lacre bytes v1",
        }
    }
}

/// Why a sealed blob doesn't open; the caller says which blob it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    Damaged,
    UnknownVersion(u8),
    UnknownKey(u32),
}

/// One master key, 32 bytes, under the id that sealed blobs name it by.
///
/// Wiped when dropped; prints its id only.
pub struct MasterKey {
    id: u32,
    bytes: Box<Zeroizing<[u8; 32]>>,
    // Its own context is wiped by aws-lc when it is dropped.
    derive: hmac::Key,
}

impl MasterKey {
    /// Makes a new master key.
    #[must_use]
    pub fn generate(id: u32, rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self::from_bytes(id, *bytes)
    }

    /// Takes a master key from its bytes.
    #[must_use]
    pub fn from_bytes(id: u32, bytes: [u8; 32]) -> Self {
        let bytes = Box::new(Zeroizing::new(bytes));
        let derive = hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref().as_ref());
        Self { id, bytes, derive }
    }

    /// The id by which sealed blobs name this key.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The key's bytes, for the one place that keeps them in a file.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Whether both are the same 32 bytes. It looks at every byte whatever the first ones say.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let pairs = self.bytes.iter().zip(other.bytes.iter());
        let difference = pairs.fold(0, |seen, (a, b)| seen | (a ^ b));
        std::hint::black_box(difference) == 0
    }

    /// Eight bytes by which two holders of this key see that it is the same one; they tell nothing of it.
    #[must_use]
    pub fn check(&self) -> [u8; 8] {
        let tag = hmac::sign(&self.derive, b"lacre check v1");
        let mut check = [0; 8];
        check.copy_from_slice(&tag.as_ref()[..8]);
        check
    }

    fn cipher(&self, purpose: Purpose, context: &[u8]) -> Result<LessSafeKey, OpenError> {
        let mut mac = hmac::Context::with_key(&self.derive);
        mac.update(purpose.label());
        mac.update(context);
        let tag = mac.sign();
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(tag.as_ref());
        UnboundKey::new(&AES_256_GCM, key.as_ref())
            .map(LessSafeKey::new)
            .map_err(|_| OpenError::Damaged)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MasterKey {{ id: {} }}", self.id)
    }
}

/// The master key that seals now, and the earlier ones that still open.
#[derive(Debug)]
pub struct MasterKeyRing {
    current: MasterKey,
    older: Vec<MasterKey>,
}

impl MasterKeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn new(current: MasterKey) -> Self {
        Self {
            current,
            older: Vec::new(),
        }
    }

    /// Adds a key that opens what it sealed and seals nothing more.
    ///
    /// [`KeystoreError::MasterKeyIdTaken`] where the ring has a key of this id: an id that means
    /// two keys would make records of one of them unreadable.
    pub fn with_older(mut self, key: MasterKey) -> Result<Self, KeystoreError> {
        if self.find(key.id).is_some() {
            return Err(KeystoreError::MasterKeyIdTaken { key_id: key.id });
        }
        self.older.push(key);
        Ok(self)
    }

    /// The same keys, of which the one with this id seals; `None` where there is none.
    #[must_use]
    pub fn sealing_with(self, id: u32) -> Option<Self> {
        let mut keys: Vec<_> = std::iter::once(self.current).chain(self.older).collect();
        let place = keys.iter().position(|key| key.id == id)?;
        Some(Self {
            current: keys.remove(place),
            older: keys,
        })
    }

    /// The id of the key that sealed these bytes, as they say themselves: nothing is checked.
    #[must_use]
    pub fn sealed_by(sealed: &[u8]) -> Option<u32> {
        key_id_of(sealed)
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn current_id(&self) -> u32 {
        self.current.id
    }

    /// All keys of the ring, the current one first.
    pub fn keys(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// Seals bytes of the deployment that aren't records, such as a file of signing keys.
    ///
    /// `aad` says what they are; only the same `aad` opens them.
    pub fn seal_bytes(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, KeystoreError> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        self.seal(Purpose::Bytes, aad, nonce, plaintext.len(), |room| {
            room.copy_from_slice(plaintext);
            Some(())
        })
        .ok_or(KeystoreError::SealingFailed)
    }

    /// Opens what [`seal_bytes`](Self::seal_bytes) made for the same `aad`.
    pub fn open_bytes(
        &self,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        self.open(Purpose::Bytes, aad, sealed)
            .map_err(|why| match why {
                OpenError::Damaged => KeystoreError::SealedDamaged,
                OpenError::UnknownVersion(version) => {
                    KeystoreError::SealedUnknownVersion { version }
                }
                OpenError::UnknownKey(key_id) => KeystoreError::SealedUnknownKey { key_id },
            })
    }

    /// Seals `length` bytes that `write` puts in place, or returns nothing where `write` or the
    /// cipher fails. The plaintext is written where the ciphertext will stand, so no copy of it
    /// stays behind.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        context: &[u8],
        nonce: [u8; NONCE],
        length: usize,
        write: impl FnOnce(&mut [u8]) -> Option<()>,
    ) -> Option<Vec<u8>> {
        let mut sealed = Zeroizing::new(vec![0; OVERHEAD + length]);
        sealed[0] = VERSION;
        sealed[1..PREFIX].copy_from_slice(&self.current.id.to_be_bytes());
        sealed[PREFIX..PREFIX + NONCE].copy_from_slice(&nonce);
        let aad = associated_data(&sealed[..PREFIX], context);
        let (room, tag_room) = sealed[PREFIX + NONCE..].split_at_mut(length);
        write(room)?;
        let tag = self
            .current
            .cipher(purpose, context)
            .ok()?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&aad), room)
            .ok()?;
        tag_room.copy_from_slice(tag.as_ref());
        // From here on there is nothing to wipe: take the bytes out of their guard.
        Some(std::mem::take(&mut *sealed))
    }

    /// Opens what [`seal`](Self::seal) made for the same purpose and context.
    pub(crate) fn open(
        &self,
        purpose: Purpose,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        match sealed.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(OpenError::UnknownVersion(version)),
            None => return Err(OpenError::Damaged),
        }
        let key_id = key_id_of(sealed).ok_or(OpenError::Damaged)?;
        let length = sealed
            .len()
            .checked_sub(OVERHEAD)
            .ok_or(OpenError::Damaged)?;
        let key = self.find(key_id).ok_or(OpenError::UnknownKey(key_id))?;
        let (prefix, rest) = sealed.split_at(PREFIX);
        let (nonce, rest) = rest.split_at(NONCE);
        let (ciphertext, tag) = rest.split_at(length);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Damaged)?;
        let mut plaintext = Zeroizing::new(vec![0; length]);
        key.cipher(purpose, context)?
            .open_separate_gather(
                nonce,
                Aad::from(associated_data(prefix, context)),
                ciphertext,
                tag,
                &mut plaintext,
            )
            .map_err(|_| OpenError::Damaged)?;
        Ok(plaintext)
    }

    fn find(&self, id: u32) -> Option<&MasterKey> {
        self.keys().find(|key| key.id == id)
    }
}

/// The id of the master key that a blob says it is sealed with; nothing is checked.
pub(crate) fn key_id_of(sealed: &[u8]) -> Option<u32> {
    let id = sealed.get(1..PREFIX)?;
    Some(u32::from_be_bytes(id.try_into().ok()?))
}

fn associated_data(prefix: &[u8], context: &[u8]) -> Vec<u8> {
    [prefix, context].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    fn ring(id: u32, byte: u8) -> MasterKeyRing {
        MasterKeyRing::new(MasterKey::from_bytes(id, [byte; 32]))
    }

    #[test]
    fn sealed_bytes_open_for_their_own_purpose_only() {
        let ring = ring(1, 1);
        let sealed = ring.seal_bytes(b"keyring", b"secret", &mut rng()).unwrap();
        assert_eq!(&**ring.open_bytes(b"keyring", &sealed).unwrap(), b"secret");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(
            ring.open_bytes(b"keyrinG", &sealed),
            Err(KeystoreError::SealedDamaged)
        );
        assert_eq!(
            ring.open(Purpose::Record, b"keyring", &sealed),
            Err(OpenError::Damaged)
        );
    }

    #[test]
    fn two_seals_of_one_text_differ() {
        let mut random = rng();
        let ring = ring(1, 1);
        assert_ne!(
            ring.seal_bytes(b"a", b"text", &mut random).unwrap(),
            ring.seal_bytes(b"a", b"text", &mut random).unwrap()
        );
    }

    #[test]
    fn the_layout_is_version_key_id_nonce_ciphertext_tag() {
        let sealed = ring(0x0102_0304, 1)
            .seal(Purpose::Bytes, b"", [9; NONCE], 5, |_| Some(()))
            .unwrap();
        assert_eq!(sealed[..PREFIX], [1, 1, 2, 3, 4]);
        assert_eq!(sealed[PREFIX..PREFIX + NONCE], [9; NONCE]);
        assert_eq!(sealed.len(), OVERHEAD + 5);
    }

    #[test]
    fn an_older_key_opens_and_the_current_one_seals() {
        let sealed = ring(1, 1).seal_bytes(b"a", b"text", &mut rng()).unwrap();
        let both = ring(2, 2)
            .with_older(MasterKey::from_bytes(1, [1; 32]))
            .unwrap();
        assert_eq!(&**both.open_bytes(b"a", &sealed).unwrap(), b"text");
        let newer = both.seal_bytes(b"a", b"text", &mut rng()).unwrap();
        assert_eq!(key_id_of(&newer), Some(both.current_id()));
        assert_eq!(
            ring(1, 1).open_bytes(b"a", &newer),
            Err(KeystoreError::SealedUnknownKey { key_id: 2 })
        );
    }

    #[test]
    fn a_ring_seals_with_the_key_that_is_chosen_and_opens_with_all() {
        let both = || {
            let ring = ring(2, 2);
            ring.with_older(MasterKey::from_bytes(1, [1; 32])).unwrap()
        };
        let sealed = both().seal_bytes(b"a", b"text", &mut rng()).unwrap();
        let first = both().sealing_with(1).unwrap();
        assert_eq!(&**first.open_bytes(b"a", &sealed).unwrap(), b"text");
        let sealed = first.seal_bytes(b"a", b"text", &mut rng()).unwrap();
        assert_eq!(MasterKeyRing::sealed_by(&sealed), Some(1));
        assert_eq!(first.keys().map(MasterKey::id).collect::<Vec<_>>(), [1, 2]);
        assert!(both().sealing_with(3).is_none());
    }

    #[test]
    fn the_check_of_a_key_is_that_of_its_bytes_alone() {
        let check = |id, byte| MasterKey::from_bytes(id, [byte; 32]).check();
        assert_eq!(check(1, 7), check(2, 7));
        assert_ne!(check(1, 7), check(1, 8));
    }

    #[test]
    fn an_id_means_one_key() {
        assert_eq!(
            ring(1, 1)
                .with_older(MasterKey::from_bytes(1, [2; 32]))
                .unwrap_err()
                .code(),
            "master_key_id_taken"
        );
    }

    #[test]
    fn another_master_key_of_the_same_id_opens_nothing() {
        let sealed = ring(1, 1).seal_bytes(b"a", b"text", &mut rng()).unwrap();
        assert_eq!(
            ring(1, 2).open_bytes(b"a", &sealed),
            Err(KeystoreError::SealedDamaged)
        );
    }

    #[test]
    fn keys_and_rings_show_their_ids_only() {
        let shown = format!("{:?}", ring(7, 0xab));
        assert!(shown.contains('7'));
        assert!(!shown.contains("ab") && !shown.contains("171"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(plaintext: Vec<u8>, aad: Vec<u8>, byte: u8, seed: u64) {
            let ring = ring(3, byte);
            let mut rng = StdRng::seed_from_u64(seed);
            let sealed = ring.seal_bytes(&aad, &plaintext, &mut rng).unwrap();
            prop_assert_eq!(&**ring.open_bytes(&aad, &sealed).unwrap(), &plaintext);
        }

        #[test]
        fn bytes_of_chance_are_refused(noise: Vec<u8>) {
            prop_assert!(ring(3, 3).open_bytes(b"a", &noise).is_err());
        }
    }
}
