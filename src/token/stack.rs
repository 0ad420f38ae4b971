//! What calls leave behind on the stack, overwritten.
//!
//! Values that are moved, and the rooms below, leave copies of a key on the stack. Most are gone
//! with the next call; but a value with room in it, such as an enum, is moved with whatever lay
//! there, and so a key can get into the heap and stay.
//!
//! This room must never be relied on for more: what the caller itself has on the stack stays.

use std::hint::black_box;

/// More than what the calls with a key use.
const DEPTH: usize = 8 * 1024;

/// Overwrites the stack below the caller.
#[inline(never)]
pub(crate) fn sweep() {
    black_box([0_u8; DEPTH]);
}
