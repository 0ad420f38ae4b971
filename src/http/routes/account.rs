//! `POST /signup` and `GET /me`.

use super::super::body::JsonOrForm;
use super::super::guard::Session;
use super::super::origin::Trail;
use super::super::problem::{Code, Problem};
use super::super::time::Time;
use super::Policy;
use crate::accounts::{Account, Email, NewAccount, Password, UserId};
use crate::service::{Caller, Service};
use crate::telemetry::audit::Actor;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// `POST /signup`: a stranger makes an account, where the deployment lets strangers in.
pub(super) async fn sign_up(
    service: Data<Service>,
    policy: Data<Policy>,
    request: HttpRequest,
    JsonOrForm(mut body): JsonOrForm,
) -> Result<HttpResponse, Problem> {
    if !policy.open_signup {
        return Err(Problem::new(Code::SignupClosed));
    }
    let (email, password) = (
        body.required_text("email")?,
        body.required_secret("password")?,
    );
    let new = NewAccount {
        name: body.optional_text("name")?,
        password: Some(Password::parse(&password)?),
        ..NewAccount::with_email(Email::parse(&email)?)
    };
    let trail = Trail::of(&request, &policy.trusted_proxies);
    policy.limits.sign_up(trail.address())?;
    let owner = Caller::new(Actor::Owner, trail.origin().clone());
    let account = service.create_user(&owner, new).await?;
    Ok(HttpResponse::Created().json(shown(&account)))
}

/// `GET /me`: the account as it is now, and the session that asks.
pub(super) async fn me(service: Data<Service>, session: Session) -> Result<HttpResponse, Problem> {
    let Ok(id) = UserId::parse(session.user_id()) else {
        return Err(Problem::invalid_token());
    };
    // An account that is gone or disabled has no good token, even in the moment before its
    // sessions have ended.
    let account = service
        .accounts()
        .get(&id)
        .await?
        .filter(|account| account.active);
    let mut me = shown(&account.ok_or_else(Problem::invalid_token)?);
    me["session"] = json!({
        "crt": session.handle().as_str(),
        "created_at": Time(session.created_at),
        "expires_at": Time(session.expires_at),
        "fresh": session.is_fresh(),
    });
    // What a back end gave for this session; most have none.
    if !session.claims.additional.is_empty() {
        me["session"]["claims"] = session.claims.additional.clone().into();
    }
    Ok(HttpResponse::Ok().json(me))
}

/// What an account says of itself.
pub(super) fn shown(account: &Account) -> Value {
    json!({
        "id": account.id.as_str(),
        "email": account.email.as_str(),
        "name": account.name,
        "role": account.role(),
        "roles": account.roles,
        "permissions": account.permissions,
        "active": account.active,
    })
}
