//! Trusted clients.
//!
//! This room must never keep a client's secret.

use super::going_on::to_the_end;
use super::{Caller, Service, ServiceError};
use crate::accounts::{ClientId, NewClient};

impl Service {
    /// Makes a client called `name`. Its secret can't be had again.
    pub async fn create_client(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<NewClient, ServiceError> {
        let (service, caller, name) = (self.clone(), caller.clone(), name.to_owned());
        to_the_end(async move {
            let new = service.accounts.create_client(&name).await?;
            caller.acted("client_added", Some(new.id.as_str()));
            Ok(new)
        })
        .await
    }

    /// Deletes a client; `false` where there was none.
    pub async fn delete_client(
        &self,
        caller: &Caller,
        id: &ClientId,
    ) -> Result<bool, ServiceError> {
        let (service, caller, id) = (self.clone(), caller.clone(), id.clone());
        to_the_end(async move {
            let deleted = service.accounts.delete_client(&id).await?;
            if deleted {
                caller.acted("client_deleted", Some(id.as_str()));
            }
            Ok(deleted)
        })
        .await
    }
}
