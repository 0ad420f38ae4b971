//! How times are written in answers: RFC 3339, in UTC.
//!
//! This room must never ask a clock.

use crate::clock::UnixSeconds;
use serde::{Serialize, Serializer};

/// A time in an answer. One that no calendar has is written as an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) UnixSeconds);

impl Time {
    /// The text.
    pub(super) fn text(self) -> String {
        i64::try_from(self.0)
            .ok()
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .map_or_else(String::new, |time| time.to_string())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(Time(0).text(), "1970-01-01T00:00:00Z");
        assert_eq!(Time(1_800_000_000).text(), "2027-01-15T08:00:00Z");
        assert_eq!(Time(u64::MAX).text(), "");
    }

    #[test]
    fn an_answer_has_the_text() {
        assert_eq!(to_value(Time(0)).unwrap(), json!("1970-01-01T00:00:00Z"));
    }
}
