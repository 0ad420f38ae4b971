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

    /// Shows a bar: so many are done of so many.
    pub(super) fn bar(&mut self, what: &str, done: u64, total: u64) {
        self.show(bar(what, done, total));
    }

    /// Takes the line away, for what is printed next.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            // Carriage return, and erase to the end of the line.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// The characters of a bar.
const BAR: u64 = 30;

fn bar(what: &str, done: u64, total: u64) -> String {
    let of =
        |parts: u64| u128::from(done.min(total)) * u128::from(parts) / u128::from(total.max(1));
    let full = usize::try_from(of(BAR)).unwrap_or(0);
    let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
    let (full, empty) = ("#".repeat(full), " ".repeat(empty));
    format!("[{full}{empty}] {:3} %  {done} of {total} {what}", of(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fits_a_terminal_and_is_never_too_full() {
        let half = bar("records", 1, 2);
        assert_eq!(
            half,
            format!(
                "[{}{}]  50 %  1 of 2 records",
                "#".repeat(15),
                " ".repeat(15)
            )
        );
        assert!(bar("records", 0, 0).starts_with("[  "));
        assert!(bar("records", 9, 3).contains("] 100 %"));
        let most = bar("sessions ended", u64::MAX, u64::MAX);
        assert!(most.contains("] 100 %"));
        assert!(bar("sessions ended", 1_000_000, 1_000_000).len() < 80);
    }
}
