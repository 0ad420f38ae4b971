//! Encrypted session tokens, one key per session.

pub mod accounts;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod deployment;
pub mod entropy;
pub mod guard;
pub mod handles;
pub mod http;
pub mod issuer;
pub mod keyring;
pub mod lacre;
pub mod refresh;
pub mod service;
pub mod sessions;
pub mod telemetry;
pub mod token;

pub use lacre::{Lacre, LacreBuilder, Rules};
