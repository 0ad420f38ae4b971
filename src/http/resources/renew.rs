//! `POST /refresh`, `POST /reauth`, `PUT /me/password`: a session renewed, and what that ends.
//!
//! This room must never tell a client whether its refresh token was spent, unknown or expired.

use super::super::body::{Json, OptionalJson};
use super::super::credentials::{self, BearerText};
use super::super::origin::Trail;
use super::super::problem::Problem;
use super::Policy;
use super::login::{answer, presented};
use super::sessions::Caller;
use crate::accounts::{AccountsError, Password};
use crate::guard::Refusal;
use crate::refresh::RefreshError;
use crate::service::Service;
use crate::telemetry::audit::{Cause, Event, MaskedHandle, UserId};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

/// The refresh token comes as Bearer or as the member `refresh`, not as both.
pub(super) async fn refresh(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    OptionalJson(mut body): OptionalJson,
) -> Result<HttpResponse, Problem> {
    let header = credentials::bearer(request.headers())?;
    let member = body.optional_secret("refresh")?;
    let token = match (header, member) {
        (Some(_), Some(_)) => return Err(Problem::two_credentials()),
        (Some(token), None) => token,
        (None, Some(text)) => BearerText::from_text(text).ok_or_else(Problem::invalid_token)?,
        (None, None) => return Err(Problem::no_credentials()),
    };
    let refreshed = service.refresh(token.as_str().as_bytes()).await;
    let trail = Trail::of(&request, &policy.trusted_proxies);
    refreshed
        .map(|issued| answer(&issued))
        .map_err(|error| refused(&trail, error))
}

/// One answer for every bad token; who watches the log sees a theft as one.
fn refused(trail: &Trail, error: RefreshError<AccountsError>) -> Problem {
    let ended = |user_id: &str, session: &str, cause| {
        let (user, session) = (UserId::new(user_id), MaskedHandle::of(session));
        trail.record(&Event::SessionEnded {
            user,
            session,
            cause,
        });
        Problem::invalid_token()
    };
    match error {
        RefreshError::Refused(Refusal::Token(error)) => {
            trail.record(&Event::TokenRefused {
                code: error.code(),
                session: None,
            });
            Problem::invalid_token()
        }
        RefreshError::Reused { user_id, handle } => {
            ended(&user_id, handle.as_str(), Cause::RefreshReused)
        }
        RefreshError::UserGone { user_id, handle } => {
            ended(&user_id, handle.as_str(), Cause::AccountClosed)
        }
        RefreshError::Refused(Refusal::Store(error)) => error.into(),
        RefreshError::Issue(error) => error.into(),
        RefreshError::Subject(error) => error.into(),
    }
}

/// Proves the password once more: a fresh access token for this session.
pub(super) async fn reauthenticate(
    caller: Caller,
    Json(mut body): Json,
) -> Result<HttpResponse, Problem> {
    let password = presented(&body.required_secret("password")?)?;
    let user = UserId::new(caller.session.user_id());
    match caller
        .service
        .reauthenticate(&caller.session, password)
        .await
    {
        Ok(issued) => {
            caller.trail.record(&Event::LoginSucceeded { user });
            Ok(answer(&issued))
        }
        Err(error) => {
            caller.trail.record(&Event::LoginFailed {
                code: error.code(),
                user: Some(user),
            });
            Err(error.into())
        }
    }
}

/// Changes the caller's own password; every other session of the user ends.
pub(super) async fn change_password(
    caller: Caller,
    Json(mut body): Json,
) -> Result<HttpResponse, Problem> {
    let current = presented(&body.required_secret("current")?)?;
    let new = Password::parse(&body.required_secret("new")?)
        .map_err(|error| Problem::from(error).field("new"))?;
    let ended = caller
        .service
        .change_password(&caller.session, current, new)
        .await?;
    caller.ended(&ended, Cause::PasswordChanged);
    Ok(HttpResponse::NoContent().finish())
}
