//! Accounts: who may log in, and what they may do.
//!
//! [`Accounts`] answers three questions: is this password that user's, is this secret that
//! client's, and what is known about an account. It knows no tokens and no sessions: whoever
//! changes an account says what that ends, ends it elsewhere, and is reminded after a crash.
//!
//! An unknown user, a wrong password, a disabled account and an account without a password are one
//! error after the work of one argon2 run (threat: account-enumeration).
//!
//! This room must never give out a password's hash, tell one failed log-in from another, or say
//! that a change is done before it would survive a power cut.

mod account;
mod argon;
mod attempts;
mod authority;
mod changing;
mod client;
mod clients;
mod copy;
mod copying;
mod delivery;
mod error;
mod hashing;
mod identity;
mod imported;
mod link;
mod links;
mod making;
mod outbox;
mod owner;
mod password;
mod proving;
mod revisions;
mod store;
mod subscriber;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use rand::CryptoRng;

pub(crate) use self::account::{
    ADMIN_ROLE, display_name, permissions, plain_text, roles_from_outside, roles_or_none,
};
pub use self::account::{Account, Change, ImportedAccount, NewAccount, Page};
pub use self::attempts::{AtAccount, Back, Counter, Told};
pub use self::authority::Authority;
pub use self::client::{Client, ClientId, ClientSecret, ClientTerms, NewClient};
pub use self::copy::{CopiedRow, Replaced, Some20, TakenIn};
pub use self::copying::Snapshot;
pub use self::error::AccountsError;
pub use self::hashing::{HashingPool, HashingSettings};
pub use self::identity::{Email, LoginName, UserId};
pub use self::imported::ImportedHash;
pub use self::link::{FirstSight, Link, OutsideSubject};
pub use self::outbox::{Ends, Kept, OutboxRow, Reach, Target};
pub use self::owner::Owner;
pub use self::password::{Password, PresentedPassword};
pub use self::proving::Named;
pub use self::store::Outdated;
pub use self::subscriber::Subscriber;

use self::argon::RawSalt;
use self::error::invalid;
use self::hashing::Place;
use self::store::{MirrorKey, Store};
use crate::clock::Clock;

/// The most accounts on one page.
const MAX_PAGE: usize = 1000;
const MAX_QUERY: usize = 254;

/// The accounts and the clients of one deployment; a handle to share.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
    asker: Option<Subscriber>,
    /// By whose rights this handle makes changes; `None` where nobody's have to hold.
    authority: Option<Authority>,
    /// Whether who asks may still ask.
    still: Option<Still>,
}

/// Says whether something is still so that was so when a request began.
pub type Still = Arc<dyn Fn() -> BoxFuture<'static, Result<bool, AccountsError>> + Send + Sync>;

struct Inner {
    store: Store,
    hashing: HashingPool,
    clock: Arc<dyn Clock>,
    random: Mutex<Box<dyn CryptoRng + Send>>,
    /// What a password is compared with where there is nothing to compare it with: no account has one.
    decoy: String,
}

impl Accounts {
    /// Opens the database at `url` (`sqlite:PATH`, made with mode 0600 where there is none, or
    /// `postgres://…`), brings its schema up to date, and starts the threads that hash.
    ///
    /// `random` makes identifiers, secrets and salts.
    pub async fn open(
        url: &str,
        hashing: HashingSettings,
        clock: Arc<dyn Clock>,
        random: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, AccountsError> {
        Self::assemble(url, HashingPool::start(hashing)?, clock, random).await
    }

    async fn assemble(
        url: &str,
        hashing: HashingPool,
        clock: Arc<dyn Clock>,
        mut random: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, AccountsError> {
        let decoy = hashing
            .argon()
            .decoy(&mut *random)
            .ok_or(AccountsError::AccountsUnavailable)?;
        let store = Store::open(url, MirrorKey::generate(&mut *random)).await?;
        Ok(Self {
            authority: None,
            still: None,
            inner: Arc::new(Inner {
                store,
                hashing,
                clock,
                random: Mutex::new(random),
                decoy,
            }),
            asker: None,
        })
    }

    /// The same, asked over the network: what this handle hashes waits among the passwords of one
    /// subscriber, who has a share of the queue; an operator's, without one, as far as there is room.
    #[must_use]
    pub fn asked_by(&self, asker: Option<Subscriber>) -> Self {
        Self {
            asker,
            ..self.clone()
        }
    }

    /// A handle that makes and changes accounts only while `still` says so, which is asked when a hash
    /// is done that the change had to wait for. Then it is [`AccountsError::AuthorityChanged`], and nothing
    /// is done.
    #[must_use]
    pub fn while_true(&self, still: Still) -> Self {
        Self {
            still: Some(still),
            ..self.clone()
        }
    }

    /// A handle that makes and changes accounts only as long as this account is as it was. After any
    /// change of it, what is asked of the handle is [`AccountsError::AuthorityChanged`], decided in the
    /// transaction that would make the change, and nothing is done.
    #[must_use]
    pub fn by(&self, authority: Authority) -> Self {
        Self {
            authority: Some(authority),
            ..self.clone()
        }
    }

    /// Whose accounts the database at `url` has, to the deployment of this name. Makes and changes
    /// nothing, and so comes before [`Accounts::open`].
    pub async fn owner(url: &str, deployment: &str) -> Result<Owner, AccountsError> {
        Store::owner(url, deployment).await
    }

    /// Writes down, durably, that these are the accounts of the deployment of this name. Others that
    /// have claimed them keep their claim.
    pub async fn claim(&self, deployment: &str) -> Result<(), AccountsError> {
        self.inner.store.claim(deployment).await
    }

    /// Gives up connections of which `outdated` says, by their age, that they lead to a server that another one has taken
    /// the place of. Such a server may live on, and would answer what isn't so any more (threat: stale-rights).
    pub fn leave_where(&self, outdated: Outdated) {
        self.inner.store.leave_where(outdated);
    }

    /// The URL of a `SQLite` database at `path`, for [`Accounts::open`].
    #[must_use]
    pub fn sqlite_url(path: &Path) -> String {
        store::sqlite_url(path)
    }

    /// The file of the `SQLite` database with this URL; `None` where it is another database's.
    #[must_use]
    pub fn sqlite_file(url: &str) -> Option<PathBuf> {
        store::sqlite_file(url)
    }

    /// Fails with [`AccountsError::AccountsIncomplete`] where the log beside the `SQLite` database in this file lacks
    /// changes that were confirmed. Nothing is opened by `SQLite`, nor written.
    pub fn check_log(file: &Path) -> Result<(), AccountsError> {
        store::has_all(file)
    }

    /// The account with this id.
    pub async fn get(&self, id: &UserId) -> Result<Option<Account>, AccountsError> {
        Ok(self.inner.store.by_id(id).await?.map(|found| found.account))
    }

    /// The account with this id or, where `name` has an `@`, this e-mail.
    pub async fn find(&self, name: &str) -> Result<Option<Account>, AccountsError> {
        let found = match LoginName::parse(name) {
            LoginName::Id(id) => self.inner.store.by_id(&id).await?,
            LoginName::Email(email) => self.inner.store.by_email(&email).await?,
            LoginName::Nobody => None,
        };
        Ok(found.map(|found| found.account))
    }

    /// A page of at most `limit` (1 to 1000) accounts in the order of their ids, beginning behind
    /// `after`. With `query`, those that have it in the id, the e-mail or the name, whatever the
    /// case.
    pub async fn list(
        &self,
        after: Option<UserId>,
        limit: usize,
        query: Option<&str>,
    ) -> Result<Page, AccountsError> {
        let query = query.unwrap_or_default().to_lowercase();
        if query.len() > MAX_QUERY || query.chars().any(char::is_control) {
            return Err(invalid("q", "must be at most 254 bytes of text"));
        }
        let limit = limit.clamp(1, MAX_PAGE);
        // One more than asked for tells whether there is another page.
        let mut accounts = self
            .inner
            .store
            .list(after.as_ref(), limit + 1, &query)
            .await?;
        let more = accounts.len() > limit;
        accounts.truncate(limit);
        let next = accounts.last().filter(|_| more).map(|last| last.id.clone());
        Ok(Page { accounts, next })
    }

    /// Whether who asks may still ask, once a hash has taken its time.
    async fn is_still_true(&self) -> Result<(), AccountsError> {
        match &self.still {
            Some(still) if !still().await? => Err(AccountsError::AuthorityChanged),
            _ => Ok(()),
        }
    }

    /// Whether the database answers.
    pub async fn health(&self) -> Result<(), AccountsError> {
        self.inner.store.health().await
    }

    /// How many passwords wait to be hashed now.
    #[must_use]
    pub fn queue_length(&self) -> usize {
        self.inner.hashing.queue_length()
    }

    /// How many argon2 runs were done since the start.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.inner.hashing.runs()
    }

    /// Ends the hashing threads, whose memory is wiped, and closes the database. What is asked
    /// afterwards gets [`AccountsError::AccountsUnavailable`].
    pub async fn close(&self) {
        self.inner.hashing.close().await;
        self.inner.store.close().await;
    }

    fn place(&self) -> Result<Place, AccountsError> {
        self.inner.hashing.place(self.asker)
    }

    async fn hash(&self, place: Place, password: Password) -> Result<String, AccountsError> {
        place.hash(password.into_secret(), self.salt()).await
    }

    fn salt(&self) -> RawSalt {
        self.with_random(|random| {
            let mut salt = RawSalt::default();
            random.fill_bytes(&mut salt);
            salt
        })
    }

    fn with_random<T>(&self, make: impl FnOnce(&mut (dyn CryptoRng + Send + 'static)) -> T) -> T {
        let random = &self.inner.random;
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        make(&mut **random)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
