//! `/admin/users…`: an administrator's view of all accounts and their sessions, behind the role
//! `admin`.
//!
//! A door of the operators' room ([`crate::ops`]): each route makes one of its requests, in the name
//! of the administrator who asks, and shows the answer.
//!
//! This room must never change an account but by a request that names the administrator.

mod change;
mod page;

use super::super::body::Json;
use super::super::cookies;
use super::super::problem::{Code, Problem};
use super::super::time::Time;
use super::sessions::Caller;
use crate::accounts::{AccountsError, Email, UserId};
use crate::ops::{
    self, Answer, NewUser, OpsError, Request, Secret, SessionsRequest, User, UsersRequest, Which,
};
use crate::service::{self, ServiceError};
use crate::telemetry::audit::Actor;
use actix_web::http::header::LOCATION;
use actix_web::web::{Path, Query};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload};
use serde_json::{Value, json};
use std::future::{Ready, ready};

/// The role that lets in here.
pub(super) const ROLE: &str = "admin";

/// `GET /admin/users`: a page of accounts in the order of their ids.
pub(super) async fn list(
    admin: Admin,
    query: Query<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let request = page::parse(&query)?;
    let listed = admin.ask(Request::Users(request)).await;
    let Answer::Users { users, next } = listed.map_err(page::refused)? else {
        return Err(unexpected());
    };
    let users: Vec<Value> = users.iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(json!({ "users": users, "next": next })))
}

/// `POST /admin/users`: makes an account, by the rules of sign-up. One without a password can't log
/// in; trusted clients can ask for its sessions.
pub(super) async fn make(admin: Admin, Json(mut body): Json) -> Result<HttpResponse, Problem> {
    let email = body.required_text("email")?;
    Email::parse(&email)?;
    let id = body.optional_text("id")?;
    let password = body.optional_secret("password")?;
    let rights = change::Rights::take(&mut body)?;
    if body.optional_flag("active")? == Some(false) {
        return Err(Problem::new(Code::AccountInvalid)
            .field("active")
            .detail("A new account is active; disable it afterwards."));
    }
    let new = NewUser {
        email,
        id,
        name: body.optional_text("name")?,
        password: password.map(|text| Secret::new(text.to_string())),
        roles: rights.of_new()?,
        permissions: rights.permissions.clone().unwrap_or_default(),
    };
    let made = admin.ask(Request::Users(UsersRequest::Add(new))).await;
    let user = user(made.map_err(|error| rights.named(error))?)?;
    let location = format!("/admin/users/{}", user.id);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, location))
        .json(shown(&user)))
}

/// `GET /admin/users/{id}`
pub(super) async fn show(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(shown(&admin.user(parsed(&id)?).await?)))
}

/// `PUT /admin/users/{id}`: changes what the body names, leaves the rest, and ends what the change
/// ends.
pub(super) async fn change(
    admin: Admin,
    id: Path<String>,
    Json(body): Json,
) -> Result<HttpResponse, Problem> {
    let wanted = change::Wanted::parse(body)?;
    let rights = wanted.rights.clone();
    let (user, to) = (parsed(&id)?, wanted.into_change());
    let changed = admin.ask(Request::Users(UsersRequest::Change { user, to }));
    let changed = changed.await.map_err(|error| rights.named(error))?;
    let Answer::Changed { user, .. } = changed else {
        return Err(unexpected());
    };
    Ok(HttpResponse::Ok().json(shown(&user)))
}

/// `DELETE /admin/users/{id}`
pub(super) async fn delete(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    let user = parsed(&id)?;
    let deleted = admin.ask(Request::Users(UsersRequest::Delete { user }));
    deleted.await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /admin/users/{id}/sessions`: the live ones, the newest first.
pub(super) async fn sessions(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    let user = parsed(&id)?;
    let request = Request::Sessions(SessionsRequest::Of { user });
    let Answer::Sessions(page) = admin.ask(request).await.map_err(problem)? else {
        return Err(unexpected());
    };
    let current = admin.0.session.handle().as_str();
    let sessions: Vec<Value> = page
        .sessions
        .iter()
        .map(|session| shown_session(session, current))
        .collect();
    Ok(HttpResponse::Ok().json(sessions))
}

/// `DELETE /admin/users/{id}/sessions`: ends all of the user's, also what was left behind by an
/// account that is gone.
pub(super) async fn end_sessions(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    let user = parsed(&id)?;
    let request = Request::Sessions(SessionsRequest::Revoke {
        which: Which::User(user.clone()),
        dry_run: false,
    });
    let Answer::Revoked { count, .. } = admin.ask(request).await.map_err(problem)? else {
        return Err(unexpected());
    };
    let own = admin.0.session.user_id() == user;
    if count == 0 {
        admin.user(user).await?;
    }
    let mut response = HttpResponse::Ok().json(json!({ "revoked": count }));
    if own {
        cookies::clear(&mut response, admin.0.service.lacre());
    }
    Ok(response)
}

/// What `GET /me` says of an account, and when it was made and changed.
fn shown(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.roles.first(),
        "roles": user.roles,
        "permissions": user.permissions,
        "active": user.active,
        "created_at": Time(user.created_at),
        "updated_at": Time(user.updated_at),
    })
}

/// What `GET /sessions` says of a session.
fn shown_session(session: &ops::Session, current: &str) -> Value {
    json!({
        "crt": session.handle,
        "created_at": Time(session.created_at),
        "last_seen_at": Time(session.last_seen_at),
        "expires_at": Time(session.expires_at),
        "ip": session.address,
        "user_agent": session.user_agent,
        "label": session.label,
        "current": session.handle == current,
    })
}

/// An id as it stands in a path: what can't be one names nobody.
fn parsed(id: &str) -> Result<String, Problem> {
    let id = UserId::parse(id).map_err(|_| Problem::new(Code::NotFound))?;
    Ok(id.as_str().to_owned())
}

fn user(answer: Answer) -> Result<User, Problem> {
    match answer {
        Answer::User(user) => Ok(user),
        _ => Err(unexpected()),
    }
}

/// An answer to another request than the one that was made.
fn unexpected() -> Problem {
    log::error!("the operators' room gave an answer to another request");
    Problem::new(Code::InternalError)
}

fn problem(error: OpsError) -> Problem {
    match error {
        OpsError::Service(ServiceError::Accounts(AccountsError::AccountUnknown))
        | OpsError::ClientUnknown
        | OpsError::SessionUnknown => Problem::new(Code::NotFound),
        OpsError::Service(error) => error.into(),
        OpsError::Store(error) => error.into(),
        OpsError::OwnAccount => Problem::new(Code::OwnAccount),
        _ => Problem::new(Code::InvalidRequest),
    }
}

/// Who asks. The guard before the route has seen to the role.
pub(super) struct Admin(Caller);

impl Admin {
    async fn ask(&self, request: Request) -> Result<Answer, OpsError> {
        let actor = Actor::Admin(self.0.session.user_id().to_owned());
        let caller = service::Caller::new(actor, self.0.trail.origin().clone());
        ops::perform(&self.0.service, &caller, request).await
    }

    async fn user(&self, id: String) -> Result<User, Problem> {
        let request = Request::Users(UsersRequest::Show { user: id });
        user(self.ask(request).await.map_err(problem)?)
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(
            Caller::from_request(request, payload)
                .into_inner()
                .map(Self),
        )
    }
}

impl change::Rights {
    /// The problem, with the member at fault named as the body names it.
    fn named(&self, error: OpsError) -> Problem {
        let at_fault = match &error {
            OpsError::Service(ServiceError::Accounts(error)) => error.field(),
            _ => None,
        };
        let problem = problem(error);
        match at_fault {
            Some("role") if self.roles.is_some() => problem.field("roles"),
            Some("permission") => problem.field("permissions"),
            _ => problem,
        }
    }
}
