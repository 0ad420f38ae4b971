//! Trusted clients, and the end of the sessions that they asked for.
//!
//! This room must never keep a client's secret, and never answer that a client is deleted before its
//! sessions have ended.

use super::going_on::to_the_end;
use super::{Caller, Service, ServiceError};
use crate::accounts::{Client, ClientId, ClientTerms, NewClient};
use crate::sessions::list::Picked;
use crate::telemetry::audit::{Cause, Origin};

impl Service {
    /// The client that an id and a secret prove to be. A failure counts for the address that it comes from, and
    /// is in the log when this returns.
    pub async fn client(
        &self,
        id: &str,
        secret: &str,
        from: &Origin,
    ) -> Result<Client, ServiceError> {
        self.prove_client(id, secret, from).await
    }

    /// Makes a client. Its secret can't be had again.
    pub async fn create_client(
        &self,
        caller: &Caller,
        terms: &ClientTerms,
    ) -> Result<NewClient, ServiceError> {
        let (service, caller, terms) = (self.clone(), caller.clone(), terms.clone());
        to_the_end(async move {
            let new = service.accounts.create_client(&terms).await?;
            caller.acted("client_added", Some(new.id.as_str()));
            Ok(new)
        })
        .await
    }

    /// Deletes a client and ends the sessions that it asked for; `false` where there was none. Deleting
    /// a client again ends what a deletion that failed half-way has left.
    pub async fn delete_client(
        &self,
        caller: &Caller,
        id: &ClientId,
    ) -> Result<bool, ServiceError> {
        let (service, caller, id) = (self.clone(), caller.clone(), id.clone());
        to_the_end(async move {
            let keystore = service.lacre.deployment_name();
            let (deleted, row) = service.accounts.delete_client(&id, keystore).await?;
            if deleted {
                caller.acted("client_deleted", Some(id.as_str()));
            }
            service
                .end_client(&caller, &id, Cause::ClientDeleted)
                .await?;
            service.remove_delivered(&row).await;
            Ok(deleted)
        })
        .await
    }

    /// Ends the sessions that a client asked for, also one that is gone, and writes their events as they
    /// end. Sessions that it asks for meanwhile may stay.
    pub(super) async fn end_client(
        &self,
        caller: &Caller,
        id: &ClientId,
        cause: Cause,
    ) -> Result<(), ServiceError> {
        let picked = Picked::AskedBy(id.as_str().to_owned());
        self.end_picked(caller, &picked, cause, |_| {}).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
