//! One event as one line of logfmt.
//!
//! This room must never let a character out that ends a line, moves a cursor or turns the
//! direction of text (log injection, threat: log-injection).

use std::fmt::{self, Display, Write as _};

use super::invisible::is_invisible;
use log::Record;
use log::kv::{Error, Key, Value, VisitSource};

/// The most characters of one value; what is longer is cut and ends in `…`.
const MAX_VALUE: usize = 1024;

/// Bytes that most lines don't have more of.
const ORDINARY: usize = 256;

/// The line without its time and its end: `LEVEL target msg=… key=value …`.
pub(super) fn event(record: &Record<'_>) -> String {
    let mut line = String::with_capacity(ORDINARY);
    line.push_str(record.level().as_str());
    line.push(' ');
    put(&mut line, record.target());
    let before = line.len();
    line.push_str(" msg=");
    if !show(&mut line, record.args()) {
        line.truncate(before);
    }
    // Visiting fails only where a pair does, and ours doesn't.
    let _ = record.key_values().visit(&mut Pairs(&mut line));
    line
}

struct Pairs<'l>(&'l mut String);

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.0.push(' ');
        put(self.0, key.as_str());
        self.0.push('=');
        if !show(self.0, &value) {
            put(self.0, "");
        }
        Ok(())
    }
}

/// Appends what is shown of `value`, which most often is bare and is there then. `false` where that is nothing.
fn show(line: &mut String, value: &impl Display) -> bool {
    let begin = line.len();
    // Writing into a string doesn't fail.
    let _ = write!(line, "{value}");
    let shown = line.len() > begin;
    if shown && !is_bare(&line[begin..]) {
        let text = line.split_off(begin);
        put(line, &text);
    }
    shown
}

/// Whether `text` can't be mistaken for anything else, and nothing has to be cut off.
fn is_bare(text: &str) -> bool {
    let bare = |c: char| match c {
        '"' | '\\' | '=' => false,
        '…' => true,
        c => c.is_ascii_graphic() || c.is_alphanumeric(),
    };
    !text.is_empty() && text.chars().all(bare) && !cut(text).1
}

/// Appends `text`: bare where it can't be mistaken, else in quotes and escaped.
fn put(line: &mut String, text: &str) {
    if is_bare(text) {
        line.push_str(text);
        return;
    }
    let (kept, is_cut) = cut(text);
    line.push('"');
    for c in kept.chars() {
        let _ = escape(line, c);
    }
    line.push_str(if is_cut { "…\"" } else { "\"" });
}

/// What is written of a value, and whether that isn't all of it.
pub(super) fn cut(text: &str) -> (&str, bool) {
    // No text has more characters than bytes.
    if text.len() <= MAX_VALUE {
        return (text, false);
    }
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    }
}

fn escape(line: &mut String, c: char) -> fmt::Result {
    match c {
        '"' | '\\' => write!(line, "\\{c}"),
        '\n' => line.write_str("\\n"),
        '\r' => line.write_str("\\r"),
        '\t' => line.write_str("\\t"),
        c if c.is_control() || is_invisible(c) => write!(line, "\\u{{{:x}}}", u32::from(c)),
        c => line.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use log::Level;
    use proptest::prelude::*;

    use super::*;

    fn line(message: &str, pairs: &[(&str, &str)]) -> String {
        event(
            &Record::builder()
                .level(Level::Warn)
                .target("lacre::test")
                .args(format_args!("{message}"))
                .key_values(&pairs)
                .build(),
        )
    }

    fn value(text: &str) -> String {
        let line = line("", &[("k", text)]);
        line.strip_prefix("WARN lacre::test k=").unwrap().to_owned()
    }

    #[test]
    fn an_event_is_one_line_of_logfmt() {
        assert_eq!(
            line("store is slow", &[("code", "store_slow"), ("path", "/a b")]),
            r#"WARN lacre::test msg="store is slow" code=store_slow path="/a b""#
        );
        assert_eq!(line("", &[]), "WARN lacre::test");
    }

    #[test]
    fn values_that_could_be_mistaken_are_quoted() {
        assert_eq!(value("127.0.0.1:80"), "127.0.0.1:80");
        assert_eq!(value("é"), "é");
        assert_eq!(value(""), r#""""#);
        assert_eq!(value("a=b"), r#""a=b""#);
        assert_eq!(value(r#"a"b\"#), r#""a\"b\\""#);
        assert_eq!(value("a\r\nb\tc"), r#""a\r\nb\tc""#);
        assert_eq!(value("\u{1b}[2J\0\u{7f}"), r#""\u{1b}[2J\u{0}\u{7f}""#);
        assert_eq!(
            value("\u{85}\u{2028}\u{202e}"),
            r#""\u{85}\u{2028}\u{202e}""#
        );
    }

    #[test]
    fn a_message_cannot_pose_as_a_pair() {
        assert_eq!(
            line("x event=login_succeeded\nINFO", &[("event", "real")]),
            r#"WARN lacre::test msg="x event=login_succeeded\nINFO" event=real"#
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let written = value(&"é".repeat(MAX_VALUE + 1));
        assert_eq!(written, format!("\"{}…\"", "é".repeat(MAX_VALUE)));
        assert_eq!(value(&"é".repeat(MAX_VALUE)), "é".repeat(MAX_VALUE));
    }

    /// What stands between two pairs is unquoted, so a reader that knows quotes finds them all.
    fn pairs_in(line: &str) -> usize {
        let (mut pairs, mut quoted, mut escaped) = (0, false, false);
        for c in line.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '=' if !quoted => pairs += 1,
                _ => {}
            }
        }
        assert!(!quoted && !escaped, "open quotes: {line}");
        pairs
    }

    proptest! {
        #[test]
        fn no_value_breaks_out_of_its_place(message in ".+", a in any::<String>(), b in any::<String>()) {
            let written = line(&message, &[("a", &a), ("b", &b)]);
            prop_assert!(!written.contains(char::is_control), "{:?}", written);
            prop_assert_eq!(pairs_in(&written), 3);
        }
    }
}
