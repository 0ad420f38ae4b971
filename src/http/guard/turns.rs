//! One at a time: opening tokens that weren't seen before, which costs six times as much as all the
//! rest of a request, and which anybody can ask for with a token made up from a good one's header.
//!
//! A worker serves all its connections by turns. In each turn it opens one token of that kind, and
//! then first hears everybody else; those whose tokens are known don't notice a flood of others. A
//! worker with nothing else to do opens one after the other, without a wait.
//!
//! This room must never refuse: who waits is judged in the end, and like everybody else.

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

/// Whose turn it is on one worker.
pub(super) struct Turns(Semaphore);

impl Turns {
    pub(super) const fn new() -> Self {
        Self(Semaphore::const_new(1))
    }

    /// Waits for the next turn, which lasts until what is returned is dropped.
    pub(super) async fn next(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed; if it were, nobody would have to wait.
        let turn = self.0.acquire().await.ok();
        // Everybody who is ready goes first.
        yield_now().await;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::{Context, Waker};
    use tokio::task::LocalSet;

    /// Ten wait for a turn while somebody else is ready in every round of the loop: each gets its
    /// own, in order, and the one who is ready is heard between them.
    #[tokio::test(flavor = "current_thread")]
    async fn between_two_turns_everybody_else_is_heard() {
        let (turns, round) = (Rc::new(Turns::new()), Rc::new(Cell::new(0)));
        let taken = Rc::new(RefCell::new(Vec::new()));
        let local = LocalSet::new();
        for number in 0..10 {
            let (turns, round, taken) = (turns.clone(), round.clone(), taken.clone());
            local.spawn_local(async move {
                let _turn = turns.next().await;
                taken.borrow_mut().push((number, round.get()));
            });
        }
        let (counted, seen) = (round.clone(), taken.clone());
        local.spawn_local(async move {
            while seen.borrow().len() < 10 {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        local.await;
        let taken = taken.borrow();
        let order: Vec<_> = taken.iter().map(|(number, _)| *number).collect();
        assert_eq!(order, (0..10).collect::<Vec<_>>());
        let rounds: Vec<_> = taken.iter().map(|(_, round)| *round).collect();
        // The first didn't wait for one before it, so it may share a round with the second.
        let apart = rounds[1..].windows(2).all(|two| two[0] < two[1]);
        assert!(apart, "{rounds:?}");
    }

    #[tokio::test]
    async fn who_goes_away_gives_the_turn_back() {
        let turns = Turns::new();
        let first = turns.next().await;
        {
            let mut context = Context::from_waker(Waker::noop());
            let mut waiting = pin!(turns.next());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        drop(first);
        assert!(turns.next().await.is_some());
    }
}
