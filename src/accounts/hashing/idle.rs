//! Hashing on what nobody else needs of the processor.
//!
//! A thread of a lower niceness has a share of a core that others keep busy, in pieces of some milliseconds, and no
//! guarded call is served on that core meanwhile. So hashes are computed by a thread of the class that has next to no
//! share (`SCHED_IDLE` of Linux), beside the one that takes passwords from the queue and answers.
//!
//! This room must never have that thread hold anything that a thread of the server waits for: where it is interrupted,
//! it may not go on for seconds. And it must never leave log-ins to it while others take all of the processor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::task::{Answer, Hasher, Task};
use crate::accounts::argon::Memory;

/// A hash is slow that has less than one part in so many of the processor while it is computed: about what the niceness
/// of the thread beside would leave it.
const SLOW: u32 = 10;

/// What waiting for the processor may be in any case: other threads have their turns too.
const SOME: Duration = Duration::from_millis(50);

/// How often whoever waits for a hash wakes for a moment. A thread of the idle class that has come between others goes on until
/// the scheduler's next tick, which may be 4 ms; a wake-up has it look at once who should have the processor.
const LOOK: Duration = Duration::from_millis(1);

/// After a slow one, so many are computed at the lower niceness before another is tried; twice as many each time it is
/// slow again.
const FEW: u32 = 16;
const MOST: u32 = 1024;

/// How long is waited for a hash of the idle class in any case. One that takes longer than this, and than ten times what
/// hashes have had of the processor, is computed once more by whoever waits.
const PATIENCE: Duration = Duration::from_millis(300);

/// And never longer than this, whatever hashes cost: those that another system made may take seconds.
const MOST_PATIENCE: Duration = Duration::from_secs(2);

/// A task on its way to the other thread and back, and the memory for it.
struct Carried {
    task: Arc<Task>,
    memory: Memory,
}

struct Returned {
    /// Goes back as well: what it holds is given back by the thread that answers.
    carried: Carried,
    /// Nothing where it panicked.
    found: Option<Answer>,
    /// How many hashes it computed.
    runs: u64,
    spent: Spent,
}

/// How long a hash took.
#[derive(Clone, Copy, Debug)]
struct Spent {
    wall: Duration,
    processor: Duration,
}

/// Which thread computes the next one.
#[derive(Debug)]
struct Turns {
    /// How many are computed at the lower niceness before the idle class is tried again.
    left: u32,
    /// How many after the next slow one.
    next: u32,
}

impl Turns {
    const fn new() -> Self {
        Self { left: 0, next: FEW }
    }

    /// Whether the next one is for the idle class.
    fn take(&mut self) -> bool {
        let is_idle = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_idle
    }

    /// How long one of the idle class took.
    fn saw(&mut self, spent: Spent) {
        if spent.wall > spent.processor * SLOW + SOME {
            self.saw_a_slow_one();
        } else {
            self.next = FEW;
        }
    }

    fn saw_a_slow_one(&mut self) {
        self.left = self.next;
        self.next = self.next.saturating_mul(2).min(MOST);
    }
}

/// What computes hashes for one thread of the pool.
pub(super) struct Hashing {
    hasher: Arc<Hasher>,
    idle: Option<Idle>,
    turns: Turns,
    /// How long is waited for the idle class at least.
    patience: Duration,
    /// The most that a hash has had of the processor.
    costs: Duration,
}

impl Hashing {
    /// Starts the thread beside; where there can be none, everything is done on this one.
    pub(super) fn start(hasher: &Arc<Hasher>, number: u64) -> Self {
        let idle = Idle::start(Arc::clone(hasher), number);
        Self {
            hasher: Arc::clone(hasher),
            idle: idle
                .inspect_err(|why| log::debug!("hashes are computed at a lower niceness: {why}"))
                .ok(),
            turns: Turns::new(),
            patience: PATIENCE,
            costs: Duration::ZERO,
        }
    }

    /// Does a task; nothing where it failed.
    pub(super) fn done(&mut self, task: Task, memory: &mut Memory) -> Option<Answer> {
        let task = Arc::new(task);
        if let Some(idle) = &mut self.idle {
            if let Some(late) = idle.late() {
                // Whose answer was given long ago.
                self.costs = self.costs.max(late.spent.processor);
            }
            if !idle.is_busy && self.turns.take() {
                let patience = self.patience.max((self.costs * SLOW).min(MOST_PATIENCE));
                match idle.done(&task, memory, patience) {
                    Waited::Found(returned) => {
                        let Returned {
                            carried,
                            found,
                            runs,
                            spent,
                        } = *returned;
                        *memory = carried.memory;
                        self.hasher.count(runs);
                        self.costs = self.costs.max(spent.processor);
                        self.turns.saw(spent);
                        return found;
                    }
                    Waited::TooLong => self.turns.saw_a_slow_one(),
                    Waited::Ended => {
                        log::error!("a thread that hashes passwords has ended");
                        self.idle = None;
                    }
                }
            }
        }
        let mut runs = 0;
        let found = caught(&self.hasher, &task, memory, &mut runs);
        self.hasher.count(runs);
        found
    }
}

/// Does a task, and notices a panic.
fn caught(hasher: &Hasher, task: &Task, memory: &mut Memory, runs: &mut u64) -> Option<Answer> {
    catch_unwind(AssertUnwindSafe(|| hasher.answer(memory, task, runs)))
        .inspect_err(|_| log::error!("hashing a password panicked"))
        .ok()
        .flatten()
}

/// What came of waiting for the other thread.
enum Waited {
    Found(Box<Returned>),
    /// It goes on computing.
    TooLong,
    /// It takes nothing any more.
    Ended,
}

/// A thread of the idle class.
struct Idle {
    /// It has a task that nobody waits for any more.
    is_busy: bool,
    tasks: Option<SyncSender<Carried>>,
    returned: Receiver<Returned>,
    thread: Option<JoinHandle<()>>,
}

impl Idle {
    /// Starts it for the thread that calls; an error where the system has no such class, or lets nobody into it.
    fn start(hasher: Arc<Hasher>, number: u64) -> Result<Self, String> {
        let (tasks, given) = sync_channel::<Carried>(1);
        let (back, returned) = sync_channel(1);
        let (said, begun) = sync_channel(1);
        let owner = thread::current();
        let thread = thread::Builder::new()
            .name(format!("hashing-idle-{number}"))
            .spawn(move || {
                let entered = enter_idle_class();
                let may_work = entered.is_ok();
                if said.send(entered).is_err() || !may_work {
                    return;
                }
                for carried in given {
                    if back.send(computed(&hasher, carried)).is_err() {
                        return;
                    }
                    owner.unpark();
                }
            })
            .map_err(|error| error.to_string())?;
        begun
            .recv()
            .unwrap_or_else(|_| Err("the thread ended".to_owned()))?;
        Ok(Self {
            is_busy: false,
            tasks: Some(tasks),
            returned,
            thread: Some(thread),
        })
    }

    /// Has it do a task, and waits for so long, on the thread that started it.
    fn done(&mut self, task: &Arc<Task>, memory: &mut Memory, patience: Duration) -> Waited {
        let carried = Carried {
            task: Arc::clone(task),
            memory: std::mem::take(memory),
        };
        let sent = self.tasks.as_ref().map(|tasks| tasks.send(carried));
        let Some(Ok(())) = sent else {
            return Waited::Ended;
        };
        let began = Instant::now();
        loop {
            match self.returned.try_recv() {
                Ok(returned) => return Waited::Found(Box::new(returned)),
                Err(TryRecvError::Disconnected) => return Waited::Ended,
                Err(TryRecvError::Empty) if began.elapsed() > patience => {
                    self.is_busy = true;
                    return Waited::TooLong;
                }
                Err(TryRecvError::Empty) => thread::park_timeout(LOOK),
            }
        }
    }

    /// What it has done in the meantime of what nobody waits for any more. Its memory is wiped when this is dropped.
    fn late(&mut self) -> Option<Returned> {
        let returned = self.returned.try_recv().ok()?;
        self.is_busy = false;
        Some(returned)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.tasks = None;
        if self.is_busy {
            // It may be for long, and ends by itself.
            return;
        }
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            log::error!("a thread that hashes passwords had panicked");
        }
    }
}

fn computed(hasher: &Hasher, mut carried: Carried) -> Returned {
    let (began, before) = (Instant::now(), processor_time());
    let mut runs = 0;
    let found = caught(hasher, &carried.task, &mut carried.memory, &mut runs);
    Returned {
        carried,
        found,
        runs,
        spent: Spent {
            wall: began.elapsed(),
            processor: processor_time().saturating_sub(before),
        },
    }
}

/// What this thread has had of the processor so far.
#[allow(clippy::disallowed_methods)] // it tells no time
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

/// Puts this thread into the class of those that get what is left over. Nobody needs a privilege for it, and nobody
/// comes out of it without one.
fn enter_idle_class() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
            set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let entered = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
        // It sets the niceness too, which counts for nothing there, and fails where that was lowered before.
        match thread_schedule_policy() {
            Ok(policy) if policy == idle => Ok(()),
            _ => Err(format!("the idle class: {entered:?}")),
        }
    }
    #[cfg(not(target_os = "linux"))]
    Err("this system has no class of idle threads".to_owned())
}

#[cfg(test)]
mod tests;
