//! The tests from outside: what a stranger, an operator and an attacker can do with lacre.
//!
//! One binary: `support` has the gestures, `dialects` other services' clients, `hostile` the attacks, `interop` other libraries,
//! `journeys` what people do, `nodes` several servers on one database, `packages` what a release is made of, `cli` what operators and scripts type, `pages` what the documentation
//! says.

// A test that fails says so by panicking, and says on the way what it ran.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod cli;
mod dialects;
mod hostile;
mod interop;
mod journeys;
mod nodes;
mod packages;
mod pages;
mod support;

// What the tests of the keystore bring looks for it here.
use support::skipped;
