//! Accounts that are made, one or many.
//!
//! This room must never make an account of what wasn't checked.

use super::Accounts;
use super::account::{
    Account, ImportedAccount, NewAccount, display_name, first_roles, permissions,
};
use super::error::AccountsError;
use super::identity::UserId;
use super::imported::ImportedHash;
use super::revisions::Revisions;
use super::store::{Keep, NewRow};

impl Accounts {
    /// Makes an account. Its e-mail is unique whatever the case.
    pub async fn create(&self, new: NewAccount) -> Result<Account, AccountsError> {
        let password = new.password;
        let account = self.new_account(ImportedAccount {
            id: new.id,
            email: new.email,
            name: new.name,
            roles: new.roles,
            permissions: new.permissions,
            active: true,
            hash: None,
        })?;
        let password_hash = match password {
            Some(password) => {
                password.must_differ_from(&account.account.email)?;
                let hash = self.hash(self.place()?, password).await?;
                self.is_still_true().await?;
                Some(hash)
            }
            None => None,
        };
        let rows = vec![NewRow {
            password_hash,
            ..account
        }];
        let mut made = self.insert(rows, Keep::Yes).await?;
        made.pop().ok_or(AccountsError::AccountsUnavailable)?
    }

    /// Makes accounts with the hashes that another system kept, in one transaction: what each became,
    /// in the order given. [`AccountsError::AccountExists`] for one whose e-mail or id is taken, also
    /// by an earlier one of these; the others are made.
    ///
    /// With `dry_run` nothing stays, and the answer is what it would have been.
    pub async fn import(
        &self,
        accounts: Vec<ImportedAccount>,
        dry_run: bool,
    ) -> Result<Vec<Result<Account, AccountsError>>, AccountsError> {
        let rows: Vec<_> = accounts
            .into_iter()
            .map(|account| self.new_account(account))
            .collect();
        let good = rows.iter().flatten().cloned().collect();
        let keep = if dry_run { Keep::No } else { Keep::Yes };
        let mut made = self.insert(good, keep).await?.into_iter();
        let outcomes = rows.into_iter().map(|row| {
            row.and_then(|_| {
                made.next()
                    .unwrap_or(Err(AccountsError::AccountsUnavailable))
            })
        });
        Ok(outcomes.collect())
    }

    async fn insert(
        &self,
        rows: Vec<NewRow>,
        keep: Keep,
    ) -> Result<Vec<Result<Account, AccountsError>>, AccountsError> {
        let by = self.authority.as_ref();
        self.inner.store.insert(rows, keep, by).await
    }

    /// The row of an account to make, at its first revision.
    pub(super) fn new_account(&self, new: ImportedAccount) -> Result<NewRow, AccountsError> {
        let now = self.inner.clock.now();
        let name = new
            .name
            .map_or(Ok(None), |name| display_name("name", &name))?;
        let account = Account {
            name,
            roles: first_roles(new.roles)?,
            permissions: permissions(new.permissions)?,
            id: new.id.unwrap_or_else(|| self.with_random(UserId::generate)),
            email: new.email,
            active: new.active,
            created_at: now,
            updated_at: now,
            revision: self.with_random(Revisions::first),
        };
        Ok(NewRow {
            account,
            password_hash: new.hash.map(ImportedHash::into_stored),
        })
    }
}
