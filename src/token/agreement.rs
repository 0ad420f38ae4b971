//! ECDH-ES+A256KW: from a session's private key and an ephemeral point to the content key
//! (RFC 7518 §4.6, NIST SP 800-56A §5.8.1, RFC 3394).
//!
//! The `p256` crate makes and holds the scalars and checks the points; multiples of points are the
//! business of the room beside this one.
//!
//! This room must never tell an encrypted key that doesn't unwrap from one that unwraps to a key
//! whose tag is wrong: both end in the same comparison (RFC 7516 §11.5).

use super::TokenError;
use super::content::ContentKey;
use super::curve::{self, Uncompressed};
use super::profile::ALG;
use super::stack;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};
use p256::SecretKey;
use p256::elliptic_curve::Generate as _;
use rand::CryptoRng;
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a wrapped 64-byte content key (RFC 3394: eight more than the key).
pub(super) const ENCRYPTED_KEY_LENGTH: usize = ContentKey::LENGTH + 8;

/// A public key that is a point of P-256, not infinity, in uncompressed SEC 1 form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EphemeralPublicKey(Uncompressed);

impl EphemeralPublicKey {
    /// Takes coordinates of a point on the curve: the full check of SP 800-56A §5.6.2.3.4
    /// (each coordinate below p, on the curve; P-256 has no small subgroup, infinity no coordinates).
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, TokenError> {
        let mut point = [4; 65];
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        match p256::PublicKey::from_sec1_bytes(&point) {
            Ok(_) => Ok(Self(point)),
            Err(_) => Err(TokenError::EphemeralKey),
        }
    }

    /// The affine coordinates, 32 bytes each.
    #[must_use]
    pub fn coordinates(&self) -> (&[u8], &[u8]) {
        self.0[1..].split_at(32)
    }

    /// The uncompressed SEC 1 form: `04 ‖ x ‖ y`.
    pub(crate) fn sec1(&self) -> &Uncompressed {
        &self.0
    }
}

impl fmt::Debug for EphemeralPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralPublicKey(..)")
    }
}

/// Whose key a token is sealed for.
#[derive(Debug, Clone, Copy)]
pub enum RecipientKey<'a> {
    /// Somebody's, of whom the public half is known.
    Public(&'a EphemeralPublicKey),
    /// A session's of our own: both halves are at hand, which makes sealing quicker.
    Own(&'a SessionKey),
}

/// A session's private key. Neither half of it is ever shown: the private half implies the public
/// one, and whoever has the public one can seal (threat: public-key-sealing).
///
/// Wiped when it is dropped.
#[derive(Clone)]
pub struct SessionKey(SecretKey);

impl SessionKey {
    /// Makes a new key from the given randomness.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let key = Self(SecretKey::generate_from_rng(rng));
        stack::sweep();
        key
    }

    /// Takes a scalar of 1..n-1; [`TokenError::EphemeralKey`] for any other.
    pub fn from_scalar(scalar: &[u8; 32]) -> Result<Self, TokenError> {
        let key = SecretKey::from_slice(scalar).map(Self);
        stack::sweep();
        key.map_err(|_| TokenError::EphemeralKey)
    }

    /// The scalar, big-endian; wiped by its owner's drop.
    #[must_use]
    pub fn scalar(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = self.0.to_bytes();
        let mut scalar = Zeroizing::new([0; 32]);
        scalar.copy_from_slice(&bytes);
        bytes.zeroize();
        scalar
    }

    /// The public half.
    ///
    /// Only for sealing and for tests; it must not leave the process (threat: public-key-sealing).
    pub fn public_key(&self) -> Result<EphemeralPublicKey, TokenError> {
        let point = curve::of_base(&self.scalar()).ok_or(TokenError::EphemeralKey)?;
        Ok(EphemeralPublicKey(*point))
    }

    /// Unwraps the content key that was wrapped for this key by the owner of `epk`.
    ///
    /// Never fails: where the encrypted key is not one, the answer is a content key that opens
    /// nothing, so that the failure shows only where every other one does (RFC 7516 §11.5).
    #[must_use]
    pub fn unwrap(
        &self,
        epk: &EphemeralPublicKey,
        encrypted: &[u8; ENCRYPTED_KEY_LENGTH],
    ) -> ContentKey {
        let Some(kek) = self.agree(epk) else {
            return ContentKey::that_opens_nothing();
        };
        let mut unwrapped = Zeroizing::new([0; ENCRYPTED_KEY_LENGTH]);
        let done = AesKek::new(&AES_256, kek.as_ref()).and_then(|kek| {
            kek.unwrap(encrypted, unwrapped.as_mut())
                .map(|key| key.len())
        });
        // What the engine has written is taken either way: a branch would show in the time.
        let genuine = done.is_ok_and(|length| length == ContentKey::LENGTH);
        ContentKey::from_unwrapped(&unwrapped, genuine)
    }

    /// Wraps `content_key` for a recipient; `self` is the ephemeral key.
    pub(crate) fn wrap(
        &self,
        recipient: RecipientKey<'_>,
        content_key: &ContentKey,
    ) -> Result<[u8; ENCRYPTED_KEY_LENGTH], TokenError> {
        let kek = match recipient {
            RecipientKey::Public(key) => self.agree(key),
            RecipientKey::Own(key) => self.agree_with_both(key),
        };
        let kek = kek.ok_or(TokenError::EphemeralKey)?;
        let mut wrapped = [0; ENCRYPTED_KEY_LENGTH];
        AesKek::new(&AES_256, kek.as_ref())
            .and_then(|kek| kek.wrap(content_key.expose(), &mut wrapped).map(|_| ()))
            .map_err(|_| TokenError::EphemeralKey)?;
        Ok(wrapped)
    }

    /// ECDH and the Concat KDF: the key-encryption key.
    fn agree(&self, other: &EphemeralPublicKey) -> Option<Zeroizing<[u8; 32]>> {
        let z = curve::of_point(other.sec1(), &self.scalar())?;
        Some(concat_kdf(z.as_ref()))
    }

    /// The same key-encryption key, where both private halves are at hand. Z = (e·d)·G is a multiple
    /// of the base point, for which the engine has a table; that of any other point takes it four
    /// times as long.
    fn agree_with_both(&self, own: &Self) -> Option<Zeroizing<[u8; 32]>> {
        let product = self.0.to_nonzero_scalar() * own.0.to_nonzero_scalar();
        let z = curve::of_base(&Self(SecretKey::from(product)).scalar())?;
        Some(concat_kdf(&z[1..33]))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// The Concat KDF with SHA-256, one round, for a 256-bit key (RFC 7518 §4.6.2): counter ‖ Z ‖
/// `AlgorithmID` ‖ `PartyUInfo` (empty) ‖ `PartyVInfo` (empty) ‖ `SuppPubInfo` (256).
fn concat_kdf(z: &[u8]) -> Zeroizing<[u8; 32]> {
    const ALG_LENGTH: [u8; 4] = 14_u32.to_be_bytes();
    const { assert!(ALG.len() == 14) };
    let mut input = Zeroizing::new(Vec::with_capacity(4 + z.len() + 4 + ALG.len() + 12));
    input.extend_from_slice(&1_u32.to_be_bytes());
    input.extend_from_slice(z);
    input.extend_from_slice(&ALG_LENGTH);
    input.extend_from_slice(ALG.as_bytes());
    input.extend_from_slice(&[0; 8]);
    input.extend_from_slice(&256_u32.to_be_bytes());
    let mut kek = Zeroizing::new([0; 32]);
    kek.copy_from_slice(digest(&SHA256, &input).as_ref());
    kek
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn pair() -> (SessionKey, SessionKey) {
        let mut rng = StdRng::seed_from_u64(7);
        (
            SessionKey::generate(&mut rng),
            SessionKey::generate(&mut rng),
        )
    }

    #[test]
    fn both_sides_agree_on_the_content_key() {
        let (session, ephemeral) = pair();
        let key = ContentKey::generate(&mut StdRng::seed_from_u64(8));
        let wrapped = ephemeral
            .wrap(RecipientKey::Public(&session.public_key().unwrap()), &key)
            .unwrap();
        let unwrapped = session.unwrap(&ephemeral.public_key().unwrap(), &wrapped);
        assert_eq!(unwrapped.expose(), key.expose());
    }

    #[test]
    fn a_flipped_bit_gives_a_key_that_opens_nothing() {
        let (session, ephemeral) = pair();
        let key = ContentKey::generate(&mut StdRng::seed_from_u64(8));
        let wrapped = ephemeral
            .wrap(RecipientKey::Public(&session.public_key().unwrap()), &key)
            .unwrap();
        for bit in 0..ENCRYPTED_KEY_LENGTH * 8 {
            let mut bad = wrapped;
            bad[bit / 8] ^= 1 << (bit % 8);
            let unwrapped = session.unwrap(&ephemeral.public_key().unwrap(), &bad);
            assert!(!unwrapped.is_genuine(), "bit {bit}");
        }
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let (session, _) = pair();
        let public = session.public_key().unwrap();
        let (x, y) = public.coordinates();
        let (x, y): ([u8; 32], [u8; 32]) = (x.try_into().unwrap(), y.try_into().unwrap());
        assert!(EphemeralPublicKey::from_coordinates(&x, &y).is_ok());
        assert!(EphemeralPublicKey::from_coordinates(&y, &x).is_err());
        assert!(EphemeralPublicKey::from_coordinates(&[0; 32], &[0; 32]).is_err());
        assert!(EphemeralPublicKey::from_coordinates(&[0xff; 32], &y).is_err());
        let mut other = y;
        other[31] ^= 1;
        assert!(EphemeralPublicKey::from_coordinates(&x, &other).is_err());
    }

    #[test]
    fn the_engine_and_the_curve_crate_agree_on_the_public_half() {
        let mut rng = StdRng::seed_from_u64(9);
        for _ in 0..50 {
            let key = SessionKey::generate(&mut rng);
            let point = key.0.public_key().to_sec1_point(false);
            assert_eq!(key.public_key().unwrap().sec1()[..], *point.as_bytes());
        }
    }

    /// Both ways to the key-encryption key are one: (e·d)·G is e·(d·G).
    #[test]
    fn both_private_halves_lead_to_the_same_key() {
        let mut rng = StdRng::seed_from_u64(10);
        for _ in 0..50 {
            let (session, ephemeral) = (
                SessionKey::generate(&mut rng),
                SessionKey::generate(&mut rng),
            );
            let slow = ephemeral.agree(&session.public_key().unwrap()).unwrap();
            assert_eq!(ephemeral.agree_with_both(&session).unwrap(), slow);
            let key = ContentKey::generate(&mut rng);
            let wrapped = ephemeral.wrap(RecipientKey::Own(&session), &key).unwrap();
            let unwrapped = session.unwrap(&ephemeral.public_key().unwrap(), &wrapped);
            assert_eq!(unwrapped.expose(), key.expose());
        }
    }

    #[test]
    fn scalars_outside_the_group_are_refused() {
        assert!(SessionKey::from_scalar(&[0; 32]).is_err());
        assert!(SessionKey::from_scalar(&[0xff; 32]).is_err());
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(*SessionKey::from_scalar(&one).unwrap().scalar(), one);
    }

    #[test]
    fn keys_print_nothing() {
        let (private, _) = pair();
        let public = private.public_key().unwrap();
        assert_eq!(format!("{private:?}"), "SessionKey(..)");
        assert_eq!(format!("{public:?}"), "EphemeralPublicKey(..)");
    }

    /// RFC 7518 Appendix C has `ECDH-ES` with `A128GCM`; this is the same derivation with our
    /// algorithm name and length, computed by an independent implementation of SP 800-56A.
    #[test]
    fn the_kdf_input_is_laid_out_as_in_rfc_7518() {
        let kek = concat_kdf(&[0xab; 32]);
        let mut by_hand = vec![0, 0, 0, 1];
        by_hand.extend([0xab; 32]);
        by_hand.extend([0, 0, 0, 14]);
        by_hand.extend(b"ECDH-ES+A256KW");
        by_hand.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(kek.as_ref(), digest(&SHA256, &by_hand).as_ref());
    }
}
