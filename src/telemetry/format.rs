//! How a line of the log is written: as logfmt or as JSON.

use super::{json, line};
use env_logger::fmt::Formatter;
use log::Record;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The form of every line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `time LEVEL target msg=… key=value …`
    Logfmt,
    /// One object of JSON.
    Json,
}

/// Before the configuration is read, lines are logfmt.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From now on lines have this form.
pub fn set_format(format: Format) {
    IS_JSON.store(format == Format::Json, Relaxed);
}

/// Writes a line, with its time and its end.
pub(super) fn write(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = out.timestamp_millis();
    if IS_JSON.load(Relaxed) {
        writeln!(out, "{}", json::event(&time.to_string(), record))
    } else {
        writeln!(out, "{time} {}", line::event(record))
    }
}
