//! Encrypted session tokens, one key per session.
//!
//! Each log-in makes a P-256 key pair. The private half stays in a keystore; the client gets its
//! claims, signed and then encrypted, in a token (a JWE, RFC 7516) that only this key opens. A
//! guard opens it on every request. When the session ends its key is destroyed, and from that
//! moment the token is noise: for the guard, in logs and in whatever a thief has copied.
//!
//! ```
//! use lacre::{Grant, Lacre, Rules, Subject, TokenKind};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // `Lacre::open("data", …)` keeps its sessions on disk.
//! let lacre = Lacre::in_memory(Rules::new("https://shop.example", "shop"))?;
//!
//! // Somebody has proven to be Ada.
//! let ada = Subject {
//!     id: "ada".to_owned(),
//!     roles: vec!["clerk".to_owned()],
//!     ..Subject::default()
//! };
//! let issued = lacre.issue(&Grant::log_in(ada)).await?;
//! let token = issued.access.token.expose().as_bytes();
//!
//! // A request comes with the token.
//! let session = lacre.guard(token, TokenKind::Access).await?;
//! assert_eq!(session.user_id(), "ada");
//! assert_eq!(session.claims.roles, ["clerk"]);
//!
//! // The session ends, and the same token says nothing any more.
//! assert!(lacre.revoke(&session.key).await?);
//! assert!(lacre.guard(token, TokenKind::Access).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! In an actix-web application [`TokenGuard`] stands before the routes and [`Session`] is a
//! handler's parameter; `docs/examples/embed.rs` is a whole application of that kind.
//!
//! # What it is not
//!
//! No identity provider: other sites can't log their users in with it. No stateless token: each
//! request asks the keystore, for that is what makes an end immediate. No vault: whoever holds the
//! keystore, the keyring and the master key opens every live token and can make new ones.
//!
//! # Map
//!
//! | name | is |
//! |---|---|
//! | [`Lacre`], [`LacreBuilder`], [`Rules`], [`Keyring`] | one deployment's sessions, and the rules for them |
//! | [`Grant`], [`Subject`], [`Occasion`], [`Origin`], [`Issued`] | what a session is asked for with, and its tokens |
//! | [`LiveSession`], [`Claims`], [`TokenKind`] | what a token is verified to |
//! | [`SessionInfo`], [`SessionPage`], [`Handle`] | sessions as their users and operators see them |
//! | [`TokenGuard`], [`Session`], [`VerifiedAfter`], [`Location`], [`Edge`], [`Problem`], [`Code`] | the guard in front of actix-web handlers (feature `actix`) |
//! | [`AnySession`], [`OutsideUser`] | who asks, where tokens of outside issuers are taken as they are (feature `actix`) |
//! | [`federation`] | outside issuers: their keys, and whose a token of theirs is (feature `federation`) |
//! | [`TrustedProxies`] | whose `X-Forwarded-For` the audit events take (feature `actix`) |
//! | [`cookies`] | tokens in cookies, for log-in and log-out (feature `actix`) |
//! | [`clock`] | where the time comes from |
//! | [`errors`] | why something was not done |
//! | [`keystore`] | the store of sealed records, a crate of its own |
//! | [`jose`] | our content cipher and key agreement behind josekit's traits |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `actix` | the guard for actix-web |
//! | `federation` | tokens of outside issuers, and the client that fetches their keys |
//! | `server` | accounts, configuration, the routes of the service, databases |
//! | `cli` (default) | the program `lacre` |
//! | `vendored` | OpenSSL built from source |
//!
//! An application that carries the guard itself needs `default-features = false` and `actix`.
//!
//! `docs/architecture.md` draws the arrows between them, `docs/threats.md` says which attack each
//! of them stops.

// Without the program, parts of the rooms have no caller.
#![cfg_attr(
    not(feature = "server"),
    allow(dead_code, unreachable_pub, unused_imports)
)]

#[cfg(feature = "server")]
mod accounts;
#[cfg(feature = "server")]
mod archive;
pub mod clock;
#[cfg(feature = "server")]
mod config;
mod defaults;
mod deployment;
mod entropy;
#[cfg(feature = "federation")]
pub mod federation;
#[cfg(feature = "actix")]
mod http;
mod lacre;
mod network;
#[cfg(feature = "server")]
mod ops;
#[cfg(feature = "server")]
mod receipts;
#[cfg(feature = "server")]
mod service;
mod sessions;
mod telemetry;
mod token;
mod web_origin;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

#[cfg(feature = "actix")]
pub use http::edge::Edge;
#[cfg(feature = "actix")]
pub use http::guard::{AnySession, Session, TokenGuard, VerifiedAfter};
#[cfg(feature = "actix")]
pub use http::origin::TrustedProxies;
#[cfg(feature = "actix")]
pub use http::outside::OutsideUser;
#[cfg(feature = "actix")]
pub use http::problem::{Code, Problem};
pub use lacre::{Lacre, LacreBuilder};
pub use lacre_keystore as keystore;
pub use sessions::grant::{Grant, Issued, Occasion, Origin, Subject};
pub use sessions::guard::LiveSession;
pub use sessions::list::{SessionInfo, SessionPage};
pub use sessions::rules::{Location, Rules};
pub use token::{Claims, Handle, TokenKind};

/// Why something was not done, each case with a code that doesn't change.
pub mod errors {
    pub use crate::deployment::OpenError;
    pub use crate::network::NotANetwork;
    pub use crate::sessions::grant::IssueError;
    pub use crate::sessions::guard::Refusal;
    pub use crate::sessions::keyring::KeyringError;
    pub use crate::sessions::refresh::RefreshError;
    pub use crate::sessions::rotation::RotationError;
    pub use crate::token::TokenError;
    pub use crate::web_origin::NotAnOrigin;
    pub use lacre_keystore::KeystoreError;
}

/// The deployment's own keys, for an application that keeps them itself.
pub use sessions::keyring::Keyring;

/// Tokens in cookies: what a log-in has to ask first, and what its answer and that of a log-out carry.
#[cfg(feature = "actix")]
pub mod cookies {
    pub use crate::http::cookies::{clear, set};
    pub use crate::http::csrf::{CsrfError, check_sender};
}

/// Our parts behind josekit's traits, for programs that keep josekit as their JOSE framework.
pub mod jose {
    pub use crate::token::jose::{ContentCipher, SessionDecrypter};
}

/// The example of the README, compiled with the documentation's own.
#[cfg(all(doctest, feature = "actix"))]
#[doc = include_str!("../README.md")]
struct Readme;
