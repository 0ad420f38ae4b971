//! Where the random bytes of nonces and decoys come from: a parameter of whoever opens the keystore.

use crate::error::KeystoreError;

/// Fills a buffer with random bytes, or fails.
pub(crate) type NonceSource = Box<dyn FnMut(&mut [u8]) -> Result<(), KeystoreError> + Send>;
