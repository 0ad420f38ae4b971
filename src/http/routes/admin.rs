//! `/admin/users…`: an administrator's view of all accounts and their sessions, behind the role
//! `admin`.
//!
//! A door of the operators' room ([`crate::ops`]): each route makes one of its requests, in the name
//! of the administrator who asks, and shows the answer.
//!
//! This room must never change an account but by a request that names the administrator.

mod change;
mod new;
mod page;
mod refused;

use super::super::answer::Answer;
use super::super::body::{Body as _, Json};
use super::super::cookies;
use super::super::problem::{Code, Problem};
use super::super::schema::Shape as _;
use super::answers::{RevokedAnswer, SessionAnswer, UserAnswer, UsersAnswer};
use super::caller::Caller;
use super::contract::{BodyInfo, Contract, Media, Success, SuccessContent, SuccessHeader};
use crate::accounts::{ADMIN_ROLE, AccountsError, Authority, UserId};
use crate::ops::{
    self, Answer as OpsAnswer, OpsError, Request, SessionsRequest, User, UsersRequest, Which,
};
use crate::service::{self, ServiceError};
use crate::telemetry::audit::Actor;
use actix_web::web::{Path, Query};
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use change::Wanted;
use new::NewAccount;
use refused::problem;
use std::future::{Ready, ready};

/// How often a change is begun anew where the administrator's own account was changed meanwhile.
const MAX_ATTEMPTS: usize = 8;

pub(in crate::http) const LIST: Contract = Contract {
    summary: "A page of accounts in the order of their ids.",
    body: None,
    query: &["limit", "after", "q"],
    success: Success {
        status: 200,
        content: SuccessContent::Json(UsersAnswer::kind),
        headers: &[],
    },
    codes: &[Code::InvalidRequest],
};

/// `GET /admin/users`: a page of accounts in the order of their ids.
pub(in crate::http) async fn list(
    admin: Admin,
    query: Query<Vec<(String, String)>>,
) -> Result<Answer<UsersAnswer>, Problem> {
    let request = page::parse(&query)?;
    let listed = admin.ask(Request::Users(request)).await;
    let OpsAnswer::Users { users, next } = listed.map_err(page::refused)? else {
        return Err(unexpected());
    };
    let users = users.into_iter().map(UserAnswer::from).collect();
    Ok(Answer::ok(UsersAnswer { users, next }))
}

pub(in crate::http) const MAKE: Contract = Contract {
    summary: "Makes an account.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[NewAccount::members]],
    }),
    query: &[],
    success: Success {
        status: 201,
        content: SuccessContent::Json(UserAnswer::kind),
        headers: &[SuccessHeader::Location],
    },
    codes: &[Code::AccountInvalid, Code::AccountExists, Code::HashingBusy],
};

/// `POST /admin/users`: makes an account, by the rules of sign-up. One without a password can't log
/// in; trusted clients can ask for its sessions.
pub(in crate::http) async fn make(
    admin: Admin,
    Json(mut sent): Json,
) -> Result<Answer<UserAnswer>, Problem> {
    let NewAccount { account, rights } = NewAccount::read(&mut sent)?;
    let made = admin.change(UsersRequest::Add(account), |error| rights.named(error));
    let user = user(made.await?)?;
    let location = format!("/admin/users/{}", user.id);
    Ok(Answer::created(UserAnswer::from(user)).at(location))
}

pub(in crate::http) const SHOW: Contract = Contract {
    summary: "An account.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(UserAnswer::kind),
        headers: &[],
    },
    codes: &[Code::NotFound],
};

/// `GET /admin/users/{id}`
pub(in crate::http) async fn show(
    admin: Admin,
    id: Path<String>,
) -> Result<Answer<UserAnswer>, Problem> {
    Ok(Answer::ok(admin.user(parsed(&id)?).await?.into()))
}

pub(in crate::http) const CHANGE: Contract = Contract {
    summary: "Changes what the body names, and ends the sessions that the change ends.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[Wanted::members]],
    }),
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(UserAnswer::kind),
        headers: &[],
    },
    codes: &[
        Code::BodyMissingMember,
        Code::OwnAccount,
        Code::LastAdministrator,
        Code::AccountInvalid,
        Code::NotFound,
        Code::HashingBusy,
    ],
};

/// `PUT /admin/users/{id}`: changes what the body names, leaves the rest, and ends what the change
/// ends.
pub(in crate::http) async fn change(
    admin: Admin,
    id: Path<String>,
    Json(mut sent): Json,
) -> Result<Answer<UserAnswer>, Problem> {
    let wanted = Wanted::read(&mut sent)?;
    let rights = wanted.rights.clone();
    let (user, to) = (parsed(&id)?, wanted.into_change());
    let change = UsersRequest::Change { user, to };
    let changed = admin.change(change, |error| rights.named(error));
    let OpsAnswer::Changed { user, .. } = changed.await? else {
        return Err(unexpected());
    };
    Ok(Answer::ok(user.into()))
}

pub(in crate::http) const DELETE: Contract = Contract {
    summary: "Deletes an account and ends its sessions.",
    body: None,
    query: &[],
    success: Success {
        status: 204,
        content: SuccessContent::Nothing,
        headers: &[],
    },
    codes: &[Code::OwnAccount, Code::LastAdministrator, Code::NotFound],
};

/// `DELETE /admin/users/{id}`
pub(in crate::http) async fn delete(admin: Admin, id: Path<String>) -> Result<Answer, Problem> {
    let user = parsed(&id)?;
    admin.change(UsersRequest::Delete { user }, problem).await?;
    Ok(Answer::nothing())
}

pub(in crate::http) const SESSIONS: Contract = Contract {
    summary: "The sessions of a user, the newest first.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(Vec::<SessionAnswer>::kind),
        headers: &[],
    },
    codes: &[Code::NotFound],
};

/// `GET /admin/users/{id}/sessions`: the live ones, the newest first.
pub(in crate::http) async fn sessions(
    admin: Admin,
    id: Path<String>,
) -> Result<Answer<Vec<SessionAnswer>>, Problem> {
    let user = parsed(&id)?;
    let request = Request::Sessions(SessionsRequest::Of { user });
    let OpsAnswer::Sessions(page) = admin.ask(request).await.map_err(problem)? else {
        return Err(unexpected());
    };
    let current = admin.0.session.handle();
    let sessions = page.sessions.into_iter();
    Ok(Answer::ok(
        sessions
            .map(|session| SessionAnswer::of_user(session, current))
            .collect(),
    ))
}

pub(in crate::http) const END_SESSIONS: Contract = Contract {
    summary: "Revokes all sessions of a user.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(RevokedAnswer::kind),
        headers: &[SuccessHeader::Cookies],
    },
    codes: &[Code::NotFound],
};

/// `DELETE /admin/users/{id}/sessions`: ends all of the user's, also what was left behind by an
/// account that is gone.
pub(in crate::http) async fn end_sessions(
    admin: Admin,
    id: Path<String>,
) -> Result<Answer<RevokedAnswer>, Problem> {
    let user = parsed(&id)?;
    let request = Request::Sessions(SessionsRequest::Revoke {
        which: Which::User(user.clone()),
        dry_run: false,
    });
    let OpsAnswer::Revoked { count, .. } = admin.ask(request).await.map_err(problem)? else {
        return Err(unexpected());
    };
    let own = admin.0.session.user_id() == user;
    if count == 0 {
        admin.user(user).await?;
    }
    let answer = Answer::ok(RevokedAnswer { revoked: count });
    if own {
        return Ok(answer.cookies(cookies::clearing_lines(admin.0.service.lacre())));
    }
    Ok(answer)
}

/// An id as it stands in a path: what can't be one names nobody.
fn parsed(id: &str) -> Result<String, Problem> {
    let id = UserId::parse(id).map_err(|_| Problem::new(Code::NotFound))?;
    Ok(id.as_str().to_owned())
}

fn user(answer: OpsAnswer) -> Result<User, Problem> {
    match answer {
        OpsAnswer::User(user) => Ok(user),
        _ => Err(unexpected()),
    }
}

/// An answer to another request than the one that was made.
fn unexpected() -> Problem {
    log::error!("the operators' room gave an answer to another request");
    Problem::new(Code::InternalError)
}

/// Who asks. The guard before the route has seen to the role.
pub(in crate::http) struct Admin(Caller);

impl Admin {
    /// Accounts in the order of their ids, and the id after which the next ones begin.
    pub(in crate::http) async fn accounts(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<User>, Option<String>), Problem> {
        let request = UsersRequest::List {
            after,
            limit: Some(limit),
            text: None,
        };
        match self.ask(Request::Users(request)).await.map_err(problem)? {
            OpsAnswer::Users { users, next } => Ok((users, next)),
            _ => Err(unexpected()),
        }
    }

    /// Asks for something that changes no account.
    async fn ask(&self, request: Request) -> Result<OpsAnswer, OpsError> {
        ops::perform(&self.0.service, &self.caller(), request).await
    }

    /// Has accounts changed by the rights that the administrator has when the change is made
    /// (threat: stale-rights).
    ///
    /// Its account is read first, then the guards verify the request again, and the change is made only
    /// if the account is still as it was read. Whatever ended the session or took the rights before the
    /// guards looked is refused by them, and whatever came after by the transaction. Of an administrator who was given
    /// another name, say, the guards know nothing: then all of it is done once more.
    async fn change(
        &self,
        request: UsersRequest,
        refused: impl Fn(OpsError) -> Problem,
    ) -> Result<OpsAnswer, Problem> {
        for _ in 0..MAX_ATTEMPTS {
            let authority = self.authority().await?;
            self.0.verify_again().await?;
            // The change that took the rights is about to end the session.
            let authority = authority.ok_or_else(|| self.0.refused("authority_changed"))?;
            let (caller, request) = (self.caller().by(authority), request.clone());
            match ops::perform(&self.0.service, &caller, Request::Users(request)).await {
                Err(OpsError::Service(ServiceError::Accounts(AccountsError::AuthorityChanged))) => {
                }
                done => return done.map_err(refused),
            }
        }
        Err(AccountsError::AuthorityChanged.into())
    }

    /// The administrator's account as it is now; `None` where it is none any more.
    async fn authority(&self) -> Result<Option<Authority>, Problem> {
        let Ok(id) = UserId::parse(self.0.session.user_id()) else {
            return Ok(None);
        };
        let account = self.0.service.accounts().get(&id).await?;
        Ok(account.and_then(|account| Authority::of(&account, ADMIN_ROLE)))
    }

    fn caller(&self) -> service::Caller {
        let actor = Actor::Admin(self.0.session.user_id().to_owned());
        let caller = service::Caller::new(actor, self.0.trail.origin().clone());
        caller.in_session(self.0.session.handle())
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
