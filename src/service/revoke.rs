//! Ends of sessions that somebody asks for.
//!
//! This room must never report an end that isn't durable.

use super::going_on::to_the_end;
use super::{Caller, Service, ServiceError};
use crate::lacre::Lacre;
use crate::sessions::guard::LiveSession;
use crate::sessions::list::Picked;
use crate::telemetry::audit::Cause;
use crate::token::Handle;
use lacre_keystore::{KeystoreError, RecordKey};

/// The most sessions that an answer names: several MiB of handles.
const MAX_NAMED: usize = 100_000;

/// How many sessions there are, and which, unless they are too many to be named.
#[derive(Debug, Default)]
pub(crate) struct Named {
    count: u64,
    handles: Vec<Handle>,
}

impl Named {
    pub(crate) fn add(&mut self, handle: Handle) {
        self.count += 1;
        if self.handles.len() < MAX_NAMED {
            self.handles.push(handle);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// All of them; `None` where there are more than can be named.
    pub(crate) fn handles(&self) -> Option<&[Handle]> {
        (self.handles.len() as u64 == self.count).then_some(&*self.handles)
    }
}

/// Revokes every session there is, also where there are no accounts to open a [`Service`] with, and says how
/// many there were.
pub(crate) async fn revoke_every_session(
    lacre: &Lacre,
    caller: &Caller,
) -> Result<u64, KeystoreError> {
    let end = caller.end(caller.revocation(), None);
    let ended = lacre.end_all(&end).await?;
    caller.acted("all_sessions_revoked", None);
    Ok(ended)
}

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

    /// Revokes the session of a token that the caller has presented; `false` where it has ended already.
    pub async fn revoke_presented(
        &self,
        caller: &Caller,
        session: &LiveSession,
    ) -> Result<bool, ServiceError> {
        let user = Some(session.user_id().to_owned());
        let cause = caller.revocation();
        self.end_one(caller, session.key, user, cause).await
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
            let end = caller.end(caller.revocation(), Some(&user));
            let ended = service.lacre.end_user(&user, keep.as_ref(), &end).await?;
            caller.ended(&user, &ended, caller.revocation());
            Ok(ended)
        })
        .await
    }

    /// Revokes every session there is, and says how many.
    pub async fn revoke_all(&self, caller: &Caller) -> Result<u64, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        to_the_end(async move { Ok(revoke_every_session(&service.lacre, &caller).await?) }).await
    }

    /// Revokes the sessions that are picked out of all records, and says how many and, unless there
    /// are more than [`MAX_NAMED`], which. A session that begins meanwhile may stay.
    pub(crate) async fn revoke_picked(
        &self,
        caller: &Caller,
        picked: Picked,
    ) -> Result<Named, ServiceError> {
        let (service, caller) = (self.clone(), caller.clone());
        to_the_end(async move {
            let mut named = Named::default();
            let cause = caller.revocation();
            let ended = service.end_picked(&caller, &picked, cause, |handle| named.add(handle));
            ended.await?;
            Ok(named)
        })
        .await
    }

    /// Ends the sessions that are picked, and writes their events as they end.
    pub(super) async fn end_picked(
        &self,
        caller: &Caller,
        picked: &Picked,
        cause: Cause,
        mut each: impl FnMut(Handle),
    ) -> Result<usize, KeystoreError> {
        let end = caller.end(cause, None);
        let ended = self.lacre.revoke_picked(picked, &end, |of_page| {
            for (user, handle) in of_page {
                caller.ended(&user, std::slice::from_ref(&handle), cause);
                each(handle);
            }
        });
        ended.await
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
            let end = caller.end(cause, user.as_deref());
            let ended = service.lacre.end(&key, &end).await?;
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
