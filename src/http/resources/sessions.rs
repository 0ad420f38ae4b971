//! `GET /sessions`, `DELETE /sessions…`, `POST /logout`: a user sees and ends own sessions.
//!
//! This room must never answer before the end is durable, and never touch another user's session.

use super::super::answer::timestamp;
use super::super::guard::Session;
use super::super::problem::{Code, Problem};
use crate::service::Service;
use crate::token::Handle;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) async fn list(
    service: Data<Service>,
    session: Session,
) -> Result<HttpResponse, Problem> {
    let sessions = service.lacre().sessions_of(session.user_id())?;
    let sessions: Vec<Value> = sessions
        .into_iter()
        .map(|info| {
            json!({
                "crt": info.handle.as_str(),
                "created_at": timestamp(info.created_at),
                "last_seen_at": timestamp(info.last_seen_at),
                "expires_at": timestamp(info.expires_at),
                "ip": info.address,
                "user_agent": info.user_agent,
                "label": info.label,
                "current": info.handle == *session.handle(),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(sessions))
}

/// One session of the caller's: 204 also where it is gone already. Another user's is 404, as one
/// that never was.
pub(super) async fn end_one(
    service: Data<Service>,
    session: Session,
    crt: Path<String>,
) -> Result<HttpResponse, Problem> {
    let handle = Handle::parse(&crt).map_err(|_| Problem::new(Code::NotFound))?;
    let owned = service.lacre().owns(session.user_id(), &handle);
    let key = owned.ok_or_else(|| Problem::new(Code::NotFound))?;
    service.lacre().end(&key).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `?except=current` keeps the session that asks; without it all of the caller's sessions end.
pub(super) async fn end_several(
    service: Data<Service>,
    session: Session,
    query: Query<HashMap<String, String>>,
) -> Result<HttpResponse, Problem> {
    let lacre = service.lacre();
    let mut query: Vec<(&str, &str)> = query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    query.sort_unstable();
    let revoked = match query.as_slice() {
        [] => lacre.end_all_of(session.user_id()).await?,
        [("except", "current")] => lacre.end_all_but(session.user_id(), &session.key).await?,
        // Somebody who misspells the exception must not lose all sessions.
        _ => {
            return Err(Problem::new(Code::InvalidRequest)
                .detail("The query may hold `except=current` and nothing else."));
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "revoked": revoked })))
}

/// Ends the session that asks.
pub(super) async fn log_out(
    service: Data<Service>,
    session: Session,
) -> Result<HttpResponse, Problem> {
    service.lacre().end(&session.key).await?;
    Ok(HttpResponse::NoContent().finish())
}
