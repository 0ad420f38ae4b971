//! Changes of accounts, and what they end.
//!
//! The account is changed first and the sessions are ended second, so that nobody can log in
//! between the two; a log-in that was under way finds the account changed and gives its session
//! up. Every function returns when both are durable.
//!
//! This room must never end less than `docs/revocation.md` says.

use super::{Service, ServiceError};
use crate::accounts::{Account, AccountsError, Change, Password, UserId};
use crate::token::Handle;

/// A changed account and what the change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The account as it is now; as it was, where it was deleted.
    pub account: Account,
    /// The sessions that ended.
    pub ended: Vec<Handle>,
}

impl Service {
    /// The account with this id or e-mail.
    pub async fn find_user(&self, name: &str) -> Result<Account, ServiceError> {
        self.accounts
            .find(name)
            .await?
            .ok_or(AccountsError::AccountUnknown.into())
    }

    /// Keeps a user from logging in and ends all of the user's sessions.
    pub async fn disable_user(&self, id: &UserId) -> Result<Changed, ServiceError> {
        let active = Some(false);
        self.update_user(
            id,
            Change {
                active,
                ..Change::default()
            },
        )
        .await
    }

    /// Lets a user log in again. Sessions that were ended stay ended.
    pub async fn enable_user(&self, id: &UserId) -> Result<Changed, ServiceError> {
        let active = Some(true);
        self.update_user(
            id,
            Change {
                active,
                ..Change::default()
            },
        )
        .await
    }

    /// Changes an account. Where its roles or permissions change, all access tokens of the user end
    /// and the sessions stay: the next refresh brings the new rights.
    pub async fn update_user(&self, id: &UserId, change: Change) -> Result<Changed, ServiceError> {
        let changes_rights = change.roles.is_some() || change.permissions.is_some();
        let disables = change.active == Some(false);
        let account = self.accounts.update(id, change).await?;
        if disables {
            return self.ended(account).await;
        }
        if changes_rights {
            self.lacre.end_access_of(id.as_str()).await?;
        }
        Ok(Changed {
            account,
            ended: Vec::new(),
        })
    }

    /// Gives a user another password, as an administrator, and ends all of the user's sessions.
    pub async fn set_password(
        &self,
        id: &UserId,
        password: Password,
    ) -> Result<Changed, ServiceError> {
        let account = self.accounts.set_password(id, password).await?;
        self.ended(account).await
    }

    /// Changes an account and, where there is one, its password; ends what each of them ends.
    ///
    /// What is wrong with any of it is found before anything is changed.
    pub async fn change_user(
        &self,
        id: &UserId,
        change: Change,
        password: Option<Password>,
    ) -> Result<Changed, ServiceError> {
        let change = change.checked()?;
        let Some(password) = password else {
            return self.update_user(id, change).await;
        };
        // The password first: its hash may find the queue full.
        let mut ended = self.set_password(id, password).await?.ended;
        let changed = self.update_user(id, change).await?;
        ended.extend(changed.ended);
        Ok(Changed { ended, ..changed })
    }

    /// Deletes an account and ends all of the user's sessions.
    ///
    /// Repeating it after a failure between the two ends the sessions of an account that is gone.
    pub async fn delete_user(&self, id: &UserId) -> Result<Option<Changed>, ServiceError> {
        let account = self.accounts.get(id).await?;
        self.accounts.delete(id).await?;
        let ended = self.lacre.end_all_of(id.as_str()).await?;
        Ok(account.map(|account| Changed { account, ended }))
    }

    async fn ended(&self, account: Account) -> Result<Changed, ServiceError> {
        let ended = self.lacre.end_all_of(account.id.as_str()).await?;
        Ok(Changed { account, ended })
    }
}
