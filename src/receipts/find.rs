//! The lines of one session among all.
//!
//! Lines lie in the order in which they were written. Where it is known when the session ended, the place is
//! found by halving; otherwise the whole file is read, some million lines in a few seconds.
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

/// The lines of the session with this handle, the oldest first; with `since`, the first that was written then or
/// later. The file has so many bytes of whole lines.
pub(crate) fn find(
    path: &Path,
    length: u64,
    sid: &str,
    since: Option<UnixSeconds>,
) -> Result<Vec<Line>, ReceiptsError> {
    let from = match since {
        Some(since) => not_later(path, length, since)?,
        None => 0,
    };
    let mut found = Vec::new();
    for text in Lines::at(path, from, length)?.skip(usize::from(from > 0)) {
        let text = text?;
        if !mentions(&text, sid) {
            continue;
        }
        let Some(line) = Line::parse(&text) else {
            continue;
        };
        let is_late = since.is_none_or(|since| line.entry.iat >= since);
        if matches!(&line.entry.event, Event::End(end) if end.sid == sid) && is_late {
            found.push(line);
            if since.is_some() {
                break;
            }
        }
    }
    Ok(found)
}

/// Whether a line may be of this session: quicker than taking each apart.
fn mentions(text: &str, sid: &str) -> bool {
    let claims = text.split('.').nth(1).unwrap_or_default();
    base64url::decode(claims.as_bytes())
        .is_some_and(|claims| claims.windows(sid.len()).any(|part| part == sid.as_bytes()))
}

/// A place in the file behind which every line lies that was written at this time or later. Unless it is 0, it
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
