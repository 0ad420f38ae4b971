//! What others have written, and times, as a page shows them.
//!
//! The templates escape whatever they are given. Beside that, text of a user, a client or a browser is
//! kept from changing how its surroundings are read: it is isolated in its direction, and characters
//! that nobody sees are spelled out (threat: hostile-text).
//!
//! This room must never write text that is already markup.

use crate::clock::UnixSeconds;
use crate::http::time::Time;
use crate::telemetry::is_invisible;
use maud::{Markup, Render, html};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A word that is longer may be broken anywhere.
const LONG: usize = 32;

/// Text that somebody else has written.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl Render for Shown<'_> {
    fn render(&self) -> Markup {
        let is_long = self.0.split_whitespace().any(|word| word.len() > LONG);
        html! { bdi class=[is_long.then_some("long")] { (visible(self.0)) } }
    }
}

/// Text that may be missing.
pub(super) fn shown(text: Option<&str>) -> Markup {
    let missing = || html! { span.none { "–" } };
    text.map_or_else(missing, |text| Shown(text).render())
}

/// Some words, one beside the other.
pub(super) fn listed(words: &[String]) -> Markup {
    html! {
        @if words.is_empty() { span.none { "–" } }
        @for (number, word) in words.iter().enumerate() {
            @if number > 0 { ", " }
            (Shown(word))
        }
    }
}

/// Controls and invisible characters as `\u{…}`.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_unseen = |c: char| c.is_control() || is_invisible(c);
    if !text.chars().any(is_unseen) {
        return text.into();
    }
    let mut seen = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unseen(c) {
            let _ = write!(seen, "\\u{{{:x}}}", u32::from(c));
        } else {
            seen.push(c);
        }
    }
    seen.into()
}

/// A time in UTC, and how far it is from now.
pub(super) fn moment(at: UnixSeconds, now: UnixSeconds) -> Markup {
    html! { (time(at)) " " span.far { (distance(at, now)) } }
}

/// A time in UTC.
pub(super) fn time(at: UnixSeconds) -> Markup {
    let text = Time(at).text();
    let plain = text.replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(text) { (plain) } }
}

fn distance(at: UnixSeconds, now: UnixSeconds) -> String {
    let length = match at.abs_diff(now) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    };
    if at > now {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// A number of things, with the word for one or for several.
pub(super) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// The beginning of a handle, as the log has it.
pub(super) fn beginning(handle: &str) -> &str {
    handle.get(..8).unwrap_or(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_escaped_isolated_and_seen() {
        let hostile = "<script>alert(1)</script>\u{202e}\"'&\n\u{200b}é";
        assert_eq!(
            Shown(hostile).render().into_string(),
            "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}&quot;'&amp;\\u{a}\\u{200b}é</bdi>"
        );
        assert_eq!(visible("plain عكس"), "plain عكس");
    }

    #[test]
    fn a_time_is_in_utc_with_its_distance() {
        assert_eq!(
            moment(0, 90).into_string(),
            "<time datetime=\"1970-01-01T00:00:00Z\">1970-01-01 00:00:00 UTC</time> \
             <span class=\"far\">90 s ago</span>"
        );
        for (at, now, far) in [
            (5, 5, "0 s ago"),
            (0, 7_199, "119 min ago"),
            (0, 7_200, "2 h ago"),
            (200_000, 0, "in 2 d"),
        ] {
            assert_eq!(distance(at, now), far);
        }
    }

    #[test]
    fn what_is_missing_is_shown_as_missing() {
        assert_eq!(shown(None).into_string(), "<span class=\"none\">–</span>");
        assert_eq!(listed(&[]).into_string(), "<span class=\"none\">–</span>");
        let two = ["a".to_owned(), "<b>".to_owned()];
        assert_eq!(
            listed(&two).into_string(),
            "<bdi>a</bdi>, <bdi>&lt;b&gt;</bdi>"
        );
        assert_eq!(count(1, "session", "sessions"), "1 session");
        assert_eq!(beginning("abc"), "abc");
    }
}
