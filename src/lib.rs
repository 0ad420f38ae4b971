//! Encrypted session tokens, one key per session.

pub mod clock;
