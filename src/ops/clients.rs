//! Trusted clients, as operators see and change them.
//!
//! This room must never answer with a client's secret but when the client is made.

use super::answer::{Answer, Client};
use super::error::OpsError;
use super::request::ClientsRequest;
use super::secret::Secret;
use crate::accounts::{ClientId, ClientTerms};
use crate::service::{Caller, Service};

pub(super) async fn perform(
    service: &Service,
    caller: &Caller,
    request: ClientsRequest,
) -> Result<Answer, OpsError> {
    match request {
        ClientsRequest::Add {
            name,
            own_users,
            services,
        } => {
            let terms = ClientTerms {
                name,
                own_users,
                services,
            };
            let new = service.create_client(caller, &terms).await?;
            Ok(Answer::NewClient {
                id: new.id.as_str().to_owned(),
                secret: Secret::new(new.secret.expose().to_owned()),
            })
        }
        ClientsRequest::List => {
            let clients = service.accounts().list_clients().await?;
            let shown = clients.into_iter().map(|client| Client {
                id: client.id.as_str().to_owned(),
                name: client.name,
                created_at: client.created_at,
                own_users: client.own_users,
                services: client.services,
            });
            Ok(Answer::Clients(shown.collect()))
        }
        ClientsRequest::Delete { id } => {
            if service
                .delete_client(caller, &ClientId::parse(&id)?)
                .await?
            {
                Ok(Answer::ClientDeleted)
            } else {
                Err(OpsError::ClientUnknown)
            }
        }
    }
}
