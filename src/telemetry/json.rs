//! One event as one line of JSON (RFC 8259): an object whose members are those of the logfmt line.
//!
//! Numbers and truth values stay what they are, everything else is a text. What nobody sees is escaped,
//! as in logfmt: a line is also read by people (threat: log-injection).
//!
//! This room must never let a character out that ends a line, moves a cursor or turns the direction of
//! text.

use super::invisible::is_invisible;
use super::line::cut;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};
use std::fmt::Write as _;

/// The line without its end.
pub(super) fn event(time: &str, record: &Record<'_>) -> String {
    let mut line = String::from("{\"time\":");
    put(&mut line, time);
    for (name, text) in [
        ("level", record.level().as_str()),
        ("target", record.target()),
    ] {
        member(&mut line, name);
        put(&mut line, text);
    }
    let message = record.args().to_string();
    if !message.is_empty() {
        member(&mut line, "msg");
        put(&mut line, &message);
    }
    // Visiting fails only where a pair does, and ours doesn't.
    let _ = record.key_values().visit(&mut Members(&mut line));
    line.push('}');
    line
}

struct Members<'l>(&'l mut String);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        member(self.0, key.as_str());
        let number = value.to_u64().map(|number| number.to_string());
        let number = number.or_else(|| value.to_i64().map(|number| number.to_string()));
        // JSON has no name for what isn't finite; `Display` of a finite one is a number of JSON.
        let number = number.or_else(|| {
            let finite = value.to_f64().filter(|number| number.is_finite());
            finite.map(|number| number.to_string())
        });
        match number.or_else(|| value.to_bool().map(|is| is.to_string())) {
            Some(bare) => self.0.push_str(&bare),
            None => put(self.0, &value.to_string()),
        }
        Ok(())
    }
}

fn member(line: &mut String, name: &str) {
    line.push(',');
    put(line, name);
    line.push(':');
}

/// Appends `text` as a string of JSON, cut as in logfmt.
fn put(line: &mut String, text: &str) {
    let (kept, is_cut) = cut(text);
    line.push('"');
    for c in kept.chars() {
        escape(line, c);
    }
    line.push_str(if is_cut { "…\"" } else { "\"" });
}

fn escape(line: &mut String, c: char) {
    match c {
        '"' | '\\' => line.extend(['\\', c]),
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        c if c.is_control() || is_invisible(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a string doesn't fail.
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
        c => line.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;
    use proptest::prelude::*;
    use serde_json::json;

    fn line(message: &str, pairs: &[(&str, Value<'_>)]) -> String {
        event(
            "2026-11-24T08:00:00.123Z",
            &Record::builder()
                .level(Level::Warn)
                .target("lacre::test")
                .args(format_args!("{message}"))
                .key_values(&pairs)
                .build(),
        )
    }

    #[test]
    fn an_event_is_one_object_whose_numbers_are_numbers() {
        let pairs = [
            ("code", Value::from("store_slow")),
            ("status", Value::from(503)),
            ("took_ms", Value::from(0.25)),
            ("below", Value::from(-1)),
            ("is", Value::from(true)),
            ("no_number", Value::from(f64::NAN)),
        ];
        let written: serde_json::Value = serde_json::from_str(&line("is slow", &pairs)).unwrap();
        let due = json!({
            "time": "2026-11-24T08:00:00.123Z", "level": "WARN", "target": "lacre::test",
            "msg": "is slow", "code": "store_slow", "status": 503, "took_ms": 0.25, "below": -1,
            "is": true, "no_number": "NaN",
        });
        assert_eq!(written, due);
    }

    #[test]
    fn what_nobody_sees_is_escaped() {
        let written = line("", &[("k", Value::from("a\"\\\n\u{1b}\u{202e}\u{e0041}"))]);
        let escaped = r#""k":"a\"\\\n\u001b\u202e\udb40\udc41"}"#;
        assert!(written.ends_with(escaped), "{written}");
    }

    proptest! {
        #[test]
        fn every_text_comes_back_from_its_line(message in ".+", text in any::<String>()) {
            let written = line(&message, &[("k", Value::from(text.as_str()))]);
            let unseen = |c: char| c.is_control() || is_invisible(c);
            prop_assert!(!written.contains(unseen), "{:?}", written);
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read["msg"].as_str(), Some(message.as_str()));
            prop_assert_eq!(read["k"].as_str(), Some(text.as_str()));
        }
    }
}
