//! Lines of the Prometheus text format, version 0.0.4.
//!
//! This room must never write a label's value that isn't escaped.

use crate::telemetry::histogram::{BOUNDS, Durations};
use std::fmt::Write as _;

/// What a family of series is, in the format's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// How much there is now.
    Gauge,
    /// How often something has happened since the start, or for how long.
    Counter,
    /// How long something took, each time.
    Histogram,
}

/// The two lines that come before a family's series.
pub(super) fn head(text: &mut String, name: &str, kind: Kind, help: &str) {
    let kind = match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
    };
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// One label.
pub(super) fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n");
    format!("{name}=\"{value}\"")
}

/// One value; `labels` is empty, or several with commas between them.
pub(super) fn sample(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = if labels.is_empty() {
        writeln!(text, "{name} {value}")
    } else {
        writeln!(text, "{name}{{{labels}}} {value}")
    };
}

/// All series of one histogram.
pub(super) fn histogram(text: &mut String, name: &str, labels: &str, durations: &Durations) {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = BOUNDS.iter().map(|&bound| seconds(bound));
    let counts = durations.within.into_iter().chain([durations.count]);
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts) {
        let _ = writeln!(
            text,
            "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"
        );
    }
    let sum = seconds(durations.sum_micros);
    sample(text, &format!("{name}_sum"), labels, sum);
    sample(text, &format!("{name}_count"), labels, durations.count);
}

/// Microseconds as exact decimal seconds, without trailing zeros.
pub(super) fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_each_bound_the_sum_and_the_count() {
        let mut durations = Durations {
            count: 3,
            sum_micros: 9_000_201,
            ..Durations::default()
        };
        durations.within = [2; BOUNDS.len()];
        durations.within[0] = 1;
        for (labels, open, end) in [("", "{", ""), ("a=\"b\"", "{a=\"b\",", "{a=\"b\"}")] {
            let mut text = String::new();
            histogram(&mut text, "x", labels, &durations);
            for line in [
                format!("x_bucket{open}le=\"0.0001\"}} 1"),
                format!("x_bucket{open}le=\"5\"}} 2"),
                format!("x_bucket{open}le=\"+Inf\"}} 3"),
                format!("x_sum{end} 9.000201"),
                format!("x_count{end} 3"),
            ] {
                assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
            }
        }
    }

    #[test]
    fn a_value_can_not_break_out_of_its_label() {
        assert_eq!(label("route", "/a\"\\\n"), r#"route="/a\"\\\n""#);
    }

    #[test]
    fn seconds_are_exact() {
        for (micros, text) in [
            (0, "0"),
            (1, "0.000001"),
            (2_500_000, "2.5"),
            (10_000_000, "10"),
        ] {
            assert_eq!(seconds(micros), text);
        }
    }
}
