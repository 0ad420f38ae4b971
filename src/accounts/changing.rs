//! Accounts that are changed and deleted, with what that ends.
//!
//! This room must never make a change of which what it ends isn't written down with it.

use super::Accounts;
use super::account::{Account, Change};
use super::error::AccountsError;
use super::identity::UserId;
use super::outbox::{Ends, OutboxRow};
use super::password::Password;
use super::revisions::Revisions;

/// How often a change starts anew that others get ahead of.
const ATTEMPTS: usize = 32;

impl Accounts {
    /// Changes an account and, where there is one, its password, and returns its new state. What the
    /// change `ends` is written into the outbox in the same transaction; the caller ends it and then
    /// says that it is [`delivered`](Self::delivered).
    ///
    /// An empty change leaves the revision and writes no row.
    pub async fn change(
        &self,
        id: &UserId,
        change: Change,
        password: Option<Password>,
        ends: Option<Ends>,
    ) -> Result<(Account, Option<OutboxRow>), AccountsError> {
        if password.is_none() && change == Change::default() {
            let account = self.get(id).await?.ok_or(AccountsError::AccountUnknown)?;
            return Ok((account, None));
        }
        self.change_if((id, None), change, password, ends).await
    }

    /// Gives the owner of an account another password, if the account is still as it was `proven`.
    ///
    /// [`AccountsError::InvalidCredentials`] where it has changed since, while the new password was
    /// hashed for instance: a proof of the password before must not undo its change.
    pub async fn change_own_password(
        &self,
        proven: &Account,
        password: Password,
        ends: Ends,
    ) -> Result<(Account, Option<OutboxRow>), AccountsError> {
        let of = (&proven.id, Some(Revisions::only(proven.revision)));
        let change = self.change_if(of, Change::default(), Some(password), Some(ends));
        change.await.map_err(|error| match error {
            AccountsError::AccountUnknown => AccountsError::InvalidCredentials,
            other => other,
        })
    }

    async fn change_if(
        &self,
        (id, seen): (&UserId, Option<Revisions>),
        change: Change,
        password: Option<Password>,
        ends: Option<Ends>,
    ) -> Result<(Account, Option<OutboxRow>), AccountsError> {
        let change = change.checked()?;
        let (hash, account) = match password {
            Some(password) => {
                let (hash, revision) = self.hash_for(id, &change, password).await?;
                self.is_still_true().await?;
                // The hash took its time: an account made anew under the id must not get it.
                (Some(hash), Revisions::of_the_account_at(revision))
            }
            None => (None, Revisions::any()),
        };
        let now = self.inner.clock.now();
        let row = ends.map(|ends| self.row_of_user(id, ends, now));
        for _ in 0..ATTEMPTS {
            let (change, from) = self.whole(id, &change).await?;
            if from.is_some_and(|from| !account.contains(from)) {
                return Err(AccountsError::AccountUnknown);
            }
            let at = seen.or(from.map(Revisions::only)).unwrap_or(account);
            let at = (id, at);
            let store = &self.inner.store;
            let with = (row.as_ref(), self.authority.as_ref());
            let changed = store.update(at, change, hash.clone(), with, now);
            match changed.await {
                // Somebody else's change came in between: once more, from what it has left.
                Err(AccountsError::AccountUnknown) if seen.is_none() && from.is_some() => {}
                account => return Ok((account?, row.map(|row| row.row))),
            }
        }
        Err(AccountsError::AccountsUnavailable)
    }

    /// The change with all the roles that the account has after it and, where they depend on those
    /// before, the revision whose they are.
    async fn whole(
        &self,
        id: &UserId,
        change: &Change,
    ) -> Result<(Change, Option<u64>), AccountsError> {
        if change.role.is_none() || change.roles.is_some() {
            return Ok((change.clone(), None));
        }
        let before = self.get(id).await?.ok_or(AccountsError::AccountUnknown)?;
        let whole = Change {
            roles: change.roles_after(&before.roles),
            ..change.clone()
        };
        Ok((whole.checked()?, Some(before.revision)))
    }

    /// Deletes an account; `false` where there was none. What that `ends` is written into the outbox
    /// in either case; the caller ends it and then says that it is [`delivered`](Self::delivered).
    pub async fn delete(
        &self,
        id: &UserId,
        ends: Ends,
    ) -> Result<(bool, OutboxRow), AccountsError> {
        let row = self.row_of_user(id, ends, self.inner.clock.now());
        let by = self.authority.as_ref();
        let deleted = self.inner.store.delete(id, &row, by).await?;
        Ok((deleted, row.row))
    }

    /// The hash of another password, unless it is the e-mail that the account has afterwards, and the
    /// revision of the account that it is meant for.
    async fn hash_for(
        &self,
        id: &UserId,
        change: &Change,
        password: Password,
    ) -> Result<(String, u64), AccountsError> {
        let place = self.place()?;
        let account = self.get(id).await?.ok_or(AccountsError::AccountUnknown)?;
        password.must_differ_from(change.email.as_ref().unwrap_or(&account.email))?;
        Ok((self.hash(place, password).await?, account.revision))
    }
}
