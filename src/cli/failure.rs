//! How a command fails: an exit status, a stable code, and a sentence for a person.
//!
//! This room must never print a library's debug form or a secret.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

/// The command was done, and its answer is "no".
pub(super) const FAILED: u8 = 1;
/// The command line was wrong.
pub(super) const USAGE: u8 = 2;
/// A store or the server can't be reached (`EX_UNAVAILABLE` of sysexits).
pub(super) const UNAVAILABLE: u8 = 69;
/// The configuration or the data directory is wrong (`EX_CONFIG` of sysexits).
pub(super) const CONFIG: u8 = 78;

/// Why a command ended without success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: u8,
    code: &'static str,
    text: String,
}

impl Failure {
    pub(super) fn new(status: u8, code: &'static str, text: impl Display) -> Self {
        Self {
            status,
            code,
            text: text.to_string(),
        }
    }

    /// The command could not do what it was asked to.
    pub(super) fn failed(code: &'static str, text: impl Display) -> Self {
        Self::new(FAILED, code, text)
    }

    /// What the command was given is of no use.
    pub(super) fn usage(code: &'static str, text: impl Display) -> Self {
        Self::new(USAGE, code, text)
    }

    /// Prints the failure to standard error and gives the exit status.
    pub(super) fn report(&self) -> ExitCode {
        // With standard error closed the status still tells.
        let _ = writeln!(std::io::stderr(), "lacre: {} ({})", self.text, self.code);
        ExitCode::from(self.status)
    }
}

/// Writing the answer failed: a closed pipe or a full disk.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(
            "output_failed",
            format_args!("the answer could not be written: {error}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_status_and_code() {
        let failure = Failure::new(UNAVAILABLE, "store_held", "held by 12");
        assert_eq!(
            (failure.status, failure.code, failure.text.as_str()),
            (69, "store_held", "held by 12")
        );
        assert_eq!(Failure::failed("a", "b").status, FAILED);
        assert_eq!(Failure::usage("a", "b").status, USAGE);
    }
}
