//! The one thread that writes: changes go in one by one and become durable in groups.
//!
//! It takes what has come in (up to [`MAX_GROUP`]), applies it in that order, persists once, and
//! only then answers all of them. While it persists, the next group gathers; under load one persist
//! carries many changes, and without load a change waits for no other.
//!
//! This room must never answer before the persist, a lost compare-and-swap included: the change
//! that won may be of the same group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::emptying::{self, Emptying};
use super::job::{Held, Job, Shared, refuse};
use super::writer::{MAX_NOTES, Writer};
use crate::error::KeystoreError;
use crate::local::engine::Engine;
use crate::stamps::Stamps;

/// The maximum of jobs that share one persist.
const MAX_GROUP: usize = 1024;

/// The thread's own side.
pub(super) struct Worker(Writer);

impl Worker {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        stamps: Arc<Stamps>,
        shared: Arc<Shared>,
    ) -> Result<Self, KeystoreError> {
        Writer::new(engine, stamps, shared, MAX_NOTES).map(Self)
    }

    pub(super) fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let _note = NotePanic(&self.0.shared);
        let mut group = Vec::with_capacity(MAX_GROUP);
        // Dropped, and so answered, at the end.
        let mut closing = Vec::new();
        let mut emptyings = VecDeque::new();
        loop {
            // There is work without a job where a removal of everything is under way.
            if emptyings.is_empty() {
                match jobs.blocking_recv() {
                    Some(job) => group.push(job),
                    None => break,
                }
            }
            while group.len() < MAX_GROUP {
                match jobs.try_recv() {
                    Ok(job) => group.push(job),
                    Err(_) => break,
                }
            }
            self.commit(&mut group, &mut emptyings, &mut closing);
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
    }
}

/// Notes that the thread panicked, before its callers learn that nobody answers.
struct NotePanic<'a>(&'a Shared);

impl Drop for NotePanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self
                .0
                .failure
                .set(KeystoreError::unavailable("the engine panicked"));
        }
    }
}
