//! `/console/keys`: the keys that the deployment goes by, and new ones in their place, which takes the
//! administrator's password once more.
//!
//! This room must never show a key, but for the names and sizes of public ones.

use super::admission::{Posted, Visit};
use super::notices::Notice;
use super::proof::{self, prove};
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, page, page_with, see_other, table};
use super::text::{Shown, count, listed, moment, shown};
use crate::ops::{Answer, IssuerKeys, Keys, KeysRequest, Request};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};

pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refused> {
    let Answer::Keys(keys) = visit.ask(Request::Keys(KeysRequest::Status)).await? else {
        return Err(unexpected());
    };
    let now = visit.now();
    let content = html! {
        (own(&keys, now))
        p.actions { a href="/console/keys/rotate" { "Put new keys in their place…" } }
        h2 { "Outside issuers" }
        @if keys.issuers.is_empty() { p { "None is configured." } }
        @for issuer in &keys.issuers { (of_issuer(issuer, now)) }
    };
    let viewer = visit.viewer();
    Ok(page(
        &viewer,
        &Page {
            title: "Keys",
            place: Some(Place::Keys),
            content,
        },
    ))
}

/// `GET /console/keys/rotate`: what would be done, and the form for it.
pub(super) async fn ask_to_rotate(visit: Visit) -> HttpResponse {
    confirm(&visit, None, StatusCode::OK)
}

fn confirm(visit: &Visit, fault: Option<&str>, status: StatusCode) -> HttpResponse {
    let viewer = visit.viewer();
    let content = html! {
        p {
            "A new master key seals everything anew, and the one of before is removed: a backup of before needs it, so \
             keep a copy with the backup, or take a new one. A new signing key signs; the earlier ones are accepted until \
             what they signed has expired. Nobody is logged out."
        }
        p {
            "With many sessions it takes a while. It goes on where you leave the page; "
            a href="/console/keys" { "Keys" } " says how far it is."
        }
        form.card method="post" action="/console/keys/rotate" {
            input type="hidden" name="form" value=(viewer.form);
            (proof::field(fault))
            p { button.main.danger { "Rotate the keys" } }
        }
        p { a href="/console/keys" { "Back, and change nothing" } }
    };
    page_with(
        status,
        &viewer,
        &Page {
            title: "Rotate keys",
            place: Some(Place::Keys),
            content,
        },
    )
}

/// `POST /console/keys/rotate`: both keys, where the password is right.
pub(super) async fn rotate(posted: Posted) -> Result<HttpResponse, Refused> {
    let Posted { visit, mut form } = posted;
    if let Err(unproven) = prove(&visit, &mut form).await? {
        let form = confirm(&visit, Some(unproven.fault), unproven.status);
        return Ok(unproven.on(form));
    }
    let request = Request::Keys(KeysRequest::Rotate {
        master: true,
        signing: true,
        keep_earlier: false,
        drop_earlier: false,
    });
    // Whoever leaves the page leaves no half of a rotation behind.
    let rotating = actix_web::rt::spawn(async move { (visit.ask(request).await, visit) });
    let (answer, visit) = rotating.await.map_err(|_| unexpected())?;
    let Answer::Rotated(_) = answer? else {
        return Err(unexpected());
    };
    visit.leave(Notice::Rotated);
    Ok(see_other("/console/keys", Vec::new()))
}

fn own(keys: &Keys, now: u64) -> Markup {
    let since = |since: Option<u64>| {
        if let Some(at) = since {
            moment(at, now)
        } else {
            html! { "-" }
        }
    };
    let master = keys.master.iter().enumerate().map(|(number, key)| {
        let does = match (number, key.retiring) {
            (0, _) => "seals records",
            (_, true) => "goes when nothing needs it",
            (_, false) => "opens records of before",
        };
        vec![
            html! { code { (key.id) } },
            since(key.since),
            html! { (does) },
            html! { (count(key.records, "record", "records")) ", " (count(key.notes, "note of an end", "notes of ends")) },
        ]
    });
    let signing = keys.signing.iter().enumerate().map(|(number, key)| {
        let does = if number == 0 {
            "signs tokens"
        } else {
            "verifies tokens of before"
        };
        vec![
            html! { code { (key.id) } },
            since(key.since),
            html! { (does) @if let Some(until) = key.accepted_until { " until " (moment(until, now)) } },
        ]
    });
    let masters = ["Id", "Since", "Use", "Under it"];
    html! {
        h2 { "Master keys" }
        (table("The one that seals, then those that still open", &masters, master.collect()))
        @if let Some((done, total)) = keys.rewrapping {
            p role="status" { "Being sealed anew: " (done) " of " (total) "." }
        }
        h2 { "Signing keys" }
        (table("The one that signs, then those that still verify", &masters[..3], signing.collect()))
    }
}

fn of_issuer(issuer: &IssuerKeys, now: u64) -> Markup {
    let rows = issuer.keys.iter().map(|key| {
        vec![
            shown(key.kid.as_deref()),
            html! { (Shown(&key.kty)) " " (key.bits) },
            listed(&key.algorithms),
            html! { span.code { (key.sha256) } },
        ]
    });
    html! {
        h3 { (Shown(&issuer.name)) }
        p { (Shown(&issuer.issuer)) ", for " code { (issuer.accept) } ", keys from " (Shown(&issuer.source)) }
        p {
            @match issuer.read_at {
                Some(at) => { "Read " (moment(at, now)) },
                None => { "Not read yet" },
            }
            @if let Some(code) = &issuer.failing { ". " span.bad { "The last reading failed: " code { (code) } } }
        }
        @if !issuer.keys.is_empty() {
            (table("Its keys", &["Id", "Kind", "Algorithms", "SHA-256"], rows.collect()))
        }
    }
}
