//! Encrypted session tokens, one key per session.
//!
//! Each log-in makes a P-256 key pair. The private half stays in a keystore; the client gets its
//! claims, signed and then encrypted, in a token (a JWE, RFC 7516) that only this key opens. A
//! guard opens it on every request. When the session ends its key is destroyed, and from that
//! moment the token is noise: for the guard, in logs and in whatever a thief has copied.
//!
//! ```
//! use lacre::token::TokenKind;
//! use lacre::{Grant, Lacre, Rules, Subject};
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
//! | room | holds |
//! |---|---|
//! | [`lacre`](mod@lacre) | the one handle over a deployment's sessions |
//! | [`sessions`] | a session is issued, verified on each request, refreshed, listed and revoked; its handle and keys |
//! | [`token`] | the token to the byte; pure |
//! | `lacre_keystore` | sealed records, compare-and-swap, durable before the answer; a crate of its own |
//! | [`accounts`], [`service`] | who may log in; what a change of an account ends |
//! | [`ops`] | what operators ask, through a running server or without one |
//! | [`http`], [`telemetry`] | actix-web; logs, metrics and the audit trail |
//! | [`config`], [`deployment`] | from flags and files to a running deployment |
//! | [`clock`], [`entropy`] | the only readers of time and makers of randomness |
//!
//! `docs/architecture.md` draws the arrows between them, `docs/threats.md` says which attack each
//! of them stops.

pub mod accounts;
pub mod clock;
pub mod config;
pub mod deployment;
pub mod entropy;
pub mod http;
pub mod lacre;
pub mod ops;
pub mod service;
pub mod sessions;
pub mod telemetry;
pub mod token;

pub use deployment::{Deployment, OpenError};
pub use http::edge::Edge;
pub use http::guard::{Session, TokenGuard};
pub use http::problem::{Code, Problem};
pub use lacre::{Lacre, LacreBuilder};
pub use sessions::grant::{Grant, IssueError, Issued, Subject};
pub use sessions::guard::LiveSession;
pub use sessions::rules::{Location, Rules};

/// The example of the README, compiled with the documentation's own.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
