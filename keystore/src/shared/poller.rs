//! The thread on which a shared store is asked again and again what has ended.
//!
//! It does nothing else: work of other threads must not keep a lease from being renewed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

use crate::error::KeystoreError;

/// The thread. It ends when this is dropped.
pub(crate) struct Poller {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

/// Whether the thread is to end.
#[derive(Default)]
pub(crate) struct Stop {
    asked: AtomicBool,
    waker: Notify,
}

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits so long, or until the thread is to end.
    pub(crate) async fn pause(&self, pause: Duration) {
        let _ = tokio::time::timeout(pause, self.waker.notified()).await;
    }
}

impl Poller {
    /// Runs what polls on a thread of its own until it returns, which it does soon after it is asked to stop.
    pub(crate) fn start<P: Future<Output = ()> + Send + 'static>(
        polling: impl FnOnce(Arc<Stop>) -> P + Send + 'static,
    ) -> Result<Self, KeystoreError> {
        let stop = Arc::<Stop>::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("lacre-lease".to_owned())
            .spawn(move || {
                // As a task of its own: what the thread itself runs is woken through the kernel, each time.
                let polling = runtime.spawn(polling(stopped));
                if let Err(error) = runtime.block_on(polling) {
                    std::panic::resume_unwind(error.into_panic());
                }
            })
            .map_err(|error| KeystoreError::unavailable(error.to_string()))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.stop.asked.store(true, Ordering::SeqCst);
        self.stop.waker.notify_one();
        let own = std::thread::current().id();
        if self
            .thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == own)
        {
            // The member held the store for a moment, and was the last one to.
            return;
        }
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            log::error!("the thread of the lease ended by a panic");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_has_ended_when_the_poller_is_gone() {
        let ended = Arc::<AtomicBool>::default();
        let told = Arc::clone(&ended);
        let poller = Poller::start(move |stop| async move {
            while !stop.is_asked() {
                stop.pause(Duration::from_mins(1)).await;
            }
            told.store(true, Ordering::SeqCst);
        });
        drop(poller.unwrap());
        assert!(ended.load(Ordering::SeqCst));
    }
}
