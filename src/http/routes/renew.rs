//! `POST /refresh`, `POST /reauth`, `PUT /me/password`: a session renewed, and what that ends.
//!
//! This room must never tell a client whether its refresh token was spent, unknown or expired.

use super::super::answer::Answer;
use super::super::body::{Body as _, Json, OptionalJson};
use super::super::cookies;
use super::super::csrf::{self, CsrfError, Methods};
use super::super::locations::{LocatedToken, Location, TokenField, TokenLocations};
use super::super::origin::Trail;
use super::super::problem::{Code, Problem, Reason};
use super::super::request_line;
use super::super::schema::Shape as _;
use super::super::turns::next_turn_to_read;
use super::answers::TokenAnswer;
use super::bodies::{PasswordChange, Reauthentication, RefreshRequest};
use super::caller::Caller;
use super::contract::{BodyInfo, Contract, Media, Success, SuccessContent, SuccessHeader};
use super::login::answer;
use crate::accounts::AccountsError;
use crate::lacre::Lacre;
use crate::service::{Service, ServiceError};
use crate::sessions::guard::Refusal;
use crate::sessions::refresh::RefreshError;
use crate::telemetry::audit::Event;
use crate::token::UnopenedToken;
use actix_web::HttpRequest;
use actix_web::web::Data;

/// Where a refresh token may stand, as far as it is enabled: never in a query, for it would be
/// written into logs. The member `refresh` is this route's own and always taken.
const PLACES: [Location; 2] = [Location::Header, Location::Cookie];

pub(in crate::http) const REFRESH: Contract = Contract {
    summary: "New tokens for a session; the access token of before is refused from now on.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: false,
        variants: &[&[RefreshRequest::members]],
    }),
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(TokenAnswer::kind),
        headers: &[SuccessHeader::Cookies],
    },
    codes: &[Code::ClaimsInvalid],
};

/// The refresh token comes as Bearer, as a cookie or as the member `refresh`, in one place only.
pub(in crate::http) async fn refresh(
    request: HttpRequest,
    service: Data<Service>,
    OptionalJson(mut sent): OptionalJson,
) -> Result<Answer<TokenAnswer>, Problem> {
    let lacre = service.lacre();
    let mut enabled = lacre.rules().locations.clone();
    enabled.retain(|location| PLACES.contains(location));
    let places = TokenLocations {
        enabled: &enabled,
        cookies: &[cookies::REFRESH],
        field: TokenField::Authorization,
    };
    let member = RefreshRequest::read(&mut sent)?.refresh;
    let token = places
        .find(&request, member)?
        .ok_or_else(Problem::no_credentials)?;
    let trail = Trail::of(&request);
    check_forgery(&request, lacre, &token).inspect_err(|error| {
        trail.record(&Event::TokenRefused {
            code: error.code(),
            session: None,
        });
    })?;
    // Anybody can make up a token that has to be opened to be refused.
    let turn = next_turn_to_read(lacre.keystore()).await;
    let refreshed = service.refresh(token.text.as_bytes(), trail.origin(), turn);
    let refreshed = refreshed.await;
    let issued = refreshed.map_err(refused)?;
    request_line::given(&request, &issued);
    Ok(answer(lacre, issued, None))
}

/// A refresh is checked before its token is opened, for the use of a spent one ends the session.
/// The session is the one that the token names; if it lies, it won't open.
fn check_forgery(
    request: &HttpRequest,
    lacre: &Lacre,
    token: &LocatedToken<'_>,
) -> Result<(), CsrfError> {
    csrf::check_sender(request, lacre)?;
    if token.location != Location::Cookie {
        return Ok(());
    }
    match UnopenedToken::parse(token.text.as_bytes()) {
        Ok(unopened) => csrf::check(request, Methods::Own, lacre, unopened.handle()),
        // What has no form of a token is refused like any other bad one.
        Err(_) => Ok(()),
    }
}

/// One answer for every bad token; whoever reads the log sees a theft as one.
fn refused(error: RefreshError<AccountsError>) -> Problem {
    match error {
        RefreshError::Refused(Refusal::Token(error)) => error.into(),
        RefreshError::Reused { .. } => Problem::proven(Reason::Reused),
        RefreshError::UserGone { .. } => Problem::proven(Reason::UserGone),
        RefreshError::Refused(Refusal::Store(error)) => error.into(),
        RefreshError::Issue(error) => error.into(),
        RefreshError::Subject(error) => error.into(),
    }
}

pub(in crate::http) const REAUTHENTICATE: Contract = Contract {
    summary: "Proves the password once more: a fresh access token for this session.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[Reauthentication::members]],
    }),
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(TokenAnswer::kind),
        headers: &[SuccessHeader::Cookies],
    },
    codes: &[
        Code::InvalidCredentials,
        Code::ClaimsInvalid,
        Code::RateLimited,
        Code::HashingBusy,
    ],
};

/// Proves the password once more: a fresh access token for this session.
pub(in crate::http) async fn reauthenticate(
    request: HttpRequest,
    caller: Caller,
    Json(mut sent): Json,
) -> Result<Answer<TokenAnswer>, Problem> {
    csrf::check_sender(&request, caller.service.lacre())
        .inspect_err(|error| caller.record_failure(error.code()))?;
    let Reauthentication { password } = Reauthentication::read(&mut sent)?;
    let (owner, session) = (caller.owner(), &caller.session);
    let proven = caller.service.reauthenticate(&owner, session, password);
    let issued = proven.await?;
    let lacre = caller.service.lacre();
    let lasts = caller.session.expires_at.saturating_sub(lacre.now());
    Ok(answer(lacre, issued, Some(lasts)))
}

pub(in crate::http) const CHANGE_PASSWORD: Contract = Contract {
    summary: "Changes the caller's own password; every other session of the user ends.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[PasswordChange::members]],
    }),
    query: &[],
    success: Success {
        status: 204,
        content: SuccessContent::Nothing,
        headers: &[],
    },
    codes: &[
        Code::InvalidCredentials,
        Code::AccountInvalid,
        Code::RateLimited,
        Code::HashingBusy,
        Code::NotFound,
    ],
};

/// Changes the caller's own password; every other session of the user ends.
pub(in crate::http) async fn change_password(
    caller: Caller,
    Json(mut sent): Json,
) -> Result<Answer, Problem> {
    let PasswordChange { current, new } = PasswordChange::read(&mut sent)?;
    let (owner, session) = (caller.owner(), &caller.session);
    let changed = caller
        .service
        .change_password(&owner, session, current, new)
        .await;
    if let Err(ServiceError::Accounts(AccountsError::AuthorityChanged)) = changed {
        // The session has ended while the password was hashed: the guard says so.
        caller.verify_again().await?;
    }
    changed?;
    Ok(Answer::nothing())
}

#[cfg(test)]
mod tests;
