//! How records, and other bytes of a deployment, are sealed with a master key and opened again.
//!
//! This room must never return plaintext whose tag hasn't been checked.

pub(crate) mod codec;
pub(crate) mod master_key;
pub(crate) mod nonces;
