//! Sessions, as operators see and revoke them.
//!
//! This room must never report an end that isn't durable.

use super::answer::{Answer, Session, Sessions};
use super::error::OpsError;
use super::handles;
use super::receipts;
use super::request::{SessionsRequest, Which};
use super::steps::Steps;
use super::timeouts;
use crate::accounts::{AccountsError, ClientId, UserId};
use crate::lacre::Lacre;
use crate::service::{Caller, Named, Service, ServiceError};
use crate::sessions::list::{Picked, SessionInfo};
use crate::token::{Handle, OwnUser};
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
                of_user(service, caller, &user, None, dry_run).await
            }
            Which::Others { user, keep } => {
                let user = user_id(service, &user).await?;
                let keep = handles::find(service.lacre(), &keep).await?;
                if service.lacre().owns(&user, &keep).is_none() {
                    return Err(OpsError::SessionUnknown);
                }
                of_user(service, caller, &user, Some(&keep), dry_run).await
            }
            Which::Client(client) => {
                let client = ClientId::parse(&client)?.as_str().to_owned();
                picked(service, caller, Picked::AskedBy(client), dry_run, steps).await
            }
            Which::OlderThan(seconds) => {
                // A time before all times: nothing is older.
                let Some(until) = service.lacre().now().checked_sub(seconds) else {
                    return Ok(revoked(&[]));
                };
                picked(service, caller, Picked::BegunUntil(until), dry_run, steps).await
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
    let receipt = if ends && !dry_run {
        receipts::of_now(service.lacre(), handle).await
    } else {
        None
    };
    let handles = ends.then(|| handle.as_str().to_owned());
    Ok(Answer::Revoked {
        count: u64::from(ends),
        handles: Some(handles.into_iter().collect()),
        receipt,
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
    keep: Option<&Handle>,
    dry_run: bool,
) -> Result<Answer, OpsError> {
    let handles = if dry_run {
        let mut handles = service.lacre().all_of(user).await?;
        handles.retain(|handle| Some(handle) != keep);
        handles
    } else {
        let keep = keep.and_then(|handle| service.lacre().key_of(handle));
        service.revoke_all_of(caller, user, keep.as_ref()).await?
    };
    Ok(revoked(&handles))
}

async fn picked(
    service: &Service,
    caller: &Caller,
    picked: Picked,
    dry_run: bool,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let named = if dry_run {
        let mut named = Named::default();
        let each = |page: Vec<Handle>| page.into_iter().for_each(|handle| named.add(handle));
        service.lacre().all_picked(&picked, each).await?;
        named
    } else {
        let revoked = service.revoke_picked(caller, picked);
        counted(service.lacre(), revoked, steps).await?
    };
    let texts = |handles: &[Handle]| handles.iter().map(|it| it.as_str().to_owned()).collect();
    Ok(Answer::Revoked {
        count: named.count(),
        handles: named.handles().map(texts),
        receipt: None,
    })
}

fn revoked(handles: &[Handle]) -> Answer {
    Answer::Revoked {
        count: handles.len() as u64,
        handles: Some(handles.iter().map(|it| it.as_str().to_owned()).collect()),
        receipt: None,
    }
}

async fn all(
    service: &Service,
    caller: &Caller,
    dry_run: bool,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let count = if dry_run {
        service.lacre().keystore().stats().await?.records
    } else {
        counted(service.lacre(), service.revoke_all(caller), steps).await?
    };
    Ok(Answer::Revoked {
        count,
        handles: None,
        receipt: None,
    })
}

/// Waits for ends of sessions, and says meanwhile how many records have gone of all there were.
async fn counted<T>(
    lacre: &Lacre,
    ends: impl Future<Output = Result<T, ServiceError>>,
    steps: &Steps,
) -> Result<T, OpsError> {
    let total = lacre.keystore().stats().await?.records;
    let mut ends = std::pin::pin!(ends);
    loop {
        tokio::select! {
            ended = &mut ends => return Ok(ended?),
            () = tokio::time::sleep(timeouts::PROGRESS) => {
                let left = lacre.keystore().stats().await?.records;
                steps.progress(total.saturating_sub(left), total);
            }
        }
    }
}

/// The id of the user whom this names. An id needs no account: sessions may outlive it. A client's user is named
/// by the client's id, `/` and its own, whatever address somebody has given an account.
pub(super) async fn user_id(service: &Service, name: &str) -> Result<String, OpsError> {
    if let Some(user) = OwnUser::read(name)
        && ClientId::parse(user.client_id()).is_ok()
    {
        return Ok(user.user());
    }
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
