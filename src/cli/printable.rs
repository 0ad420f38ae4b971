//! Text as it may be written to a terminal.
//!
//! This room must never let a character through that a terminal would obey.

use lacre::internals::telemetry::is_invisible;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Text as it may stand on a terminal: controls and invisible characters as `\u{…}`.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return text.into();
    }
    text.chars()
        .fold(String::with_capacity(text.len() + 16), |mut safe, c| {
            // Line ends are our own where several problems are listed.
            if is_unsafe(c) {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            } else {
                safe.push(c);
            }
            safe
        })
        .into()
}

fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n') || is_invisible(c)
}
