//! How far long work is, in one line of a terminal that is written over and over. Whoever reads
//! standard error from a pipe or a file gets nothing of it.
//!
//! This room must never write to standard output.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Often enough for an eye, and next to no work.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    on_terminal: bool,
    shown: Option<Instant>,
}

impl Progress {
    /// On standard error.
    pub(super) fn new() -> Self {
        Self {
            on_terminal: std::io::stderr().is_terminal(),
            shown: None,
        }
    }

    /// Shows a line in the place of the one before, unless that one was shown just now.
    pub(super) fn show(&mut self, line: impl Display) {
        let just_now = self.shown.is_some_and(|shown| shown.elapsed() < PAUSE);
        if self.on_terminal && !just_now {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{line}");
            self.shown = Some(Instant::now());
        }
    }

    /// Takes the line away, for what is printed next.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            // Carriage return, and erase to the end of the line.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
