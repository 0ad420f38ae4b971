//! Every order of the steps of a poll, an end and a request, and what each of the rules is for.

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{Time, Until};
use crate::stamps::Stamps;

const KEY: [u8; 32] = [7; 32];
const LEASE: u64 = 10;

impl Time for AtomicU64 {
    fn read(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn set(&self, time: u64) {
        self.store(time, Ordering::SeqCst);
    }
}

/// What is left out of the protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The stamp is looked at before the lease.
    LeaseFirst,
    /// The lease counts from the answer of a poll.
    FromTheSending,
    /// The lease is renewed before what the poll brought is applied.
    AppliedFirst,
    /// The end is answered at once.
    TheWait,
}

/// One process polls, another ends the session and answers; a request begins at the first, and was let in
/// before. It is never let in after the answer.
fn in_every_order(left: Left) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let clock = Arc::new(AtomicU64::new(1));
        let ended = Arc::new(Mutex::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let until = Arc::new(Until(AtomicU64::new(0)));
        let stamps = Arc::new(Stamps::<AtomicU64>::with(1));
        let ((), stamp) = stamps.around(&KEY, || ());
        let polling = {
            let (clock, ended) = (Arc::clone(&clock), Arc::clone(&ended));
            let (until, stamps) = (Arc::clone(&until), Arc::clone(&stamps));
            thread::spawn(move || {
                for _ in 0..2 {
                    let sent_at = clock.read();
                    let brought = *ended.lock().unwrap();
                    let from = if left == Left::FromTheSending {
                        clock.read()
                    } else {
                        sent_at
                    };
                    if left == Left::AppliedFirst {
                        until.0.set(from + LEASE);
                    }
                    if brought {
                        stamps.changed(&KEY);
                    }
                    until.0.set(from + LEASE);
                }
            })
        };
        let ending = {
            let (clock, ended) = (Arc::clone(&clock), Arc::clone(&ended));
            let answered = Arc::clone(&answered);
            thread::spawn(move || {
                *ended.lock().unwrap() = true;
                if left != Left::TheWait {
                    clock.fetch_add(LEASE, Ordering::SeqCst);
                }
                answered.set(1);
            })
        };
        let over = answered.read() == 1;
        let current = || stamps.holds(&KEY, stamp);
        let early = (left == Left::LeaseFirst).then(current);
        let let_in = until.holds(|| clock.read()) && early.unwrap_or_else(current);
        assert!(!(over && let_in), "let in after the answer");
        polling.join().unwrap();
        ending.join().unwrap();
    });
}

#[test]
fn in_no_order_is_anybody_let_in_after_the_answer() {
    in_every_order(Left::Nothing);
}

#[test]
#[should_panic(expected = "let in after the answer")]
fn the_lease_has_to_be_read_before_the_stamp() {
    in_every_order(Left::LeaseFirst);
}

#[test]
#[should_panic(expected = "let in after the answer")]
fn the_lease_has_to_count_from_the_sending_of_the_poll() {
    in_every_order(Left::FromTheSending);
}

#[test]
#[should_panic(expected = "let in after the answer")]
fn what_a_poll_brought_has_to_be_applied_before_the_lease_is_renewed() {
    in_every_order(Left::AppliedFirst);
}

#[test]
#[should_panic(expected = "let in after the answer")]
fn an_end_has_to_be_answered_after_the_lease() {
    in_every_order(Left::TheWait);
}
