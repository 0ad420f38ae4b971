//! `lacre serve --dev-insecure-issue`: a client of the deployment's own, in whose name everybody is
//! given the token of any user.
//!
//! It is made at the start by the same request as any other client, and deleted at the end with the
//! sessions that it asked for. One that a crash left behind is deleted at the next start.
//!
//! This room must never be reached but from `serve --dev`, whose listeners are on loopback addresses.

use super::failure::Failure;
use lacre::internals::http::client_auth::ClientCredentials;
use lacre::internals::ops::{self, Answer, ClientsRequest, OpsError, Request};
use lacre::internals::service::{Caller, Service};
use zeroize::Zeroizing;

/// What the program says when everybody is given any user's token.
pub(super) const INSECURE_ISSUE: &str = "\
!!! INSECURE: --dev-insecure-issue gives whoever asks the token of any user, without a password and
!!! without the credentials of a client. Nobody but you may reach this machine's loopback addresses.";

/// The name by which one that was left behind is known.
const NAME: &str = "dev-insecure-issue";

/// The client that stands in for those who have no credentials.
pub(super) struct StandIn(ClientCredentials);

impl StandIn {
    /// Removes what an earlier start has left, and makes a new one where it is wanted.
    pub(super) async fn prepare(service: &Service, wanted: bool) -> Result<Option<Self>, Failure> {
        let left = ask(service, ClientsRequest::List).await?;
        if let Answer::Clients(clients) = left {
            for client in clients.into_iter().filter(|client| client.name == NAME) {
                delete(service, client.id).await?;
            }
        }
        if !wanted {
            return Ok(None);
        }
        let name = NAME.to_owned();
        let Answer::NewClient { id, secret } = ask(
            service,
            ClientsRequest::Add {
                name,
                own_users: false,
                services: Vec::new(),
            },
        )
        .await?
        else {
            return Err(Failure::failed("insecure_issue", "no client was made"));
        };
        log::warn!("{}", INSECURE_ISSUE.replace('\n', " "));
        let secret = Zeroizing::new(secret.expose().to_owned());
        Ok(Some(Self(ClientCredentials { id, secret })))
    }

    /// What it proves itself with.
    pub(super) fn credentials(&self) -> ClientCredentials {
        self.0.clone()
    }

    /// Deletes it, and ends the sessions that it asked for.
    pub(super) async fn dismiss(self, service: &Service) -> Result<(), Failure> {
        delete(service, self.0.id).await
    }
}

async fn delete(service: &Service, id: String) -> Result<(), Failure> {
    match ask(service, ClientsRequest::Delete { id }).await {
        Ok(_) | Err(OpsError::ClientUnknown) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn ask(service: &Service, request: ClientsRequest) -> Result<Answer, OpsError> {
    ops::perform(service, &Caller::operator(), Request::Clients(request)).await
}
