//! Rate limits on attempts to log in and on sign-ups (threat: password-guessing, ASVS 6.3.1).
//!
//! An attempt is counted when it begins, and the count is given back where it was no failure: who
//! hangs up before the answer has had a guess all the same. So a busy gateway with the right
//! passwords is limited by how many are under way at once, never by how many there were. Secrets of clients, which nobody can
//! guess, are counted when they were wrong, or when nobody waited to hear.
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
//! Where several nodes are one deployment, they count together, in the accounts' database ([`of_nodes`]). Wrong secrets of
//! clients are counted by each node and by all.
//!
//! This room must never remember a name or an address as text.

mod budget;
mod of_nodes;

use super::ServiceError;
use crate::accounts::{Accounts, Back, Subscriber};
use crate::sessions::handles::Handles;
use budget::{Budget, Spent};
use of_nodes::{OfNodes, Refused, Source};
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
    settings: LimitSettings,
    /// Where several nodes count together.
    nodes: Option<Arc<OfNodes>>,
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
pub(super) struct Counted {
    here: Vec<Spent>,
    /// At all nodes.
    everywhere: Option<(Arc<OfNodes>, Vec<Back>)>,
    /// A client's, which is counted when it has failed.
    client: Option<Owed>,
}

/// An attempt of a client that counts as a failure when this is dropped.
struct Owed {
    limits: Limits,
    /// `None` once it was none.
    from: Option<u64>,
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let (Some(from), Some(clients)) = (self.from, &self.limits.0.clients) {
            let _ = clients.spend(from, self.limits.now());
        }
    }
}

impl Counted {
    /// It was no failure.
    pub(super) fn give_back(self) {
        for spent in self.here {
            spent.give_back();
        }
        if let Some((nodes, backs)) = self.everywhere {
            nodes.give_back(backs);
        }
        if let Some(mut owed) = self.client {
            owed.from = None;
        }
    }

    fn here(spent: impl IntoIterator<Item = Spent>) -> Self {
        Self {
            here: spent.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Limits {
    /// Those of one node. Nothing is counted yet.
    #[must_use]
    pub fn new(settings: &LimitSettings) -> Self {
        Self::counting(settings, None)
    }

    /// Those of all nodes with these accounts, whose database is one of several nodes.
    #[must_use]
    pub fn of_nodes(settings: &LimitSettings, accounts: Accounts, handles: Handles) -> Self {
        Self::counting(settings, Some(Arc::new(OfNodes::new(accounts, handles))))
    }

    /// Gives back what other nodes would count as failures otherwise, before the process stops.
    pub(super) async fn settle(&self) {
        if let Some(nodes) = &self.0.nodes {
            nodes.settle().await;
        }
    }

    fn counting(settings: &LimitSettings, nodes: Option<Arc<OfNodes>>) -> Self {
        let everywhere = settings.login_per_account.map(everywhere);
        Self(Arc::new(Tables {
            beginning: Instant::now(),
            settings: *settings,
            nodes,
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

    /// Counts an attempt of a user from this address; or says how long to wait. Several nodes count it with
    /// [`account`](Self::account), by one question.
    pub(super) fn user(&self, from: Subscriber) -> Result<Counted, Duration> {
        match &self.0.nodes {
            None => self.user_at(self.now(), from),
            Some(nodes) => {
                let refused = nodes.refused(self.now(), Source::User(from));
                refused.map_or_else(|| Ok(Counted::default()), Err)
            }
        }
    }

    /// Counts an attempt of a user from this address that isn't at an account.
    pub(super) async fn stranger(&self, from: Subscriber) -> Result<Counted, ServiceError> {
        let mut counted = self.user(from).map_err(too_many)?;
        if self.0.nodes.is_some() {
            let rate = self.0.settings.login_per_address;
            let from = rate.map(|rate| (Source::User(from), rate));
            self.count(&mut counted, from, None).await?;
        }
        Ok(counted)
    }

    /// Lets a client try its secret from this address; or says how long to wait. Secrets can't be guessed; what is limited
    /// is the noise. So an attempt is counted when it has failed, or when nobody waits for its end, and a back end that asks
    /// for many tokens at once gets them all.
    pub(super) fn client(&self, from: Subscriber) -> Result<Counted, Duration> {
        let nodes = self.0.nodes.as_ref();
        if let Some(wait) = nodes.and_then(|nodes| nodes.refused(self.now(), Source::Client(from)))
        {
            return Err(wait);
        }
        let from = self.0.hash(from);
        let clients = self.0.clients.as_ref();
        if let Some(wait) = clients.and_then(|clients| clients.wait(from, self.now())) {
            return Err(wait);
        }
        Ok(Counted {
            client: Some(Owed {
                limits: self.clone(),
                from: Some(from),
            }),
            ..Counted::default()
        })
    }

    /// The secret was wrong: has the other nodes count it too. So a right one costs no question.
    pub(super) async fn client_failed(&self, from: Subscriber) {
        let rate = self.0.settings.login_per_address;
        let from = rate.map(|rate| (Source::Client(from), rate));
        // It has failed anyway: what can't be counted now is nothing to tell.
        let _ = self.count(&mut Counted::default(), from, None).await;
    }

    /// Counts an attempt at this account too, under the name that its accounts room counts it as.
    pub(super) async fn account(
        &self,
        counted: &mut Counted,
        account: &str,
        from: Subscriber,
    ) -> Result<(), ServiceError> {
        if self.0.nodes.is_none() {
            let here = self.account_at(self.now(), counted, account, from);
            return here.map_err(too_many);
        }
        let LimitSettings {
            login_per_address,
            login_per_account,
            ..
        } = self.0.settings;
        let at = login_per_account.map(|rate| (account, from, [rate, everywhere(rate)]));
        let from = login_per_address.map(|rate| (Source::User(from), rate));
        self.count(counted, from, at).await
    }

    /// Counts a sign-up.
    pub(super) async fn sign_up(&self, from: Subscriber) -> Result<(), ServiceError> {
        if self.0.nodes.is_none() {
            return self.sign_up_at(self.now(), from).map_err(too_many);
        }
        let rate = self.0.settings.signup_per_address;
        let from = rate.map(|rate| (Source::SignUp(from), rate));
        self.count(&mut Counted::default(), from, None).await
    }

    /// Counts at all nodes, where there are several.
    async fn count(
        &self,
        counted: &mut Counted,
        from: Option<(Source, Rate)>,
        at: Option<(&str, Subscriber, [Rate; 2])>,
    ) -> Result<(), ServiceError> {
        if let Some(nodes) = &self.0.nodes {
            let asked = nodes.attempt(self.now(), from, at);
            let backs = nodes.count(asked).await.map_err(|refused| match refused {
                Refused::For(wait) => too_many(wait),
                Refused::Unknown(error) => error.into(),
            })?;
            counted.everywhere = Some((Arc::clone(nodes), backs));
        }
        Ok(())
    }

    fn sign_up_at(&self, now: Duration, from: Subscriber) -> Result<(), Duration> {
        spend(self.0.sign_ups.as_ref(), self.0.hash(from), now).map(drop)
    }

    fn user_at(&self, now: Duration, from: Subscriber) -> Result<Counted, Duration> {
        let spent = spend(self.0.addresses.as_ref(), self.0.hash(from), now)?;
        Ok(Counted::here(spent))
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
                counted.here.extend([everywhere, of_pair]);
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

/// What an account may fail from everywhere, where this is what it may from one address.
fn everywhere(rate: Rate) -> Rate {
    Rate {
        count: rate.count.saturating_mul(EVERYWHERE),
        ..rate
    }
}

fn too_many(wait: Duration) -> ServiceError {
    ServiceError::TooMany { wait }
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
