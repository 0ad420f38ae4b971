//! The lines that wait to be written, so that whoever logs never waits for whoever reads.
//!
//! Every line is kept in order until it is written. The parts of the queue are bounded on their own: an
//! ordinary line is dropped where there are too many, and counted. A line of the audit is never dropped,
//! but for refusals, which anybody can cause: they are given half of the room, and counted beyond it. Who
//! makes a change asks [`Queue::has_room`] before (`docs/decisions/0030-log-queue.md`).
//!
//! This room must never let a thread that logs wait for a write.

use super::batch::Batch;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How many bytes of ordinary lines may wait.
const MAX_ORDINARY: usize = 1 << 20;
/// What a line takes besides its text.
const PLACE: usize = size_of::<Line>() + 16;
/// How long one write may last before whoever reads is taken for stalled.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// How a line is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An audit event of something that was done, or of a log-in that failed.
    Event,
    /// An audit event of a request that was refused.
    Refusal,
    /// Any other line.
    Ordinary,
}

/// What is wrong with the log, for readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Writing fails: the disk is full.
    Failing,
    /// Standard error is closed, or whoever read it is gone.
    Closed,
    /// One write has lasted for more than five seconds: nobody reads.
    Stalled,
    /// So many audit events wait that those of refusals are dropped.
    Full,
}

impl Trouble {
    /// The stable name.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Failing => "log_failing",
            Self::Closed => "log_closed",
            Self::Stalled => "log_stalled",
            Self::Full => "log_full",
        }
    }
}

/// How many lines wait, and how many were dropped since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Audit events that are not written yet.
    pub audit_waiting: u64,
    /// Ordinary lines that are not written yet.
    pub ordinary_waiting: u64,
    /// Ordinary lines that were dropped.
    pub ordinary_dropped: u64,
    /// Audit events of refusals that were dropped.
    pub refusals_dropped: u64,
}

impl Counts {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            audit_waiting: self.audit_waiting + other.audit_waiting,
            ordinary_waiting: self.ordinary_waiting + other.ordinary_waiting,
            ordinary_dropped: self.ordinary_dropped + other.ordinary_dropped,
            refusals_dropped: self.refusals_dropped + other.refusals_dropped,
        }
    }
}

#[derive(Debug)]
struct Line {
    text: Box<[u8]>,
    kind: Kind,
}

/// The lines, and what is known of their writer.
pub(super) struct Queue {
    max_audit: usize,
    state: Mutex<State>,
    /// There is a line, or the end.
    more: Condvar,
    /// A line was written.
    less: Condvar,
}

#[derive(Default)]
struct State {
    /// The first ones are being written.
    lines: VecDeque<Line>,
    audit_bytes: usize,
    ordinary_bytes: usize,
    counts: Counts,
    /// How many drops of each kind a line has told of.
    told: (u64, u64),
    /// How many lines were put in.
    taken: u64,
    /// Who waits until so many lines are written, the fewest first. Each is woken once, when its own are: all are woken for
    /// each write otherwise.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    /// Whether the writer waits for a line: waking one who doesn't would be a call of the system for nothing.
    idle: bool,
    /// Who waits until nothing is left: the same.
    finishing: usize,
    /// When the write under way began, or last got on.
    since: Option<Instant>,
    /// Why the last write has failed.
    failing: Option<Trouble>,
}

impl Queue {
    /// An empty one, with room for so many bytes of audit events.
    pub(super) fn new(max_audit: usize) -> Self {
        Self {
            max_audit,
            state: Mutex::default(),
            more: Condvar::new(),
            less: Condvar::new(),
        }
    }

    /// Puts a line in, or drops it and counts it, and has it written. Never waits for a write.
    pub(super) fn push(&self, kind: Kind, text: &[u8]) {
        self.put(kind, text);
        self.wake();
    }

    /// The same for a line that others follow at once: whoever puts them in wakes the writer after the last.
    pub(super) fn put(&self, kind: Kind, text: &[u8]) {
        let size = text.len() + PLACE;
        let mut state = self.state();
        match kind {
            Kind::Ordinary if state.ordinary_bytes + size > MAX_ORDINARY => {
                state.counts.ordinary_dropped += 1;
                return;
            }
            Kind::Refusal if state.audit_bytes + size > self.max_audit / 2 => {
                state.counts.refusals_dropped += 1;
                return;
            }
            _ => {}
        }
        state.count(kind, 1, size);
        state.taken += 1;
        state.lines.push_back(Line {
            text: text.into(),
            kind,
        });
    }

    /// Wakes the writer where there is a line and it sleeps.
    pub(super) fn wake(&self) {
        let mut state = self.state();
        let due = state.idle && !state.lines.is_empty();
        state.idle &= !due;
        drop(state);
        if due {
            self.more.notify_one();
        }
    }

    /// Whether the events of another change can be kept.
    pub(super) fn has_room(&self) -> bool {
        self.state().audit_bytes < self.max_audit
    }

    /// What is wrong now.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let state = self.state();
        if state.failing.is_some() {
            state.failing
        } else if state.writes_for().is_some_and(|time| time > STALLED_AFTER) {
            Some(Trouble::Stalled)
        } else if state.audit_bytes > self.max_audit / 2 {
            Some(Trouble::Full)
        } else {
            None
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Waits until what is in the queue now is written, for so long at most, and not at all where the
    /// writer doesn't get on. Whether it was written.
    pub(super) async fn written(&self, limit: Duration) -> bool {
        let written = {
            let mut state = self.state();
            if state.lines.is_empty() {
                return true;
            }
            if state.failing.is_some() || state.writes_for().is_some_and(|time| time > limit) {
                return false;
            }
            let (reached, written) = oneshot::channel();
            let taken = state.taken;
            state.waiting.push_back((taken, reached));
            written
        };
        let reached = tokio::time::timeout(limit, written).await;
        reached.is_ok_and(|told| told.is_ok())
    }

    /// Waits until everything is written, for so long at most; what is left then.
    pub(super) fn finish(&self, limit: Duration) -> Counts {
        let left = |state: &mut State| !state.lines.is_empty();
        let mut state = self.state();
        state.finishing += 1;
        let waited = self.less.wait_timeout_while(state, limit, left);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.finishing -= 1;
        state.counts
    }

    /// Waits for the next lines, and begins to write them.
    pub(super) fn next(&self) -> Batch {
        let mut state = self.state();
        loop {
            let mut batch = Batch::default();
            for line in &mut state.lines {
                if !batch.takes(&line.text) {
                    break;
                }
                // Its place is given back when it is written.
                batch.push(&std::mem::take(&mut line.text));
            }
            if !batch.is_empty() {
                state.since = Some(Instant::now());
                return batch;
            }
            state.since = None;
            state.idle = true;
            state = self
                .more
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The write has got on.
    pub(super) fn went_on(&self) {
        self.state().since = Some(Instant::now());
    }

    /// The write has failed in this way, and is tried again.
    pub(super) fn failed(&self, why: Trouble) {
        self.state().failing = Some(why);
    }

    /// The lines of `next` are written. Returns how many lines were dropped since this was last
    /// returned, ordinary ones and refusals, when there is room again.
    pub(super) fn done(&self, batch: &Batch) -> (u64, u64) {
        let mut state = self.state();
        state.failing = None;
        state.since = None;
        for length in batch.lengths() {
            if let Some(line) = state.lines.pop_front() {
                state.uncount(line.kind, length + PLACE);
            }
        }
        let written = state.taken - state.lines.len() as u64;
        let dropped = (state.counts.ordinary_dropped, state.counts.refusals_dropped);
        let untold = (dropped.0 - state.told.0, dropped.1 - state.told.1);
        let has_room =
            state.ordinary_bytes < MAX_ORDINARY / 2 && state.audit_bytes < self.max_audit / 4;
        if has_room {
            state.told = dropped;
        }
        let reached = state.waiting.partition_point(|(due, _)| *due <= written);
        let reached: Vec<_> = state.waiting.drain(..reached).collect();
        let finishing = state.finishing > 0;
        drop(state);
        if finishing {
            self.less.notify_all();
        }
        for (_, waiting) in reached {
            // Who waits no more has gone, or has waited long enough.
            let _ = waiting.send(());
        }
        if has_room { untold } else { (0, 0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn writes_for(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    fn count(&mut self, kind: Kind, lines: u64, bytes: usize) {
        let (waiting, taken) = self.part(kind);
        *waiting += lines;
        *taken += bytes;
    }

    fn uncount(&mut self, kind: Kind, bytes: usize) {
        let (waiting, taken) = self.part(kind);
        *waiting = waiting.saturating_sub(1);
        *taken = taken.saturating_sub(bytes);
    }

    fn part(&mut self, kind: Kind) -> (&mut u64, &mut usize) {
        match kind {
            Kind::Ordinary => (&mut self.counts.ordinary_waiting, &mut self.ordinary_bytes),
            Kind::Event | Kind::Refusal => (&mut self.counts.audit_waiting, &mut self.audit_bytes),
        }
    }
}

#[cfg(test)]
mod tests;
