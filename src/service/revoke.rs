//! Ends of sessions that somebody asks for.
//!
//! This room must never report an end that isn't durable.

use super::going_on::to_the_end;
use super::{Caller, Service, ServiceError};
use crate::sessions::guard::LiveSession;
use crate::telemetry::audit::Cause;
use crate::token::Handle;
use lacre_keystore::{KeystoreError, RecordKey};

impl Service {
    /// Ends the session that asks; `false` where it has ended already.
    pub async fn log_out(
        &self,
        caller: &Caller,
        session: &LiveSession,
    ) -> Result<bool, ServiceError> {
        let user = Some(session.user_id().to_owned());
        self.end_one(caller, session.key, user, Cause::Logout).await
    }

    /// Revokes a session of this user; `false` where it has ended already, `None` where the handle
    /// can't be one of the user's.
    pub async fn revoke_of(
        &self,
        caller: &Caller,
        user: &str,
        handle: &Handle,
    ) -> Result<Option<bool>, ServiceError> {
        let Some(key) = self.lacre.owns(user, handle) else {
            return Ok(None);
        };
        let user = Some(user.to_owned());
        let ended = self.end_one(caller, key, user, caller.revocation()).await?;
        Ok(Some(ended))
    }

    /// Revokes the session of this handle, also where its record doesn't open; `false` where there
    /// is none.
    pub async fn revoke(&self, caller: &Caller, handle: &Handle) -> Result<bool, ServiceError> {
        let Some(key) = self.lacre.key_of(handle) else {
            return Ok(false);
        };
        let user = self.user_of(&key).await?;
        self.end_one(caller, key, user, caller.revocation()).await
    }

    /// Revokes all sessions of a user, also those of an account that is gone, but the one with the
    /// key `keep`. Says which ended: all of them or none.
    pub async fn revoke_all_of(
        &self,
        caller: &Caller,
        user: &str,
        keep: Option<&RecordKey>,
    ) -> Result<Vec<Handle>, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        let (user, keep) = (user.to_owned(), keep.copied());
        to_the_end(async move {
            let ended = match keep {
                Some(keep) => service.lacre.revoke_user_but(&user, &keep).await?,
                None => service.lacre.revoke_user(&user).await?,
            };
            caller.ended(&user, &ended, caller.revocation());
            Ok(ended)
        })
        .await
    }

    /// Revokes every session there is, and says how many.
    pub async fn revoke_all(&self, caller: &Caller) -> Result<u64, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let count = service.lacre.revoke_all().await?;
            caller.acted("all_sessions_revoked", None);
            Ok(count)
        })
        .await
    }

    async fn end_one(
        &self,
        caller: &Caller,
        key: RecordKey,
        user: Option<String>,
        cause: Cause,
    ) -> Result<bool, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let ended = service.lacre.revoke(&key).await?;
            match (ended, &user) {
                (true, Some(user)) => caller.ended(user, &[service.lacre.handle_of(&key)], cause),
                (true, None) => caller.acted("session_revoked", None),
                (false, _) => {}
            }
            Ok(ended)
        })
        .await
    }

    /// Whose session a record is; `None` where there is none, or where it doesn't open.
    async fn user_of(&self, key: &RecordKey) -> Result<Option<String>, KeystoreError> {
        match self.lacre.keystore().get(key).await {
            Ok(found) => Ok(found.map(|stored| stored.record.user_id)),
            Err(error) if error.record().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
