//! Attacks on tokens; `docs/threats.md` links each row to the case here that stops it.

mod attacks;
pub(crate) mod builder;
mod http;
mod published;
mod vectors;
