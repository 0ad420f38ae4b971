//! From the name and the password that a log-in gives to the account that it proves to be.
//!
//! In two steps, since attempts are counted between them: [`Accounts::look_up`] finds what the name
//! means, [`Accounts::authenticate`] compares the password.
//!
//! This room must never do less work for a name that means nobody (threat: account-enumeration).

use std::fmt;

use super::Accounts;
use super::account::Account;
use super::client::Fingerprint;
use super::error::AccountsError;
use super::hashing::Place;
use super::identity::{LoginName, UserId};
use super::password::PresentedPassword;
use super::store::ToProve;

/// What the name of a log-in means: an account or nobody, which only the log may tell apart.
pub struct Named {
    /// Where the password will wait.
    place: Place,
    to_prove: ToProve,
    counted_as: String,
}

impl Named {
    /// What attempts under this name are counted as: the account's id, so that a guess by e-mail and
    /// one by id are two guesses at one account; where there is no account, the name in its one
    /// spelling. No name that means nobody is an account's id, and none of two is another's.
    #[must_use]
    pub fn counted_as(&self) -> &str {
        &self.counted_as
    }

    /// The account, for the log alone.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        self.to_prove.found.as_ref().map(|found| &found.id)
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Named")
    }
}

impl Accounts {
    /// What this name means, with a place in the queue of passwords; [`AccountsError::HashingBusy`]
    /// without a look where there is none.
    pub async fn look_up(&self, by: &LoginName) -> Result<Named, AccountsError> {
        let place = self.place()?;
        let to_prove = self.inner.store.to_prove(by).await?;
        let account = to_prove.found.as_ref().map(|found| found.id.as_str());
        Ok(Named {
            place,
            counted_as: account.unwrap_or(by.spelling()).to_owned(),
            to_prove,
        })
    }

    /// The account that a log-in proves to be: one comparison whoever was found, then one answer for
    /// every failure.
    ///
    /// Whoever makes a session of it compares its `revision` with a second [`Accounts::get`] once
    /// the session exists: a change of the moment between must not leave a session behind.
    pub async fn authenticate(
        &self,
        named: Named,
        password: PresentedPassword,
    ) -> Result<Account, AccountsError> {
        let ToProve { found, mirrored } = named.to_prove;
        let active = found.as_ref().is_some_and(|found| found.active);
        let usable = found.and_then(|found| Some((found.id, found.password_hash?)));
        let instead = mirrored.as_ref().unwrap_or(&self.inner.decoy);
        let stored = usable.as_ref().map_or(instead, |(_, hash)| hash);
        let salt = self.salt();
        // Neither a disabled account's hash is renewed nor the one that stands in for none: the second
        // run would tell that the password was right.
        let renew = active && usable.is_some();
        let answer = named.place.verify(password, stored.clone(), salt, renew);
        let answer = answer.await?;
        let Some((id, stored)) = usable.filter(|_| active && answer.matches) else {
            return Err(AccountsError::InvalidCredentials);
        };
        self.still_true(&id, stored, answer.renewed).await
    }

    /// The account as it is after the hash, which may have waited in the queue for a second: what
    /// was changed meanwhile counts.
    async fn still_true(
        &self,
        id: &UserId,
        proven: String,
        renewed: Option<String>,
    ) -> Result<Account, AccountsError> {
        let found = self.inner.store.by_id(id).await?;
        let hash = Fingerprint::of(&proven);
        let same = found.filter(|found| {
            let stored = found.password_hash.as_ref();
            found.account.active && stored.is_some_and(|stored| stored.is(&hash))
        });
        let account = same.ok_or(AccountsError::InvalidCredentials)?.account;
        if let Some(renewed) = renewed
            && let Err(error) = self
                .inner
                .store
                .renew_password_hash(id, proven, renewed)
                .await
        {
            log::warn!("a password hash keeps its old parameters: {error}");
        }
        Ok(account)
    }
}
