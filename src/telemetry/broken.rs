//! Why a connection ended in the middle of a request, in our words.
//!
//! actix logs that as an error of its own, with the text of a library and without an address. It does so
//! on the thread of the connection, in the same step in which it lets go of the connection's data. So the
//! logger keeps the reason for that thread instead of writing the line, and what `http` has put into the
//! data takes it from here and writes a line with the address.
//!
//! This room must never pass the library's text on: it may quote what a client sent.

use log::{Level, Metadata, Record};
use std::cell::Cell;

/// Where actix says it, and how its line begins.
const TARGET: &str = "actix_http::h1::dispatcher";
const BEGINNING: &str = "stream error: ";

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// What came isn't HTTP/1.1 (RFC 9112); it was answered 400 with an empty body.
    Malformed,
    /// The head is larger than what is read; it was answered 431 with an empty body.
    HeadTooLarge,
    /// The other side is gone, or the connection failed.
    Lost,
}

thread_local! {
    static LAST: Cell<Option<Broken>> = const { Cell::new(None) };
}

impl Broken {
    /// The stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "request_malformed",
            Self::HeadTooLarge => "request_head_too_large",
            Self::Lost => "connection_lost",
        }
    }

    /// Takes what was said on this thread since the last call.
    #[must_use]
    pub fn take() -> Option<Self> {
        LAST.take()
    }

    fn of(message: &str) -> Self {
        match message.strip_prefix("request parse error: ") {
            Some("message head is too large") => Self::HeadTooLarge,
            Some(_) => Self::Malformed,
            None => Self::Lost,
        }
    }
}

/// Whether such a line may come from there: it has to reach [`heard`] under any filter.
pub(super) fn may_be(metadata: &Metadata<'_>) -> bool {
    metadata.level() == Level::Error && metadata.target() == TARGET
}

/// Keeps the reason if `record` is such a line, which then is not to be written.
pub(super) fn heard(record: &Record<'_>) -> bool {
    if !may_be(record.metadata()) {
        return false;
    }
    let message = record.args().to_string();
    let Some(reason) = message.strip_prefix(BEGINNING) else {
        return false;
    };
    LAST.set(Some(Broken::of(reason)));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(level: Level, target: &str, message: &str) -> Option<Broken> {
        let args = format_args!("{message}");
        let mut record = Record::builder();
        let heard = heard(&record.level(level).target(target).args(args).build());
        let kept = Broken::take();
        assert_eq!(heard, kept.is_some());
        assert_eq!(Broken::take(), None, "taken once");
        kept
    }

    #[test]
    fn a_line_about_a_broken_connection_is_kept_and_any_other_is_not() {
        let error = |message| hears(Level::Error, TARGET, message);
        for (message, due) in [
            (
                "stream error: request parse error: invalid Header provided",
                Some(Broken::Malformed),
            ),
            (
                "stream error: request parse error: message head is too large",
                Some(Broken::HeadTooLarge),
            ),
            (
                "stream error: I/O error: Connection reset by peer",
                Some(Broken::Lost),
            ),
            ("write zero; closing", None),
        ] {
            assert_eq!(error(message), due, "{message}");
        }
        assert_eq!(hears(Level::Warn, TARGET, "stream error: x"), None);
        assert_eq!(hears(Level::Error, "lacre::http", "stream error: x"), None);
    }

    #[test]
    fn each_reason_has_a_code() {
        let all = [Broken::Malformed, Broken::HeadTooLarge, Broken::Lost];
        let codes = all.map(Broken::code);
        assert_eq!(
            codes,
            [
                "request_malformed",
                "request_head_too_large",
                "connection_lost"
            ]
        );
    }
}
