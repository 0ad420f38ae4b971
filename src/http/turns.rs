//! The queue of tokens that have to be opened for the first time on one worker.
//!
//! Opening one costs six times as much as the rest of a request, and anybody can make a worker do it,
//! with the header of a good token and any content. So a worker opens one, then lets every other ready
//! task of its event loop run once, then opens the next: requests with tokens in use aren't delayed by
//! a flood of others. A worker with nothing else to do opens one after the other without a wait
//! (`docs/decisions/0015-turns.md`). Whatever opens such a token waits here: the guard, and a refresh.
//!
//! This room must never refuse a request: each that waits is verified in the end.

use futures_util::task::AtomicWaker;
use lacre_keystore::Keystore;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;

thread_local! {
    /// Those who wait on this worker.
    static THIS_WORKER: Turns = Turns::new();
}

/// Waits for the next turn on this worker.
pub(super) async fn next_turn() -> Turn {
    THIS_WORKER.with(Turns::clone).next().await
}

/// The same, for who reads the keystore while it has its turn: it waits until that can be read before, for in its
/// turn it holds up all others. Where it can't be read there is no turn, and nobody needs one: what is refused for that
/// costs next to nothing.
pub(super) async fn next_turn_to_read(keystore: &Keystore) -> Turn {
    match keystore.readable().await {
        Ok(()) => next_turn().await,
        Err(_) => Turn { _permit: None },
    }
}

/// A turn, which lasts until it is dropped.
#[must_use = "a turn that is dropped at once is none"]
pub(super) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

/// The queue of one worker.
#[derive(Clone)]
struct Turns(Arc<Semaphore>);

impl Turns {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// Waits for the next turn.
    async fn next(self) -> Turn {
        // It is never closed; if it were, nobody would have to wait.
        let permit = self.0.acquire_owned().await.ok();
        everybody_else().await;
        Turn { _permit: permit }
    }
}

/// Waits until everybody has been heard who is ready.
///
/// tokio's own [`yield_now`] is over when it is polled for the second time, whoever polls it, and
/// actix polls a request's future again without having been woken. This one waits to be woken.
async fn everybody_else() {
    let round = Arc::new(Round::default());
    let waker = Waker::from(Arc::clone(&round));
    let mut next = pin!(yield_now());
    let mut asked = false;
    poll_fn(|context| {
        round.task.register(context.waker());
        if !asked {
            asked = true;
            let _ = next.as_mut().poll(&mut Context::from_waker(&waker));
        }
        if round.is_over.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A round of the event loop, and who waits for its end.
#[derive(Default)]
struct Round {
    is_over: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Round {
    fn wake(self: Arc<Self>) {
        self.is_over.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use tokio::task::LocalSet;

    /// Ten wait for a turn while somebody else is ready in every round of the loop: each gets its
    /// own, in order, and the one who is ready is heard between them.
    #[tokio::test(flavor = "current_thread")]
    async fn between_two_turns_everybody_else_is_heard() {
        let (turns, round) = (Turns::new(), Rc::new(Cell::new(0)));
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
    async fn to_be_polled_again_is_not_to_be_woken() {
        let mut turn = pin!(Turns::new().next());
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            assert!(turn.as_mut().poll(&mut context).is_pending());
        }
        drop(turn.await);
    }

    #[tokio::test]
    async fn who_goes_away_gives_the_turn_back() {
        let turns = Turns::new();
        let first = turns.clone().next().await;
        {
            let mut context = Context::from_waker(Waker::noop());
            let mut waiting = pin!(turns.clone().next());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        drop(first);
        drop(turns.next().await);
    }
}
