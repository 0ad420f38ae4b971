//! The log of ends: one signed line for each session that ended, each bound to the one before.
//!
//! Anybody with the public key can prove it without this program; `docs/receipts.md` has the form.
//!
//! | file | holds |
//! |---|---|
//! | `line` | one line: what it says, and its signature |
//! | `chain` | lines proven one after the other, as an auditor does |
//! | `log` | the file that grows |
//! | `find` | lines of one session in a file |
//! | `error` | what can be wrong |
//!
//! This room must never write down a user, a claim or a key that is secret, and never change a line that was
//! written.

mod chain;
mod error;
mod find;
mod line;
mod log;

pub use chain::{Apart, Chain, Proven, together};
pub use error::ReceiptsError;
pub(crate) use find::{find, find_end};
pub use line::{Ended, Entry, Event, Line, PublicKey};
pub(crate) use log::{Head, Lines, Log, Start};

use crate::token::base64url;
use rand::CryptoRng;

/// The id of a log that begins.
pub(crate) fn new_chain(rng: &mut impl CryptoRng) -> String {
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    base64url::encode(id)
}

#[cfg(test)]
mod tests;
