//! `/console/user`: an account, or an id without one, and its sessions; and the end of all of them or of all
//! but one, which takes the administrator's password once more.
//!
//! This room must never end more than the page before has shown.

use super::address::Address;
use super::admission::{Posted, Visit};
use super::listing;
use super::notices::Notice;
use super::proof::{self, prove};
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, facts, page, page_with, see_other};
use super::text::{Shown, beginning, count, listed, moment, shown};
use super::users;
use crate::accounts::AccountsError;
use crate::ops::{
    Answer, KeystoreRequest, LastUse, OpsError, Request, SessionsRequest, User, UsersRequest, Which,
};
use crate::service::ServiceError;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

const PAGE: usize = 100;

#[derive(Deserialize)]
pub(super) struct Asked {
    id: String,
    after: Option<String>,
}

pub(super) async fn show(
    visit: Visit,
    Address(asked): Address<Asked>,
) -> Result<HttpResponse, Refused> {
    let asked = asked?;
    let account = account(&visit, &asked.id).await?;
    let id = account
        .as_ref()
        .map_or(&asked.id, |account| &account.id)
        .clone();
    let list = KeystoreRequest::List {
        user: Some(id.clone()),
        last_use: LastUse::default(),
        after: asked.after.clone(),
        limit: Some(PAGE),
    };
    let Answer::Sessions(listed) = visit.ask(Request::Keystore(list)).await? else {
        return Err(unexpected());
    };
    let (own, now) = (visit.session.handle().as_str().to_owned(), visit.now());
    let ending =
        |keep: Option<&str>| users::with("/console/user/end", &[("id", Some(&id)), ("keep", keep)]);
    let has_own = listed.sessions.iter().any(|session| session.handle == own);
    let content = html! {
        @match &account {
            Some(account) => (facts_of(account, now)),
            None => p { "There is no account with this id. Its sessions, if there are any:" p.code { (Shown(&id)) } },
        }
        h2 { "Sessions" }
        @if listed.sessions.is_empty() && listed.damaged.is_empty() {
            p { "No live session." }
        } @else {
            (listing::damaged(&listed.damaged))
            @if !listed.sessions.is_empty() {
                (listing::sessions("Live sessions, the newest first", &listed.sessions, &own, now, true))
            }
            @if let Some(next) = &listed.next {
                (users::more("/console/user", &[("id", Some(&id)), ("after", Some(next))]))
            }
            p.actions {
                a href=(ending(None)) { "End all sessions of this user…" }
                @if has_own && listed.sessions.len() > 1 {
                    a href=(ending(Some(&own))) { "End all but this one…" }
                }
            }
        }
    };
    let viewer = visit.viewer();
    Ok(page(
        &viewer,
        &Page {
            title: "User",
            place: Some(Place::Users),
            content,
        },
    ))
}

/// The account; nothing where there is none, or the id is no account's.
async fn account(visit: &Visit, id: &str) -> Result<Option<User>, Refused> {
    let request = UsersRequest::Show {
        user: id.to_owned(),
    };
    match visit.ask(Request::Users(request)).await {
        Ok(Answer::User(user)) => Ok(Some(user)),
        Ok(_) => Err(unexpected()),
        Err(OpsError::Service(ServiceError::Accounts(
            AccountsError::AccountUnknown | AccountsError::AccountInvalid { .. },
        ))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn facts_of(account: &User, now: u64) -> Markup {
    facts(vec![
        ("E-mail", html! { (Shown(&account.email)) }),
        ("Id", html! { span.code { (Shown(&account.id)) } }),
        ("Name", shown(account.name.as_deref())),
        ("Roles", listed(&account.roles)),
        ("Permissions", listed(&account.permissions)),
        (
            "May log in",
            html! { @if account.active { "yes" } @else { span.bad { "no, disabled" } } },
        ),
        ("Made", moment(account.created_at, now)),
        ("Changed", moment(account.updated_at, now)),
    ])
}

#[derive(Deserialize)]
pub(super) struct Ending {
    id: String,
    keep: Option<String>,
}

impl Ending {
    fn which(&self) -> Which {
        let user = self.id.clone();
        match self.keep.clone() {
            Some(keep) => Which::Others { user, keep },
            None => Which::User(user),
        }
    }
}

/// `GET /console/user/end`: what would end, and the form for it.
pub(super) async fn ask_to_end(
    visit: Visit,
    Address(ending): Address<Ending>,
) -> Result<HttpResponse, Refused> {
    let ending = ending?;
    confirm(visit, &ending, None, StatusCode::OK).await
}

async fn confirm(
    visit: Visit,
    ending: &Ending,
    fault: Option<&'static str>,
    status: StatusCode,
) -> Result<HttpResponse, Refused> {
    let would = SessionsRequest::Revoke {
        which: ending.which(),
        dry_run: true,
    };
    let Answer::Revoked { count: number, .. } = visit.ask(Request::Sessions(would)).await? else {
        return Err(unexpected());
    };
    let viewer = visit.viewer();
    let content = html! {
        p { "This ends " strong { (count(number, "session", "sessions")) } " of:" }
        p.code { (Shown(&ending.id)) }
        @if let Some(keep) = &ending.keep { p { "The session " code { (beginning(keep)) "…" } " stays." } }
        p { "Whoever uses one of them is logged out at once. It can't be undone." }
        form.card method="post" action="/console/user/end" {
            input type="hidden" name="form" value=(viewer.form);
            input type="hidden" name="id" value=(ending.id);
            @if let Some(keep) = &ending.keep { input type="hidden" name="keep" value=(keep); }
            (proof::field(fault))
            p { button.main.danger { "End " (count(number, "session", "sessions")) } }
        }
        p { a href=(users::path(&ending.id)) { "Back, and end nothing" } }
    };
    Ok(page_with(
        status,
        &viewer,
        &Page {
            title: "End sessions",
            place: Some(Place::Users),
            content,
        },
    ))
}

/// `POST /console/user/end`: ends them, where the password is right.
pub(super) async fn end(posted: Posted) -> Result<HttpResponse, Refused> {
    let Posted { visit, mut form } = posted;
    let ending = Ending {
        id: form.required_text("id")?,
        keep: form.optional_text("keep")?,
    };
    if let Err(unproven) = prove(&visit, &mut form).await? {
        let form = confirm(visit, &ending, Some(unproven.fault), unproven.status).await?;
        return Ok(unproven.on(form));
    }
    let revoke = SessionsRequest::Revoke {
        which: ending.which(),
        dry_run: false,
    };
    let Answer::Revoked { count, .. } = visit.ask(Request::Sessions(revoke)).await? else {
        return Err(unexpected());
    };
    visit.leave(Notice::Ended(count));
    Ok(see_other(&users::path(&ending.id), Vec::new()))
}
