//! A request under way: progress, all pages but the last, and at the end the answer.
//!
//! This room must never hold more than one step: whoever reads slowly slows a listing down.

use super::answer::{Answer, Step};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The most sessions or accounts of one page.
pub const MAX_PAGE: usize = 200;

/// Where steps go; nowhere, where one answer is all that the door can show.
#[derive(Debug, Clone)]
pub(super) struct Steps(Option<Sender<Step>>);

impl Steps {
    /// No steps: the answer has one page.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Steps, and where they are read.
    pub(super) fn channel() -> (Self, Receiver<Step>) {
        let (sender, receiver) = channel(1);
        (Self(Some(sender)), receiver)
    }

    /// Sends a page that isn't the last one. Gives it back where nobody takes pages: then it is the
    /// answer.
    pub(super) async fn page(&self, page: Answer) -> Result<(), Answer> {
        match &self.0 {
            Some(sender) => match sender.reserve().await {
                Ok(room) => {
                    room.send(Step::Page(page));
                    Ok(())
                }
                Err(_) => Err(page),
            },
            None => Err(page),
        }
    }

    /// Whether whoever took steps has gone.
    pub(super) fn is_left(&self) -> bool {
        self.0.as_ref().is_some_and(Sender::is_closed)
    }

    /// Says how far it is, where somebody listens and has taken the step before.
    pub(super) fn progress(&self, done: u64, total: u64) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(Step::Progress { done, total });
        }
    }
}
