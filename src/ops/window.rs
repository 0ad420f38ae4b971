//! The operator's window into the keystore, and the end of sessions.
//!
//! A record is named by its handle, also one that doesn't open: whoever sees it can end it.
//!
//! This room must never let a record's key out, and never report an end that isn't durable.

use super::{AdminError, Answer, Damaged, LARGEST_PAGE, Session, Sessions, Which};
use crate::accounts::{AccountsError, UserId};
use crate::lacre::Lacre;
use crate::service::{Caller, Service};
use crate::sessions::list::{SessionInfo, SessionPage};
use crate::token::Handle;
use lacre_keystore::{KeystoreError, RecordKey};

pub(super) async fn list(
    service: &Service,
    user: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Result<Answer, AdminError> {
    let lacre = service.lacre();
    let after = after.map(|cursor| record_key(lacre, cursor)).transpose()?;
    let limit = limit.clamp(1, LARGEST_PAGE);
    let page = match user {
        None => lacre.all_sessions(after, limit).await?,
        Some(user) => {
            lacre
                .page_of(&user_id(service, user).await?, after, limit)
                .await?
        }
    };
    Ok(Answer::Sessions(shown_page(lacre, page)))
}

pub(super) async fn show(service: &Service, handle: &str) -> Result<Answer, AdminError> {
    let handle = parse(handle)?;
    let found = service.lacre().session(&handle).await?;
    found
        .map(|info| Answer::Session(shown(info)))
        .ok_or_else(|| AdminError::failed("session_unknown", "there is no such session"))
}

pub(super) async fn stats(service: &Service) -> Result<Answer, AdminError> {
    let stats = service.lacre().keystore().stats().await?;
    Ok(Answer::Stats {
        records: stats.records,
        bytes_on_disk: stats.bytes_on_disk,
    })
}

pub(super) async fn revoke(
    service: &Service,
    caller: &Caller,
    which: Which,
    dry_run: bool,
) -> Result<Answer, AdminError> {
    match which {
        Which::Handle(handle) => revoke_one(service, caller, &parse(&handle)?, dry_run).await,
        Which::User(user) => {
            let user = user_id(service, &user).await?;
            revoke_user(service, caller, &user, dry_run).await
        }
        Which::All => revoke_all(service, caller, dry_run).await,
    }
}

async fn revoke_one(
    service: &Service,
    caller: &Caller,
    handle: &Handle,
    dry_run: bool,
) -> Result<Answer, AdminError> {
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

async fn revoke_user(
    service: &Service,
    caller: &Caller,
    user: &str,
    dry_run: bool,
) -> Result<Answer, AdminError> {
    let handles = if dry_run {
        service.lacre().all_of(user).await?
    } else {
        service.revoke_all_of(caller, user, None).await?
    };
    Ok(Answer::Revoked {
        count: handles.len() as u64,
        handles: Some(handles.iter().map(|it| it.as_str().to_owned()).collect()),
    })
}

async fn revoke_all(
    service: &Service,
    caller: &Caller,
    dry_run: bool,
) -> Result<Answer, AdminError> {
    let count = if dry_run {
        service.lacre().keystore().stats().await?.records
    } else {
        service.revoke_all(caller).await?
    };
    Ok(Answer::Revoked {
        count,
        handles: None,
    })
}

/// The id of the user whom this names. An id needs no account: sessions may outlive it.
async fn user_id(service: &Service, name: &str) -> Result<String, AdminError> {
    if let Some(account) = service.accounts().find(name).await? {
        return Ok(account.id.as_str().to_owned());
    }
    let id = UserId::parse(name).map_err(|_| AccountsError::AccountUnknown)?;
    Ok(id.as_str().to_owned())
}

fn parse(handle: &str) -> Result<Handle, AdminError> {
    Handle::parse(handle).map_err(|_| {
        AdminError::failed(
            "handle_invalid",
            "a session handle is 1 to 128 characters of A-Z a-z 0-9 _ -",
        )
    })
}

fn record_key(lacre: &Lacre, cursor: &str) -> Result<RecordKey, AdminError> {
    let key = lacre.key_of(&parse(cursor)?);
    key.ok_or_else(|| AdminError::failed("cursor_invalid", "this is no cursor of a listing"))
}

fn shown_page(lacre: &Lacre, page: SessionPage) -> Sessions {
    Sessions {
        sessions: page.sessions.into_iter().map(shown).collect(),
        damaged: page
            .damaged
            .iter()
            .filter_map(|error| damaged(lacre, error))
            .collect(),
        next: page
            .next
            .map(|key| lacre.handle_of(&key).as_str().to_owned()),
    }
}

fn damaged(lacre: &Lacre, error: &KeystoreError) -> Option<Damaged> {
    Some(Damaged {
        handle: lacre.handle_of(&error.record()?).as_str().to_owned(),
        code: error.code().to_owned(),
    })
}

fn shown(info: SessionInfo) -> Session {
    Session {
        handle: info.handle.as_str().to_owned(),
        user: info.user_id,
        created_at: info.created_at,
        last_seen_at: info.last_seen_at,
        expires_at: info.expires_at,
        ends_at: info.ends_at,
        generation: info.generation,
        address: info.address,
        user_agent: info.user_agent,
        label: info.label,
        client: info.client_id,
    }
}
