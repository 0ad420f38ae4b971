//! How long the thread that writes waits for more changes before it persists those that it has.
//!
//! A persist costs the processor as much as ten changes. While several callers ask at once, as many may ask again
//! as were answered last and have come meanwhile: they are waited for, as long as a few persists take at most.
//! Whoever is alone waits for nobody, and an end waits for nothing
//! ([0068](../../../../docs/decisions/0068-gathered-changes.md)).
//!
//! This room must never wait while a job is queued that mustn't.

use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::job::Job;

/// The longest wait, in times that the last group took.
const GROUPS: u32 = 4;

/// The longest wait.
const LONGEST: Duration = Duration::from_millis(2);

/// A group that took less went to no disk, and costs less than a wait.
const WORTH_A_WAIT: Duration = Duration::from_micros(150);

/// No wait is under way, and one may begin.
const NONE: usize = 0;

/// No wait may begin until the queue was looked at again.
const OVER: usize = usize::MAX;

/// What the thread and its callers know of a wait: the number of queued jobs with which it ends, or one of the two above.
#[derive(Default)]
pub(super) struct Waiting {
    wanted: AtomicUsize,
    thread: OnceLock<Thread>,
}

impl Waiting {
    /// Ends the wait where that is due with the job that has just been queued.
    pub(super) fn queued(&self, may_wait: bool, jobs: impl FnOnce() -> usize) {
        let wanted = self.wanted.load(SeqCst);
        let waits = wanted != NONE && wanted != OVER;
        let due = !may_wait || waits && jobs() >= wanted;
        if due && !matches!(self.wanted.swap(OVER, SeqCst), NONE | OVER) {
            self.thread.get().map(Thread::unpark);
        }
    }

    /// Returns when so many are queued, when the wait is ended, or at that time.
    fn wait(&self, wanted: usize, until: Instant, jobs: impl Fn() -> usize) {
        self.thread.get_or_init(thread::current);
        if self
            .wanted
            .compare_exchange(NONE, wanted, SeqCst, SeqCst)
            .is_err()
        {
            return;
        }
        // Who is queued from here on knows of the wait.
        while self.wanted.load(SeqCst) == wanted && jobs() < wanted {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
    }
}

/// What the thread knows of the last group.
pub(super) struct Pace {
    /// How many may ask again.
    callers: usize,
    longest: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            callers: 0,
            longest: Duration::ZERO,
        }
    }

    /// A group of so many jobs was answered after this time, and so many were queued meanwhile.
    pub(super) fn answered(&mut self, group: usize, queued: usize, took: Duration) {
        self.callers = group + queued;
        self.longest = if took < WORTH_A_WAIT {
            Duration::ZERO
        } else {
            LONGEST.min(took * GROUPS)
        };
    }

    /// Adds what is queued to a group, up to `most`, after a wait for more where there is one.
    pub(super) fn gather(
        &self,
        jobs: &mut mpsc::Receiver<Job>,
        group: &mut Vec<Job>,
        most: usize,
        waiting: &Waiting,
    ) {
        let until = Instant::now() + self.longest;
        // What mustn't wait and is queued before this is seen in the group.
        waiting.wanted.store(NONE, SeqCst);
        take(jobs, group, most);
        let missing = self.callers.min(most).saturating_sub(group.len());
        if missing > 0 && !self.longest.is_zero() && group.iter().all(Job::may_wait) {
            waiting.wait(missing, until, || jobs.len());
            take(jobs, group, most);
        }
        waiting.wanted.store(NONE, SeqCst);
    }
}

/// Adds what is queued to a group, up to `most`.
pub(super) fn take(jobs: &mut mpsc::Receiver<Job>, group: &mut Vec<Job>, most: usize) {
    while group.len() < most {
        match jobs.try_recv() {
            Ok(job) => group.push(job),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::engine::Change;
    use tokio::sync::oneshot;

    const HOUR: Duration = Duration::from_hours(1);

    fn begin() -> Job {
        let change = Change {
            key: [1; 32],
            expected: None,
            new: Some(vec![1]),
        };
        Job::Apply(vec![change], None, oneshot::channel().0)
    }

    fn end() -> Job {
        Job::Remove([1; 32], None, oneshot::channel().0)
    }

    /// How many jobs share a persist where so many callers are known, the first job is there and the others come
    /// once it is waited for them.
    fn gathered(callers: usize, longest: Duration, first: Job, others: Vec<Job>) -> usize {
        let pace = Pace { callers, longest };
        let (queue, mut jobs) = mpsc::channel(64);
        let waiting = Waiting::default();
        let mut group = vec![first];
        thread::scope(|scope| {
            scope.spawn(|| {
                for job in others {
                    while waiting.wanted.load(SeqCst) == NONE {
                        thread::yield_now();
                    }
                    let may_wait = job.may_wait();
                    queue.try_send(job).unwrap();
                    waiting.queued(may_wait, || 64 - queue.capacity());
                }
            });
            pace.gather(&mut jobs, &mut group, 64, &waiting);
        });
        group.len()
    }

    #[test]
    fn whoever_is_alone_waits_for_nobody() {
        for callers in [0, 1] {
            assert_eq!(gathered(callers, HOUR, begin(), Vec::new()), 1);
        }
    }

    #[test]
    fn as_many_as_asked_before_share_a_persist_and_wait_no_longer() {
        assert_eq!(gathered(3, HOUR, begin(), vec![begin(), begin()]), 3);
    }

    #[test]
    fn an_end_waits_for_nobody() {
        assert_eq!(gathered(9, HOUR, end(), Vec::new()), 1);
        assert_eq!(gathered(9, HOUR, begin(), vec![end()]), 2);
    }

    #[test]
    fn an_end_that_comes_just_before_a_wait_is_not_overlooked() {
        let waiting = Waiting::default();
        waiting.queued(false, || 1);
        waiting.wait(9, Instant::now() + HOUR, || 1);
    }

    #[test]
    fn those_who_do_not_come_again_are_waited_for_no_longer_than_that() {
        let longest = Duration::from_millis(5);
        let began = Instant::now();
        assert_eq!(gathered(9, longest, begin(), vec![begin()]), 2);
        assert!(began.elapsed() >= longest);
    }

    #[test]
    fn the_wait_is_a_few_persists_and_has_a_bound() {
        let mut pace = Pace::new();
        pace.answered(2, 1, Duration::from_micros(200));
        assert_eq!((pace.callers, pace.longest.as_micros()), (3, 800));
        pace.answered(2, 1, Duration::from_micros(100));
        assert!(pace.longest.is_zero());
        pace.answered(1, 0, Duration::from_secs(30));
        assert_eq!((pace.callers, pace.longest), (1, LONGEST));
    }
}
