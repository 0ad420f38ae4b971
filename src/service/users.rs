//! Changes of accounts, and what they end.
//!
//! The account is changed first, together with a note of what that ends, and the sessions are ended
//! second, so that nobody can log in between the two; a log-in that was under way finds the account
//! changed and gives its session up. Every function returns when both are durable, and goes on to
//! the end where its caller has gone.
//!
//! This room must never end less than `docs/revocation.md` says.

use super::{Service, ServiceError};
use crate::accounts::{Account, AccountsError, Change, Owed, Password, Reach, UserId};
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
        self.change_user(id, change, None).await
    }

    /// Gives a user another password, as an administrator, and ends all of the user's sessions.
    pub async fn set_password(
        &self,
        id: &UserId,
        password: Password,
    ) -> Result<Changed, ServiceError> {
        self.change_user(id, Change::default(), Some(password))
            .await
    }

    /// Changes an account and, where there is one, its password, at once; ends what each of them
    /// ends.
    ///
    /// What is wrong with any of it is found before anything is changed.
    pub async fn change_user(
        &self,
        id: &UserId,
        change: Change,
        password: Option<Password>,
    ) -> Result<Changed, ServiceError> {
        let reach = if password.is_some() || change.active == Some(false) {
            Some(Reach::All)
        } else if change.concerns_rights() {
            Some(Reach::Access)
        } else {
            None
        };
        self.change_and_end(id, change, password, reach).await
    }

    /// Deletes an account and ends all of the user's sessions; `None` where there was none, whose
    /// sessions end as well.
    pub async fn delete_user(&self, id: &UserId) -> Result<Option<Changed>, ServiceError> {
        let (service, id) = (self.clone(), id.clone());
        to_the_end(async move {
            let account = service.accounts.get(&id).await?;
            let (_, owed) = service
                .accounts
                .delete(&id, service.owes(Reach::All))
                .await?;
            let ended = service.pay(&owed).await?;
            Ok(account.map(|account| Changed { account, ended }))
        })
        .await
    }

    async fn change_and_end(
        &self,
        id: &UserId,
        change: Change,
        password: Option<Password>,
        reach: Option<Reach>,
    ) -> Result<Changed, ServiceError> {
        let (service, id) = (self.clone(), id.clone());
        to_the_end(async move {
            let owes = reach.map(|reach| service.owes(reach));
            let changed = service.accounts.change(&id, change, password, owes);
            service.ended(changed.await?).await
        })
        .await
    }

    /// Gives the owner of an account another password, if the account is still as it was proven, and
    /// ends what is in reach.
    pub(super) async fn change_own_password(
        &self,
        proven: Account,
        password: Password,
        reach: Reach,
    ) -> Result<Changed, ServiceError> {
        let service = self.clone();
        to_the_end(async move {
            let owes = service.owes(reach);
            let accounts = &service.accounts;
            let changed = accounts.change_own_password(&proven, password, owes);
            service.ended(changed.await?).await
        })
        .await
    }

    async fn ended(&self, changed: (Account, Option<Owed>)) -> Result<Changed, ServiceError> {
        let (account, debt) = changed;
        let ended = match &debt {
            Some(debt) => self.pay(debt).await?,
            None => Vec::new(),
        };
        Ok(Changed { account, ended })
    }
}

/// Does the work also where who asked for it doesn't wait: a browser that hangs up must not leave an
/// account changed and its sessions alive until the next sweep.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
) -> Result<T, ServiceError> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is stopping.
            Err(_) => Err(AccountsError::AccountsUnavailable.into()),
        },
    }
}
