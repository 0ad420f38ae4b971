//! What other rooms measure, as the page of metrics shows it.
//!
//! This room must never take a label from a request.

use super::text::{self, Kind};
use crate::telemetry::histogram::Durations;
use std::borrow::Cow;
use std::time::Duration;

/// What another room measures, at the moment of asking.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The whole name, the unit last, and `_total` where it only goes up: `[a-z0-9_]`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The value or values now.
    pub value: Reading,
}

/// A value, or several that differ by one label.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// How much there is now.
    Gauge(u64),
    /// How often something has happened since the start.
    Counter(u64),
    /// For how long something has gone on since the start, in seconds.
    Seconds(Duration),
    /// Counters by the value of one label.
    By(&'static str, Vec<(&'static str, u64)>),
    /// A gauge of 1 that tells something by its label, whose value is the same as long as the process lasts.
    Info(&'static str, Cow<'static, str>),
    /// How long something took, each time, in seconds.
    Histogram(Durations),
}

impl Measured {
    /// Writes its lines.
    pub(super) fn write(&self, out: &mut String) {
        let name = self.name;
        let kind = match self.value {
            Reading::Gauge(_) | Reading::Info(..) => Kind::Gauge,
            Reading::Counter(_) | Reading::Seconds(_) | Reading::By(..) => Kind::Counter,
            Reading::Histogram(_) => Kind::Histogram,
        };
        text::head(out, name, kind, self.help);
        match &self.value {
            Reading::Gauge(value) | Reading::Counter(value) => text::sample(out, name, "", value),
            Reading::Seconds(time) => {
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                text::sample(out, name, "", text::seconds(micros));
            }
            Reading::By(label, values) => {
                for (value, count) in values {
                    text::sample(out, name, &text::label(label, value), count);
                }
            }
            Reading::Info(label, value) => text::sample(out, name, &text::label(label, value), 1),
            Reading::Histogram(durations) => text::histogram(out, name, "", durations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &'static str, value: Reading) -> String {
        let mut out = String::new();
        let help = "Help.";
        Measured { name, help, value }.write(&mut out);
        out
    }

    #[test]
    fn each_kind_of_value_has_its_lines() {
        for (value, lines) in [
            (Reading::Gauge(25), "# HELP x Help.\n# TYPE x gauge\nx 25\n"),
            (
                Reading::Counter(3),
                "# HELP x Help.\n# TYPE x counter\nx 3\n",
            ),
            (
                Reading::Seconds(Duration::from_millis(1_500)),
                "# HELP x Help.\n# TYPE x counter\nx 1.5\n",
            ),
            (
                Reading::By("cause", vec![("logout", 2), ("expired", 0)]),
                "# HELP x Help.\n# TYPE x counter\nx{cause=\"logout\"} 2\nx{cause=\"expired\"} 0\n",
            ),
            (
                Reading::Info("version", "1.2.3".into()),
                "# HELP x Help.\n# TYPE x gauge\nx{version=\"1.2.3\"} 1\n",
            ),
        ] {
            assert_eq!(written("x", value), lines);
        }
        let text = written("x", Reading::Histogram(Durations::default()));
        assert!(
            text.starts_with("# HELP x Help.\n# TYPE x histogram\nx_bucket{le=\"0.0001\"} 0\n")
        );
        assert!(text.ends_with("x_bucket{le=\"+Inf\"} 0\nx_sum 0\nx_count 0\n"));
    }
}
