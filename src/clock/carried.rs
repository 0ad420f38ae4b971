//! What time it is, by the clock that nobody sets and what the wall clock has been seen to show.
//!
//! All times are parameters, in nanoseconds. `offset` is what the running clock has to be added to.
//!
//! This room must never let time go back, nor follow the wall clock far ahead for what may be a moment.

use super::machine::{NANOS, Sight};

/// A difference up to which the wall clock is followed at once, and which isn't logged: what a machine's
/// own keeping of the time may correct in one step.
const NEAR: i64 = 5 * NANOS;

/// How long the wall clock has to be far ahead until it is followed.
const STANDS: i64 = 60 * NANOS;

/// Time goes slower by this part while the wall clock is behind.
const SLOWER: i64 = 10;

/// A sight that took longer tells too little: the process was stopped in between.
const SHARP: i64 = NANOS / 10;

/// Time as it is carried on.
#[derive(Debug)]
pub(super) struct Carried {
    offset: i64,
    looked: i64,
    /// By how much the wall clock was ahead when it was last seen; negative where it was behind.
    ahead_by: i64,
    ahead: Option<Ahead>,
    behind: bool,
}

/// The wall clock is far ahead.
#[derive(Debug)]
struct Ahead {
    since: i64,
    /// The least that it was ahead by all the time since then.
    least: i64,
}

/// Something to tell the operator, with the nanoseconds that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    Ahead(i64),
    AheadOver,
    Followed(i64),
    Behind(i64),
    BehindOver,
}

impl Carried {
    pub(super) fn from(sight: Sight) -> Self {
        Self {
            // Not ahead of the wall clock by what the sight took.
            offset: sight.wall - sight.after,
            looked: sight.after,
            ahead_by: 0,
            ahead: None,
            behind: false,
        }
    }

    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    pub(super) fn ahead_by(&self) -> i64 {
        self.ahead_by
    }

    /// Goes on from `time` or later; `running` is now.
    pub(super) fn raise_to(&mut self, time: i64, running: i64) {
        let offset = time - running;
        if offset > self.offset {
            // Whoever raises it has told the operator.
            self.behind = offset - self.offset > NEAR;
            self.ahead = None;
            self.offset = offset;
            // From here on it may go slower, and not for what has passed before.
            self.looked = running;
        }
    }

    /// Compares with the wall clock.
    pub(super) fn look(&mut self, sight: Sight) -> Option<Notice> {
        if sight.after - sight.before > SHARP {
            return None;
        }
        let elapsed = sight.after - self.looked;
        self.looked = sight.after;
        // The true difference is between these two.
        let (least, most) = (sight.wall - sight.after, sight.wall - sight.before);
        let (ahead, behind) = (least - self.offset, self.offset - most);
        self.ahead_by = if behind > 0 { -behind } else { ahead.max(0) };
        if ahead > NEAR {
            self.behind = false;
            return self.far_ahead(least, sight.after);
        }
        let was_ahead = self.ahead.take().is_some();
        let was_behind = std::mem::replace(&mut self.behind, behind > NEAR);
        if ahead > 0 {
            self.offset = least;
        } else if behind > 0 {
            self.offset -= behind.min(elapsed / SLOWER);
        }
        match (was_behind, self.behind) {
            (false, true) => Some(Notice::Behind(behind)),
            (true, false) => Some(Notice::BehindOver),
            _ => was_ahead.then_some(Notice::AheadOver),
        }
    }

    fn far_ahead(&mut self, offset: i64, now: i64) -> Option<Notice> {
        let Some(ahead) = &mut self.ahead else {
            self.ahead = Some(Ahead {
                since: now,
                least: offset,
            });
            return Some(Notice::Ahead(offset - self.offset));
        };
        ahead.least = ahead.least.min(offset);
        if now - ahead.since < STANDS {
            return None;
        }
        let by = ahead.least - self.offset;
        self.offset = ahead.least;
        self.ahead = None;
        Some(Notice::Followed(by))
    }
}

#[cfg(test)]
mod tests;
