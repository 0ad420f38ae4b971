//! How often each kind of audit event has happened since the start, for the metrics.
//!
//! An event is counted where it is recorded, so that log and metrics can't disagree, and one whose line was
//! dropped is counted as well. The names are constants of the program: what a client sends adds no series.
//!
//! This room must never be told a user, a session or an address.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A kind of event, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Log-ins, by outcome: `succeeded`, or the code of the failure.
    LogIns,
    /// Sign-ups that were refused, by code.
    SignupsRefused,
    /// Tokens that were refused, by code.
    TokensRefused,
    /// Good tokens that weren't enough, by code.
    AccessDenied,
    /// Sessions that began, by who had proven whom.
    SessionsStarted,
    /// Sessions that ended, by cause.
    SessionsEnded,
    /// Changes of accounts, by what changed.
    AccountChanges,
    /// What operators did that concerns no single account, by action.
    OperatorActs,
}

/// Counts by kind and name.
pub type Counts = BTreeMap<(Counted, &'static str), u64>;

/// Those of one process.
#[derive(Debug)]
pub(super) struct Tally(Mutex<Counts>);

impl Tally {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Counts one event.
    pub(super) fn add(&self, kind: Counted, name: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((kind, name)).or_default() += 1;
    }

    /// What was counted, with 0 for those of `known` that haven't happened: a monitor notices a rise from 0,
    /// and takes a series that begins with 1 for one that has always been there.
    pub(super) fn read(&self, known: impl Iterator<Item = (Counted, &'static str)>) -> Counts {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Counts = known.map(|key| (key, 0)).collect();
        all.extend(counts.iter().map(|(key, count)| (*key, *count)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_happened_is_told_as_nothing() {
        let tally = Tally::new();
        tally.add(Counted::SessionsEnded, "logout");
        tally.add(Counted::SessionsEnded, "logout");
        tally.add(Counted::LogIns, "rate_limited");
        let known = [
            (Counted::SessionsEnded, "logout"),
            (Counted::SessionsEnded, "refresh_reused"),
        ];
        let read = tally.read(known.into_iter());
        assert_eq!(
            read.into_iter().collect::<Vec<_>>(),
            [
                ((Counted::LogIns, "rate_limited"), 1),
                ((Counted::SessionsEnded, "logout"), 2),
                ((Counted::SessionsEnded, "refresh_reused"), 0),
            ]
        );
    }

    #[test]
    fn a_name_of_one_kind_is_not_that_of_another() {
        let tally = Tally::new();
        tally.add(Counted::AccountChanges, "unlinked");
        tally.add(Counted::SessionsEnded, "unlinked");
        assert_eq!(tally.read(std::iter::empty()).len(), 2);
    }
}
