//! The one thread that writes: changes go in one by one and become durable in groups.
//!
//! Callers queue changes. The thread takes what has come in (up to [`GROUP`]), applies it in that
//! order, persists once, and only then answers all of them. While it persists, the next group
//! gathers; under load one persist carries many changes, and without load a change waits for no
//! other.
//!
//! This room must never answer before the persist, a lost compare-and-swap included: the change
//! that won may be of the same group. And it must never change the store again once a write has
//! failed: what is on disk then is unknown, so it fails closed until the process starts anew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use crate::engine::{Change, Engine, KeyBytes, KeyRange};
use crate::error::KeystoreError;
use crate::stamps::Stamps;

/// The most jobs that share one persist.
const GROUP: usize = 1024;

/// How many jobs may wait; beyond that, callers wait to queue theirs.
const QUEUE: usize = 4096;

type Answer<T> = oneshot::Sender<Result<T, KeystoreError>>;

/// What the thread is asked to do.
enum Job {
    /// A compare-and-swap; answers whether it was made.
    Swap(Change, Answer<bool>),
    /// Removes a key whatever its value; answers whether there was one.
    Remove(KeyBytes, Answer<bool>),
    /// Removes up to so many keys of a range; answers which.
    RemoveRange(KeyRange, usize, Answer<Vec<KeyBytes>>),
    /// Takes no more jobs; answered once all those queued before are.
    Close(oneshot::Sender<()>),
}

/// An answer that is held back until the group is durable.
enum Held {
    Flag(bool, Answer<bool>),
    Keys(Vec<KeyBytes>, Answer<Vec<KeyBytes>>),
}

/// What the thread and its callers both know.
struct Shared {
    /// The error that ended all writing.
    failure: OnceLock<KeystoreError>,
    /// How many records there are, as far as they are applied.
    records: AtomicU64,
    /// Who is told of each record that goes, before anybody is answered.
    watcher: OnceLock<Watcher>,
}

/// Told the key of a record that has just gone.
pub(crate) type Watcher = Box<dyn Fn(&KeyBytes) + Send + Sync>;

/// The way to the thread.
pub(crate) struct Committer {
    queue: mpsc::Sender<Job>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// An answer to come. Dropping it doesn't take the change back.
pub(crate) struct Pending<T> {
    answer: oneshot::Receiver<Result<T, KeystoreError>>,
    shared: Arc<Shared>,
}

impl<T> Pending<T> {
    /// Waits until the change is durable, or known to have failed.
    pub(crate) async fn wait(self) -> Result<T, KeystoreError> {
        match self.answer.await {
            Ok(answer) => answer,
            // The thread has gone without an answer: the fate of the change is unknown.
            Err(_) => Err(self.shared.refusal()),
        }
    }
}

impl Shared {
    fn refusal(&self) -> KeystoreError {
        match self.failure.get() {
            Some(cause) => KeystoreError::unavailable(format!("an earlier write failed: {cause}")),
            None => KeystoreError::unavailable("the keystore is closed"),
        }
    }
}

impl Committer {
    /// Starts the thread on a store that nobody else writes to.
    pub(crate) fn start(
        engine: Arc<dyn Engine>,
        stamps: Arc<Stamps>,
    ) -> Result<Self, KeystoreError> {
        let shared = Arc::new(Shared {
            failure: OnceLock::new(),
            records: AtomicU64::new(engine.count()?),
            watcher: OnceLock::new(),
        });
        let (queue, jobs) = mpsc::channel(QUEUE);
        let worker = Worker {
            engine,
            stamps,
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new()
            .name("lacre-committer".to_owned())
            .spawn(move || worker.run(jobs))
            .map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        Ok(Self {
            queue,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues a compare-and-swap.
    pub(crate) async fn swap(&self, change: Change) -> Result<Pending<bool>, KeystoreError> {
        self.submit(|answer| Job::Swap(change, answer)).await
    }

    /// Queues the removal of a key, whatever its value.
    pub(crate) async fn remove(&self, key: KeyBytes) -> Result<Pending<bool>, KeystoreError> {
        self.submit(|answer| Job::Remove(key, answer)).await
    }

    /// Queues the removal of the first `limit` keys of a range.
    pub(crate) async fn remove_range(
        &self,
        range: KeyRange,
        limit: usize,
    ) -> Result<Pending<Vec<KeyBytes>>, KeystoreError> {
        self.submit(|answer| Job::RemoveRange(range, limit, answer))
            .await
    }

    /// Has `watcher` told of each record that goes from now on; `false` where somebody is told
    /// already.
    pub(crate) fn tell_removals(&self, watcher: Watcher) -> bool {
        self.shared.watcher.set(watcher).is_ok()
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.shared.records.load(Ordering::Relaxed)
    }

    /// Whether changes are still taken.
    pub(crate) fn health(&self) -> Result<(), KeystoreError> {
        if self.shared.failure.get().is_some() || self.queue.is_closed() {
            return Err(self.shared.refusal());
        }
        Ok(())
    }

    /// Takes no more changes, and returns once those queued are answered and the thread has gone.
    pub(crate) async fn close(&self) {
        let (done, finished) = oneshot::channel();
        // Where the thread has gone already there is nothing to wait for.
        if self.queue.send(Job::Close(done)).await.is_ok() {
            let _ = finished.await;
        }
        self.join();
    }

    async fn submit<T>(
        &self,
        job: impl FnOnce(Answer<T>) -> Job,
    ) -> Result<Pending<T>, KeystoreError> {
        let (send, answer) = oneshot::channel();
        self.queue
            .send(job(send))
            .await
            .map_err(|_| self.shared.refusal())?;
        Ok(Pending {
            answer,
            shared: Arc::clone(&self.shared),
        })
    }

    fn join(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the thread has been noted as the failure.
            let _ = thread.join();
        }
    }
}

/// Answers what is queued and ends the thread.
impl Drop for Committer {
    fn drop(&mut self) {
        // The thread ends when the last sender is gone; this one is replaced by one that leads
        // nowhere, because a field can't be taken out of what is being dropped.
        self.queue = mpsc::channel(1).0;
        self.join();
    }
}

/// The thread's own side.
struct Worker {
    engine: Arc<dyn Engine>,
    /// Told of each change before the engine is.
    stamps: Arc<Stamps>,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let _note = NotePanic(&self.shared);
        let mut group = Vec::with_capacity(GROUP);
        // Dropped, and so answered, at the end.
        let mut closing = Vec::new();
        while let Some(job) = jobs.blocking_recv() {
            group.push(job);
            while group.len() < GROUP {
                match jobs.try_recv() {
                    Ok(job) => group.push(job),
                    Err(_) => break,
                }
            }
            self.commit(&mut group, &mut closing);
            if !closing.is_empty() {
                jobs.close();
            }
        }
    }

    /// Applies a group, persists it, and answers.
    fn commit(&self, group: &mut Vec<Job>, closing: &mut Vec<oneshot::Sender<()>>) {
        let mut changed = false;
        let mut held = Vec::with_capacity(group.len());
        for job in group.drain(..) {
            match job {
                Job::Swap(change, answer) => match self.attempt(|| self.swap(&change)) {
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
                Job::RemoveRange(range, limit, answer) => {
                    match self.attempt(|| self.remove_range(&range, limit)) {
                        Ok(keys) => {
                            changed |= !keys.is_empty();
                            held.push(Held::Keys(keys, answer));
                        }
                        Err(error) => refuse(answer, error),
                    }
                }
                Job::Close(done) => closing.push(done),
            }
        }
        // A group that changed nothing has nothing to wait for: what it saw is durable, or writing
        // has ended and its answers are refusals.
        let durable = if changed { self.persist() } else { Ok(()) };
        for answer in held {
            answer.send(&durable);
        }
    }

    /// Does one change's work, unless writing has ended; an error ends it.
    fn attempt<T>(
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

    fn swap(&self, change: &Change) -> Result<bool, KeystoreError> {
        let made = self
            .stamps
            .during(&change.key, || self.engine.apply(change))?;
        if made {
            match (&change.expected, &change.new) {
                (None, Some(_)) => self.shared.records.fetch_add(1, Ordering::Relaxed),
                (Some(_), None) => self.shared.records.fetch_sub(1, Ordering::Relaxed),
                _ => 0,
            };
            if let (None, Some(watcher)) = (&change.new, self.shared.watcher.get()) {
                watcher(&change.key);
            }
        }
        Ok(made)
    }

    fn remove(&self, key: &KeyBytes) -> Result<bool, KeystoreError> {
        match self.engine.get(key)? {
            None => Ok(false),
            Some(value) => self.remove_value(*key, value).map(|()| true),
        }
    }

    fn remove_range(&self, range: &KeyRange, limit: usize) -> Result<Vec<KeyBytes>, KeystoreError> {
        let entries = self.engine.scan(range, limit)?;
        entries
            .into_iter()
            .map(|(key, value)| self.remove_value(key, value).map(|()| key))
            .collect()
    }

    /// Removes what was just read. Nobody else writes, so a value that has changed meanwhile means
    /// that the engine can't be relied on.
    fn remove_value(&self, key: KeyBytes, value: Vec<u8>) -> Result<(), KeystoreError> {
        let change = Change {
            key,
            expected: Some(value),
            new: None,
        };
        if self.swap(&change)? {
            Ok(())
        } else {
            Err(KeystoreError::corrupt("a value changed by itself"))
        }
    }
}

impl Held {
    /// Answers, with the group's fate where that is an error. A caller that has gone doesn't mind.
    fn send(self, durable: &Result<(), KeystoreError>) {
        match self {
            Self::Flag(flag, answer) => drop(answer.send(durable.clone().map(|()| flag))),
            Self::Keys(keys, answer) => drop(answer.send(durable.clone().map(|()| keys))),
        }
    }
}

fn refuse<T>(answer: Answer<T>, error: KeystoreError) {
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
