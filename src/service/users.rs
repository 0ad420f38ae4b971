//! Changes of accounts, and what they end.
//!
//! The account is changed first, together with a note of what that ends, and the sessions are ended
//! second, so that nobody can log in between the two; a log-in that was under way finds the account
//! changed and gives its session up. Every function returns when both are durable, and goes on to
//! the end where its caller has gone.
//!
//! This room must never end less than `docs/revocation.md` says.

use super::attempt::subscriber;
use super::caller::signup_refused;
use super::going_on::to_the_end;
use super::{Caller, Service, ServiceError};
use crate::accounts::{
    Account, Accounts, AccountsError, Change, ImportedAccount, NewAccount, OutboxRow, Password,
    Reach, Still, UserId,
};
use crate::telemetry::audit::{self, Actor, Cause};
use crate::token::Handle;
use std::sync::Arc;

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

    /// Makes an account for a stranger, unless too many were asked for from the same address.
    pub async fn sign_up(&self, caller: &Caller, new: NewAccount) -> Result<Account, ServiceError> {
        let (limits, from) = (self.limits.clone(), subscriber(&caller.origin));
        let counted = to_the_end(async move { limits.sign_up(from).await }).await;
        counted.inspect_err(|error| signup_refused(&caller.origin, error.code()))?;
        self.create_user(caller, new).await
    }

    /// Makes an account.
    pub async fn create_user(
        &self,
        caller: &Caller,
        new: NewAccount,
    ) -> Result<Account, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let accounts = service.accounts_for(&caller)?;
            let account = accounts.create(new).await?;
            caller.changed(account.id.as_str(), audit::Change::Created);
            Ok(account)
        })
        .await
    }

    /// Makes accounts with the hashes of another system, as [`Accounts::import`] says.
    ///
    /// [`Accounts::import`]: crate::accounts::Accounts::import
    pub async fn import_users(
        &self,
        caller: &Caller,
        users: Vec<ImportedAccount>,
        dry_run: bool,
    ) -> Result<Vec<Result<Account, AccountsError>>, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let accounts = service.accounts_for(&caller)?;
            let outcomes = accounts.import(users, dry_run).await?;
            if !dry_run {
                for account in outcomes.iter().flatten() {
                    caller.changed(account.id.as_str(), audit::Change::Created);
                }
            }
            Ok(outcomes)
        })
        .await
    }

    /// Changes an account and, where there is one, its password, in one transaction; ends what each
    /// of them ends.
    ///
    /// A disabled account and another password end all sessions of the user. Other roles or
    /// permissions end the access tokens and leave the sessions: the next refresh brings the new
    /// rights. What is wrong with any of it is found before anything is changed.
    pub async fn change_user(
        &self,
        caller: &Caller,
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
        let cause = match change.active {
            Some(false) => Cause::AccountClosed,
            _ => Cause::PasswordChanged,
        };
        let (service, caller, id) = (self.clone(), caller.clone(), id.clone());
        to_the_end(async move {
            let events = events(&change, password.is_some());
            let ends = reach.map(|reach| service.ends(reach));
            let accounts = service.accounts_for(&caller)?;
            let changed = accounts.change(&id, change, password, ends);
            let (account, row) = changed.await?;
            for event in events {
                caller.changed(id.as_str(), event);
            }
            service.end(&caller, account, row, cause).await
        })
        .await
    }

    /// Deletes an account and ends all of the user's sessions; `None` where there was none, whose
    /// sessions end as well.
    pub async fn delete_user(
        &self,
        caller: &Caller,
        id: &UserId,
    ) -> Result<Option<Changed>, ServiceError> {
        let (service, caller, id) = (self.clone(), caller.clone(), id.clone());
        to_the_end(async move {
            let accounts = service.accounts_for(&caller)?;
            let account = accounts.get(&id).await?;
            let ends = service.ends(Reach::All);
            let (deleted, row) = accounts.delete(&id, ends).await?;
            if deleted {
                caller.changed(id.as_str(), audit::Change::Deleted);
            }
            let ended = service.deliver(&row, &caller, Cause::AccountClosed).await?;
            caller.ended(id.as_str(), &ended, Cause::AccountClosed);
            Ok(account.map(|account| Changed { account, ended }))
        })
        .await
    }

    /// Gives the owner of an account another password, if the account is still as it was proven, and
    /// ends what is in reach.
    pub(super) async fn change_own_password(
        &self,
        caller: &Caller,
        proven: Account,
        password: Password,
        reach: Reach,
    ) -> Result<Changed, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let ends = service.ends(reach);
            let accounts = service.accounts_of(&caller);
            let changed = accounts.change_own_password(&proven, password, ends);
            let (account, row) = changed.await?;
            caller.changed(account.id.as_str(), audit::Change::Password);
            service
                .end(&caller, account, row, Cause::PasswordChanged)
                .await
        })
        .await
    }

    /// The accounts, for this caller to have passwords hashed.
    fn accounts_of(&self, caller: &Caller) -> Accounts {
        let asker = match caller.actor {
            Actor::Operator | Actor::Lacre => None,
            _ => Some(subscriber(&caller.origin)),
        };
        let accounts = self.accounts.asked_by(asker);
        match &caller.session {
            Some(session) => accounts.while_true(self.still_lives(session)),
            None => accounts,
        }
    }

    /// Whether a session still lives: ended while a change waited for a hash, it changes nothing.
    fn still_lives(&self, session: &Handle) -> Still {
        let (lacre, session) = (self.lacre.clone(), session.clone());
        Arc::new(move || {
            let (lacre, session) = (lacre.clone(), session.clone());
            Box::pin(async move {
                let found = lacre.session(&session).await;
                found
                    .map(|found| found.is_some())
                    .map_err(|_unavailable| AccountsError::AccountsUnavailable)
            })
        })
    }

    /// The accounts for a change that this caller asks for. An administrator makes none without saying
    /// by which rights.
    pub(super) fn accounts_for(&self, caller: &Caller) -> Result<Accounts, AccountsError> {
        let accounts = self.accounts_of(caller);
        match (&caller.authority, &caller.actor) {
            (Some(authority), _) => Ok(accounts.by(authority.clone())),
            (None, Actor::Admin(_)) => Err(AccountsError::AuthorityChanged),
            (None, _) => Ok(accounts),
        }
    }

    /// Ends what a change has written into the outbox.
    async fn end(
        &self,
        caller: &Caller,
        account: Account,
        row: Option<OutboxRow>,
        cause: Cause,
    ) -> Result<Changed, ServiceError> {
        let ended = match &row {
            Some(row) => self.deliver(row, caller, cause).await?,
            None => Vec::new(),
        };
        caller.ended(account.id.as_str(), &ended, cause);
        Ok(Changed { account, ended })
    }
}

/// What the audit trail says of a change.
fn events(change: &Change, password: bool) -> Vec<audit::Change> {
    let active = change.active.map(|active| {
        if active {
            audit::Change::Enabled
        } else {
            audit::Change::Disabled
        }
    });
    let profile = change.name.is_some() || change.email.is_some();
    let all = [
        profile.then_some(audit::Change::Profile),
        change.concerns_rights().then_some(audit::Change::Rights),
        active,
        password.then_some(audit::Change::Password),
    ];
    all.into_iter().flatten().collect()
}
