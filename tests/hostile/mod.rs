//! Attacks on tokens; `docs/threats.md` links each row to the case here that stops it.

mod attacks;
mod beneath;
pub(crate) mod builder;
pub(crate) mod corpus;
mod fuzzed;
pub(crate) mod http;
mod published;
mod vectors;
mod wiped;
