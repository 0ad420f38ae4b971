//! The sections of the configuration: one file for each, with its values and its keys.
//!
//! A key that is added to a section's `KEYS` and not read by it, or the other way round, fails the
//! test that compares both.
//!
//! This room must never name a key that nothing acts on.

mod accounts;
mod console;
mod cors;
mod dialect;
mod gateway;
mod hashing;
mod issuer;
mod keystore;
mod limits;
mod log;
mod refresh;
mod server;
mod service;
mod session;
mod tls;
mod token;
mod top;

use super::schema::{Schema, Section, Shape, single};

pub use accounts::AccountsConfig;
pub use console::ConsoleConfig;
pub use cors::CorsConfig;
pub use dialect::{Dialect, DialectConfig, DialectMembers, DialectTexts};
pub use gateway::GatewayConfig;
pub use hashing::HashingConfig;
pub(super) use issuer::read as read_issuers;
pub use keystore::{Engine, KeystoreConfig};
pub use limits::LimitsConfig;
pub use log::LogConfig;
pub use refresh::RefreshConfig;
pub use server::ServerConfig;
pub use service::ServiceConfig;
pub(super) use service::read as read_services;
pub use session::SessionConfig;
pub use tls::TlsConfig;
pub use token::TokenConfig;
pub use top::Signup;
pub(super) use top::Top;

/// All sections, in the order in which they are documented and shown.
pub(super) static SCHEMA: &Schema = &[
    single("", top::KEYS),
    single("keystore", keystore::KEYS),
    single("accounts", accounts::KEYS),
    single("token", token::KEYS),
    single("session", session::KEYS),
    single("refresh", refresh::KEYS),
    single("cors", cors::KEYS),
    single("console", console::KEYS),
    single("gateway", gateway::KEYS),
    Section {
        name: service::SECTION,
        shape: Shape::Named,
        keys: service::KEYS,
    },
    Section {
        name: issuer::SECTION,
        shape: Shape::Array,
        keys: issuer::KEYS,
    },
    single("limits", limits::KEYS),
    single("hashing", hashing::KEYS),
    single("server", server::KEYS),
    single("tls", tls::KEYS),
    single("log", log::KEYS),
    single("dialect_members", dialect::MEMBERS),
    single("dialect_texts", dialect::TEXTS),
];
