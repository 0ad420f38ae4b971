//! Attempts that are counted in the database, for all nodes together.
//!
//! Which key is counted how often, the service says; here they are numbers.
//!
//! This room must never be told a name or an address.

use super::Accounts;
use super::error::AccountsError;
use std::time::Duration;

/// A key that something is counted under, and how often it may be: `count` times at once, then once whenever `share` has
/// passed.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// A keyed digest.
    pub key: i64,
    /// In microseconds.
    pub share: i64,
    /// How often at once.
    pub count: u32,
}

/// What was counted, to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// Where.
    pub key: i64,
    /// In microseconds.
    pub time: i64,
}

/// The counters of an attempt at an account.
#[derive(Clone, Copy, Debug)]
pub struct AtAccount {
    /// Of the account, from everywhere: what is beyond it is counted as well.
    pub everywhere: Counter,
    /// Of the account and where the attempt comes from.
    pub pair: Counter,
}

/// Whether an attempt was counted.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// At each counter, and this may be given back.
    Counted(Vec<Back>),
    /// At none: the one of where it comes from has nothing left for so long.
    NoneLeftThere(Duration),
    /// At none: the one of the pair has nothing left for so long.
    NoneLeftOfPair(Duration),
}

impl Accounts {
    /// Gives back what is to be, then counts an attempt at all of these counters or at none. Of several at once, at
    /// whatever nodes, no more are counted than one after the other would be.
    ///
    /// Only a database of several nodes can do it: fails on `SQLite`.
    pub async fn count_attempt(
        &self,
        given_back: &[Back],
        from: Option<Counter>,
        at: Option<AtAccount>,
    ) -> Result<Told, AccountsError> {
        self.inner.store.count_attempt(given_back, from, at).await
    }

    /// Takes away the counters that have all of their count left. Returns how many.
    pub async fn forget_attempts(&self) -> Result<u64, AccountsError> {
        self.inner.store.forget_attempts().await
    }
}
