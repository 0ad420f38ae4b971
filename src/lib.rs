//! Encrypted session tokens, one key per session.

pub mod accounts;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod entropy;
pub mod http;
pub mod telemetry;
pub mod token;
