//! The time that is shown to all threads: one reading of the running clock, and an offset to it.
//!
//! The wall clock is looked at by whichever caller is the first of a second; all others go by the offset
//! that was found before.
//!
//! This room must never let a caller wait for another, nor show a time that is earlier than one that it
//! has shown.

use super::carried::{Carried, Notice};
use super::machine::{LATEST, Machine, NANOS};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// How long the wall clock isn't looked at after it was.
const LOOK_EVERY: i64 = NANOS;

/// Time on this machine.
pub(super) struct Shown<M> {
    machine: M,
    offset: AtomicI64,
    next_look: AtomicI64,
    latest: AtomicU64,
    jumps: AtomicU64,
    carried: Mutex<Carried>,
}

impl<M: Machine> Shown<M> {
    pub(super) fn new(machine: M) -> Self {
        let sight = machine.sight();
        let carried = Carried::from(sight);
        Self {
            machine,
            offset: AtomicI64::new(carried.offset()),
            next_look: AtomicI64::new(sight.after + LOOK_EVERY),
            latest: AtomicU64::new(0),
            jumps: AtomicU64::new(0),
            carried: Mutex::new(carried),
        }
    }

    /// The time now, in whole seconds.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        let running = self.machine.running();
        if running >= self.next_look.load(Ordering::Relaxed) {
            self.look(running);
        }
        let time = running + self.offset.load(Ordering::Relaxed);
        let time = (time / NANOS).max(0).unsigned_abs();
        let latest = self.latest.load(Ordering::Relaxed);
        if time <= latest {
            return latest; // nearly always, and all workers may look at once
        }
        self.latest.fetch_max(time, Ordering::Relaxed).max(time)
    }

    pub(super) fn raise_to(&self, time: u64) {
        let nanos = i64::try_from(time).unwrap_or(LATEST);
        let nanos = nanos.saturating_mul(NANOS).min(LATEST);
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        carried.raise_to(nanos, self.machine.running());
        self.offset.store(carried.offset(), Ordering::Relaxed);
        let shown = nanos.unsigned_abs() / NANOS.unsigned_abs();
        self.latest.fetch_max(shown, Ordering::Relaxed);
    }

    pub(super) fn jumps(&self) -> u64 {
        self.jumps.load(Ordering::Relaxed)
    }

    pub(super) fn off_by(&self) -> u64 {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        seconds(carried.ahead_by())
    }

    #[cold]
    fn look(&self, running: i64) {
        // Whoever comes while another one looks goes by what was found before.
        let Some(mut carried) = unless_taken(&self.carried) else {
            return;
        };
        if running < self.next_look.load(Ordering::Relaxed) {
            return; // the other one has looked meanwhile
        }
        let sight = self.machine.sight();
        let notice = carried.look(sight);
        self.offset.store(carried.offset(), Ordering::Relaxed);
        let next = sight.after + LOOK_EVERY;
        self.next_look.store(next, Ordering::Relaxed);
        drop(carried);
        if let Some(notice) = notice {
            self.tell(notice);
        }
    }

    fn tell(&self, notice: Notice) {
        if let Notice::Ahead(_) | Notice::Behind(_) = notice {
            self.jumps.fetch_add(1, Ordering::Relaxed);
        }
        match notice {
            Notice::Ahead(by) => log::warn!(
                code = "clock_ahead";
                "the machine's clock is {} seconds ahead of the time that has passed: it is followed if \
                 it stays so for a minute", seconds(by)
            ),
            Notice::AheadOver => log::warn!(
                code = "clock_ahead_over";
                "the machine's clock is right again, and was not followed"
            ),
            Notice::Followed(by) => log::warn!(
                code = "clock_followed";
                "the machine's clock has stayed ahead for a minute and is followed: time goes on {} \
                 seconds later", seconds(by)
            ),
            Notice::Behind(by) => log::warn!(
                code = "clock_behind";
                "the machine's clock is {} seconds behind the time that has passed: time never goes \
                 back, and goes on a tenth slower until the clock has caught up", seconds(by)
            ),
            Notice::BehindOver => log::warn!(
                code = "clock_behind_over";
                "the machine's clock is no longer behind the time that has passed"
            ),
        }
    }
}

/// Forth or back, rounded.
fn seconds(nanos: i64) -> u64 {
    let second = NANOS.unsigned_abs();
    (nanos.unsigned_abs() + second / 2) / second
}

fn unless_taken<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests;
