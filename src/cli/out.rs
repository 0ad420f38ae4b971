//! How answers look: tables for people, JSON for programs.
//!
//! This room must never let a character through that a terminal would obey: names, labels and user
//! agents come from strangers.

use super::failure::Failure;
use super::printable::printable;
use lacre::internals::telemetry::is_invisible;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The most characters of one cell.
const MAX_CELL: usize = 64;

/// One line of JSON. What JSON allows in a text and a terminal would obey is written as `\u….`.
pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text =
        serde_json::to_string(value).map_err(|error| Failure::failed("output_failed", error))?;
    if !text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Ok(text);
    }
    // They stand inside of texts only: all else that is written here is plain ASCII.
    Ok(text.chars().fold(String::new(), |mut safe, c| {
        if c.is_control() || is_invisible(c) {
            // Beyond 16 bits JSON takes two (RFC 8259 §7).
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
        safe
    }))
}

/// A number of things, with the word for one or for several.
pub(super) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// A time as RFC 3339 has it, in UTC.
pub(super) fn time(unix: u64) -> String {
    i64::try_from(unix)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// How long ago this was, in minutes, hours or days.
pub(super) fn age(now: u64, unix: u64) -> String {
    match now.saturating_sub(unix) {
        ..60 => "now".to_owned(),
        seconds @ ..3600 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    }
}

/// The beginning of a handle, as the log shows it; commands take it in place of the whole.
pub(super) fn beginning(handle: &str) -> String {
    cut(handle.to_owned(), 9)
}

/// A cell for what may be absent.
pub(super) fn optional(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty())
        .map_or_else(|| "-".to_owned(), str::to_owned)
}

/// A cell for several words.
pub(super) fn words(words: &[String]) -> String {
    optional(Some(&words.join(",")))
}

/// Rows under one head, their columns aligned. Later rows keep the widths of the first ones, so
/// that a listing can be written page by page.
pub(super) struct Table<const N: usize> {
    head: [&'static str; N],
    widths: Option<[usize; N]>,
    /// Columns that become narrower where a line would be longer than a terminal, the first one first,
    /// and what each has at least.
    narrowed: &'static [(usize, usize)],
}

/// The characters of a terminal's line.
const LINE: usize = 80;
/// Those between two columns.
const GAP: usize = 2;

impl<const N: usize> Table<N> {
    pub(super) fn new(head: [&'static str; N]) -> Self {
        Self {
            head,
            widths: None,
            narrowed: &[],
        }
    }

    /// The same, on lines of 80 characters: these columns become narrower for it, down to so many
    /// characters each, and what doesn't fit into one is cut off.
    pub(super) fn narrowing(self, narrowed: &'static [(usize, usize)]) -> Self {
        Self { narrowed, ..self }
    }

    /// Writes rows, and the head before the first of all.
    pub(super) fn write(
        &mut self,
        out: &mut impl Write,
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> io::Result<()> {
        let rows: Vec<[String; N]> = rows
            .into_iter()
            .map(|row| row.map(|text| cell(&text)))
            .collect();
        let widths = match self.widths {
            Some(widths) => widths,
            None if rows.is_empty() => return Ok(()),
            None => {
                let mut widths = widths(self.head, &rows);
                narrow(&mut widths, self.narrowed);
                self.widths = Some(widths);
                write_row(out, &self.head.map(str::to_owned), widths)?;
                widths
            }
        };
        rows.into_iter().try_for_each(|mut row| {
            for (column, _) in self.narrowed {
                row[*column] = cut(std::mem::take(&mut row[*column]), widths[*column]);
            }
            write_row(out, &row, widths)
        })
    }
}

/// A name before each value, a line each.
pub(super) fn write_fields<'n>(
    out: &mut impl Write,
    fields: impl IntoIterator<Item = (&'n str, String)>,
) -> io::Result<()> {
    let fields: Vec<_> = fields.into_iter().collect();
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in fields {
        let value = printable(&value).replace('\n', "\\n");
        writeln!(out, "{name:width$}  {value}")?;
    }
    Ok(())
}

fn cell(text: &str) -> String {
    cut(printable(text).replace('\n', "\\n"), MAX_CELL)
}

/// The text, cut off where it has more characters than this.
fn cut(text: String, max: usize) -> String {
    if text.chars().count() <= max {
        return text;
    }
    text.chars()
        .take(max.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// Takes from these columns what a line has too much.
fn narrow<const N: usize>(widths: &mut [usize; N], narrowed: &[(usize, usize)]) {
    for (column, least) in narrowed {
        let line = widths.iter().sum::<usize>() + GAP * (N - 1);
        let spare = widths[*column].saturating_sub(*least);
        widths[*column] -= spare.min(line.saturating_sub(LINE));
    }
}

fn widths<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> [usize; N] {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn write_row<const N: usize>(
    out: &mut impl Write,
    row: &[String; N],
    widths: [usize; N],
) -> io::Result<()> {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        let _ = write!(line, "{cell:width$}{:GAP$}", "");
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 2]) -> [String; 2] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_are_aligned_and_the_head_is_written_once() {
        let mut out = Vec::new();
        let mut table = Table::new(["A", "B"]);
        table.write(&mut out, []).unwrap();
        table
            .write(&mut out, [row(["longer", "x"]), row(["é", "y"])])
            .unwrap();
        table.write(&mut out, [row(["z", "-"])]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "A       B\nlonger  x\né       y\nz       -\n");
    }

    #[test]
    fn a_terminal_obeys_nothing_of_what_is_printed() {
        let evil = "\u{1b}[2J\r\n\u{202e}x\u{9b}\u{7f}";
        let mut out = Vec::new();
        Table::new(["A", "B"])
            .write(&mut out, [row([evil, evil])])
            .unwrap();
        write_fields(&mut out, [("a", evil.to_owned())]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 3, "{text:?}");
        let json = json(&evil).unwrap();
        for written in [text.replace('\n', ""), json.clone()] {
            assert!(!written.contains(char::is_control), "{written:?}");
            assert!(!written.contains('\u{202e}'), "{written:?}");
        }
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), evil);
    }

    #[test]
    fn a_cell_has_an_end() {
        assert_eq!(cell(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(cell(&"é".repeat(65)), format!("{}…", "é".repeat(63)));
    }

    #[test]
    fn a_narrowed_table_fits_a_terminal() {
        let mut out = Vec::new();
        let mut table = Table::new(["A", "B"]).narrowing(&[(0, 9), (1, 20)]);
        table
            .write(&mut out, [row([&"x".repeat(50), &"y".repeat(40)])])
            .unwrap();
        table
            .write(&mut out, [row(["z", &"y".repeat(60)])])
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        let lengths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lengths, [41, 80, 80], "{text}");
        let cut_off = format!("{}…  {}", "x".repeat(37), "y".repeat(40));
        assert_eq!(text.lines().nth(1), Some(cut_off.as_str()));
        let whole = ["short".to_owned(), "cells".to_owned()];
        let mut out = Vec::new();
        Table::new(["A", "B"])
            .narrowing(&[(0, 9)])
            .write(&mut out, [whole])
            .unwrap();
        assert_eq!(out, b"A      B\nshort  cells\n");
    }

    #[test]
    fn one_thing_is_one() {
        let accounts = [0, 1, 2].map(|number| count(number, "account", "accounts"));
        assert_eq!(accounts, ["0 accounts", "1 account", "2 accounts"]);
    }

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (0, "now"),
            (59, "now"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (172_799, "47 h"),
            (172_800, "2 d"),
            (8_640_000, "100 d"),
        ] {
            assert_eq!(age(1_000_000 + seconds, 1_000_000), text);
        }
        assert_eq!(age(1, 2), "now", "a clock that was set back");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(u64::MAX), "-");
    }
}
