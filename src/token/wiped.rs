//! Bytes that nobody finds once they are dropped: what a token held, while it is looked at.
//!
//! As `Zeroizing<Vec<u8>>`, but wiped in one sweep instead of byte by byte, which every request
//! would wait for.
//!
//! This room must never let its bytes be moved: what a growing vector leaves behind isn't wiped.

use std::ops::{Deref, DerefMut};
use zeroize::zeroize_bytes;

/// A buffer that is wiped when it is dropped, what it had room for included.
pub(super) struct Wiped(Vec<u8>);

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        // Whoever filled the vector may have cut it afterwards: the whole room is meant. It fits,
        // so nothing moves.
        self.0.resize(self.0.capacity(), 0);
        zeroize_bytes(&mut self.0);
    }
}
