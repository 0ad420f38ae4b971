//! The logger of the program.

use super::{audit, broken, line, panic};
use log::{LevelFilter, Log, Metadata, Record, SetLoggerError};

/// Starts logging to standard error, and reports panics there.
///
/// `filter` is what [`crate::config::log_filter`] found, in the syntax of `env_logger`; without it
/// everything from `info` up is logged. Audit events are logged under any filter that doesn't name
/// [`audit::TARGET`] itself. Fails where a logger runs already.
pub fn init(filter: Option<&str>) -> Result<(), SetLoggerError> {
    let logger = Logger(builder(filter).build());
    let most = logger.0.filter();
    log::set_boxed_logger(Box::new(logger))?;
    log::set_max_level(most);
    panic::install();
    Ok(())
}

/// The logger of `env_logger`, and before it what is heard and not written.
struct Logger(env_logger::Logger);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        broken::may_be(metadata) || self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !broken::heard(record) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
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
