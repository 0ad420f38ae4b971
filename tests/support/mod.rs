//! What the tests share: where things are, and how a person would do them.

// A gesture may stand ready before the first test that makes it.
#![allow(dead_code)]

pub(crate) mod http;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod vectors;
pub(crate) mod wait;
