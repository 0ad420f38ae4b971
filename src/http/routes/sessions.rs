//! `GET /sessions`, `DELETE /sessions…`, `POST /logout`: a user sees and ends own sessions.
//!
//! This room must never answer before the end is durable, and never touch another user's session.

use super::super::cookies;
use super::super::guard::Session;
use super::super::limits::{Attempt, Limits};
use super::super::locations::TOKEN;
use super::super::origin::Trail;
use super::super::problem::{Code, Problem};
use super::super::time::Time;
use super::Policy;
use crate::lacre::Lacre;
use crate::service::{self, Service};
use crate::sessions::list::SessionInfo;
use crate::telemetry::audit::{Actor, Event, UserId};
use crate::token::Handle;
use actix_web::dev::Payload;
use actix_web::web::{Data, Path, Query};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::future::{Ready, ready};

pub(super) async fn list(
    service: Data<Service>,
    session: Session,
) -> Result<HttpResponse, Problem> {
    let sessions = service.lacre().sessions_of(session.user_id()).await?;
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|info| shown(info, session.handle()))
        .collect();
    Ok(HttpResponse::Ok().json(sessions))
}

/// What may be told of a session to its user and to administrators.
pub(super) fn shown(info: &SessionInfo, current: &Handle) -> Value {
    json!({
        "crt": info.handle.as_str(),
        "created_at": Time(info.created_at),
        "last_seen_at": Time(info.last_seen_at),
        "expires_at": Time(info.expires_at),
        "ip": info.address,
        "user_agent": info.user_agent,
        "label": info.label,
        "current": info.handle == *current,
    })
}

/// One session of the caller's: 204 also where it is gone already. Another user's is 404, as one
/// that never was.
pub(super) async fn end_one(caller: Caller, crt: Path<String>) -> Result<HttpResponse, Problem> {
    let handle = Handle::parse(&crt).map_err(|_| Problem::new(Code::NotFound))?;
    let user = caller.session.user_id();
    let owner = caller.owner();
    let revoked = caller.service.revoke_of(&owner, user, &handle).await?;
    revoked.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut response = HttpResponse::NoContent().finish();
    if handle == *caller.session.handle() {
        cookies::clear(&mut response, caller.lacre());
    }
    Ok(response)
}

/// `?except=current` keeps the session that asks; without it all of the caller's sessions end.
pub(super) async fn end_several(
    caller: Caller,
    query: Query<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
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
    let mut response = HttpResponse::Ok().json(json!({ "revoked": ended.len() }));
    if query.is_empty() {
        cookies::clear(&mut response, caller.lacre());
    }
    Ok(response)
}

/// Ends the session that asks.
pub(super) async fn log_out(caller: Caller) -> Result<HttpResponse, Problem> {
    let owner = caller.owner();
    caller.service.log_out(&owner, &caller.session).await?;
    let mut response = HttpResponse::NoContent().finish();
    cookies::clear(&mut response, caller.lacre());
    Ok(response)
}

/// Who asks, and the trail that it leaves.
pub(super) struct Caller {
    pub(super) session: Session,
    pub(super) service: Data<Service>,
    pub(super) trail: Trail,
    limits: Limits,
}

impl Caller {
    fn lacre(&self) -> &Lacre {
        self.service.lacre()
    }

    /// Asks whether the caller's password may be tried now: whoever holds a token may be a thief.
    pub(super) fn attempt(&self) -> Result<Attempt, Problem> {
        let user = self.session.user_id();
        let attempt = self.limits.log_in(user, self.trail.address());
        attempt.inspect_err(|problem| {
            self.trail.record(&Event::LoginFailed {
                code: problem.code().as_str(),
                user: Some(UserId::new(user)),
            });
        })
    }

    /// Who asks, where it is about the account that the token belongs to.
    pub(super) fn owner(&self) -> service::Caller {
        service::Caller::new(Actor::Owner, self.trail.origin().clone())
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = (
            request.app_data::<Data<Service>>(),
            request.app_data::<Data<Policy>>(),
        );
        let (Some(service), Some(policy)) = parts else {
            return ready(Err(Problem::new(Code::InternalError)));
        };
        let session = Session::from_request(request, payload).into_inner();
        ready(session.map(|session| Self {
            session,
            service: service.clone(),
            trail: Trail::of(request, &policy.trusted_proxies),
            limits: policy.limits.clone(),
        }))
    }
}
