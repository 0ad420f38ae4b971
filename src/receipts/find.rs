//! The lines of one session among all.
//!
//! Lines lie in the order in which they were written. Where it is known when the session ended, the place is
//! found by halving; otherwise the whole file is read.
//!
//! This room must never leave a line of the session out because of what another line says.

use super::error::ReceiptsError;
use super::line::{Event, Line};
use super::log::Lines;
use crate::clock::UnixSeconds;
use crate::token::base64url;
use std::path::Path;

/// Where halving ends.
const NEAR: u64 = 1 << 16;

/// The lines of the session with this handle, the oldest first. The file has so many bytes of whole lines.
pub(crate) fn find(path: &Path, length: u64, sid: &str) -> Result<Vec<Line>, ReceiptsError> {
    ends(path, (0, length), sid).collect()
}

/// The line of one end of this session: the time, and the number of its note.
pub(crate) fn find_end(
    path: &Path,
    length: u64,
    sid: &str,
    (at, note): (UnixSeconds, u64),
) -> Result<Option<Line>, ReceiptsError> {
    let is_it = |line: &Line| matches!(&line.entry.event, Event::End(end) if end.note == note && end.ended_at == at);
    let from = not_later(path, length, at)?;
    // A clock that was set back may have brought it before that place.
    for part in [(from, length), (0, length)] {
        let found = ends(path, part, sid).find(|line| line.as_ref().map_or(true, is_it));
        if let Some(found) = found {
            return found.map(Some);
        }
    }
    Ok(None)
}

/// The lines of this session between two places. Unless the first is 0, it lies in the middle of a line.
fn ends(
    path: &Path,
    (from, to): (u64, u64),
    sid: &str,
) -> Box<dyn Iterator<Item = Result<Line, ReceiptsError>>> {
    let lines = match Lines::at(path, from, to) {
        Ok(lines) => lines.skip(usize::from(from > 0)),
        Err(error) => return Box::new(std::iter::once(Err(error.into()))),
    };
    let (sid, mentions) = (sid.to_owned(), Mentions::of(sid));
    Box::new(lines.filter_map(move |text| {
        let text = match text {
            Ok(text) => text,
            Err(error) => return Some(Err(error)),
        };
        let line = Some(&text).filter(|text| mentions.may_be_in(text));
        let line = Line::parse(line?)?;
        let is_of = matches!(&line.entry.event, Event::End(end) if end.sid == sid);
        is_of.then_some(Ok(line))
    }))
}

/// What is looked for in the characters of a line, so that not each has to be decoded: the handle in base64url,
/// by the three places that it may have in a group of three bytes.
struct Mentions([String; 3]);

impl Mentions {
    /// As long as one step of a search takes, and long enough to be of one session.
    const LENGTH: usize = 32;

    fn of(sid: &str) -> Self {
        Self([0, 1, 2].map(|place| {
            let bytes = [&[0; 2][..place], sid.as_bytes()].concat();
            // Only characters of which the handle alone decides every bit.
            let (from, to) = ((place * 8).div_ceil(6), bytes.len() * 8 / 6);
            let text = base64url::encode(&bytes);
            let own = text.get(from..to.max(from)).unwrap_or_default();
            own.chars().take(Self::LENGTH).collect()
        }))
    }

    fn may_be_in(&self, text: &str) -> bool {
        self.0.iter().any(|part| text.contains(part.as_str()))
    }
}

/// A place in the file behind which every line lies that was written at this time or later, if the clock only went
/// forward. Unless it is 0, it
/// lies in the middle of a line.
fn not_later(path: &Path, length: u64, since: UnixSeconds) -> Result<u64, ReceiptsError> {
    let (mut low, mut high) = (0, length);
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        let mut lines = Lines::at(path, middle, length)?.skip(1);
        let line = lines.next().transpose()?;
        match line.as_deref().and_then(Line::parse) {
            Some(line) if line.entry.iat < since => low = middle,
            _ => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_mentioned_wherever_it_stands() {
        let sid = "Zk3aPq9xW0mC7vTt1bN4sQe8rYu2iOp5lKj6hGf3dSA";
        let mentions = Mentions::of(sid);
        for before in 0..9 {
            for after in 0..4 {
                let around = |sid: &str| {
                    let claims = format!("{}{sid}{}", "\u{7f}".repeat(before), "~".repeat(after));
                    base64url::encode(claims.as_bytes())
                };
                assert!(mentions.may_be_in(&around(sid)));
                assert!(!mentions.may_be_in(&around(&sid.to_lowercase())));
                assert!(Mentions::of("ab").may_be_in(&around("ab")));
            }
        }
    }
}
