//! `/admin/users…`: an administrator's view of all accounts and their sessions, behind the role
//! `admin`.
//!
//! Administrators can't lock themselves out: what would close or demote the account that asks is
//! refused, so that the last administrator stays one.
//!
//! This room must never change an account but by a request that names the administrator.

mod change;
mod page;

use super::super::body::Json;
use super::super::cookies;
use super::super::problem::{Code, Problem};
use super::super::time::Time;
use super::account;
use super::sessions::{self, Caller};
use crate::accounts::{Account, Email, NewAccount, Password, UserId};
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
    let asked = page::Asked::parse(&query)?;
    let accounts = admin.0.service.accounts();
    let page = accounts
        .list(asked.after, asked.limit, asked.query.as_deref())
        .await
        .map_err(page::refused)?;
    let users: Vec<Value> = page.accounts.iter().map(shown).collect();
    let next = page.next.as_ref().map(UserId::as_str);
    Ok(HttpResponse::Ok().json(json!({ "users": users, "next": next })))
}

/// `POST /admin/users`: makes an account, by the rules of sign-up. One without a password can't log
/// in; trusted clients can ask for its sessions.
pub(super) async fn make(admin: Admin, Json(mut body): Json) -> Result<HttpResponse, Problem> {
    let email = Email::parse(&body.required_text("email")?)?;
    let id = body.optional_text("id")?;
    let password = body.optional_secret("password")?;
    let rights = change::Rights::take(&mut body)?;
    if body.optional_flag("active")? == Some(false) {
        return Err(Problem::new(Code::AccountInvalid)
            .field("active")
            .detail("A new account is active; disable it afterwards."));
    }
    let new = NewAccount {
        id: id.map(|id| UserId::parse(&id)).transpose()?,
        name: body.optional_text("name")?,
        password: password.map(|text| Password::parse(&text)).transpose()?,
        roles: rights.of_new()?,
        permissions: rights.permissions.clone().unwrap_or_default(),
        ..NewAccount::with_email(email)
    };
    let made = admin.0.service.create_user(&admin.caller(), new).await;
    let account = made.map_err(|error| rights.named(error))?;
    let location = format!("/admin/users/{}", account.id);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, location))
        .json(shown(&account)))
}

/// `GET /admin/users/{id}`
pub(super) async fn show(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(shown(&admin.account(&id).await?)))
}

/// `PUT /admin/users/{id}`: changes what the body names, leaves the rest, and ends what the change
/// ends.
pub(super) async fn change(
    admin: Admin,
    id: Path<String>,
    Json(body): Json,
) -> Result<HttpResponse, Problem> {
    let wanted = change::Wanted::parse(body)?;
    let before = admin.account(&id).await?;
    if admin.is(&before.id) && wanted.locks_out(&before) {
        return Err(Problem::new(Code::OwnAccount));
    }
    let rights = wanted.rights.clone();
    let (mut change, password) = wanted.into_change();
    if admin.is(&before.id) {
        // What was found not to lock the asking one out is what is written.
        change.roles = change.roles_after(&before.roles);
    }
    let (service, caller) = (&admin.0.service, admin.caller());
    let changed = service.change_user(&caller, &before.id, change, password);
    let changed = changed.await.map_err(|error| rights.named(error))?;
    Ok(HttpResponse::Ok().json(shown(&changed.account)))
}

/// `DELETE /admin/users/{id}`
pub(super) async fn delete(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id = parsed(&id)?;
    if admin.is(&id) {
        return Err(Problem::new(Code::OwnAccount));
    }
    let deleted = admin.0.service.delete_user(&admin.caller(), &id).await?;
    deleted.ok_or(Code::NotFound)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /admin/users/{id}/sessions`: the live ones, the newest first.
pub(super) async fn sessions(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    let account = admin.account(&id).await?;
    let lacre = admin.0.service.lacre();
    let sessions = lacre.sessions_of(account.id.as_str()).await?;
    let sessions: Vec<Value> = sessions
        .iter()
        .map(|info| sessions::shown(info, admin.0.session.handle()))
        .collect();
    Ok(HttpResponse::Ok().json(sessions))
}

/// `DELETE /admin/users/{id}/sessions`: ends all of the user's, also what was left behind by an
/// account that is gone.
pub(super) async fn end_sessions(admin: Admin, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id = parsed(&id)?;
    let service = &admin.0.service;
    let caller = admin.caller();
    let ended = service.revoke_all_of(&caller, id.as_str(), None).await?;
    if ended.is_empty() {
        admin.account(id.as_str()).await?;
    }
    let mut response = HttpResponse::Ok().json(json!({ "revoked": ended.len() }));
    if admin.is(&id) {
        cookies::clear(&mut response, service.lacre());
    }
    Ok(response)
}

/// What `GET /me` says of an account, and when it was made and changed.
fn shown(account: &Account) -> Value {
    let mut shown = account::shown(account);
    shown["created_at"] = json!(Time(account.created_at));
    shown["updated_at"] = json!(Time(account.updated_at));
    shown
}

/// An id as it stands in a path: what can't be one names nobody.
fn parsed(id: &str) -> Result<UserId, Problem> {
    UserId::parse(id).map_err(|_| Problem::new(Code::NotFound))
}

/// Who asks. The guard before the route has seen to the role.
pub(super) struct Admin(Caller);

impl Admin {
    fn is(&self, id: &UserId) -> bool {
        self.0.session.user_id() == id.as_str()
    }

    async fn account(&self, id: &str) -> Result<Account, Problem> {
        let account = self.0.service.accounts().get(&parsed(id)?).await?;
        account.ok_or_else(|| Problem::new(Code::NotFound))
    }

    fn caller(&self) -> service::Caller {
        let actor = Actor::Admin(self.0.session.user_id().to_owned());
        service::Caller::new(actor, self.0.trail.origin().clone())
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
    fn named(&self, error: ServiceError) -> Problem {
        let at_fault = match &error {
            ServiceError::Accounts(error) => error.field(),
            _ => None,
        };
        let problem = Problem::from(error);
        match at_fault {
            Some("role") if self.roles.is_some() => problem.field("roles"),
            Some("permission") => problem.field("permissions"),
            _ => problem,
        }
    }
}
