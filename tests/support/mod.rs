//! What the tests share: where things are, and how a person would do them.

pub(crate) mod vectors;
