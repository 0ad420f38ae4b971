//! How a command fails: an exit status, a stable code, and a sentence for a person.
//!
//! This room must never print a library's debug form or a secret.

use super::printable::printable;
use lacre::internals::ops::{AdminError, ClientError, OpsError};
use lacre::internals::telemetry::{self, LeadsNowhere};
use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

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
    code: Cow<'static, str>,
    text: String,
}

impl Failure {
    pub(super) fn new(status: u8, code: impl Into<Cow<'static, str>>, text: impl Display) -> Self {
        Self {
            status,
            code: code.into(),
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

    /// The sentence for a person.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is the failure with this code.
    pub(super) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// The log leads nowhere, and nothing is done that the audit would miss.
    pub(super) fn log_closed(why: LeadsNowhere) -> Self {
        Self::new(CONFIG, why.code(), why)
    }

    /// Whether it is about the log, so that where the log leads nowhere it has to be said elsewhere.
    fn is_of_the_log(&self) -> bool {
        self.is("log_closed") || self.is("audit_unavailable")
    }

    /// Prints the failure to standard error and gives the exit status.
    pub(super) fn report(&self) -> ExitCode {
        if self.status != 0 {
            let text = format!("lacre: {} ({})\n", printable(&self.text), self.code);
            // With standard error closed the status still tells.
            if self.is_of_the_log() && telemetry::leads_somewhere().is_err() {
                last_word(move || print(&text));
            } else {
                last_word(move || std::io::stderr().write_all(text.as_bytes()));
            }
        }
        ExitCode::from(self.status)
    }
}

/// Prints to standard output what standard error doesn't take.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// How long the last word may take: a program that has ended must not stay since nobody reads.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Prints the last thing that the program says. The thread ends with the process.
fn last_word(print: impl FnOnce() -> std::io::Result<()> + Send + 'static) {
    let (printed, over) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = print();
        let _ = printed.send(());
    });
    let _ = over.recv_timeout(LAST_WORD);
}

/// Says on standard output that so many lines of the log were not written: whoever reads standard error
/// doesn't read on, and to print there would last for ever.
pub(super) fn report_lost(failure: Option<Failure>, lines: u64, events: u64) -> ExitCode {
    let mut text = format!(
        "lacre: {lines} lines of the log could not be written, {events} of them audit events (log_lost)\n"
    );
    let mut status = FAILED;
    if let Some(failure) = failure.filter(|failure| failure.status != 0) {
        let why = printable(&failure.text);
        text = format!("{text}lacre: {why} ({})\n", failure.code);
        status = failure.status;
    }
    // It may be the same pipe.
    last_word(move || print(&text));
    ExitCode::from(status)
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Writing the answer failed: a full disk, or a reader that has seen enough (`| head`), which is
/// no failure.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(0, "output_closed", "nobody reads on");
        }
        Self::failed(
            "output_failed",
            format_args!("the answer could not be written: {error}"),
        )
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        Self::new(error.kind.exit_status(), error.code, error.message)
    }
}

impl From<OpsError> for Failure {
    fn from(error: OpsError) -> Self {
        AdminError::from(error).into()
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(error) => error.into(),
            error => Self::new(UNAVAILABLE, error.code().to_owned(), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_has_seen_enough_is_no_failure() {
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(closed).status, 0);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::from(full).status, FAILED);
    }

    #[test]
    fn a_failure_keeps_its_status_and_code() {
        let failure = Failure::new(UNAVAILABLE, "store_held", "held by 12");
        assert_eq!(
            (failure.status, &*failure.code, failure.text.as_str()),
            (69, "store_held", "held by 12")
        );
        assert_eq!(Failure::failed("a", "b").status, FAILED);
        assert_eq!(Failure::usage("a", "b").status, USAGE);
    }
}
