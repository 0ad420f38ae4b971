//! `/client/users/{id}…`: a back end with users of its own lists and ends their sessions, and says anew who
//! they are.
//!
//! This room must never touch the session of a user whom the client that asks doesn't vouch for.

use super::super::answer::Answer;
use super::super::body::{Body as _, Json};
use super::super::client_auth;
use super::super::credentials::CredentialError;
use super::super::origin::Trail;
use super::super::problem::{Code, Problem};
use super::super::schema::Shape as _;
use super::answers::{ChangedAnswer, RevokedAnswer, SessionAnswer};
use super::contract::{BodyInfo, Contract, Media, Success, SuccessContent};
use crate::service::{Caller, Said, Service};
use crate::telemetry::audit::{Actor, Event};
use crate::token::{Handle, OwnUser};
use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Query};

pub(in crate::http) const LIST: Contract = Contract {
    summary: "The sessions of a user of the client's own, the newest first.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        headers: &[],
        content: SuccessContent::Json(Vec::<SessionAnswer>::kind),
    },
    codes: &[Code::UserInvalid],
};

/// `GET /client/users/{id}/sessions`: none where nobody knows the user.
pub(in crate::http) async fn list(
    request: HttpRequest,
    service: Data<Service>,
    id: Path<String>,
) -> Result<Answer<Vec<SessionAnswer>>, Problem> {
    let (_, user) = vouched(&request, &service, &id).await?;
    let sessions = service.lacre().sessions_of(&user.user()).await?;
    Ok(Answer::ok(SessionAnswer::of_all(&sessions, None)))
}

pub(in crate::http) const END_ONE: Contract = Contract {
    summary: "Revokes a session of a user of the client's own.",
    body: None,
    query: &[],
    success: Success {
        status: 204,
        headers: &[],
        content: SuccessContent::Nothing,
    },
    codes: &[Code::UserInvalid, Code::NotFound],
};

/// `DELETE /client/users/{id}/sessions/{crt}`: 204 also where it has ended already. Another user's is 404, as
/// one that never was.
pub(in crate::http) async fn end_one(
    request: HttpRequest,
    service: Data<Service>,
    path: Path<(String, String)>,
) -> Result<Answer, Problem> {
    let (id, crt) = path.into_inner();
    let (caller, user) = vouched(&request, &service, &id).await?;
    let not_found = || Problem::new(Code::NotFound);
    let handle = Handle::parse(&crt).map_err(|_| not_found())?;
    let revoked = service.revoke_of(&caller, &user.user(), &handle).await?;
    revoked.ok_or_else(not_found)?;
    Ok(Answer::nothing())
}

pub(in crate::http) const END_SEVERAL: Contract = Contract {
    summary: "Revokes the sessions of a user of the client's own, with `except` all but the one with this handle.",
    body: None,
    query: &["except"],
    success: Success {
        status: 200,
        headers: &[],
        content: SuccessContent::Json(RevokedAnswer::kind),
    },
    codes: &[Code::InvalidRequest, Code::UserInvalid, Code::NotFound],
};

/// `DELETE /client/users/{id}/sessions`. Where the handle to spare is none of the user's, nothing ends: it may
/// be misspelt.
pub(in crate::http) async fn end_several(
    request: HttpRequest,
    service: Data<Service>,
    id: Path<String>,
    query: Query<Vec<(String, String)>>,
) -> Result<Answer<RevokedAnswer>, Problem> {
    let (caller, user) = vouched(&request, &service, &id).await?;
    let user = user.user();
    let keep = match query.as_slice() {
        [] => None,
        [(name, crt)] if name == "except" => {
            let handle = Handle::parse(crt).ok();
            let key = handle.and_then(|handle| service.lacre().owns(&user, &handle));
            Some(key.ok_or_else(|| Problem::new(Code::NotFound))?)
        }
        _ => {
            return Err(Problem::new(Code::InvalidRequest)
                .detail("The query may hold `except` with one handle and nothing else."));
        }
    };
    let ended = service.revoke_all_of(&caller, &user, keep.as_ref()).await?;
    let revoked = ended.len() as u64;
    Ok(Answer::ok(RevokedAnswer { revoked }))
}

pub(in crate::http) const CHANGE: Contract = Contract {
    summary: "Says anew who a user of the client's own is; earlier access tokens end, and a refresh brings what is said.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[Said::members]],
    }),
    query: &[],
    success: Success {
        status: 200,
        headers: &[],
        content: SuccessContent::Json(ChangedAnswer::kind),
    },
    codes: &[Code::UserInvalid, Code::BodyMissingMember],
};

/// `PUT /client/users/{id}`: what is left out stays as it was said before.
pub(in crate::http) async fn change(
    request: HttpRequest,
    service: Data<Service>,
    id: Path<String>,
    Json(mut sent): Json,
) -> Result<Answer<ChangedAnswer>, Problem> {
    let (caller, user) = vouched(&request, &service, &id).await?;
    let said = Said::read(&mut sent)?;
    if said == Said::default() {
        return Err(Problem::new(Code::BodyMissingMember)
            .detail("One of the members `email`, `name`, `roles`, `permissions` is needed."));
    }
    let changed = service.tell_of(&caller, &user, said).await? as u64;
    Ok(Answer::ok(ChangedAnswer { changed }))
}

/// The client that the request proves to come from, as who acts, and its user whom the path names.
async fn vouched(
    request: &HttpRequest,
    service: &Service,
    id: &str,
) -> Result<(Caller, OwnUser), Problem> {
    let trail = Trail::of(request);
    let failed = |code| {
        let (user, client) = (None, None);
        trail.record(&Event::LoginFailed { code, user, client });
    };
    let credentials = client_auth::credentials(request.headers()).inspect_err(|error| {
        if *error == CredentialError::BadBasic {
            failed(error.code());
        }
    })?;
    let credentials = credentials.ok_or_else(|| {
        failed(Code::InvalidClient.as_str());
        Problem::invalid_client()
    })?;
    let client = service.client(&credentials.id, &credentials.secret, trail.origin());
    let client = client.await?;
    let user = service.own_user(&client, id)?;
    let actor = Actor::Client(client.id.as_str().to_owned());
    Ok((Caller::new(actor, trail.origin().clone()), user))
}
