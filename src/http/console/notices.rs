//! What is said once on the next page, after a form was carried out and the browser sent elsewhere.
//!
//! Kept here and not in the address: a link could say that something was done which wasn't.
//!
//! This room must never keep more than so many.

use super::text::count;
use crate::token::Handle;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// More than there are administrators at work.
const MAX: usize = 64;

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// This many sessions have ended.
    Ended(u64),
    /// New keys are in use.
    Rotated,
}

impl Notice {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Rotated => {
                "New keys are in use, and everything is sealed under them. Nobody was logged out."
                    .to_owned()
            }
            Self::Ended(0) => "There was nothing left to end.".to_owned(),
            Self::Ended(number) => {
                let sessions = count(*number, "session has", "sessions have");
                format!("{sessions} ended. The tokens are refused from now on.")
            }
        }
    }
}

/// The notices that wait for their page, each for one administrator's session.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<VecDeque<(Handle, Notice)>>);

impl Notices {
    /// Keeps it for the next page of this session.
    pub(super) fn leave(&self, session: &Handle, notice: Notice) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(other, _)| other != session);
        if all.len() == MAX {
            all.pop_front();
        }
        all.push_back((session.clone(), notice));
    }

    /// Takes what waits for this session.
    pub(super) fn take(&self, session: &Handle) -> Option<Notice> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(other, _)| other == session)?;
        all.remove(place).map(|(_, notice)| notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(number: usize) -> Handle {
        Handle::parse(&format!("session_{number}")).unwrap()
    }

    #[test]
    fn a_notice_is_for_one_session_and_said_once() {
        let notices = Notices::default();
        notices.leave(&handle(1), Notice::Ended(3));
        assert_eq!(notices.take(&handle(2)), None);
        let said = notices.take(&handle(1)).unwrap().text();
        assert_eq!(
            said,
            "3 sessions have ended. The tokens are refused from now on."
        );
        assert_eq!(notices.take(&handle(1)), None);
    }

    #[test]
    fn the_last_one_counts_and_only_so_many_are_kept() {
        let notices = Notices::default();
        for number in 0..=MAX {
            notices.leave(&handle(number), Notice::Ended(1));
        }
        notices.leave(&handle(MAX), Notice::Ended(0));
        assert_eq!(notices.take(&handle(0)), None);
        assert_eq!(notices.take(&handle(1)), Some(Notice::Ended(1)));
        assert_eq!(notices.take(&handle(MAX)), Some(Notice::Ended(0)));
    }
}
