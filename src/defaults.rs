//! Defaults that the configuration and the rooms below it have in common, written once.
//!
//! What belongs to one room (tokens, sessions, hashing) has its defaults there.

use std::time::Duration;

/// The role of administrators.
pub(crate) const ADMIN_ROLE: &str = "admin";
/// How the id of every client begins, and that of no account.
pub(crate) const CLIENT_PREFIX: &str = "client_";
/// The maximum of bytes of a body.
pub(crate) const MAX_BODY: usize = 64 << 10;
/// The maximum of bytes of all header lines of a request together.
pub(crate) const MAX_HEADER: usize = 32 << 10;
/// How long a body may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);
