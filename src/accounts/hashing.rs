//! The few threads that hash passwords, and the short queue before them.
//!
//! One hash takes 19 MiB and some 20 ms of a core, and log-ins arrive as fast as somebody sends them
//! (threat: hashing-exhaustion); guarded calls must not wait for them. So the threads are few, and hash at a lower
//! priority in short pieces (`lower`). A log-in that finds the queue full is refused at once, or that finds the places
//! taken that one subscriber may have: the others are for everybody else.
//!
//! This room must never hash on a thread of the server, and never hold a password once its hash
//! is computed.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::argon::{Argon, Memory, RawSalt};
use super::error::{AccountsError, invalid};
use super::password::PresentedPassword;
use super::subscriber::Subscriber;
use lower::Hashing;
use task::{Answer, Hasher, Task, Work};

mod lower;
mod task;

/// Threads started by all pools of this process.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// What a hash costs, and how many may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashingSettings {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes, worked on one after the other.
    pub lanes: u32,
    /// Threads that hash.
    pub threads: usize,
    /// Passwords that may wait for a thread.
    pub queue: usize,
    /// Passwords of one subscriber that may wait for a thread.
    pub queue_per_address: usize,
}

/// The defaults, which are those of the configuration: argon2id with 19 MiB, 2 passes, 1 lane (OWASP).
impl HashingSettings {
    /// The default of `memory_kib`.
    pub const MEMORY_KIB: u32 = 19 * 1024;
    /// The default of `iterations`.
    pub const ITERATIONS: u32 = 2;
    /// The default of `lanes`.
    pub const LANES: u32 = 1;
    /// The default of `queue`.
    pub const QUEUE: u32 = 64;
    /// The default of `queue_per_address`: room for an office in the morning, and for four of them.
    pub const QUEUE_PER_ADDRESS: u32 = 16;

    /// The default of `threads`: as many as the machine runs at once. They yield to all others.
    #[must_use]
    pub fn default_threads() -> usize {
        thread::available_parallelism().map_or(1, NonZeroUsize::get)
    }
}

impl Default for HashingSettings {
    fn default() -> Self {
        Self {
            memory_kib: Self::MEMORY_KIB,
            iterations: Self::ITERATIONS,
            lanes: Self::LANES,
            threads: Self::default_threads(),
            queue: Self::QUEUE as usize,
            queue_per_address: Self::QUEUE_PER_ADDRESS as usize,
        }
    }
}

/// Who asks; `None` for whom the queue isn't shared out to.
type Asker = Option<Subscriber>;

struct Job {
    task: Task,
    asker: Asker,
    answer: oneshot::Sender<Answer>,
}

struct Queue {
    jobs: VecDeque<Job>,
    /// Who has a place without a password in it yet.
    reserved: Vec<Asker>,
    open: bool,
}

struct Shared {
    hasher: Arc<Hasher>,
    capacity: usize,
    share: usize,
    queue: Mutex<Queue>,
    wake: Condvar,
}

/// A place in the queue, to be had before any work that a password is for: in a rush the many that are
/// sent away must cost next to nothing, and nobody may have more such work under way than places.
/// Dropping it gives it back.
#[must_use]
pub(super) struct Place {
    shared: Arc<Shared>,
    asker: Asker,
    /// Whether a password stands there now, which gives the place back itself.
    filled: bool,
}

impl Place {
    /// The hash of a new password.
    pub(super) async fn hash(
        self,
        password: Zeroizing<String>,
        salt: RawSalt,
    ) -> Result<String, AccountsError> {
        let task = Task {
            password,
            salt,
            work: Work::Hash,
        };
        let answer = self.ask(task).await?;
        answer.renewed.ok_or(AccountsError::AccountsUnavailable)
    }

    /// Whether a password is the one of a stored hash. With `renew`, one that is comes with a hash
    /// of today's parameters, if the stored one has others.
    pub(super) async fn verify(
        self,
        password: PresentedPassword,
        stored: String,
        salt: RawSalt,
        renew: bool,
    ) -> Result<Answer, AccountsError> {
        let PresentedPassword { prepared, typed } = password;
        let work = Work::Verify {
            stored,
            typed,
            renew,
        };
        let task = Task {
            password: prepared,
            salt,
            work,
        };
        self.ask(task).await
    }

    async fn ask(self, task: Task) -> Result<Answer, AccountsError> {
        let (answer, answered) = oneshot::channel();
        let asker = self.asker;
        self.fill(Job {
            task,
            asker,
            answer,
        })?;
        answered
            .await
            .map_err(|_| AccountsError::AccountsUnavailable)
    }

    fn fill(mut self, job: Job) -> Result<(), AccountsError> {
        let mut queue = self.shared.lock();
        if !queue.open {
            drop(queue);
            return Err(AccountsError::AccountsUnavailable);
        }
        queue.give_back(self.asker);
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.wake.notify_one();
        self.filled = true;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.filled {
            self.shared.lock().give_back(self.asker);
        }
    }
}

/// Threads that hash passwords, with a bounded queue. Dropping it lets them end after the hash at
/// hand; [`HashingPool::close`] waits for that.
pub struct HashingPool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl HashingPool {
    /// Starts the threads.
    pub fn start(settings: HashingSettings) -> Result<Self, AccountsError> {
        let pool = Self::stopped(settings)?;
        pool.start_threads(settings.threads)?;
        Ok(pool)
    }

    /// A pool whose threads are yet to be started.
    pub(super) fn stopped(settings: HashingSettings) -> Result<Self, AccountsError> {
        if settings.threads == 0 || settings.queue == 0 || settings.queue_per_address == 0 {
            return Err(invalid(
                "hashing",
                "needs at least one thread and one place to wait",
            ));
        }
        let argon = Argon::new(settings.memory_kib, settings.iterations, settings.lanes)
            .ok_or(invalid("hashing", "argon2 can't work with these costs"))?;
        Ok(Self {
            shared: Arc::new(Shared {
                hasher: Arc::new(Hasher::new(argon)),
                capacity: settings.queue,
                share: settings.queue_per_address,
                queue: Mutex::new(Queue {
                    jobs: VecDeque::with_capacity(settings.queue.min(1024)),
                    reserved: Vec::new(),
                    open: true,
                }),
                wake: Condvar::new(),
            }),
            threads: Mutex::default(),
        })
    }

    pub(super) fn start_threads(&self, count: usize) -> Result<(), AccountsError> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            // Its own name within the process, so that each can be told apart in a process viewer.
            let number = STARTED.fetch_add(1, Ordering::Relaxed);
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || shared.work(number))
                .map_err(|error| {
                    log::error!("can't start a thread for hashing: {error}");
                    AccountsError::AccountsUnavailable
                })?;
            threads.push(thread);
        }
        Ok(())
    }

    /// How many passwords wait for a thread now.
    #[must_use]
    pub fn queue_length(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// How many argon2 runs were done since the start.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.shared.hasher.runs()
    }

    pub(super) fn argon(&self) -> &Argon {
        self.shared.hasher.argon()
    }

    /// A place in the queue; [`AccountsError::HashingBusy`] where there is none.
    pub(super) fn place(&self, asker: Asker) -> Result<Place, AccountsError> {
        self.shared.reserve(asker)?;
        Ok(Place {
            shared: Arc::clone(&self.shared),
            asker,
            filled: false,
        })
    }

    /// Takes no more passwords, sends the waiting away, and waits until every thread has wiped its
    /// memory.
    pub async fn close(&self) {
        self.shared.shut();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    log::error!("a hashing thread had panicked");
                }
            }
        });
        if joined.await.is_err() {
            log::error!("could not wait for the hashing threads");
        }
    }
}

impl fmt::Debug for HashingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashingPool").finish_non_exhaustive()
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        self.shared.shut();
    }
}

impl Queue {
    fn taken(&self) -> usize {
        self.jobs.len() + self.reserved.len()
    }

    fn taken_by(&self, asker: Asker) -> usize {
        let waits = |job: &&Job| job.asker == asker && !job.answer.is_closed();
        let reserved = self.reserved.iter().filter(|other| **other == asker);
        self.jobs.iter().filter(waits).count() + reserved.count()
    }

    fn give_back(&mut self, asker: Asker) {
        let place = self.reserved.iter().position(|other| *other == asker);
        place.map(|place| self.reserved.swap_remove(place));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reserve(&self, asker: Asker) -> Result<(), AccountsError> {
        let mut queue = self.lock();
        if !queue.open {
            return Err(AccountsError::AccountsUnavailable);
        }
        if queue.taken() >= self.capacity {
            // Who went away keeps no place.
            queue.jobs.retain(|job| !job.answer.is_closed());
        }
        let has_its_share = || asker.is_some() && queue.taken_by(asker) >= self.share;
        if queue.taken() >= self.capacity || has_its_share() {
            return Err(AccountsError::HashingBusy);
        }
        queue.reserved.push(asker);
        Ok(())
    }

    fn shut(&self) {
        let mut queue = self.lock();
        queue.open = false;
        queue.jobs.clear();
        drop(queue);
        self.wake.notify_all();
    }

    fn work(&self, number: u64) {
        let mut hashing = Hashing::start(&self.hasher, number);
        let mut memory = Memory::new();
        while let Some(Job { task, answer, .. }) = self.next(&mut memory) {
            let found = hashing.done(task, &mut memory);
            // Its waiter may have gone away meanwhile. That of a task that panicked is told by a dropped sender.
            let _ = found.map(|found| answer.send(found));
        }
    }

    /// The next job that somebody waits for; `None` at the end.
    fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            while let Some(job) = queue.jobs.pop_front() {
                if !job.answer.is_closed() {
                    return Some(job);
                }
            }
            if !queue.open {
                return None;
            }
            // Wiping between two hashes of a rush would cost a tenth of each; an idle thread must
            // hold nothing.
            if memory.is_dirty() {
                drop(queue);
                memory.wipe();
                queue = self.lock();
                continue;
            }
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests;
