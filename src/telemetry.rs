//! Logs and audit: where the true reason of a refusal goes.
//!
//! One event is one line of logfmt on standard error:
//!
//! ```text
//! 2026-11-24T08:00:00.123Z WARN lacre::audit event=token_refused code=expired session=Zk3aPq9x… request_id=…
//! ```
//!
//! This room must never write a line that a value could have forged, and never write the payload
//! of a panic: both may hold what a client sent.

pub mod audit;
mod line;
mod panic;

use log::{LevelFilter, SetLoggerError};

/// Starts logging to standard error, and reports panics there.
///
/// `filter` is what [`crate::config::log_filter`] found, in the syntax of `env_logger`; without it
/// everything from `info` up is logged. Audit events are logged under any filter that doesn't name
/// [`audit::TARGET`] itself. Fails where a logger runs already.
pub fn init(filter: Option<&str>) -> Result<(), SetLoggerError> {
    builder(filter).try_init()?;
    panic::install();
    Ok(())
}

fn builder(filter: Option<&str>) -> env_logger::Builder {
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(LevelFilter::Info)
        // It tells each start and stop of a worker; what concerns an operator is a warning.
        .filter_module("actix_server", LevelFilter::Warn)
        // Before the filter: `LACRE_LOG=error` is about noise, and must not blind the audit.
        .filter_module(audit::TARGET, LevelFilter::Info)
        .parse_filters(filter.unwrap_or_default())
        .format(line::write);
    builder
}

#[cfg(test)]
pub(crate) mod tests;
