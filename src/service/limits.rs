//! Rate limits on attempts to log in and on sign-ups (threat: password-guessing, ASVS 6.3.1).
//!
//! An attempt is counted when it begins, and the count is given back where it was no failure: who
//! hangs up before the answer has had a guess all the same. So a busy gateway with the right
//! passwords is limited by how many are under way at once, never by how many there were.
//!
//! Nothing locks an account: attempts are counted for the address, and for the pair of account and
//! address. Where an account has failed ten times as often from all addresses together, one failure
//! uses up the count of its pair: somebody who guesses from many addresses gets one guess from each
//! per period, and the user gets in with the first right password. Nobody is exempt: whom a limit
//! lets pass would tell who has an account.
//!
//! Counting is GCRA over keyed hashes in tables of a fixed size. A limit has to be given back, and to
//! count uses beyond it where it only warns; the rate limiters at hand do neither.
//!
//! This room must never remember a name or an address as text.

mod budget;

use crate::accounts::Subscriber;
use budget::{Budget, Spent};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use budget::Rate;

/// How many times the count of a pair an account may fail from everywhere.
const EVERYWHERE: u32 = 10;

/// How often something may be tried; `None` for no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitSettings {
    /// Log-ins that fail, from one address; and client secrets that are wrong.
    pub login_per_address: Option<Rate>,
    /// Log-ins that fail, to one account from one address.
    pub login_per_account: Option<Rate>,
    /// Sign-ups from one address.
    pub signup_per_address: Option<Rate>,
}

/// The limits of one deployment; every clone counts together.
#[derive(Clone)]
pub struct Limits(Arc<Tables>);

struct Tables {
    beginning: Instant,
    hasher: RandomState,
    addresses: Option<Budget>,
    /// Addresses again, for the secrets of clients: what users do wrong doesn't hold up a back end
    /// behind the same address.
    clients: Option<Budget>,
    pairs: Option<Budget>,
    accounts: Option<Budget>,
    sign_ups: Option<Budget>,
}

/// What an attempt has been counted as so far. It stays counted unless it is given back.
#[must_use]
#[derive(Default)]
pub(super) struct Counted(Vec<Spent>);

impl Counted {
    /// It was no failure.
    pub(super) fn give_back(self) {
        for spent in self.0 {
            spent.give_back();
        }
    }
}

impl Limits {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(settings: &LimitSettings) -> Self {
        let everywhere = settings.login_per_account.map(|rate| Rate {
            count: rate.count.saturating_mul(EVERYWHERE),
            ..rate
        });
        Self(Arc::new(Tables {
            beginning: Instant::now(),
            hasher: RandomState::new(),
            addresses: settings.login_per_address.map(Budget::new),
            clients: settings.login_per_address.map(Budget::new),
            pairs: settings.login_per_account.map(Budget::new),
            accounts: everywhere.map(Budget::new),
            sign_ups: settings.signup_per_address.map(Budget::new),
        }))
    }

    /// No limit.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self::new(&LimitSettings::default())
    }

    /// Counts an attempt of a user from this address; or says how long to wait.
    pub(super) fn user(&self, from: Subscriber) -> Result<Counted, Duration> {
        self.user_at(self.now(), from)
    }

    /// Counts an attempt of a client from this address; or says how long to wait. Secrets can't be
    /// guessed; what is limited is the noise.
    pub(super) fn client(&self, from: Subscriber) -> Result<Counted, Duration> {
        let spent = spend(self.0.clients.as_ref(), self.0.hash(from), self.now())?;
        Ok(Counted(spent.into_iter().collect()))
    }

    /// Counts an attempt at this account too, under the name that its accounts room counts it as; or
    /// says how long to wait.
    pub(super) fn account(
        &self,
        counted: &mut Counted,
        account: &str,
        from: Subscriber,
    ) -> Result<(), Duration> {
        self.account_at(self.now(), counted, account, from)
    }

    /// Counts a sign-up; or says how long to wait.
    pub(super) fn sign_up(&self, from: Subscriber) -> Result<(), Duration> {
        spend(self.0.sign_ups.as_ref(), self.0.hash(from), self.now()).map(drop)
    }

    fn user_at(&self, now: Duration, from: Subscriber) -> Result<Counted, Duration> {
        let spent = spend(self.0.addresses.as_ref(), self.0.hash(from), now)?;
        Ok(Counted(spent.into_iter().collect()))
    }

    fn account_at(
        &self,
        now: Duration,
        counted: &mut Counted,
        account: &str,
        from: Subscriber,
    ) -> Result<(), Duration> {
        let (Some(pairs), Some(accounts)) = (&self.0.pairs, &self.0.accounts) else {
            return Ok(());
        };
        let (pair, account) = (self.0.hash((account, from)), self.0.hash(account));
        let everywhere = accounts.spend(account, now);
        let attacked = accounts.wait(account, now).is_some();
        let times = if attacked { pairs.count() } else { 1 };
        match pairs.try_spend(pair, now, times) {
            Ok(of_pair) => {
                counted.0.extend([everywhere, of_pair]);
                Ok(())
            }
            Err(wait) => {
                everywhere.give_back();
                Err(wait)
            }
        }
    }

    fn now(&self) -> Duration {
        self.0.beginning.elapsed()
    }
}

impl Tables {
    /// Keyed by a secret of this process: nobody can choose names that meet.
    fn hash(&self, key: impl std::hash::Hash) -> u64 {
        self.hasher.hash_one(key)
    }
}

fn spend(budget: Option<&Budget>, key: u64, now: Duration) -> Result<Option<Spent>, Duration> {
    budget
        .map(|budget| budget.try_spend(key, now, 1))
        .transpose()
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
