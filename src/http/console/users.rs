//! `/console/users`: accounts, found by a part of their id, e-mail or name.
//!
//! This room must never change an account.

use super::address::Address;
use super::admission::Visit;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, page, table};
use super::text::{Shown, listed, shown, time};
use crate::ops::{Answer, Request, User, UsersRequest};
use actix_web::HttpResponse;
use maud::{Markup, html};
use serde::Deserialize;

const PAGE: usize = 50;

#[derive(Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
    after: Option<String>,
}

pub(super) async fn show(
    visit: Visit,
    Address(asked): Address<Asked>,
) -> Result<HttpResponse, Refused> {
    let asked = asked?;
    let text = asked
        .q
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let request = UsersRequest::List {
        after: asked.after.clone().filter(|after| !after.is_empty()),
        limit: Some(PAGE),
        text: text.map(str::to_owned),
    };
    let Answer::Users { users, next } = visit.ask(Request::Users(request)).await? else {
        return Err(unexpected());
    };
    let content = html! {
        form.search method="get" action="/console/users" role="search" {
            p {
                label for="q" { "A part of an id, an e-mail or a name" }
                input #q name="q" type="search" value=(text.unwrap_or_default()) maxlength="254";
            }
            p { button { "Search" } }
        }
        @if users.is_empty() {
            p { "No account has this." }
        } @else {
            (table("Accounts, in the order of their ids", &["E-mail", "Id", "Name", "Roles", "Made"],
                users.iter().map(row).collect()))
        }
        @if let Some(next) = next { (more("/console/users", &[("q", text), ("after", Some(&next))])) }
        p.hint {
            "Sessions of users that have no account here are found by their id, under "
            a href="/console/sessions" { "Sessions" } "."
        }
    };
    let viewer = visit.viewer();
    Ok(page(
        &viewer,
        &Page {
            title: "Users",
            place: Some(Place::Users),
            content,
        },
    ))
}

fn row(user: &User) -> Vec<Markup> {
    vec![
        html! {
            a href=(path(&user.id)) { (Shown(&user.email)) }
            @if !user.active { " " span.bad { "disabled" } }
        },
        html! { span.code { (Shown(&user.id)) } },
        shown(user.name.as_deref()),
        listed(&user.roles),
        time(user.created_at),
    ]
}

/// The page of a user.
pub(super) fn path(id: &str) -> String {
    with("/console/user", &[("id", Some(id))])
}

/// A link to the next page of a listing.
pub(super) fn more(path: &str, query: &[(&str, Option<&str>)]) -> Markup {
    html! { p { a href=(with(path, query)) rel="next" { "More" } } }
}

/// A path with a query.
pub(super) fn with(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let given = query
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    let given: Vec<_> = given.collect();
    let query = serde_urlencoded::to_string(given).unwrap_or_default();
    format!("{path}?{query}")
}
