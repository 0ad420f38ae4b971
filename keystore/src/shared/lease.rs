//! For how long a process may go by what it keeps.
//!
//! A lease counts from the moment at which a poll was *sent*, on a clock that nobody can set and that goes on
//! while the machine is suspended. It is renewed only when everything that the poll brought has been applied.
//! Who uses what is kept reads the lease first and the stamp of the record after it: an end that the lease
//! knows of has raised the stamp by then.
//!
//! This room must never renew a lease by when an answer came.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::error::KeystoreError;
use crate::store::LeaseReport;

/// Nanoseconds on a clock that nobody sets, that never goes back, and that goes on while the machine is
/// suspended (on Linux `CLOCK_BOOTTIME`).
pub type RunningClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How long is waited for a lease at least, also where there has been none for long: a round may be on its way.
const LAST_CHANCE: Duration = Duration::from_millis(50);

/// Which server answered: another number after another one has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader(pub(crate) u64);

/// Since when, and by whose word, what is kept is known to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Raised whenever something may have been missed.
    pub(crate) generation: u64,
    /// The server that the polls of this generation came from.
    pub(crate) leader: Leader,
}

/// A time that several threads look at, which a test replaces by one whose every interleaving is tried.
pub(crate) trait Time {
    fn read(&self) -> u64;
    fn set(&self, time: u64);
}

impl Time for AtomicU64 {
    fn read(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn set(&self, time: u64) {
        self.store(time, Ordering::SeqCst);
    }
}

/// When the lease ends, on a running clock; 0 where there is none.
struct Until<T = AtomicU64>(T);

impl<T: Time> Until<T> {
    #[inline]
    fn holds(&self, clock: impl FnOnce() -> u64) -> bool {
        let until = self.0.read();
        // The clock is read after the end of the lease: a pause between the two only shortens it.
        until != 0 && clock() < until
    }
}

/// The lease of one process on one store.
pub(crate) struct Lease {
    clock: RunningClock,
    until: Until,
    /// The same, and kept when a generation ends: since when there has been none.
    last_until: AtomicU64,
    standing: Mutex<Standing>,
    /// When the poll was sent that the lease is by.
    sent_at: AtomicU64,
    /// How often the lease was renewed; who waits for one is woken by it.
    rounds: watch::Sender<u64>,
    /// Somebody waits for the next poll.
    hurry: Notify,
    lapses: AtomicU64,
}

impl Lease {
    /// No lease yet.
    pub(crate) fn new(clock: RunningClock) -> Self {
        Self {
            clock,
            until: Until(AtomicU64::new(0)),
            last_until: AtomicU64::new(0),
            sent_at: AtomicU64::new(0),
            standing: Mutex::new(Standing {
                generation: 0,
                leader: Leader(0),
            }),
            rounds: watch::Sender::new(0),
            hurry: Notify::new(),
            lapses: AtomicU64::new(0),
        }
    }

    /// The time on the lease's clock.
    pub(crate) fn now(&self) -> u64 {
        (self.clock)()
    }

    /// Whether what is kept may be used. To be asked *before* what is kept is looked at.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        self.until.holds(|| (self.clock)())
    }

    /// A lease for `length` from `sent_at` on, when a poll was sent of which everything has been applied.
    pub(crate) fn renew(&self, sent_at: u64, length: Duration) {
        let length = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let before = self.last_until.load(Ordering::SeqCst);
        if before != 0 && self.now() >= before {
            self.lapses.fetch_add(1, Ordering::Relaxed);
        }
        let until = sent_at.saturating_add(length);
        self.sent_at.store(sent_at, Ordering::Relaxed);
        self.last_until.store(until, Ordering::SeqCst);
        self.until.0.set(until);
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    /// Whether there has been no lease for this long.
    pub(crate) fn over_for(&self, time: Duration) -> bool {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let until = self.last_until.load(Ordering::SeqCst);
        self.now() >= until.saturating_add(time)
    }

    /// No lease any more: something may have been missed, or another server answers. `forget` makes every
    /// stamp of before invalid.
    pub(crate) fn begin_anew(&self, leader: Leader, forget: impl FnOnce()) {
        self.until.0.set(0);
        forget();
        let mut standing = self.lock();
        standing.generation += 1;
        standing.leader = leader;
    }

    /// Where this process stands now.
    pub(crate) fn standing(&self) -> Standing {
        *self.lock()
    }

    /// Waits until there is a lease, and says of which generation; `store_unavailable` where there is none
    /// within this time since the last one was over: who asks again waits no longer for that.
    pub(crate) async fn held(&self, patience: Duration) -> Result<Standing, KeystoreError> {
        let patience = match self.last_until.load(Ordering::SeqCst) {
            0 => patience,
            until => {
                let over = Duration::from_nanos(self.now().saturating_sub(until));
                patience.saturating_sub(over).max(LAST_CHANCE.min(patience))
            }
        };
        let mut rounds = self.rounds.subscribe();
        let waiting = async {
            loop {
                rounds.borrow_and_update();
                // What is read before the lease is the older of the two: a change in between is told
                // by comparing once more after the read.
                let standing = self.standing();
                if self.holds() {
                    return Some(standing);
                }
                rounds.changed().await.ok()?;
            }
        };
        let held = tokio::time::timeout(patience, waiting).await;
        held.ok()
            .flatten()
            .ok_or_else(|| KeystoreError::unavailable("it doesn't answer in time"))
    }

    /// Waits until a poll has counted that was sent at this time or later: so its servers led after that, and had what was
    /// made at them before. `store_unavailable` where none has within this time.
    #[cfg(feature = "redis")]
    pub(crate) async fn counted_since(
        &self,
        time: u64,
        patience: Duration,
    ) -> Result<(), KeystoreError> {
        let mut rounds = self.rounds.subscribe();
        let counted = async {
            loop {
                rounds.borrow_and_update();
                if self.sent_at.load(Ordering::Relaxed) >= time {
                    return Some(());
                }
                rounds.changed().await.ok()?;
            }
        };
        let counted = tokio::time::timeout(patience, counted).await;
        counted
            .ok()
            .flatten()
            .ok_or_else(|| KeystoreError::unavailable("it doesn't answer in time"))
    }

    /// Waits until the lease was renewed so many times more, for which nobody waits until a poll is due.
    #[cfg(feature = "postgres")]
    pub(crate) async fn rounds(&self, more: u64, patience: Duration) -> Result<(), KeystoreError> {
        let mut rounds = self.rounds.subscribe();
        let due = *rounds.borrow_and_update() + more;
        let renewed = async {
            while *rounds.borrow_and_update() < due {
                self.hurry.notify_one();
                rounds.changed().await.ok()?;
            }
            Some(())
        };
        let renewed = tokio::time::timeout(patience, renewed).await;
        renewed
            .ok()
            .flatten()
            .ok_or_else(|| KeystoreError::unavailable("it doesn't answer in time"))
    }

    /// Returns when somebody waits for the next poll.
    #[cfg(feature = "postgres")]
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// How the lease has fared.
    pub(crate) fn report(&self) -> LeaseReport {
        let age = self
            .now()
            .saturating_sub(self.sent_at.load(Ordering::Relaxed));
        LeaseReport {
            held: self.holds(),
            age: Duration::from_nanos(age),
            heard: 0,
            rounds: *self.rounds.borrow(),
            lapses: self.lapses.load(Ordering::Relaxed),
            generations: self.standing().generation,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod orders;

#[cfg(test)]
mod tests {
    use super::*;

    const L: Duration = Duration::from_millis(50);
    const MILLI: u64 = 1_000_000;

    /// A clock that a test moves, and a lease on it.
    fn lease_at(milliseconds: u64) -> (Arc<AtomicU64>, Lease) {
        let time = Arc::new(AtomicU64::new(milliseconds * MILLI));
        let shown = Arc::clone(&time);
        let clock: RunningClock = Arc::new(move || shown.load(Ordering::SeqCst));
        (time, Lease::new(clock))
    }

    #[test]
    fn a_lease_counts_from_the_sending_of_the_poll() {
        let (time, lease) = lease_at(1_000);
        assert!(!lease.holds(), "there is none yet");
        let sent_at = lease.now();
        time.fetch_add(30 * MILLI, Ordering::SeqCst);
        lease.renew(sent_at, L);
        assert!(lease.holds());
        time.fetch_add(20 * MILLI - 1, Ordering::SeqCst);
        assert!(lease.holds());
        time.fetch_add(1, Ordering::SeqCst);
        assert!(
            !lease.holds(),
            "50 ms after the sending, 20 after the answer"
        );
    }

    #[test]
    fn an_answer_that_comes_too_late_gives_no_lease() {
        let (time, lease) = lease_at(1_000);
        let sent_at = lease.now();
        time.fetch_add(50 * MILLI, Ordering::SeqCst);
        lease.renew(sent_at, L);
        assert!(!lease.holds());
    }

    #[test]
    fn a_new_generation_forgets_between_the_old_lease_and_the_next() {
        let (_, lease) = lease_at(1_000);
        lease.begin_anew(Leader(7), || ());
        lease.renew(lease.now(), L);
        assert!(lease.holds());
        lease.begin_anew(Leader(8), || assert!(!lease.holds()));
        assert!(!lease.holds());
        let standing = lease.standing();
        assert_eq!((standing.generation, standing.leader), (2, Leader(8)));
        lease.renew(lease.now(), L);
        assert!(lease.holds());
    }

    #[test]
    fn lapses_are_counted() {
        let (time, lease) = lease_at(1_000);
        for _ in 0..3 {
            lease.renew(lease.now(), L);
            time.fetch_add(20 * MILLI, Ordering::SeqCst);
        }
        assert_eq!(lease.report().lapses, 0);
        time.fetch_add(100 * MILLI, Ordering::SeqCst);
        lease.renew(lease.now(), L);
        let report = lease.report();
        assert_eq!((report.rounds, report.lapses, report.held), (4, 1, true));
    }

    #[tokio::test]
    async fn who_asks_when_the_lease_is_long_over_waits_no_longer_for_that() {
        let (time, lease) = lease_at(1_000);
        lease.renew(lease.now(), L);
        time.fetch_add(60_000 * MILLI, Ordering::SeqCst);
        let held = lease.held(Duration::from_mins(1));
        let held = tokio::time::timeout(Duration::from_secs(10), held).await;
        assert_eq!(held.unwrap().unwrap_err().code(), "store_unavailable");
    }

    #[tokio::test]
    async fn who_waits_for_a_lease_gets_it_or_an_error() {
        let (_, lease) = lease_at(1_000);
        let lease = Arc::new(lease);
        let none = lease.held(Duration::from_millis(20)).await;
        assert_eq!(none.unwrap_err().code(), "store_unavailable");
        let waiting = tokio::spawn({
            let lease = Arc::clone(&lease);
            async move { lease.held(Duration::from_mins(1)).await }
        });
        tokio::task::yield_now().await;
        lease.begin_anew(Leader(3), || ());
        lease.renew(lease.now(), L);
        let standing = waiting.await.unwrap().unwrap();
        assert_eq!(standing, lease.standing());
        assert_eq!(lease.held(Duration::ZERO).await, Ok(standing));
    }
}
