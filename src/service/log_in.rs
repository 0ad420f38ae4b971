//! From credentials to a session.
//!
//! This room must never leave a session behind whose account was changed while it was made.

use super::caller::{Caller, login_failed};
use super::going_on::to_the_end;
use super::{Service, ServiceError};
use crate::accounts::{
    Account, AccountsError, ClientId, LoginName, OutsideSubject, PresentedPassword,
};
use crate::sessions::grant::{Grant, Issued, Occasion, Origin, Subject};
use crate::telemetry::audit::{self, Actor, Cause};
use serde_json::Map;

/// The longest name that a caller can give a session: room for a token of another issuer.
const MAX_USER_SESSION: usize = 4096;

/// A log-in by password.
#[derive(Debug)]
pub struct LogIn {
    /// The user's id or e-mail.
    pub user: String,
    /// The password it presents.
    pub password: PresentedPassword,
    /// The caller's own name for the session; a session of the same name is replaced.
    pub user_session: Option<String>,
    /// Where the request comes from.
    pub origin: Origin,
}

impl Service {
    /// Begins a session for the user who proves the password.
    ///
    /// Unknown user, wrong password and disabled account are one error after the same work.
    pub async fn log_in(
        &self,
        request: LogIn,
        from: &audit::Origin,
    ) -> Result<Issued, ServiceError> {
        self.log_in_as(request, None, from).await
    }

    /// The same for a user who has this role. Whoever hasn't is counted and kept waiting as somebody whose
    /// password is wrong, and no session is begun or pushed out for it: [`ServiceError::RoleMissing`].
    pub async fn log_in_with_role(
        &self,
        request: LogIn,
        role: &'static str,
        from: &audit::Origin,
    ) -> Result<Issued, ServiceError> {
        self.log_in_as(request, Some(role), from).await
    }

    async fn log_in_as(
        &self,
        request: LogIn,
        role: Option<&'static str>,
        from: &audit::Origin,
    ) -> Result<Issued, ServiceError> {
        check_user_session(request.user_session.as_deref())
            .inspect_err(|error| login_failed(from, error.code(), None, None))?;
        let by = LoginName::parse(&request.user);
        let proven = self.prove_for(by, request.password, role, from, None);
        let account = proven.await?;
        let grant = Grant {
            subject: subject(&account),
            occasion: Occasion::LogIn,
            user_session: request.user_session,
            origin: request.origin,
            additional: Map::new(),
        };
        let (service, from) = (self.clone(), from.clone());
        to_the_end(async move {
            let caller = Caller::new(Actor::Owner, from);
            let begun = service.begin(Some(&account), grant, &caller).await;
            let begun = begun.and_then(|begun| {
                let changed = AccountsError::InvalidCredentials;
                begun.ok_or(changed.into())
            });
            let user = Some(account.id.as_str());
            begun.inspect_err(|error| login_failed(&caller.origin, error.code(), user, None))
        })
        .await
    }

    /// Begins the session, then reads the account again: a change in between has ended the sessions
    /// that it found, and this one came too late to be among them. `None` where that is so. A client's user has
    /// no account; then the client is looked for alone.
    ///
    /// Its caller goes on to the end.
    pub(super) async fn begin(
        &self,
        account: Option<&Account>,
        grant: Grant,
        caller: &Caller,
    ) -> Result<Option<Issued>, ServiceError> {
        let issued = self.lacre.issue(&grant).await?;
        let user = issued.user_id.as_str();
        if issued.replaced {
            let before = std::slice::from_ref(&issued.handle);
            caller.ended(user, before, Cause::Replaced);
        }
        let stands = self.still_stands(account, &grant.occasion).await;
        if matches!(stands, Ok(true)) {
            caller.began(user, &issued.handle);
        }
        // They have ended in either case.
        caller.ended(user, &issued.evicted, Cause::Evicted);
        if matches!(stands, Ok(true)) {
            return Ok(Some(issued));
        }
        self.lacre.revoke(&issued.key).await?;
        stands?;
        Ok(None)
    }

    /// Whether the account is unchanged, and the client that asked, or the link, is still there.
    async fn still_stands(
        &self,
        account: Option<&Account>,
        occasion: &Occasion,
    ) -> Result<bool, AccountsError> {
        // Most tokens are asked for by clients: one look tells both.
        if let (Some(account), Occasion::OnBehalf { client_id }) = (account, occasion)
            && let client = ClientId::parse(client_id)?
            && let Some(now) = self.accounts.known_with_client(&account.id, &client)
        {
            return Ok(now.revision == account.revision);
        }
        if let Some(account) = account {
            let now = self.accounts.get(&account.id).await?;
            if now.is_none_or(|now| now.revision != account.revision) {
                return Ok(false);
            }
        }
        match occasion {
            Occasion::LogIn => Ok(account.is_some()),
            Occasion::OnBehalf { client_id } | Occasion::OwnUser { client_id, .. } => {
                self.accounts.has_client(&ClientId::parse(client_id)?).await
            }
            Occasion::Outside { issuer, subject } => {
                let outside = OutsideSubject {
                    issuer: issuer.clone(),
                    subject: subject.clone(),
                };
                let linked = self.accounts.linked(&outside).await?;
                let linked = linked.map(|linked| linked.id);
                Ok(linked.is_some() && linked.as_ref() == account.map(|account| &account.id))
            }
        }
    }
}

pub(super) fn check_user_session(name: Option<&str>) -> Result<(), ServiceError> {
    match name {
        Some(name)
            if name.is_empty()
                || name.len() > MAX_USER_SESSION
                || name.chars().any(char::is_control) =>
        {
            Err(ServiceError::UserSession)
        }
        _ => Ok(()),
    }
}

pub(super) fn subject(account: &Account) -> Subject {
    Subject {
        id: account.id.as_str().to_owned(),
        email: Some(account.email.as_str().to_owned()),
        name: account.name.clone(),
        roles: account.roles.clone(),
        permissions: account.permissions.clone(),
    }
}
