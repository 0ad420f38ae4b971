//! The logger of the program.

use super::{audit, line, panic};
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

pub(super) fn builder(filter: Option<&str>) -> env_logger::Builder {
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
