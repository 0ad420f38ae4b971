//! What the keystore holds, as operators see it.
//!
//! A record is named by its handle, also one that doesn't open: whoever sees it can revoke it.
//!
//! This room must never let a record's key out.

use super::answer::{Answer, Damaged, Sessions};
use super::error::OpsError;
use super::handles::{self, parse};
use super::request::KeystoreRequest;
use super::sessions::{shown, user_id};
use super::steps::{MAX_PAGE, Steps};
use crate::lacre::Lacre;
use crate::service::Service;
use crate::sessions::list::SessionPage;
use lacre_keystore::{KeystoreError, RecordKey};

pub(super) async fn perform(
    service: &Service,
    request: KeystoreRequest,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    match request {
        KeystoreRequest::List { user, after, limit } => {
            list(service, user.as_deref(), after.as_deref(), limit, steps).await
        }
        KeystoreRequest::Show { handle } => {
            let handle = handles::find(service.lacre(), &handle).await?;
            let found = service.lacre().session(&handle).await?;
            found
                .map(|info| Answer::Session(shown(info)))
                .ok_or(OpsError::SessionUnknown)
        }
        KeystoreRequest::Stats => {
            let stats = service.lacre().keystore().stats().await?;
            Ok(Answer::Stats {
                records: stats.records,
                bytes_on_disk: stats.bytes_on_disk,
            })
        }
    }
}

async fn list(
    service: &Service,
    user: Option<&str>,
    after: Option<&str>,
    limit: Option<usize>,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let lacre = service.lacre();
    let mut after = after.map(|cursor| record_key(lacre, cursor)).transpose()?;
    let user = match user {
        Some(user) => Some(user_id(service, user).await?),
        None => None,
    };
    let mut left = limit.unwrap_or(usize::MAX).max(1);
    loop {
        let records = left.min(MAX_PAGE);
        let page = match &user {
            None => lacre.all_sessions(after, records).await?,
            Some(user) => lacre.page_of(user, after, records).await?,
        };
        left -= page.sessions.len().min(left);
        after = page.next;
        let answer = Answer::Sessions(shown_page(lacre, page));
        if left == 0 || after.is_none() {
            return Ok(answer);
        }
        if let Err(last) = steps.page(answer).await {
            return Ok(last);
        }
    }
}

fn record_key(lacre: &Lacre, cursor: &str) -> Result<RecordKey, OpsError> {
    lacre.key_of(&parse(cursor)?).ok_or(OpsError::CursorInvalid)
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
