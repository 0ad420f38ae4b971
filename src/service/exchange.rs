//! From a token of an outside issuer to a session.
//!
//! The subject is the account that it is linked to, or one that is made at first sight where the
//! issuer is configured so. The session is named by the token: exchanging it again replaces the
//! session, so that one token is one session at most.
//!
//! This room must never choose an account by anything but the pair of issuer and subject.

use super::caller::{Caller, login_failed};
use super::going_on::to_the_end;
use super::log_in::subject;
use super::{Service, ServiceError};
use crate::accounts::{
    Account, AccountsError, Change, FirstSight, OutsideSubject, UserId, roles_from_outside,
};
use crate::federation::Identity;
use crate::sessions::grant::{Grant, Issued, Occasion, Origin};
use crate::telemetry::audit::{self, Actor};
use serde_json::Map;
use zeroize::Zeroizing;

/// A token of an outside issuer, for a session.
#[derive(Debug)]
pub struct Exchange {
    /// The token.
    pub token: Zeroizing<String>,
    /// Where the request comes from.
    pub origin: Origin,
}

impl Service {
    /// Begins a session for whom a token of an outside issuer is.
    pub async fn exchange(
        &self,
        request: Exchange,
        from: &audit::Origin,
    ) -> Result<Issued, ServiceError> {
        let identity = self.prove_outside(&request.token, from).await?;
        let (service, from) = (self.clone(), from.clone());
        to_the_end(async move {
            let mut user = None;
            let caller = Caller::new(Actor::Issuer(identity.issuer_name.clone()), from);
            let begun = service.begin_by_token(request, &identity, &caller, &mut user);
            let begun = begun.await;
            begun.inspect_err(|error| {
                let user = user.as_ref().map(UserId::as_str);
                login_failed(&caller.origin, error.code(), user, None);
            })
        })
        .await
    }

    /// Says whose session it is as soon as that is known.
    async fn begin_by_token(
        &self,
        request: Exchange,
        identity: &Identity,
        caller: &Caller,
        user: &mut Option<UserId>,
    ) -> Result<Issued, ServiceError> {
        let outside = OutsideSubject {
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
        };
        let account = match self.accounts.linked(&outside).await? {
            Some(account) => account,
            None => self.at_first_sight(caller, &outside, identity).await?,
        };
        *user = Some(account.id.clone());
        if !account.active {
            return Err(AccountsError::InvalidCredentials.into());
        }
        let account = self.with_roles_of(caller, account, identity).await?;
        // A signature may have several forms, what is signed has one.
        let signed = request.token.rsplit_once('.').map(|(signed, _)| signed);
        let grant = Grant {
            subject: subject(&account),
            occasion: Occasion::Outside {
                issuer: outside.issuer,
                subject: outside.subject,
            },
            user_session: signed.map(str::to_owned),
            origin: request.origin,
            additional: Map::new(),
        };
        self.begin(Some(&account), grant, caller)
            .await?
            .ok_or(AccountsError::InvalidCredentials.into())
    }

    /// Makes the account of a subject that comes for the first time, where its issuer is configured
    /// so.
    async fn at_first_sight(
        &self,
        caller: &Caller,
        outside: &OutsideSubject,
        identity: &Identity,
    ) -> Result<Account, ServiceError> {
        let issuer = self.federation.issuing(&outside.issuer);
        if !issuer.is_some_and(|issuer| issuer.make_accounts) {
            return Err(ServiceError::NotLinked);
        }
        let first = FirstSight {
            outside: outside.clone(),
            issuer_name: identity.issuer_name.clone(),
            email: identity.email.clone(),
            name: identity.name.clone(),
            roles: roles_from_outside(&[], identity.roles.as_deref().unwrap_or_default()),
        };
        match self.accounts.create_linked(first).await {
            Ok(account) => {
                let id = account.id.as_str();
                caller.changed(id, audit::Change::Created);
                caller.changed(id, audit::Change::Linked);
                Ok(account)
            }
            // Of two that come at once one makes the account, and both are it.
            Err(error @ (AccountsError::AccountExists | AccountsError::LinkExists)) => {
                match self.accounts.linked(outside).await? {
                    Some(account) => Ok(account),
                    None if error == AccountsError::AccountExists => Err(ServiceError::EmailTaken),
                    None => Err(ServiceError::NotLinked),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The account with the roles that the token says, where the issuer is configured so. Other roles
    /// end the access tokens of before, whoever changes them.
    async fn with_roles_of(
        &self,
        caller: &Caller,
        account: Account,
        identity: &Identity,
    ) -> Result<Account, ServiceError> {
        let Some(said) = &identity.roles else {
            return Ok(account);
        };
        let roles = roles_from_outside(&account.roles, said);
        if roles == account.roles {
            return Ok(account);
        }
        let change = Change {
            roles: Some(roles),
            ..Change::default()
        };
        let changed = self.change_user(caller, &account.id, change, None).await?;
        Ok(changed.account)
    }
}

#[cfg(test)]
mod tests;
