//! The one thread that writes: changes go in one by one and become durable in groups.
//!
//! It takes what has come in (up to [`MAX_GROUP`]), applies it in that order, persists once, and
//! only then answers all of them. While it persists, the next group gathers, and for a moment more where many ask
//! at once; under load one persist carries many changes, and without load a change waits for no other.
//!
//! This room must never answer before the persist, a lost compare-and-swap included: the change
//! that won may be of the same group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::emptying::{self, Emptying};
use super::job::{Held, Job, Shared, refuse};
use super::pace::{self, Pace, Waiting};
use super::writer::{MAX_NOTES, Writer};
use crate::error::KeystoreError;
use crate::local::counts::Counts;
use crate::local::engine::Engine;
use crate::stamps::Stamps;

/// The maximum of jobs that share one persist.
const MAX_GROUP: usize = 1024;

/// How many records one step of a check looks at: other jobs get their turn between two.
const CHECKED_AT_ONCE: usize = 512;

/// The thread's own side.
pub(super) struct Worker(Writer);

impl Worker {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        follow: (Arc<Stamps>, Arc<Counts>),
        shared: Arc<Shared>,
    ) -> Result<Self, KeystoreError> {
        Writer::new(engine, follow, shared, MAX_NOTES).map(Self)
    }

    pub(super) fn run(self, mut jobs: mpsc::Receiver<Job>, waiting: &Waiting) {
        let _note = NotePanic(&self.0.shared);
        let mut group = Vec::with_capacity(MAX_GROUP);
        // Dropped, and so answered, at the end.
        let mut closing = Vec::new();
        let mut emptyings = VecDeque::new();
        let mut pace = Pace::new();
        let mut recovery = Recovery::default();
        loop {
            let mut may_wait = false;
            if self.0.shared.failure.get().is_some() {
                match jobs.try_recv() {
                    Ok(job) => group.push(job),
                    Err(TryRecvError::Disconnected) => break,
                    // Those that a removal has kept waiting are refused before anything else.
                    Err(TryRecvError::Empty) if emptyings.is_empty() => {
                        recovery.step(&self.0);
                        continue;
                    }
                    Err(TryRecvError::Empty) => {}
                }
            } else if emptyings.is_empty() {
                // There is work without a job where a removal of everything is under way.
                match jobs.blocking_recv() {
                    Some(job) => group.push(job),
                    None => break,
                }
                may_wait = true;
            }
            if may_wait {
                pace.gather(&mut jobs, &mut group, MAX_GROUP, waiting);
            } else {
                pace::take(&mut jobs, &mut group, MAX_GROUP);
            }
            let (size, began) = (group.len(), Instant::now());
            self.commit(&mut group, &mut emptyings, &mut closing);
            pace.answered(size, jobs.len(), began.elapsed());
            if !closing.is_empty() {
                jobs.close();
            }
        }
    }

    /// Applies a group, persists it, and answers.
    fn commit(
        &self,
        group: &mut Vec<Job>,
        emptyings: &mut VecDeque<Emptying>,
        closing: &mut Vec<oneshot::Sender<()>>,
    ) {
        let writer = &self.0;
        let mut changed = false;
        let mut held = Vec::with_capacity(group.len());
        let mut compactions = Vec::new();
        for job in group.drain(..) {
            match job {
                Job::Apply(batch, note, answer) => {
                    match writer.attempt(|| writer.apply(&batch, note.as_ref())) {
                        Ok(made) => {
                            changed |= made;
                            held.push(Held::Flag(made, answer));
                        }
                        Err(error) => refuse(answer, error),
                    }
                }
                Job::Remove(key, note, answer) => {
                    match writer.attempt(|| writer.remove(&key, note.as_ref())) {
                        Ok(made) => {
                            changed |= made;
                            held.push(Held::Flag(made, answer));
                        }
                        Err(error) => refuse(answer, error),
                    }
                }
                Job::RemoveAllBut(range, keep, note, answer) => {
                    match writer.attempt(|| writer.remove_all_but(&range, keep, note.as_ref())) {
                        Ok(keys) => {
                            changed |= !keys.is_empty();
                            held.push(Held::Keys(keys, answer));
                        }
                        Err(error) => refuse(answer, error),
                    }
                }
                Job::Empty(note, answer) => emptyings.push_back(Emptying::new(note, answer)),
                // Nothing waits for it to be durable: what comes back is forgotten again.
                Job::Forget(before, answer) => match writer.attempt(|| writer.forget(before)) {
                    Ok(count) => held.push(Held::Count(count, answer)),
                    Err(error) => refuse(answer, error),
                },
                Job::ReplaceNotes(notes, answer) => {
                    match writer.attempt(|| writer.replace_notes(&notes)) {
                        Ok(count) => {
                            changed |= count > 0;
                            held.push(Held::Count(count, answer));
                        }
                        Err(error) => refuse(answer, error),
                    }
                }
                Job::Settle(answer) => match writer.attempt(|| Ok(writer.last_note())) {
                    Ok(place) => held.push(Held::Place(place, answer)),
                    Err(error) => refuse(answer, error),
                },
                // Behind the truth it is as good: what follows it is looked through again.
                Job::KeepHead(bytes, answer) => {
                    match writer.attempt(|| writer.engine.keep_head(&bytes)) {
                        Ok(()) => held.push(Held::Flag(true, answer)),
                        Err(error) => refuse(answer, error),
                    }
                }
                // It changes nothing, and what it finds wrong ends no writing.
                Job::Check(begin, answer) => {
                    let _ = answer.send(writer.engine.check(begin, CHECKED_AT_ONCE));
                }
                Job::Compact(progress, answer) => compactions.push((progress, answer)),
                Job::Close(done) => closing.push(done),
            }
        }
        changed |= emptying::step(writer, emptyings, &mut held);
        // A group that changed nothing has nothing to wait for: what it saw is durable, or writing
        // has ended and its answers are refusals.
        let durable = if changed { writer.persist() } else { Ok(()) };
        for answer in held {
            answer.send(&durable);
        }
        for (progress, answer) in compactions {
            let _ = answer.send(writer.compact(&progress).map(|()| true));
        }
    }
}

/// When the store is opened anew after a failure.
struct Recovery {
    due: Instant,
    pause: Duration,
}

/// How long the first attempt waits, and how long the last ones do.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// How long whoever asks for a change meanwhile may wait for the refusal.
const TICK: Duration = Duration::from_millis(20);

impl Default for Recovery {
    fn default() -> Self {
        Self {
            due: Instant::now() + FIRST_PAUSE,
            pause: FIRST_PAUSE,
        }
    }
}

impl Recovery {
    /// Waits a moment, or tries.
    fn step(&mut self, writer: &Writer) {
        if Instant::now() < self.due {
            thread::sleep(TICK);
        } else if writer.reopen() {
            *self = Self::default();
        } else {
            self.pause = (self.pause * 2).min(LAST_PAUSE);
            self.due = Instant::now() + self.pause;
        }
    }
}

/// Notes that the thread panicked, before its callers learn that nobody answers.
struct NotePanic<'a>(&'a Shared);

impl Drop for NotePanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let panicked = KeystoreError::unavailable("the engine panicked");
            self.0.failure.set(panicked);
        }
    }
}
