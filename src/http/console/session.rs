//! `/console/session`: one session, by its handle, the beginning of one, or the id of a request that was
//! refused; and its end.
//!
//! This room must never end a session that the page didn't name whole.

use super::address::Address;
use super::admission::{Posted, Visit};
use super::listing;
use super::notices::Notice;
use super::reasons::reasons;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, page, see_other};
use crate::ops::{About, Answer, ExplainRequest, Request, SessionsRequest, Which};
use actix_web::HttpResponse;
use maud::html;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Asked {
    name: String,
}

pub(super) async fn show(
    visit: Visit,
    Address(asked): Address<Asked>,
) -> Result<HttpResponse, Refused> {
    let asked = asked?;
    let name = asked.name.trim().trim_end_matches('…').to_owned();
    let explain = ExplainRequest {
        about: About::Name(name),
        claims: false,
    };
    let Answer::Explained(explained) = visit.ask(Request::Explain(explain)).await? else {
        return Err(unexpected());
    };
    let now = visit.now();
    let viewer = visit.viewer();
    let damaged = explained
        .code
        .as_deref()
        .is_some_and(|code| code.starts_with("record_"));
    let content = html! {
        (reasons(&explained, now))
        @if let Some(handle) = explained.handle.as_ref().filter(|_| explained.session.is_some() || damaged) {
            form.actions method="post" action="/console/session/end" {
                input type="hidden" name="form" value=(viewer.form);
                input type="hidden" name="handle" value=(handle);
                button.danger { "End this session" }
            }
        }
    };
    Ok(page(
        &viewer,
        &Page {
            title: "Session",
            place: Some(Place::Sessions),
            content,
        },
    ))
}

/// `POST /console/session/end`
pub(super) async fn end(posted: Posted) -> Result<HttpResponse, Refused> {
    let Posted { visit, mut form } = posted;
    let handle = form.required_text("handle")?;
    let revoke = SessionsRequest::Revoke {
        which: Which::Handle(handle.clone()),
        dry_run: false,
    };
    let Answer::Revoked { count, .. } = visit.ask(Request::Sessions(revoke)).await? else {
        return Err(unexpected());
    };
    visit.leave(Notice::Ended(count));
    Ok(see_other(&listing::path(&handle), Vec::new()))
}
