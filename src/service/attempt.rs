//! One try of credentials: counted when it begins, and told in the log when it ends.
//!
//! A connection that is reset drops the future of its request. An attempt whose outcome nobody waits
//! for stays counted as a failure and is written into the log as one: else a guess would cost nothing.
//!
//! This room must never let an attempt end without its count and without its event.

use super::caller::login_failed;
use super::going_on::to_the_end;
use super::limits::{Counted, Limits};
use super::{Service, ServiceError};
use crate::accounts::{
    Account, AccountsError, Client, ClientId, LoginName, Named, PresentedPassword, Subscriber,
    UserId,
};
use crate::federation::{Accept, FederationError, Identity};
use crate::telemetry::audit::Origin;
use std::time::Duration;
use tokio::time::Instant;

/// How long the look for an account and the count of the attempt may take together: where the database doesn't answer,
/// whoever asks is told so within a second. One that answers an account only later than that isn't asked to count.
const COUNTED_WITHIN: Duration = Duration::from_millis(850);

/// The code of an attempt that nobody waited for: whether the credentials were right is unknown.
const ABANDONED: &str = "abandoned";

/// A try that may go on; [`Attempt::ended`] says how it ended.
#[must_use]
struct Attempt {
    /// `None` once its end is told.
    counted: Option<Counted>,
    from: Origin,
    /// Whose it is, where that is known.
    user: Option<UserId>,
    /// The client whose credentials these are.
    client: Option<ClientId>,
}

impl Attempt {
    fn begin(
        counted: Result<Counted, ServiceError>,
        from: &Origin,
        user: Option<&UserId>,
        client: Option<ClientId>,
    ) -> Result<Self, ServiceError> {
        let attempt = |counted| Self {
            counted: Some(counted),
            from: from.clone(),
            user: user.cloned(),
            client,
        };
        match counted {
            Ok(counted) => Ok(attempt(counted)),
            Err(error) => attempt(Counted::default()).ended(Err(error)),
        }
    }

    /// Counts it at the account as well, or ends it, at that time at the latest.
    async fn at(
        mut self,
        limits: &Limits,
        named: &Named,
        until: Instant,
    ) -> Result<Self, ServiceError> {
        self.user = named.user().cloned().or(self.user.take());
        let from = subscriber(&self.from);
        let counted = self.counted.get_or_insert_default();
        let counting = limits.account(counted, named.counted_as(), from);
        match tokio::time::timeout_at(until, counting).await {
            Ok(Ok(())) => Ok(self),
            Ok(Err(error)) => self.ended(Err(error)),
            Err(_) => self.ended(Err(AccountsError::AccountsUnavailable.into())),
        }
    }

    /// Keeps the count of what was a failure, gives back that of what was none, or says nothing about
    /// the credentials, and writes the event of whatever isn't a success.
    fn ended<T>(mut self, outcome: Result<T, ServiceError>) -> Result<T, ServiceError> {
        let counted = self.counted.take().unwrap_or_default();
        match &outcome {
            Err(
                ServiceError::InvalidClient
                | ServiceError::RoleMissing
                | ServiceError::Accounts(AccountsError::InvalidCredentials),
            ) => {}
            // Where the issuer's keys aren't to be had, nobody knows.
            Err(ServiceError::Outside(error)) if *error != FederationError::KeysUnavailable => {}
            Ok(_) | Err(_) => counted.give_back(),
        }
        outcome.inspect_err(|error| self.failed(error.code()))
    }

    fn failed(&self, code: &'static str) {
        let user = self.user.as_ref().map(UserId::as_str);
        login_failed(&self.from, code, user, self.client.as_ref());
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.counted.take().is_some() {
            self.failed(ABANDONED);
        }
    }
}

fn too_many(wait: Duration) -> ServiceError {
    ServiceError::TooMany { wait }
}

/// Whom the attempts of a request are counted for.
pub(super) fn subscriber(from: &Origin) -> Subscriber {
    from.address.into()
}

impl Service {
    /// The account that a password proves to be. A failure is in the log when this returns, with the
    /// account that the name means, or else `user`.
    ///
    /// The hash waits for its turn only as long as somebody waits for this.
    pub(super) async fn prove(
        &self,
        by: LoginName,
        password: PresentedPassword,
        from: &Origin,
        user: Option<&UserId>,
    ) -> Result<Account, ServiceError> {
        self.prove_for(by, password, None, from, user).await
    }

    /// The same for an account that has to have a role, where one is given: without it, the attempt
    /// stays counted as that of a wrong password does.
    pub(super) async fn prove_for(
        &self,
        by: LoginName,
        password: PresentedPassword,
        role: Option<&'static str>,
        from: &Origin,
        user: Option<&UserId>,
    ) -> Result<Account, ServiceError> {
        let (attempt, named) = self.begin_attempt(by, from, user).await?;
        let proven = self.accounts.authenticate(named, password).await;
        let has =
            |account: &Account| role.is_none_or(|role| account.roles.iter().any(|own| own == role));
        attempt.ended(match proven {
            Ok(account) if !has(&account) => Err(ServiceError::RoleMissing),
            proven => proven.map_err(ServiceError::from),
        })
    }

    /// Counts an attempt for the address and, once it is known which, at the account. Who has gone
    /// before the account is known is counted there all the same.
    async fn begin_attempt(
        &self,
        by: LoginName,
        from: &Origin,
        user: Option<&UserId>,
    ) -> Result<(Attempt, Named), ServiceError> {
        let counted = self.limits.user(subscriber(from)).map_err(too_many);
        let attempt = Attempt::begin(counted, from, user, None)?;
        let limits = self.limits.clone();
        let accounts = self.accounts.asked_by(Some(subscriber(from)));
        let until = Instant::now() + COUNTED_WITHIN;
        to_the_end(async move {
            match accounts.look_up(&by).await {
                Ok(named) => Ok((attempt.at(&limits, &named, until).await?, named)),
                Err(error) => attempt.ended(Err(error.into())),
            }
        })
        .await
    }

    /// Who a token of an outside issuer proves somebody to be. A failure is in the log when this
    /// returns.
    pub(super) async fn prove_outside(
        &self,
        token: &str,
        from: &Origin,
    ) -> Result<Identity, ServiceError> {
        let (limits, subscriber) = (self.limits.clone(), subscriber(from));
        let counted = to_the_end(async move { limits.stranger(subscriber).await }).await;
        let attempt = Attempt::begin(counted, from, None, None)?;
        let verified = self
            .federation
            .verify(token, Accept::Exchange, self.lacre.now())
            .await;
        attempt.ended(verified.map_err(ServiceError::Outside))
    }

    /// The client that an id and a secret prove to be. A failure is in the log when this returns.
    pub(super) async fn prove_client(
        &self,
        id: &str,
        secret: &str,
        from: &Origin,
    ) -> Result<Client, ServiceError> {
        let counted = self.limits.client(subscriber(from)).map_err(too_many);
        // What has no form of an id isn't logged: it may be a secret in the wrong place.
        let attempt = Attempt::begin(counted, from, None, ClientId::parse(id).ok())?;
        let proven = self.accounts.authenticate_client(id, secret).await;
        if matches!(proven, Err(AccountsError::InvalidCredentials)) {
            self.limits.client_failed(subscriber(from)).await;
        }
        attempt.ended(proven.map_err(|error| match error {
            AccountsError::InvalidCredentials => ServiceError::InvalidClient,
            other => other.into(),
        }))
    }
}

#[cfg(test)]
mod tests;
