//! The dialect `x-access-token`: sign-up and log-in by forms, and a token that stands alone in a header
//! field of its own.
//!
//! This room must never tell an unknown user from a wrong password, and never show the accounts to who
//! isn't an administrator.

use super::super::answer::Answer;
use super::super::body::JsonOrForm;
use super::super::problem::{Code, Parts, Problem};
use super::super::render::Wording;
use super::super::routes::admin::Admin;
use super::super::routes::answers::TokenText;
use super::super::routes::contract::{Access, Contract, Success, SuccessContent};
use super::super::routes::table::{RouteInfo, row};
use super::super::routes::{Policy, account, login, sessions};
use super::super::schema::{Shape as _, answer};
use super::names::renamed;
use super::wording::{json, text};
use crate::accounts::{ADMIN_ROLE, UserId};
use crate::service::Service;
use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Query};
use serde::{Deserialize, Serialize};

/// The header field of the token.
pub(super) const FIELD: &str = "x-access-token";

const SIGN_UP_PATH: &str = "/signup";
const LOG_IN_PATH: &str = "/login";

/// The routes of this dialect.
pub(super) const ROUTES: &[RouteInfo] = {
    use Access::{AnyKind, Open, Role};
    &[
        row(Method::POST, SIGN_UP_PATH, Open, SIGN_UP, |r| r.to(sign_up)),
        row(Method::POST, LOG_IN_PATH, Open, LOG_IN, |r| r.to(log_in)),
        row(Method::POST, "/logout", AnyKind, sessions::LOG_OUT, |r| {
            r.to(sessions::log_out)
        })
        .and_own_users(),
        row(Method::GET, "/user", Role(ADMIN_ROLE), USERS, |r| {
            r.to(users)
        }),
    ]
};

/// One sentence.
#[derive(Serialize)]
struct Sentence<'a> {
    message: &'a str,
}

/// Tells a problem. A log-in that fails is one answer; one that lacks a member is another.
pub(super) fn words(problem: &Parts, asked: &RequestHead) -> Wording {
    use StatusCode as Is;
    let say = |status, message| json(status, &Sentence { message });
    let is_log_in = asked.uri.path() == LOG_IN_PATH;
    match problem.code {
        Code::NoCredentials => say(Is::UNAUTHORIZED, "Token is missing !!"),
        Code::InvalidToken => say(Is::UNAUTHORIZED, "Token is invalid !!"),
        Code::AccountExists if asked.uri.path() == SIGN_UP_PATH => {
            text(Is::ACCEPTED, "User already exists. Please Log in.")
        }
        Code::BodyMissingMember if is_log_in => not_verified(Is::UNAUTHORIZED),
        Code::InvalidCredentials if is_log_in => not_verified(Is::FORBIDDEN),
        code => say(code.status(), &problem.detail),
    }
}

fn not_verified(status: StatusCode) -> Wording {
    Wording {
        challenge: Some("Basic realm =\"Login required !!\""),
        ..text(status, "Could not verify")
    }
}

const REGISTERED: &str = "Successfully registered.";

const SIGN_UP: Contract = Contract {
    success: Success {
        status: 201,
        content: SuccessContent::Text(REGISTERED),
        headers: &[],
    },
    ..account::SIGN_UP
};

async fn sign_up(
    service: Data<Service>,
    policy: Data<Policy>,
    request: HttpRequest,
    sent: JsonOrForm,
) -> Result<Answer, Problem> {
    let _account = account::sign_up(service, policy, request, sent).await?;
    Ok(Answer::text(REGISTERED).status(StatusCode::CREATED))
}

const LOG_IN: Contract = Contract {
    summary: "Begins a session by a password.",
    success: Success {
        status: 201,
        content: SuccessContent::Json(Given::kind),
        headers: &[],
    },
    ..login::GET_TOKEN
};

answer! {
    /// What a log-in gives.
    struct Given {
        token: TokenText,
    }
}

async fn log_in(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    JsonOrForm(mut sent): JsonOrForm,
) -> Result<Answer<Given>, Problem> {
    let sent = renamed(&mut sent, &[("email", "email"), ("password", "password")]);
    let given = login::get_token(request, service, policy, JsonOrForm(sent)).await?;
    let given = given.map(|given| Given { token: given.auth });
    Ok(given.status(StatusCode::CREATED))
}

/// At most so many accounts are shown at once.
const MOST: usize = 200;

const USERS: Contract = Contract {
    summary: "At most 200 accounts in the order of their ids, those behind `after`.",
    body: None,
    query: &["after"],
    success: Success {
        status: 200,
        content: SuccessContent::Json(Users::kind),
        headers: &[],
    },
    codes: &[Code::InvalidRequest],
};

answer! {
    /// Accounts.
    struct Users {
        users: Vec<User>,
    }
}

answer! {
    /// An account.
    struct User {
        public_id: String,
        name: Option<String>,
        email: String,
    }
}

#[derive(Deserialize)]
struct Place {
    after: Option<String>,
}

async fn users(admin: Admin, place: Query<Place>) -> Result<Answer<Users>, Problem> {
    let after = place.into_inner().after;
    let after = after
        .map(|text| UserId::parse(&text).map(|id| id.as_str().to_owned()))
        .transpose()
        .map_err(|_| Problem::new(Code::InvalidRequest))?;
    let (accounts, _) = admin.accounts(after, MOST).await?;
    let users = accounts.into_iter().map(|account| User {
        public_id: account.id,
        name: account.name,
        email: account.email,
    });
    Ok(Answer::ok(Users {
        users: users.collect(),
    }))
}
