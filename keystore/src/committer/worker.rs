//! The one thread that writes: changes go in one by one and become durable in groups.
//!
//! It takes what has come in (up to [`GROUP`]), applies it in that order, persists once, and only
//! then answers all of them. While it persists, the next group gathers; under load one persist
//! carries many changes, and without load a change waits for no other.
//!
//! This room must never answer before the persist, a lost compare-and-swap included: the change
//! that won may be of the same group. And it must never change the store again once a write has
//! failed: what is on disk then is unknown, so it fails closed until the process starts anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::emptying::Emptying;
use super::{Answer, Job, Shared};
use crate::engine::{Change, Engine, KeyBytes, KeyRange};
use crate::error::KeystoreError;
use crate::stamps::Stamps;

/// The most jobs that share one persist.
const GROUP: usize = 1024;

/// An answer that is held back until the group is durable.
pub(super) enum Held {
    Flag(bool, Answer<bool>),
    Count(u64, Answer<u64>),
    Keys(Vec<KeyBytes>, Answer<Vec<KeyBytes>>),
}

/// The thread's own side.
pub(super) struct Worker {
    pub(super) engine: Arc<dyn Engine>,
    /// Told of each change before the engine is.
    pub(super) stamps: Arc<Stamps>,
    pub(super) shared: Arc<Shared>,
}

impl Worker {
    pub(super) fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let _note = NotePanic(&self.shared);
        let mut group = Vec::with_capacity(GROUP);
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
            while group.len() < GROUP {
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
        let mut changed = false;
        let mut held = Vec::with_capacity(group.len());
        for job in group.drain(..) {
            match job {
                Job::Apply(batch, answer) => match self.attempt(|| self.apply(&batch)) {
                    Ok(made) => {
                        changed |= made;
                        held.push(Held::Flag(made, answer));
                    }
                    Err(error) => refuse(answer, error),
                },
                Job::Remove(key, answer) => match self.attempt(|| self.remove(&key)) {
                    Ok(made) => {
                        changed |= made;
                        held.push(Held::Flag(made, answer));
                    }
                    Err(error) => refuse(answer, error),
                },
                Job::RemoveAllBut(range, keep, answer) => {
                    match self.attempt(|| self.remove_all_but(&range, keep)) {
                        Ok(keys) => {
                            changed |= !keys.is_empty();
                            held.push(Held::Keys(keys, answer));
                        }
                        Err(error) => refuse(answer, error),
                    }
                }
                Job::Empty(answer) => emptyings.push_back(Emptying::new(answer)),
                Job::Close(done) => closing.push(done),
            }
        }
        changed |= self.empty_further(emptyings, &mut held);
        // A group that changed nothing has nothing to wait for: what it saw is durable, or writing
        // has ended and its answers are refusals.
        let durable = if changed { self.persist() } else { Ok(()) };
        for answer in held {
            answer.send(&durable);
        }
    }

    /// Does one change's work, unless writing has ended; an error ends it.
    pub(super) fn attempt<T>(
        &self,
        work: impl FnOnce() -> Result<T, KeystoreError>,
    ) -> Result<T, KeystoreError> {
        if self.shared.failure.get().is_some() {
            return Err(self.shared.refusal());
        }
        work().map_err(|error| self.fail(error))
    }

    fn persist(&self) -> Result<(), KeystoreError> {
        self.engine.persist().map_err(|error| self.fail(error))
    }

    fn fail(&self, error: KeystoreError) -> KeystoreError {
        log::error!("the keystore takes no more changes: {error}");
        let _ = self.shared.failure.set(error);
        self.shared.refusal()
    }

    fn apply(&self, changes: &[Change]) -> Result<bool, KeystoreError> {
        let keys = changes.iter().map(|change| &change.key);
        let made = self.stamps.during(keys, || self.engine.apply(changes))?;
        if made {
            for change in changes {
                self.note(change);
            }
        }
        Ok(made)
    }

    /// Counts a change that was made, and tells of a record that went.
    fn note(&self, change: &Change) {
        match (&change.expected, &change.new) {
            (None, Some(_)) => self.shared.records.fetch_add(1, Ordering::Relaxed),
            (Some(_), None) => self.shared.records.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        if let (None, Some(watcher)) = (&change.new, self.shared.watcher.get()) {
            watcher(&change.key);
        }
    }

    fn remove(&self, key: &KeyBytes) -> Result<bool, KeystoreError> {
        match self.engine.get(key)? {
            None => Ok(false),
            Some(value) => self.apply_as_read(&[removal((*key, value))]).map(|()| true),
        }
    }

    fn remove_all_but(
        &self,
        range: &KeyRange,
        keep: Option<KeyBytes>,
    ) -> Result<Vec<KeyBytes>, KeystoreError> {
        let mut entries = self.engine.scan(range, usize::MAX)?;
        entries.retain(|(key, _)| Some(*key) != keep);
        let removals: Vec<_> = entries.into_iter().map(removal).collect();
        self.apply_as_read(&removals)?;
        Ok(removals.iter().map(|change| change.key).collect())
    }

    /// Changes what was just read. Nobody else writes, so a value that has changed meanwhile means
    /// that the engine can't be relied on.
    pub(super) fn apply_as_read(&self, changes: &[Change]) -> Result<(), KeystoreError> {
        if self.apply(changes)? {
            Ok(())
        } else {
            Err(KeystoreError::corrupt("a value changed by itself"))
        }
    }
}

/// The removal of a record as it was read.
pub(super) fn removal((key, value): (KeyBytes, Vec<u8>)) -> Change {
    Change {
        key,
        expected: Some(value),
        new: None,
    }
}

impl Held {
    /// Answers, with the group's fate where that is an error. A caller that has gone doesn't mind.
    fn send(self, durable: &Result<(), KeystoreError>) {
        match self {
            Self::Flag(flag, answer) => drop(answer.send(durable.clone().map(|()| flag))),
            Self::Count(count, answer) => drop(answer.send(durable.clone().map(|()| count))),
            Self::Keys(keys, answer) => drop(answer.send(durable.clone().map(|()| keys))),
        }
    }
}

pub(super) fn refuse<T>(answer: Answer<T>, error: KeystoreError) {
    let _ = answer.send(Err(error));
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
