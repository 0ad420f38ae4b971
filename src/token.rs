//! The token, to the byte: a signed JWT inside a JWE, sealed for one session's key.
//!
//! Pure: no I/O, no actix, no store, no clock of its own. `docs/token-format.md` has the form.
//!
//! This room must never let a step be skipped: each type is built by the step before it alone.

mod agreement;
pub mod base64url;
mod claims;
mod content;
pub mod curve;
mod diagnosis;
mod error;
mod handle;
mod header;
pub mod jose;
pub mod json;
pub mod jwk;
mod kind;
mod mac;
mod open;
mod own_user;
mod profile;
mod seal;
mod signature;
pub(crate) mod stack;
mod unopened;
mod wiped;

pub use agreement::{EphemeralPublicKey, RecipientKey, SessionKey};
pub use claims::{Claims, RESERVED_CLAIMS};
pub use content::ContentKey;
pub use diagnosis::diagnose;
pub use error::{KeyError, TokenError};
pub use handle::Handle;
pub use kind::TokenKind;
pub(crate) use open::KnownToken;
pub use open::{Expected, OpenedToken};
pub use own_user::{BAD_ID, OwnUser, is_own_user};
pub use seal::{Recipient, seal, seal_members};
pub use signature::{SigningKey, VerifyingKey, VerifyingKeys};
pub(crate) use unopened::Segments;
pub use unopened::UnopenedToken;

/// The most characters that a token may have; a longer one is refused before any parsing.
pub const MAX_TOKEN_LENGTH: usize = 8192;
