//! HMAC-SHA-512 cut to 32 bytes (RFC 2104, RFC 7518 §5.2.2.1), begun once and gone on from there.
//!
//! The guard computes one for every request, over the whole token: it is the most expensive step of
//! a request whose token was good before. Therefore the states of SHA-512 after the two padded keys
//! are kept (RFC 2104 §4 describes that), and the hash is OpenSSL's low-level one. The same by the
//! HMAC of aws-lc-rs, whose context is allocated and copied for each tag, makes the warm guard 7 %
//! longer, measured: `docs/decisions/0025-mac.md`. The tests compare the two.
//!
//! This room must never leave a state behind: whoever has the two could make tags.

use openssl::sha::Sha512;
use std::mem::replace;
use zeroize::optimization_barrier;

/// Bytes of a block of SHA-512.
const BLOCK: usize = 128;
/// Bytes of a tag: half of what SHA-512 gives.
pub(super) const TAG_LENGTH: usize = 32;

/// A MAC that has read its key, and what all later tags have in common.
///
/// Wiped when it is dropped.
pub(super) struct Mac {
    inner: State,
    outer: State,
}

impl Mac {
    /// Begins with a key of 32 bytes. A key longer than a block (128 bytes) would have to be hashed
    /// first (RFC 2104 §2); none is.
    pub(super) fn new(key: &[u8]) -> Self {
        Self {
            inner: State::after_key(key, 0x36),
            outer: State::after_key(key, 0x5c),
        }
    }

    /// Reads data that every later tag begins with.
    pub(super) fn update(&mut self, data: &[u8]) {
        self.inner.0.update(data);
    }

    /// The tag over what was read and these parts.
    pub(super) fn tag_with(&self, parts: &[&[u8]]) -> [u8; TAG_LENGTH] {
        let mut inner = State(self.inner.0.clone());
        for part in parts {
            inner.0.update(part);
        }
        let mut outer = State(self.outer.0.clone());
        outer.0.update(&inner.finish());
        let whole = outer.finish();
        let mut tag = [0; TAG_LENGTH];
        tag.copy_from_slice(&whole[..TAG_LENGTH]);
        tag
    }
}

/// A hash under way. OpenSSL's type doesn't wipe itself, so an empty one is written in its place.
struct State(Sha512);

impl State {
    fn after_key(key: &[u8], pad: u8) -> Self {
        let mut block = [pad; BLOCK];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        let mut state = Self(Sha512::new());
        state.0.update(&block);
        zeroize::zeroize_bytes(&mut block);
        state
    }

    fn finish(mut self) -> [u8; 64] {
        replace(&mut self.0, Sha512::new()).finish()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.0 = Sha512::new();
        optimization_barrier(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::hmac;
    use proptest::prelude::*;

    /// RFC 4231 §4.2 and §4.3, whose keys are shorter than ours.
    #[test]
    fn the_published_tags() {
        let tag = Mac::new(&[0x0b; 20]).tag_with(&[b"Hi There"]);
        assert_eq!(tag[..8], [0x87, 0xaa, 0x7c, 0xde, 0xa5, 0xef, 0x61, 0x9d]);
        let tag = Mac::new(b"Jefe").tag_with(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(tag[..8], [0x16, 0x4b, 0x7a, 0x7b, 0xfc, 0xf8, 0x19, 0xe2]);
    }

    proptest! {
        #[test]
        fn another_implementation_makes_the_same_tag(
            key: [u8; 32],
            first in proptest::collection::vec(any::<u8>(), 0..400),
            second in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let theirs = hmac::Key::new(hmac::HMAC_SHA512, &key);
            let theirs = hmac::sign(&theirs, &[&first[..], &second].concat());
            let mut ours = Mac::new(&key);
            ours.update(&first);
            prop_assert_eq!(&ours.tag_with(&[&second])[..], &theirs.as_ref()[..TAG_LENGTH]);
            prop_assert_eq!(ours.tag_with(&[&second]), ours.tag_with(&[&[], &second, &[]]));
        }
    }
}
