//! From a client's credentials to a session: of an account, or of a user of the client's own.
//!
//! Which of the two is the client's nature and never the request's: a client that vouches for users of its own
//! gets no session of an account.
//!
//! This room must never look for an account where the client has users of its own.

use super::caller::{Caller, login_failed};
use super::going_on::to_the_end;
use super::log_in::{check_user_session, subject};
use super::own_users::{Said, Vouched};
use super::{Service, ServiceError};
use crate::accounts::{Client, UserId};
use crate::sessions::grant::{Grant, Issued, Occasion, Origin, check_additional};
use crate::telemetry::audit::{self, Actor};
use serde_json::{Map, Value};

/// The most bytes of JSON that a client's additional claims may have: they travel in every request.
/// Where the account has very many roles and permissions, fewer fit into a token.
pub const MAX_CLAIMS: usize = 1024;

/// A trusted client's request for a user's session.
#[derive(Debug)]
pub struct OnBehalf {
    /// The client's id, as HTTP Basic brought it.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: zeroize::Zeroizing<String>,
    /// The user's id: an account's, or what a client with users of its own calls one of them.
    pub user_id: String,
    /// The client's own name for the session; a session of the same name is replaced. The session of an account
    /// needs one.
    pub user_session: Option<String>,
    /// What is said of the user, if it is one of the client's own.
    pub said: Said,
    /// Whether such a user has just proven a password to the client.
    pub fresh: Option<bool>,
    /// Claims of the client's own for this session's tokens.
    pub claims: Map<String, Value>,
    /// Where the request comes from.
    pub origin: Origin,
}

impl Service {
    /// Begins a session for the user whom a trusted client names.
    pub async fn on_behalf(
        &self,
        request: OnBehalf,
        from: &audit::Origin,
    ) -> Result<Issued, ServiceError> {
        let proven = self.prove_client(&request.client_id, &request.client_secret, from);
        let client = proven.await?;
        let (service, from) = (self.clone(), from.clone());
        to_the_end(async move {
            let mut user = None;
            let caller = Caller::new(Actor::Client(client.id.as_str().to_owned()), from);
            let begun = if client.own_users {
                let vouched = service.vouch(request, &client, &caller, &mut user);
                vouched.await
            } else {
                let begun = service.begin_on_behalf(request, &client, &caller, &mut user);
                begun.await
            };
            begun.inspect_err(|error| {
                login_failed(
                    &caller.origin,
                    error.code(),
                    user.as_deref(),
                    Some(&client.id),
                );
            })
        })
        .await
    }

    async fn vouch(
        &self,
        request: OnBehalf,
        client: &Client,
        caller: &Caller,
        user: &mut Option<String>,
    ) -> Result<Issued, ServiceError> {
        check_user_session(request.user_session.as_deref())?;
        check_claims(&request.claims)?;
        let vouched = Vouched {
            id: request.user_id,
            said: request.said,
            fresh: request.fresh.unwrap_or(false),
            user_session: request.user_session,
            claims: request.claims,
            origin: request.origin,
        };
        self.begin_vouched(vouched, client, caller, user).await
    }

    /// Says whose session it is as soon as that is known.
    async fn begin_on_behalf(
        &self,
        request: OnBehalf,
        client: &Client,
        caller: &Caller,
        user: &mut Option<String>,
    ) -> Result<Issued, ServiceError> {
        // Ignored, it would be missed only when the token is used.
        let fresh = request.fresh.map(|_| "fresh");
        if let Some(member) = request.said.first().or(fresh) {
            return Err(ServiceError::NotVouched { member });
        }
        let Some(user_session) = request.user_session else {
            return Err(ServiceError::UserSessionMissing);
        };
        check_user_session(Some(&user_session))?;
        check_claims(&request.claims)?;
        let id = UserId::parse(&request.user_id).map_err(|_| ServiceError::IncorrectUser)?;
        let found = self.accounts.get(&id).await?;
        *user = found.as_ref().map(|account| account.id.as_str().to_owned());
        let account = found.filter(|account| account.active);
        let account = account.ok_or(ServiceError::IncorrectUser)?;
        let client_id = client.id.as_str().to_owned();
        let grant = Grant {
            subject: subject(&account),
            occasion: Occasion::OnBehalf { client_id },
            user_session: Some(user_session),
            origin: request.origin,
            additional: request.claims,
        };
        self.begin(Some(&account), grant, caller)
            .await?
            .ok_or(ServiceError::IncorrectUser)
    }
}

fn check_claims(claims: &Map<String, Value>) -> Result<(), ServiceError> {
    check_additional(claims)?;
    // A map of JSON always is JSON.
    let bytes = serde_json::to_vec(claims).map_or(usize::MAX, |text| text.len());
    if bytes <= MAX_CLAIMS {
        Ok(())
    } else {
        Err(ServiceError::ClaimsTooLong)
    }
}
