//! Sessions, as operators see and revoke them.
//!
//! This room must never report an end that isn't durable.

use super::answer::{Answer, Session, Sessions};
use super::error::OpsError;
use super::handles;
use super::request::{SessionsRequest, Which};
use super::steps::Steps;
use super::timeouts;
use crate::accounts::{AccountsError, ClientId, UserId};
use crate::lacre::Lacre;
use crate::service::{Caller, Service};
use crate::sessions::list::SessionInfo;
use crate::token::Handle;
use lacre_keystore::KeystoreError;

pub(super) async fn perform(
    service: &Service,
    caller: &Caller,
    request: SessionsRequest,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    match request {
        SessionsRequest::Of { user } => {
            let user = service.find_user(&user).await?;
            let sessions = service.lacre().sessions_of(user.id.as_str()).await?;
            Ok(Answer::Sessions(Sessions {
                sessions: sessions.into_iter().map(shown).collect(),
                ..Sessions::default()
            }))
        }
        SessionsRequest::Revoke { which, dry_run } => match which {
            Which::Handle(handle) => {
                let handle = handles::find(service.lacre(), &handle).await?;
                one(service, caller, &handle, dry_run).await
            }
            Which::User(user) => {
                let user = user_id(service, &user).await?;
                of_user(service, caller, &user, dry_run).await
            }
            Which::Client(client) => {
                of_client(service, caller, &ClientId::parse(&client)?, dry_run).await
            }
            Which::All => all(service, caller, dry_run, steps).await,
        },
    }
}

async fn one(
    service: &Service,
    caller: &Caller,
    handle: &Handle,
    dry_run: bool,
) -> Result<Answer, OpsError> {
    let ends = if dry_run {
        is_there(service.lacre(), handle).await?
    } else {
        service.revoke(caller, handle).await?
    };
    let handles = ends.then(|| handle.as_str().to_owned());
    Ok(Answer::Revoked {
        count: u64::from(ends),
        handles: Some(handles.into_iter().collect()),
    })
}

/// Whether there is such a record. One that doesn't open can be revoked all the same.
async fn is_there(lacre: &Lacre, handle: &Handle) -> Result<bool, KeystoreError> {
    let Some(key) = lacre.key_of(handle) else {
        return Ok(false);
    };
    match lacre.keystore().get(&key).await {
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.record().is_some() => Ok(true),
        Err(error) => Err(error),
    }
}

async fn of_user(
    service: &Service,
    caller: &Caller,
    user: &str,
    dry_run: bool,
) -> Result<Answer, OpsError> {
    let handles = if dry_run {
        service.lacre().all_of(user).await?
    } else {
        service.revoke_all_of(caller, user, None).await?
    };
    Ok(revoked(&handles))
}

async fn of_client(
    service: &Service,
    caller: &Caller,
    client: &ClientId,
    dry_run: bool,
) -> Result<Answer, OpsError> {
    let handles = if dry_run {
        service.lacre().all_of_client(client.as_str()).await?
    } else {
        service.revoke_client(caller, client).await?
    };
    Ok(revoked(&handles))
}

fn revoked(handles: &[Handle]) -> Answer {
    Answer::Revoked {
        count: handles.len() as u64,
        handles: Some(handles.iter().map(|it| it.as_str().to_owned()).collect()),
    }
}

async fn all(
    service: &Service,
    caller: &Caller,
    dry_run: bool,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let total = service.lacre().keystore().stats().await?.records;
    let count = if dry_run {
        total
    } else {
        let mut revoked = std::pin::pin!(service.revoke_all(caller));
        loop {
            tokio::select! {
                count = &mut revoked => break count?,
                () = tokio::time::sleep(timeouts::PROGRESS) => {
                    let left = service.lacre().keystore().stats().await?.records;
                    steps.progress(total.saturating_sub(left), total);
                }
            }
        }
    };
    Ok(Answer::Revoked {
        count,
        handles: None,
    })
}

/// The id of the user whom this names. An id needs no account: sessions may outlive it.
pub(super) async fn user_id(service: &Service, name: &str) -> Result<String, OpsError> {
    if let Some(account) = service.accounts().find(name).await? {
        return Ok(account.id.as_str().to_owned());
    }
    let id = UserId::parse(name).map_err(|_| AccountsError::AccountUnknown)?;
    Ok(id.as_str().to_owned())
}

pub(super) fn shown(info: SessionInfo) -> Session {
    Session {
        handle: info.handle.as_str().to_owned(),
        user: info.user_id,
        created_at: info.created_at,
        last_seen_at: info.last_seen_at,
        expires_at: info.expires_at,
        ends_at: info.ends_at,
        generation: info.generation,
        address: info.address,
        last_seen_address: info.last_seen_address,
        user_agent: info.user_agent,
        label: info.label,
        client: info.client_id,
    }
}
