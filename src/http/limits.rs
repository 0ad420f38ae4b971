//! Rate limits on log-ins that fail and on sign-ups (threat: password-guessing, ASVS 6.3.1).
//!
//! Failures are counted, successes aren't, so that a busy gateway with the right passwords is never
//! limited. Nothing locks an account: failures are counted for the address, and for the pair of
//! account and address. Where an account has failed ten times as often from all addresses together,
//! one failure from an address that is new to it uses up the count of that pair: somebody who guesses
//! from many addresses gets one guess from each per period, and the user gets in with the first right
//! password.
//!
//! Counting is GCRA over keyed hashes in tables of a fixed size. A limit has to be asked without being
//! used, and to count uses beyond it where several were under way at once; the rate limiters at hand
//! do neither.
//!
//! This room must never remember a name or an address as text, and never cost an address that is
//! in its bounds a wait.

mod budget;

use super::problem::{Code, Problem};
use crate::accounts::{AccountsError, LoginName};
use crate::config::{LimitsConfig, Rate};
use crate::service::ServiceError;
use budget::{Budget, ENTRIES};
use quick_cache::sync::Cache;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many times the count of a pair an account may fail from everywhere.
const EVERYWHERE: u32 = 10;

/// The limits of one deployment; every clone counts together.
#[derive(Clone)]
pub struct Limits(Arc<Tables>);

struct Tables {
    beginning: Instant,
    hasher: RandomState,
    addresses: Option<Budget>,
    pairs: Option<Budget>,
    accounts: Option<Budget>,
    sign_ups: Option<Budget>,
    /// Who has succeeded at which address.
    known: Cache<u64, ()>,
}

/// What a request is counted under.
#[derive(Clone, Copy)]
enum Key<'a> {
    Address(IpAddr),
    Pair(&'a str, IpAddr),
    Account(&'a str),
    Client(&'a str, IpAddr),
}

impl Limits {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(config: &LimitsConfig) -> Self {
        let everywhere = config.login_per_account.map(|rate| Rate {
            count: rate.count.saturating_mul(EVERYWHERE),
            ..rate
        });
        Self(Arc::new(Tables {
            beginning: Instant::now(),
            hasher: RandomState::new(),
            addresses: config.login_per_address.map(Budget::new),
            pairs: config.login_per_account.map(Budget::new),
            accounts: everywhere.map(Budget::new),
            sign_ups: config.signup_per_address.map(Budget::new),
            known: Cache::new(ENTRIES),
        }))
    }

    /// Asks whether a log-in under this name may be tried now.
    pub(super) fn log_in(&self, name: &str, address: Option<IpAddr>) -> Result<Attempt, Problem> {
        self.log_in_at(self.now(), name, address).map_err(too_many)
    }

    /// Asks whether a secret of this client may be tried now. Secrets can't be guessed; what is
    /// limited is the noise.
    pub(super) fn client(&self, id: &str, address: Option<IpAddr>) -> Result<Attempt, Problem> {
        let (now, tables, network) = (self.now(), &*self.0, network(address));
        let attempt = Attempt {
            limits: self.clone(),
            address: tables.hash(Key::Address(network)),
            pair: tables.hash(Key::Client(id, network)),
            account: None,
        };
        match tables.wait_at(attempt.address, attempt.pair, now) {
            Some(wait) => Err(too_many(wait)),
            None => Ok(attempt),
        }
    }

    /// Counts a sign-up, unless there were too many.
    pub(super) fn sign_up(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let (now, tables) = (self.now(), &*self.0);
        let key = tables.hash(Key::Address(network(address)));
        if let Some(wait) = wait(tables.sign_ups.as_ref(), key, now) {
            return Err(too_many(wait));
        }
        spend(tables.sign_ups.as_ref(), key, now, 1);
        Ok(())
    }

    fn log_in_at(
        &self,
        now: Duration,
        name: &str,
        address: Option<IpAddr>,
    ) -> Result<Attempt, Duration> {
        let (tables, name, network) = (&*self.0, spelled(name), network(address));
        let attempt = Attempt {
            limits: self.clone(),
            address: tables.hash(Key::Address(network)),
            pair: tables.hash(Key::Pair(&name, network)),
            account: Some(tables.hash(Key::Account(&name))),
        };
        let of_pair = wait(tables.pairs.as_ref(), attempt.pair, now);
        match of_pair.max(tables.wait_at(attempt.address, attempt.pair, now)) {
            Some(wait) => Err(wait),
            None => Ok(attempt),
        }
    }

    fn now(&self) -> Duration {
        self.0.beginning.elapsed()
    }
}

/// A try that may go on; it says how it ended.
#[must_use]
pub(super) struct Attempt {
    limits: Limits,
    address: u64,
    /// Who, at this address.
    pair: u64,
    /// Where the one who tries is a user.
    account: Option<u64>,
}

impl Attempt {
    /// Counts what came of it. What says nothing about the credentials counts for nothing.
    pub(super) fn ended<T>(&self, outcome: &Result<T, ServiceError>) {
        match outcome {
            Ok(_) => self.succeeded(),
            Err(
                ServiceError::InvalidClient
                | ServiceError::Accounts(AccountsError::InvalidCredentials),
            ) => self.failed(),
            Err(_) => {}
        }
    }

    /// The credentials were right.
    fn succeeded(&self) {
        self.limits.0.known.insert(self.pair, ());
    }

    /// The credentials were wrong.
    fn failed(&self) {
        self.failed_at(self.limits.now());
    }

    fn failed_at(&self, now: Duration) {
        let tables = &*self.limits.0;
        spend(tables.addresses.as_ref(), self.address, now, 1);
        let Some(account) = self.account else {
            return;
        };
        spend(tables.accounts.as_ref(), account, now, 1);
        let attacked = wait(tables.accounts.as_ref(), account, now).is_some();
        if let Some(pairs) = &tables.pairs {
            let known = tables.known.get(&self.pair).is_some();
            let times = if attacked && !known { pairs.count() } else { 1 };
            pairs.spend(self.pair, now, times);
        }
    }
}

impl Tables {
    /// How long an address has to wait, unless it has been the right one for this pair before.
    fn wait_at(&self, address: u64, pair: u64, now: Duration) -> Option<Duration> {
        match self.known.get(&pair) {
            Some(()) => None,
            None => wait(self.addresses.as_ref(), address, now),
        }
    }

    /// Keyed by a secret of this process: nobody can choose names that meet.
    fn hash(&self, key: Key<'_>) -> u64 {
        match key {
            Key::Address(address) => self.hasher.hash_one((0_u8, address)),
            Key::Pair(name, address) => self.hasher.hash_one((1_u8, name, address)),
            Key::Account(name) => self.hasher.hash_one((2_u8, name)),
            Key::Client(id, address) => self.hasher.hash_one((3_u8, id, address)),
        }
    }
}

fn wait(budget: Option<&Budget>, key: u64, now: Duration) -> Option<Duration> {
    budget.and_then(|budget| budget.wait(key, now))
}

fn spend(budget: Option<&Budget>, key: u64, now: Duration, times: u32) {
    if let Some(budget) = budget {
        budget.spend(key, now, times);
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_millis().div_ceil(1000);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
    Problem::new(Code::RateLimited).retry_after(seconds)
}

/// One spelling of a name, however it is written. What can name nobody is one name.
fn spelled(name: &str) -> String {
    match LoginName::parse(name) {
        LoginName::Email(email) => email.as_str().to_ascii_lowercase(),
        LoginName::Id(id) => id.as_str().to_owned(),
        LoginName::Nobody => String::new(),
    }
}

/// Whom an address stands for: itself, or the /64 that one subscriber has. Who has none counts
/// together.
fn network(address: Option<IpAddr>) -> IpAddr {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        Some(address) => address,
        None => Ipv4Addr::UNSPECIFIED.into(),
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
