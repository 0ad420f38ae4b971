//! A256CBC-HS512: the authenticated encryption of a token's content (RFC 7518 §5.2).
//!
//! The MAC is compared first, in constant time; nothing of the sender's is decrypted, and none of
//! its padding looked at, before it is right (RFC 7518 §5.2.2.2). A service that unpads first is a
//! padding oracle (threat: padding-oracle), and the JOSE library under this project does so: its own content
//! decryption is never given a token from outside.
//!
//! This room must never decrypt before it has authenticated.

use super::TokenError;
use super::mac::Mac;
pub(super) use super::mac::TAG_LENGTH;
use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptionContext, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use rand::CryptoRng;
use std::fmt;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of an AES block, of the IV, and what the ciphertext is a multiple of.
pub(super) const BLOCK: usize = 16;

/// A token's content key: 32 bytes for the MAC, then 32 bytes for the cipher (RFC 7518 §5.2.2.1).
///
/// Wiped when it is dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey {
    bytes: [u8; Self::LENGTH],
    genuine: bool,
}

impl ContentKey {
    /// Bytes of the key.
    pub const LENGTH: usize = 64;

    /// Makes a new key from the given randomness.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; Self::LENGTH];
        rng.fill_bytes(&mut bytes);
        Self {
            bytes,
            genuine: true,
        }
    }

    /// The key of these bytes.
    pub(super) fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        Self {
            bytes: *bytes,
            genuine: true,
        }
    }

    /// The key that was unwrapped into the first 64 bytes. One that isn't genuine, since what it was unwrapped from
    /// was no wrapped key, does the same work and accepts nothing.
    pub(super) fn from_unwrapped(unwrapped: &[u8; Self::LENGTH + 8], genuine: bool) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(&unwrapped[..Self::LENGTH]);
        Self { bytes, genuine }
    }

    /// Stands in where two keys couldn't agree: does the same work and accepts nothing.
    pub(super) fn that_opens_nothing() -> Self {
        Self {
            bytes: [0; Self::LENGTH],
            genuine: false,
        }
    }

    pub(super) fn is_genuine(&self) -> bool {
        self.genuine
    }

    pub(super) fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.bytes
    }

    /// Encrypts `plaintext`; `aad` is the encoded protected header.
    pub fn seal(
        &self,
        iv: [u8; BLOCK],
        aad: &[u8],
        plaintext: Zeroizing<Vec<u8>>,
    ) -> Result<(Vec<u8>, [u8; TAG_LENGTH]), TokenError> {
        let mut ciphertext = plaintext;
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        UnboundCipherKey::new(&AES_256, self.cipher_half())
            .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
            .and_then(|key| key.less_safe_encrypt(&mut *ciphertext, context))
            .map_err(|_| TokenError::NotAuthentic)?;
        let tag = self.begun_mac(aad).tag(&iv, &ciphertext);
        Ok((std::mem::take(&mut *ciphertext), tag))
    }

    /// Authenticates and decrypts `ciphertext` in place; the plaintext is a part of its buffer.
    ///
    /// [`TokenError::NotAuthentic`] for a wrong tag; [`TokenError::Padding`] where the tag was
    /// right and the padding is not, which only somebody who has the content key can bring about.
    ///
    /// A wrong tag takes as long as a right one: what it should have authenticated is wiped, and
    /// the zeros that are left are decrypted in its place. Not one byte that the sender wrote is
    /// decrypted before its tag was right.
    pub fn open<'a>(
        &self,
        iv: &[u8; BLOCK],
        aad: &[u8],
        ciphertext: &'a mut [u8],
        tag: &[u8; TAG_LENGTH],
    ) -> Result<&'a [u8], TokenError> {
        self.bind(aad)?.open(iv, ciphertext, tag)
    }

    /// The key with the work done that is the same for every opening under this header.
    pub(super) fn bind(&self, aad: &[u8]) -> Result<BoundKey, TokenError> {
        let cipher = UnboundCipherKey::new(&AES_256, self.cipher_half())
            .and_then(DecryptingKey::cbc)
            .map_err(|_| TokenError::NotAuthentic)?;
        Ok(BoundKey {
            mac: self.begun_mac(aad),
            cipher,
            genuine: self.genuine,
        })
    }

    fn begun_mac(&self, aad: &[u8]) -> BegunMac {
        let mut begun = Mac::new(&self.bytes[..32]);
        begun.update(aad);
        BegunMac {
            begun,
            aad_bits: aad.len() as u64 * 8,
        }
    }

    fn cipher_half(&self) -> &[u8] {
        &self.bytes[32..]
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(..)")
    }
}

/// A content key bound to one encoded protected header: the MAC has been begun with the key and
/// the header, and goes on from there for each opening (RFC 7518 §5.2.2.1 puts the header first);
/// the cipher's round keys are worked out.
///
/// Both are wiped as they are dropped.
pub(super) struct BoundKey {
    mac: BegunMac,
    cipher: DecryptingKey,
    genuine: bool,
}

impl BoundKey {
    /// As [`ContentKey::open`].
    pub(super) fn open<'a>(
        &self,
        iv: &[u8; BLOCK],
        ciphertext: &'a mut [u8],
        tag: &[u8; TAG_LENGTH],
    ) -> Result<&'a [u8], TokenError> {
        let expected = self.mac.tag(iv, ciphertext);
        let right = expected.ct_eq(tag) & Choice::from(u8::from(self.genuine));
        let kept = u8::conditional_select(&0, &0xff, right);
        for byte in &mut *ciphertext {
            *byte &= kept;
        }
        let padded = self.decrypt(iv, ciphertext)?;
        let (padding_is_right, length) = without_padding(padded);
        // One branch for all that is refused. Which of the two it is must not be another: the
        // processor guesses at branches, and a wrong guess shows in the time.
        let reasons = [TokenError::NotAuthentic, TokenError::Padding];
        let reason = reasons[usize::from(right.unwrap_u8())];
        if bool::from(right & padding_is_right) {
            padded.get(..length).ok_or(reason)
        } else {
            Err(reason)
        }
    }

    /// AES-256-CBC in place.
    fn decrypt<'a>(
        &self,
        iv: &[u8; BLOCK],
        ciphertext: &'a mut [u8],
    ) -> Result<&'a [u8], TokenError> {
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK) {
            return Err(TokenError::Malformed);
        }
        let context = DecryptionContext::Iv128(FixedLength::from(*iv));
        let padded = self.cipher.decrypt(ciphertext, context);
        Ok(padded.map_err(|_| TokenError::Padding)?)
    }
}

impl fmt::Debug for BoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundKey(..)")
    }
}

/// A MAC that has read the encoded protected header.
struct BegunMac {
    begun: Mac,
    aad_bits: u64,
}

impl BegunMac {
    /// The tag over AAD ‖ IV ‖ ciphertext ‖ AL (RFC 7518 §5.2.2.1).
    fn tag(&self, iv: &[u8; BLOCK], ciphertext: &[u8]) -> [u8; TAG_LENGTH] {
        let length = self.aad_bits.to_be_bytes();
        self.begun.tag_with(&[iv, ciphertext, &length])
    }
}

/// Whether the PKCS #7 padding is right, and the length of what is before it: the last byte says how
/// many bytes there are, and each says so.
///
/// The last block is looked at as a whole, whatever it holds.
fn without_padding(padded: &[u8]) -> (Choice, usize) {
    let Some(last_block) = padded.last_chunk::<BLOCK>() else {
        return (Choice::from(0), 0);
    };
    let length = usize::from(last_block[BLOCK - 1]);
    let mut wrong = u8::from(length == 0) | u8::from(length > BLOCK);
    for (position, byte) in last_block.iter().rev().enumerate() {
        wrong |= u8::from(position < length) & u8::from(usize::from(*byte) != length);
    }
    (wrong.ct_eq(&0), padded.len().saturating_sub(length))
}

#[cfg(test)]
mod tests;
