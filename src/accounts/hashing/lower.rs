//! Hashing at a lower priority than all else, in short pieces.
//!
//! A thread of a lower niceness has a share of a core that others keep busy. The scheduler gives that share in pieces
//! which end with a tick of its clock, 4 ms with 250 Hz, and no guarded call is served on that core meanwhile. argon2
//! can't pause by itself. So a hash is computed by one thread, and another one, of the usual niceness, waits for it and
//! wakes all the while: each wake-up has the scheduler look at once who should have the core.
//!
//! This room must never have the thread of lower niceness hold anything that a thread of the server waits for: where it
//! is interrupted, it may not go on for long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::task::{Answer, Hasher, Task};
use crate::accounts::argon::Memory;

/// Of `nice`, −20 to 19: what leaves a fiftieth of a core that one other thread keeps busy.
#[cfg(target_os = "linux")]
pub(super) const NICENESS: i32 = 17;

/// How often whoever waits for a hash wakes.
const PIECE: Duration = Duration::from_millis(1);

/// A task on its way to the other thread, with the memory for it.
struct Given {
    task: Task,
    memory: Memory,
}

/// What comes back. The task does as well: what it holds is wiped and given back by the thread that answers.
struct Done {
    given: Given,
    /// Nothing where it failed.
    found: Option<Answer>,
}

/// What computes the hashes of one thread of the pool.
pub(super) struct Hashing {
    hasher: Arc<Hasher>,
    lower: Option<Lower>,
}

impl Hashing {
    /// Starts the thread beside; where there can be none, the caller computes, at the lower niceness.
    pub(super) fn start(hasher: &Arc<Hasher>, number: u64) -> Self {
        let lower = Lower::start(Arc::clone(hasher), number)
            .inspect_err(|error| log::warn!("can't start a second thread for hashing: {error}"))
            .ok();
        if lower.is_none() {
            yield_to_others();
        }
        Self {
            hasher: Arc::clone(hasher),
            lower,
        }
    }

    /// Does a task; nothing where it failed.
    pub(super) fn done(&mut self, task: Task, memory: &mut Memory) -> Option<Answer> {
        let given = Given {
            task,
            memory: std::mem::take(memory),
        };
        let done = match &self.lower {
            Some(lower) => lower.done(given),
            None => Some(computed(&self.hasher, given)),
        };
        let Some(Done { given, found }) = done else {
            log::error!("a thread that hashes passwords has ended");
            self.lower = None;
            yield_to_others();
            return None;
        };
        *memory = given.memory;
        found
    }
}

/// A thread of the lower niceness.
struct Lower {
    /// Taken at the end.
    tasks: Option<SyncSender<Given>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Lower {
    fn start(hasher: Arc<Hasher>, number: u64) -> std::io::Result<Self> {
        let (tasks, given) = sync_channel(1);
        let (back, done) = sync_channel(1);
        let thread = thread::Builder::new()
            .name(format!("hashing-low-{number}"))
            .spawn(move || {
                yield_to_others();
                for given in given {
                    if back.send(computed(&hasher, given)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            tasks: Some(tasks),
            done,
            thread: Some(thread),
        })
    }

    /// Has it do a task, and waits; nothing where it has ended.
    fn done(&self, given: Given) -> Option<Done> {
        self.tasks.as_ref()?.send(given).ok()?;
        loop {
            match self.done.recv_timeout(PIECE) {
                Ok(done) => return Some(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

impl Drop for Lower {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            log::error!("a thread that hashes passwords had panicked");
        }
    }
}

/// Does a task, and notices a panic.
fn computed(hasher: &Hasher, mut given: Given) -> Done {
    let found = catch_unwind(AssertUnwindSafe(|| {
        hasher.answer(&mut given.memory, &given.task)
    }))
    .inspect_err(|_| log::error!("hashing a password panicked"))
    .ok()
    .flatten();
    Done { given, found }
}

/// Lets every other thread of the machine go first. On Linux niceness belongs to a thread, and
/// raising one's own needs no privilege; elsewhere it belongs to the process, and is left alone.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        let this = Some(rustix::thread::gettid());
        if let Err(error) = rustix::process::setpriority_process(this, NICENESS) {
            log::debug!("a hashing thread keeps its priority: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
