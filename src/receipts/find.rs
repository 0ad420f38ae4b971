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
    for part in [(from, length), (0, from)] {
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
    let sid = sid.to_owned();
    Box::new(lines.filter_map(move |text| {
        let text = match text {
            Ok(text) => text,
            Err(error) => return Some(Err(error)),
        };
        let line = Some(&text).filter(|text| mentions(text, &sid));
        let line = Line::parse(line?)?;
        let is_of = matches!(&line.entry.event, Event::End(end) if end.sid == sid);
        is_of.then_some(Ok(line))
    }))
}

/// Whether a line may be of this session: quicker than taking each apart.
fn mentions(text: &str, sid: &str) -> bool {
    let claims = text.split('.').nth(1).unwrap_or_default();
    base64url::decode(claims.as_bytes())
        .is_some_and(|claims| claims.windows(sid.len()).any(|part| part == sid.as_bytes()))
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
