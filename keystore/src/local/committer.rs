//! The way to the one thread that writes.
//!
//! Callers queue changes and wait for the answer, which comes when the change is durable. What the
//! thread does with them is told in [`worker`].
//!
//! This room must never touch the store itself: all changes take their turn in the queue.

mod emptying;
mod job;
mod pace;
mod worker;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use crate::error::KeystoreError;
use crate::key::{KeyBytes, KeyRange};
use crate::local::counts::Counts;
use crate::local::engine::{Change, Engine};
use crate::note::{Note, NotePlace, SealedNote};
use crate::stamps::Stamps;
use crate::store::{Checked, Progress, Writes};
use job::{Answer, Failure, Job, Shared, Watcher, Written};
use pace::Waiting;
use worker::Worker;

/// How many jobs may wait; beyond that, callers wait to queue theirs.
const MAX_QUEUE: usize = 4096;

/// The way to the thread.
pub(crate) struct Committer {
    queue: mpsc::Sender<Job>,
    shared: Arc<Shared>,
    /// Whether the thread waits for more jobs before it persists.
    waiting: Arc<Waiting>,
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

impl Committer {
    /// Starts the thread on a store that nobody else writes to.
    pub(crate) fn start(
        engine: Arc<dyn Engine>,
        follow: (Arc<Stamps>, Arc<Counts>),
    ) -> Result<Self, KeystoreError> {
        let shared = Arc::new(Shared {
            failure: Failure::default(),
            records: AtomicU64::new(engine.count()?),
            written: Written::default(),
            watcher: OnceLock::new(),
            kept_from: AtomicU64::new(u64::MAX),
        });
        let (queue, jobs) = mpsc::channel(MAX_QUEUE);
        let worker = Worker::new(engine, follow, Arc::clone(&shared))?;
        let waiting = Arc::new(Waiting::default());
        let waits = Arc::clone(&waiting);
        let thread = thread::Builder::new()
            .name("lacre-committer".to_owned())
            .spawn(move || worker.run(jobs, &waits))
            .map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        Ok(Self {
            queue,
            shared,
            waiting,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues compare-and-swaps of different keys that are made all or none. Of each record that goes
    /// the note is left, here and below.
    pub(crate) async fn apply(
        &self,
        changes: Vec<Change>,
        note: Option<Note>,
    ) -> Result<Pending<bool>, KeystoreError> {
        self.submit(|answer| Job::Apply(changes, note, answer))
            .await
    }

    /// Queues the removal of a key, whatever its value.
    pub(crate) async fn remove(
        &self,
        key: KeyBytes,
        note: Option<Note>,
    ) -> Result<Pending<bool>, KeystoreError> {
        self.submit(|answer| Job::Remove(key, note, answer)).await
    }

    /// Queues the removal of all keys of a range but `keep`, which are removed all or none.
    pub(crate) async fn remove_all_but(
        &self,
        range: KeyRange,
        keep: Option<KeyBytes>,
        note: Option<Note>,
    ) -> Result<Pending<Vec<KeyBytes>>, KeystoreError> {
        self.submit(|answer| Job::RemoveAllBut(range, keep, note, answer))
            .await
    }

    /// Queues the removal of all keys, in steps between which other jobs get their turn.
    pub(crate) async fn empty(&self, note: Option<Note>) -> Result<Pending<u64>, KeystoreError> {
        self.submit(|answer| Job::Empty(note, answer)).await
    }

    /// Queues other bytes for notes that are still as they were read.
    pub(crate) async fn replace_notes(
        &self,
        notes: Vec<(SealedNote, Vec<u8>)>,
    ) -> Result<Pending<u64>, KeystoreError> {
        self.submit(|answer| Job::ReplaceNotes(notes, answer)).await
    }

    /// Queues one step of taking the notes away whose time is before this one.
    pub(crate) async fn forget(&self, before: u64) -> Result<Pending<u64>, KeystoreError> {
        self.submit(|answer| Job::Forget(before, answer)).await
    }

    /// Queues the question for the last note of all that are durable.
    pub(crate) async fn settle(&self) -> Result<Pending<Option<NotePlace>>, KeystoreError> {
        self.submit(Job::Settle).await
    }

    /// Queues how far the notes are written down elsewhere.
    pub(crate) async fn keep_head(&self, head: Vec<u8>) -> Result<Pending<bool>, KeystoreError> {
        self.submit(|answer| Job::KeepHead(head, answer)).await
    }

    /// Keeps the notes from this number on, until it is told another one.
    pub(crate) fn keep_notes_from(&self, number: u64) {
        self.shared.kept_from.store(number, Ordering::Relaxed);
    }

    /// Queues a compaction: changes wait until it is done.
    pub(crate) async fn compact(&self, progress: Progress) -> Result<Pending<bool>, KeystoreError> {
        self.submit(|answer| Job::Compact(progress, answer)).await
    }

    /// Queues one step of a check.
    pub(crate) async fn check(&self, begin: bool) -> Result<Pending<Checked>, KeystoreError> {
        self.submit(|answer| Job::Check(begin, answer)).await
    }

    /// Has `watcher` told of each record that goes from now on; `false` where somebody is told
    /// already.
    pub(crate) fn watch_removals(&self, watcher: Watcher) -> bool {
        self.shared.watcher.set(watcher).is_ok()
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u64 {
        self.shared.records.load(Ordering::Relaxed)
    }

    /// What was written since the start.
    pub(crate) fn writes(&self) -> Writes {
        self.shared.written.read()
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
        let job = job(send);
        let may_wait = job.may_wait();
        self.queue
            .send(job)
            .await
            .map_err(|_| self.shared.refusal())?;
        let queued = || MAX_QUEUE - self.queue.capacity();
        self.waiting.queued(may_wait, queued);
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
