//! The thread that reads and writes the connections to a server of accounts.
//!
//! A connection, and whatever waits for it with a time limit, belongs to the runtime on which it was made. Workers have
//! one each, which ends when its worker has drained, while others still answer: a connection that one of them made
//! would fail under the next one that takes it from the pool.
//!
//! This room must never let a question about a server be asked outside of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::accounts::error::AccountsError;

/// Where connections are read and written; nowhere special for a database in a file, which has threads of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Io(Option<Arc<Thread>>);

impl Io {
    /// A thread of its own.
    pub(super) fn start() -> Result<Self, AccountsError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lacre-accounts")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            log::error!("the thread of the accounts' connections can't be started: {error}");
            AccountsError::AccountsUnavailable
        })?;
        Ok(Self(Some(Arc::new(Thread(Some(runtime))))))
    }

    /// What is asked, by the caller itself: it is given up where the caller is. What it waits for is of this thread.
    pub(super) fn by<F: Future>(&self, asked: F) -> By<F> {
        By {
            runtime: self.handle(),
            asked: Some(Box::pin(asked)),
        }
    }

    fn handle(&self) -> Option<Handle> {
        let runtime = self.0.as_ref()?.0.as_ref()?;
        Some(runtime.handle().clone())
    }
}

#[derive(Debug)]
struct Thread(Option<Runtime>);

/// Without waiting: accounts may be dropped where nothing may wait.
impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What [`Io::by`] waits for.
pub(super) struct By<F> {
    runtime: Option<Handle>,
    /// Nothing once it was answered.
    asked: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for By<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { runtime, asked } = &mut *self;
        let Some(question) = asked else {
            return Poll::Pending;
        };
        let _entered = runtime.as_ref().map(Handle::enter);
        let answer = question.as_mut().poll(context);
        if answer.is_ready() {
            *asked = None;
        }
        answer
    }
}

/// A connection that is given up goes back to its pool by a task: that one is of the thread as well.
impl<F> Drop for By<F> {
    fn drop(&mut self) {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        self.asked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use std::time::Duration;

    /// What is waited for on the caller's own runtime fails once that one has ended; on the thread it doesn't.
    #[test]
    fn what_was_begun_on_one_runtime_goes_on_on_another() {
        let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
        let io = Io::start().unwrap();
        let mut waiting = io.by(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Handle::current().id()
        });
        let first = runtime();
        first.block_on(async {
            let mut context = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut waiting).poll(&mut context).is_pending());
        });
        drop(first);
        let on = runtime().block_on(waiting);
        assert_eq!(on, io.handle().unwrap().id());
    }

    #[test]
    fn what_is_given_up_ends_on_the_thread() {
        struct Ends(std::sync::mpsc::Sender<tokio::runtime::Id>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.send(Handle::current().id()).unwrap();
            }
        }
        let io = Io::start().unwrap();
        let (ended, ends) = std::sync::mpsc::channel();
        let ends_with_it = Ends(ended);
        drop(io.by(async move {
            let _it = ends_with_it;
            std::future::pending::<()>().await;
        }));
        assert_eq!(ends.recv(), Ok(io.handle().unwrap().id()));
    }

    #[tokio::test]
    async fn a_database_in_a_file_has_none() {
        let here = Handle::current().id();
        assert_eq!(
            Io::default().by(async { Handle::current().id() }).await,
            here
        );
    }
}
