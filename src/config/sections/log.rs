//! `[log]`: the form of its lines, which requests have one, and where audit events go.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::kind::{Choice, Stream};
use crate::config::reader::{Noted, Reader};
use crate::telemetry::{AuditStream, Format, RequestLines};

/// The log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogConfig {
    /// The form of every line.
    pub format: Format,
    /// Which requests have a line.
    pub requests: RequestLines,
    /// Where audit events go.
    pub audit: AuditStream,
}

static FORMAT: Key<Choice<Format>> = key(
    "log.format",
    Choice {
        words: &[("logfmt", Format::Logfmt), ("json", Format::Json)],
    },
    DefaultValue::Value(|| Format::Logfmt),
    "The form of the lines of the log, audit events included. The first lines of a start, before the \
     configuration is read, are logfmt.",
);

static REQUESTS: Key<Choice<RequestLines>> = key(
    "log.requests",
    Choice {
        words: &[
            ("off", RequestLines::Off),
            ("refused", RequestLines::Refused),
            ("all", RequestLines::All),
        ],
    },
    DefaultValue::Value(RequestLines::default),
    "Which requests to the public listener and the gateway have [a line each](operating.md#a-line-for-each-request): \
     none, those that are answered with a status of 400 or above, or all.",
);

static AUDIT: Key<Stream> = key(
    "log.audit",
    Stream,
    DefaultValue::Value(AuditStream::default),
    "Where audit events go: with the other lines of the log, or as \
     [a stream of their own](operating.md#the-audit-as-a-stream-of-its-own).",
);

pub(super) static KEYS: &[&dyn Row] = &[&FORMAT, &REQUESTS, &AUDIT];

impl LogConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let format = reader.value(&FORMAT);
        let requests = reader.value(&REQUESTS);
        let audit = reader.value(&AUDIT);
        Ok(Self {
            format: format?,
            requests: requests?,
            audit: audit?,
        })
    }
}
