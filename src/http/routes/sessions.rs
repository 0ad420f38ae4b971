//! `GET /sessions`, `DELETE /sessions…`, `POST /logout`: a user lists and revokes own sessions.
//!
//! This room must never answer before a revocation is durable, and never touch another user's
//! session.

use super::super::answer::Answer;
use super::super::cookies;
use super::super::guard::Session;
use super::super::locations::TOKEN;
use super::super::problem::{Code, Problem};
use super::super::schema::Shape as _;
use super::answers::{RevokedAnswer, SessionAnswer};
use super::caller::Caller;
use super::contract::{Contract, Success, SuccessContent, SuccessHeader};
use crate::service::Service;
use crate::token::Handle;
use actix_web::web::{Data, Path, Query};

pub(in crate::http) const LIST: Contract = Contract {
    summary: "The caller's sessions, the newest first.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(Vec::<SessionAnswer>::kind),
        headers: &[],
    },
    codes: &[],
};

pub(in crate::http) async fn list(
    service: Data<Service>,
    session: Session,
) -> Result<Answer<Vec<SessionAnswer>>, Problem> {
    let sessions = service.lacre().sessions_of(session.user_id()).await?;
    Ok(Answer::ok(SessionAnswer::of_all(
        &sessions,
        Some(session.handle()),
    )))
}

pub(in crate::http) const END_ONE: Contract = Contract {
    summary: "Revokes one of the caller's sessions.",
    body: None,
    query: &[],
    success: Success {
        status: 204,
        content: SuccessContent::Nothing,
        headers: &[SuccessHeader::Cookies],
    },
    codes: &[Code::NotFound],
};

/// One session of the caller's: 204 also where it has ended already. Another user's is 404, as one
/// that never was.
pub(in crate::http) async fn end_one(caller: Caller, crt: Path<String>) -> Result<Answer, Problem> {
    let handle = Handle::parse(&crt).map_err(|_| Problem::new(Code::NotFound))?;
    let user = caller.session.user_id();
    let owner = caller.owner();
    let revoked = caller.service.revoke_of(&owner, user, &handle).await?;
    revoked.ok_or_else(|| Problem::new(Code::NotFound))?;
    if handle == *caller.session.handle() {
        return Ok(Answer::nothing().cookies(cookies::clearing_lines(caller.lacre())));
    }
    Ok(Answer::nothing())
}

pub(in crate::http) const END_SEVERAL: Contract = Contract {
    summary: "Revokes the caller's sessions, with `except=current` all but the one that asks.",
    body: None,
    query: &["except"],
    success: Success {
        status: 200,
        content: SuccessContent::Json(RevokedAnswer::kind),
        headers: &[SuccessHeader::Cookies],
    },
    codes: &[Code::InvalidRequest],
};

/// `?except=current` keeps the session that asks; without it all of the caller's sessions end.
pub(in crate::http) async fn end_several(
    caller: Caller,
    query: Query<Vec<(String, String)>>,
) -> Result<Answer<RevokedAnswer>, Problem> {
    // Pairs and not a map, which would hide a second value. The token is the guard's business.
    let query: Vec<(&str, &str)> = query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| *name != TOKEN)
        .collect();
    let user = caller.session.user_id();
    let keep = match query.as_slice() {
        [] => None,
        [("except", "current")] => Some(&caller.session.key),
        // Somebody who misspells the exception must not lose all sessions.
        _ => {
            return Err(Problem::new(Code::InvalidRequest)
                .detail("The query may hold `except=current` and nothing else."));
        }
    };
    let owner = caller.owner();
    let ended = caller.service.revoke_all_of(&owner, user, keep).await?;
    let revoked = ended.len() as u64;
    let answer = Answer::ok(RevokedAnswer { revoked });
    if query.is_empty() {
        return Ok(answer.cookies(cookies::clearing_lines(caller.lacre())));
    }
    Ok(answer)
}

pub(in crate::http) const LOG_OUT: Contract = Contract {
    summary: "Revokes the session that asks.",
    body: None,
    query: &[],
    success: Success {
        status: 204,
        content: SuccessContent::Nothing,
        headers: &[SuccessHeader::Cookies],
    },
    codes: &[],
};

/// Revokes the session that asks.
pub(in crate::http) async fn log_out(caller: Caller) -> Result<Answer, Problem> {
    let owner = caller.owner();
    caller.service.log_out(&owner, &caller.session).await?;
    Ok(Answer::nothing().cookies(cookies::clearing_lines(caller.lacre())))
}
