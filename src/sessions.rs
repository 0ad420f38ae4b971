//! A session from its beginning to its end: issued, verified on each request, refreshed, listed,
//! revoked.
//!
//! | file | holds |
//! |---|---|
//! | [`rules`] | how long tokens and sessions live, and whose they are |
//! | [`issue`] | a proven user to a token |
//! | [`guard`] | a token's text to a session that is good now |
//! | [`refresh`] | a refresh token to new tokens |
//! | [`revoke`] | sessions listed and ended |
//! | [`handles`] | from a session's handle to its record, without an index |
//! | [`keyring`] | signing keys and the handle secret, sealed under the master key |
//! | [`csrf`] | what only our own pages can send along with a cookie |
//!
//! This room must never return a token whose record may be lost, and never remember a verdict.

pub(crate) mod content_keys;
pub mod csrf;
pub mod guard;
pub mod handles;
pub mod issue;
pub mod keyring;
pub(crate) mod last_seen;
pub mod refresh;
pub mod revoke;
pub mod rules;
mod sweep;
