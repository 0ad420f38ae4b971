//! `POST /signup` and `GET /me`.

use super::super::answer::Answer;
use super::super::body::{Body as _, JsonOrForm};
use super::super::guard::Session;
use super::super::origin::Trail;
use super::super::problem::{Code, Problem};
use super::super::schema::Shape as _;
use super::answers::{AccountAnswer, MeAnswer};
use super::bodies::SignUp;
use super::contract::{BodyInfo, Contract, Media, Success, SuccessContent};
use super::policy::Policy;
use crate::accounts::{Email, NewAccount, Password, UserId};
use crate::service::{Caller, Service};
use crate::telemetry::audit::{Actor, Event, MaskedHandle};
use actix_web::HttpRequest;
use actix_web::web::Data;

pub(in crate::http) const SIGN_UP: Contract = Contract {
    summary: "Makes an account, where the deployment lets strangers do so.",
    body: Some(BodyInfo {
        media: Media::JsonOrForm,
        required: true,
        variants: &[&[SignUp::members]],
    }),
    query: &[],
    success: Success {
        status: 201,
        content: SuccessContent::Json(AccountAnswer::kind),
        headers: &[],
    },
    codes: &[
        Code::SignupClosed,
        Code::AccountInvalid,
        Code::AccountExists,
        Code::RateLimited,
        Code::HashingBusy,
        Code::StoreUnavailable,
    ],
};

/// `POST /signup`: a stranger makes an account, where the deployment lets strangers do so.
pub(in crate::http) async fn sign_up(
    service: Data<Service>,
    policy: Data<Policy>,
    request: HttpRequest,
    JsonOrForm(mut sent): JsonOrForm,
) -> Result<Answer<AccountAnswer>, Problem> {
    if !policy.open_signup {
        return Err(Problem::new(Code::SignupClosed));
    }
    let body = SignUp::read(&mut sent)?;
    let new = NewAccount {
        name: body.name,
        password: Some(Password::parse(&body.password)?),
        ..NewAccount::with_email(Email::parse(&body.email)?)
    };
    let trail = Trail::of(&request);
    let owner = Caller::new(Actor::Owner, trail.origin().clone());
    let account = service.sign_up(&owner, new).await?;
    Ok(Answer::created(AccountAnswer::from(&account)))
}

pub(in crate::http) const ME: Contract = Contract {
    summary: "The caller's account as it is now, and the session that asks.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(MeAnswer::kind),
        headers: &[],
    },
    codes: &[],
};

/// `GET /me`: the account as it is now, and the session that asks.
pub(in crate::http) async fn me(
    request: HttpRequest,
    service: Data<Service>,
    session: Session,
) -> Result<Answer<MeAnswer>, Problem> {
    // An account that is gone or disabled has no good token, even in the moment before its
    // sessions have ended.
    let gone = || {
        Trail::of(&request).record(&Event::TokenRefused {
            code: "account_closed",
            session: Some(MaskedHandle::of(session.handle().as_str())),
        });
        Problem::invalid_token()
    };
    let id = UserId::parse(session.user_id()).map_err(|_| gone())?;
    let account = service.accounts().get(&id).await?;
    let account = account.filter(|account| account.active).ok_or_else(gone)?;
    Ok(Answer::ok(MeAnswer {
        account: AccountAnswer::from(&account),
        session: (&*session).into(),
    }))
}
