//! A session from its beginning to its end: issued, verified on each request, refreshed, listed,
//! revoked.
//!
//! | file | holds |
//! |---|---|
//! | [`rules`] | how long tokens and sessions live, and whose they are |
//! | [`grant`] | what a session is asked for with, and what comes back |
//! | `issue`, `tokens`, `cap` | a proven user to a token; the tokens of a record; the maximum per user |
//! | [`guard`] | a token's text to a session that is good now |
//! | `even_time` | all that keeps the time of a refusal from telling its reason |
//! | `content_keys` | what the next request of a token needn't find out again |
//! | [`refresh`] | a refresh token to new tokens |
//! | [`list`], `newest`, `revoke`, [`sweep`] | sessions listed, the newest first, revoked, removed once expired |
//! | `end` | what is left of a session that ended |
//! | `behind` | a session that is older than one of its tokens |
//! | [`profile`] | what a client says of a user of its own |
//! | `receipting` | a signed log of ends, written from what is left of them |
//! | `last_seen` | when a session was used last |
//! | `records`, [`handles`], [`keyring`] | records found by handle; the deployment's own keys |
//! | [`forward`] | what tells another service who came |
//! | [`csrf`] | what only our own pages can send along with a cookie |
//!
//! Each part owns what it needs; [`crate::Lacre`] is the façade over them.
//!
//! This room must never return a token whose record may be lost, and never remember a result.

mod behind;
mod cap;
pub(crate) mod content_keys;
pub mod csrf;
pub(crate) mod end;
mod even_time;
pub mod forward;
pub(crate) mod going_on;
pub mod grant;
pub mod guard;
pub mod handles;
pub(crate) mod issue;
pub mod keyring;
pub(crate) mod last_seen;
pub mod list;
pub(crate) mod newest;
pub mod profile;
#[cfg(feature = "server")]
pub(crate) mod receipting;
pub(crate) mod records;
pub mod refresh;
pub(crate) mod revoke;
pub mod rotation;
pub mod rules;
pub mod sweep;
pub(crate) mod tokens;
