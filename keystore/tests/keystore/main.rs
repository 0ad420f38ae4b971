//! The keystore's contract, tested from outside, on every engine.

// Clippy excuses functions marked as tests; here most of the tests' lines stand outside of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod batches;
mod cluster;
mod compacting;
mod conformance;
mod contended;
mod cutting;
mod digest;
mod emptied;
mod epoch;
mod faults;
mod killed;
mod killed_batches;
mod length;
mod model;
mod moving;
mod notes;
mod postgres;
mod postgres_eras;
mod postgres_layouts;
mod postgres_notes;
mod processes;
mod redis;
mod refused;
mod reopening;
mod shared;
#[path = "../../../tests/support/skipped.rs"]
mod skipped;
mod support;
