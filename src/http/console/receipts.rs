//! `/console/receipts`: where the signed log of ends stands, and the receipts of a session.
//!
//! This room must never show a key but public ones.

use super::address::Address;
use super::admission::Visit;
use super::listing;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, facts, page_with, table};
use super::text::{Shown, beginning, moment};
use super::users;
use crate::ops::{AdminError, Answer, Kind, Receipt, ReceiptsRequest, ReceiptsStatus, Request};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Asked {
    name: Option<String>,
}

pub(super) async fn show(
    visit: Visit,
    Address(asked): Address<Asked>,
) -> Result<HttpResponse, Refused> {
    let asked = asked?;
    let name = asked
        .name
        .as_deref()
        .map(|name| name.trim().trim_end_matches('…'));
    let name = name.filter(|name| !name.is_empty());
    let (found, fault) = match name {
        Some(name) => found(&visit, name).await?,
        None => (Vec::new(), None),
    };
    let status = Request::Receipts(ReceiptsRequest::Status);
    let Answer::ReceiptsStatus(status) = visit.ask(status).await? else {
        return Err(unexpected());
    };
    let now = visit.now();
    let content = html! {
        (form(name, fault.as_ref().map(|(_, text)| text.as_str())))
        @for receipt in &found { (whole(receipt, now)) }
        @if found.is_empty() { (log(&status, now)) }
        p.hint {
            code { "lacre receipts export" } " writes all of them into a file for an auditor, and "
            code { "lacre receipts key" } " the public key that proves it."
        }
    };
    let viewer = visit.viewer();
    Ok(page_with(
        fault.map_or(StatusCode::OK, |(status, _)| status),
        &viewer,
        &Page {
            title: "Receipts",
            place: Some(Place::Receipts),
            content,
        },
    ))
}

/// The receipts of a session, or why there are none.
async fn found(
    visit: &Visit,
    name: &str,
) -> Result<(Vec<Receipt>, Option<(StatusCode, String)>), Refused> {
    let show = ReceiptsRequest::Show {
        handle: name.to_owned(),
    };
    let error = match visit.ask(Request::Receipts(show)).await {
        Ok(Answer::Receipts(found)) => return Ok((found, None)),
        Ok(_) => return Err(unexpected()),
        Err(error) => AdminError::from(error),
    };
    let status = match &*error.code {
        _ if error.kind == Kind::Unavailable => return Err(Refused::Ops(error)),
        "receipt_unknown" | "session_unknown" => StatusCode::NOT_FOUND,
        code if code.starts_with("handle_") => StatusCode::UNPROCESSABLE_ENTITY,
        _ => return Err(Refused::Ops(error)),
    };
    Ok((Vec::new(), Some((status, error.message))))
}

fn form(name: Option<&str>, fault: Option<&str>) -> Markup {
    html! {
        form.search method="get" action="/console/receipts" role="search" {
            p {
                label for="name" { "A session’s handle, or a beginning of it" }
                input #name name="name" type="text" value=(name.unwrap_or_default()) minlength="8"
                    maxlength="128" autocapitalize="none" spellcheck="false"
                    aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| "name-fault")];
            }
            @if let Some(fault) = fault { p.fault #name-fault { (Shown(fault)) } }
            p { button { "Look up" } }
        }
    }
}

fn log(status: &ReceiptsStatus, now: u64) -> Markup {
    let written = match &status.failing {
        None => html! { span.good { "yes" } },
        Some((code, why)) => html! {
            span.bad { "no" } " " code { (Shown(code)) } " " (Shown(why))
        },
    };
    let mut known = vec![("Written", written)];
    if let Some(head) = &status.head {
        known.extend([
            ("Log", html! { code { (Shown(&head.chain)) } }),
            ("Last line", html! { (head.seq) }),
            ("Its hash", html! { code { (Shown(&head.hash)) } }),
            ("Signed by", html! { code { (Shown(&head.kid)) } }),
        ]);
    }
    let rows = status.latest.iter().map(|receipt| {
        vec![
            html! { a href=(path(&receipt.handle)) { (receipt.seq) } },
            html! { a.code.handle href=(listing::path(&receipt.handle)) { (beginning(&receipt.handle)) "…" } },
            moment(receipt.ended_at, now),
            html! { code { (Shown(&receipt.cause)) } },
        ]
    });
    html! {
        h2 { "The log of ends" }
        @if status.failing.is_some() {
            p.fault { "Sessions end all the same; their receipts follow when the log can be written again." }
        }
        (facts(known))
        @if status.latest.is_empty() {
            p { "No session has ended since the start." }
        } @else {
            (table("The last ends since the start, the newest first",
                &["Receipt", "Session", "Ended", "Cause"], rows.collect()))
        }
    }
}

fn whole(receipt: &Receipt, now: u64) -> Markup {
    html! {
        h2 { "Receipt " (receipt.seq) }
        (facts(vec![
            ("Session", html! { a.code href=(listing::path(&receipt.handle)) { (Shown(&receipt.handle)) } }),
            ("Ended", moment(receipt.ended_at, now)),
            ("Cause", html! { code { (Shown(&receipt.cause)) } }),
            ("By", html! { (Shown(&receipt.by)) }),
            ("Written", moment(receipt.written_at, now)),
            ("Log", html! { code { (Shown(&receipt.chain)) } }),
            ("Hash", html! { code { (Shown(&receipt.hash)) } }),
            ("Signed by", html! { code { (Shown(&receipt.kid)) } }),
        ]))
        p { "The line itself, a JWS:" }
        pre { (receipt.line) }
    }
}

/// The page of a session's receipts.
pub(super) fn path(handle: &str) -> String {
    users::with("/console/receipts", &[("name", Some(handle))])
}
