//! What the tests share: where things are, and how a person would do them.

pub(crate) mod browser;
pub(crate) mod database;
pub(crate) mod described;
pub(crate) mod filled;
pub(crate) mod front;
pub(crate) mod generated;
pub(crate) mod http;
pub(crate) mod https;
pub(crate) mod issuer;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod postgres;
pub(crate) mod preload;
pub(crate) mod promise;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod robbed;
pub(crate) mod server;
pub(crate) mod skipped;
pub(crate) mod snapshot;
pub(crate) mod typescript;
pub(crate) mod vectors;
pub(crate) mod wait;
pub(crate) mod walked;
