//! `/console/sessions`: live sessions, the newest first, found by user, address and last use.
//!
//! This room must never list more than a page at once.

use super::address::Address;
use super::admission::Visit;
use super::listing;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, page_with};
use super::users;
use crate::ops::{AdminError, Answer, KeystoreRequest, Kind, LastUse, Request, Sessions};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

const PAGE: usize = 50;

/// Times to choose from, in seconds.
const TIMES: [(&str, &str, u64); 7] = [
    ("15m", "15 minutes", 900),
    ("1h", "1 hour", 3_600),
    ("1d", "1 day", 86_400),
    ("7d", "7 days", 604_800),
    ("30d", "30 days", 2_592_000),
    ("60d", "60 days", 5_184_000),
    ("90d", "90 days", 7_776_000),
];

#[derive(Deserialize)]
pub(super) struct Asked {
    user: Option<String>,
    address: Option<String>,
    within: Option<String>,
    idle: Option<String>,
    after: Option<String>,
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn seconds(chosen: Option<&str>) -> Option<u64> {
    let chosen = chosen?;
    let found = TIMES.iter().find(|(value, _, _)| *value == chosen);
    found.map(|(_, _, seconds)| *seconds)
}

pub(super) async fn show(
    visit: Visit,
    Address(asked): Address<Asked>,
) -> Result<HttpResponse, Refused> {
    let asked = asked?;
    let (user, address) = (given(asked.user.as_ref()), given(asked.address.as_ref()));
    let (within, idle) = (given(asked.within.as_ref()), given(asked.idle.as_ref()));
    let list = KeystoreRequest::List {
        user: user.map(str::to_owned),
        last_use: LastUse {
            address: address.map(str::to_owned),
            within: seconds(within),
            idle: seconds(idle),
        },
        after: asked.after.clone().filter(|after| !after.is_empty()),
        limit: Some(PAGE),
    };
    let (found, fault) = match visit.ask(Request::Keystore(list)).await {
        Ok(Answer::Sessions(found)) => (found, None),
        Ok(_) => return Err(unexpected()),
        Err(error) => (Sessions::default(), Some(at_fault(error.into())?)),
    };
    let (own, now) = (visit.session.handle().as_str(), visit.now());
    let content = html! {
        (form(&asked, fault))
        @if fault.is_none() {
            (listing::damaged(&found.damaged))
            @if found.sessions.is_empty() {
                p { "No live session is so." }
            } @else {
                (listing::sessions("Live sessions, the newest first", &found.sessions, own, now, false))
            }
            @if let Some(next) = &found.next {
                (users::more("/console/sessions", &[
                    ("user", user), ("address", address), ("within", within), ("idle", idle),
                    ("after", Some(next)),
                ]))
            }
        }
    };
    let status = match fault {
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    let viewer = visit.viewer();
    Ok(page_with(
        status,
        &viewer,
        &Page {
            title: "Sessions",
            place: Some(Place::Sessions),
            content,
        },
    ))
}

/// The field that is at fault, and why.
fn at_fault(error: AdminError) -> Result<(&'static str, &'static str), Refused> {
    match (&*error.code, error.kind) {
        ("address_invalid", _) => Ok((
            "address",
            "Enter an address such as 203.0.113.7, or a network such as 203.0.113.0/24, which ends in zeros.",
        )),
        ("account_unknown" | "account_invalid", Kind::Failed) => {
            Ok(("user", "No account has this e-mail, and it is no id."))
        }
        _ => Err(Refused::Ops(error)),
    }
}

fn form(asked: &Asked, fault: Option<(&'static str, &'static str)>) -> Markup {
    let field = |name: &'static str, label: &str, value: Option<&String>| {
        let fault = fault.filter(|(at, _)| *at == name).map(|(_, text)| text);
        let described = format!("{name}-fault");
        html! {
            p {
                label for=(name) { (label) }
                input id=(name) name=(name) type="text" value=(given(value).unwrap_or_default())
                    autocapitalize="none" spellcheck="false"
                    aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| described.as_str())];
            }
            @if let Some(fault) = fault { p.fault id=(described) { (fault) } }
        }
    };
    let times = |name: &'static str, label: &str, chosen: Option<&String>| {
        html! {
            p {
                label for=(name) { (label) }
                select id=(name) name=(name) {
                    option value="" { "any time" }
                    @for (value, words, _) in TIMES {
                        option value=(value) selected[given(chosen) == Some(value)] { (words) }
                    }
                }
            }
        }
    };
    html! {
        form.search method="get" action="/console/sessions" role="search" {
            (field("user", "User: id or e-mail", asked.user.as_ref()))
            (field("address", "Address or network", asked.address.as_ref()))
            (times("within", "Used within", asked.within.as_ref()))
            (times("idle", "Not used for", asked.idle.as_ref()))
            p { button { "Search" } }
        }
        form.search method="get" action="/console/session" {
            p {
                label for="name" { "Handle, a beginning of it, or a request’s id" }
                input #name name="name" type="text" minlength="8" maxlength="128" required
                    autocapitalize="none" spellcheck="false";
            }
            p { button { "Look up" } }
        }
    }
}
