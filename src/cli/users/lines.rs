//! The lines of a file of accounts.
//!
//! This room must never put a value of the file into a reason: it may be a hash.

use super::super::failure::Failure;
use lacre::internals::ops::{ImportedUser, MAX_PAGE, RefusedUser};
use std::io::{BufRead, Read as _};
use zeroize::Zeroizing;

/// Longer than an account with all that it may have.
const MAX_LINE: usize = 16 << 10;
/// The lines of one request, in bytes: with what JSON puts between them far below a frame's length.
const MAX_BATCH: u64 = 256 << 10;

/// Where the lines come from.
pub(super) type Input = Box<dyn BufRead + Send>;

/// A line of the file.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// The account, or why it is none.
    pub(super) user: Result<ImportedUser, RefusedUser>,
}

/// The lines of the input, some at a time.
pub(super) struct Lines {
    input: Input,
    number: u64,
    /// The bytes read so far.
    pub(super) read: u64,
}

impl Lines {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            number: 0,
            read: 0,
        }
    }

    /// The accounts of the next lines with their numbers; nothing at the end.
    pub(super) fn batch(&mut self) -> Result<Option<Vec<Line>>, Failure> {
        let mut batch = Vec::new();
        let begin = self.read;
        while batch.len() < MAX_PAGE && self.read - begin < MAX_BATCH {
            let Some(line) = self.line()? else { break };
            if !line.iter().all(u8::is_ascii_whitespace) {
                let (number, user) = (self.number, parsed(&line));
                batch.push(Line { number, user });
            }
        }
        Ok((self.read > begin).then_some(batch))
    }

    /// The next line; of one that is too long, the beginning.
    fn line(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let unreadable = |error| Failure::failed("input_unreadable", format_args!("{error}"));
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LINE + 1));
        let mut limited = self.input.by_ref().take(MAX_LINE as u64 + 1);
        let mut read = limited.read_until(b'\n', &mut line).map_err(unreadable)?;
        if read == 0 {
            return Ok(None);
        }
        if line.len() > MAX_LINE && !line.ends_with(b"\n") {
            read += self.input.skip_until(b'\n').map_err(unreadable)?;
        }
        self.number += 1;
        self.read += read as u64;
        if self.number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Some(line))
    }
}

/// U+FEFF, which some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn parsed(line: &[u8]) -> Result<ImportedUser, RefusedUser> {
    let refused = |reason: String| RefusedUser {
        index: 0,
        code: "line_invalid".to_owned(),
        field: None,
        reason,
    };
    if line.len() > MAX_LINE {
        return Err(refused("is longer than 16 KiB".to_owned()));
    }
    // serde would take an array of values in the order of the members, too.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(refused("is no JSON object".to_owned()));
    }
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        // Other texts of the library quote values, which may be a hash in the wrong place.
        let says_names_alone = ["missing field", "unknown field", "duplicate field"]
            .iter()
            .any(|begin| text.starts_with(begin));
        refused(match (error.is_data(), says_names_alone) {
            // The name of an unknown member may be a value in the wrong place as well.
            (true, true) if text.starts_with("unknown") => {
                "has a member that isn't known".to_owned()
            }
            (true, true) => text
                .split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned(),
            (true, false) => format!(
                "has a value of the wrong kind before column {}",
                error.column()
            ),
            (false, _) => format!("is no JSON, from column {}", error.column()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Lines::new(Box::new(std::io::Cursor::new(text.to_vec())));
        let mut found = Vec::new();
        while let Some(batch) = lines.batch().unwrap() {
            found.extend(batch.into_iter().map(|line| {
                let user = line.user.map(|user| user.email);
                (line.number, user.map_err(|refused| refused.reason))
            }));
        }
        assert_eq!(lines.read, text.len() as u64);
        found
    }

    fn reason(line: &str) -> String {
        let mut found = all(line.as_bytes());
        assert_eq!(found.len(), 1, "{line}");
        found.remove(0).1.unwrap_err()
    }

    #[test]
    fn a_line_is_an_account_and_keeps_its_number() {
        let text =
            "\u{feff}{\"email\":\"a@b\",\"hash\":\"x\"}\r\n\n  \n{\"hash\":null,\"email\":\"c@d\"}";
        let found = all(text.as_bytes());
        assert_eq!(
            found,
            [(1, Ok("a@b".to_owned())), (4, Ok("c@d".to_owned()))]
        );
        assert_eq!(all(b""), []);
    }

    #[test]
    fn many_lines_come_in_batches_and_none_is_lost() {
        let blank = "\n".repeat(300_000);
        let line = format!(
            "{{\"email\":\"a@b\",\"hash\":null,\"name\":\"{}\"}}\n",
            "x".repeat(4000)
        );
        let text = format!("{blank}{}", line.repeat(500));
        let found = all(text.as_bytes());
        assert_eq!(found.len(), 500);
        assert!(found.iter().all(|(_, user)| user.as_deref() == Ok("a@b")));
        assert_eq!((found[0].0, found[499].0), (300_001, 300_500));
    }

    #[test]
    fn what_is_no_account_is_refused_without_a_value_of_it() {
        assert_eq!(reason("{\"email\":\"a@b\"}"), "missing field `hash`");
        assert_eq!(reason("{\"mail\":1}"), "has a member that isn't known");
        for secret in [
            "{\"email\":\"a@b\",\"hash\":12345678}",
            "{\"email\":\"a@b\",\"hash\":null,\"roles\":\"12345678\"}",
            "{\"email\":\"a@b\",\"hash\":null,\"active\":\"12345678\"}",
            "{\"email\":12345678",
            "{\"email\":\"12345678",
        ] {
            let reason = reason(secret);
            assert!(
                !reason.contains("12345678") && reason.contains("column"),
                "{reason}"
            );
        }
        for other in ["[\"a@b\"]", "12345678", "null", "\"a@b\""] {
            assert_eq!(reason(other), "is no JSON object");
        }
        assert!(all(b"{\"email\":\"\xff\"}")[0].1.is_err());
    }

    #[test]
    fn a_line_without_end_is_refused_and_the_next_one_is_read() {
        let text = format!(
            "{}\n{{\"email\":\"a@b\",\"hash\":null}}\n",
            "x".repeat(1 << 20)
        );
        let found = all(text.as_bytes());
        assert_eq!(found[0], (1, Err("is longer than 16 KiB".to_owned())));
        assert_eq!(found[1], (2, Ok("a@b".to_owned())));
    }
}
