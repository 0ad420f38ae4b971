//! `/console/keys`: the keys that the deployment goes by.
//!
//! This room must never show a key, but for the names and sizes of public ones.

use super::admission::Visit;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, page, table};
use super::text::{Shown, listed, moment, shown};
use crate::ops::{Answer, IssuerKeys, Keys, KeysRequest, Request};
use actix_web::HttpResponse;
use maud::{Markup, html};

pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refused> {
    let Answer::Keys(keys) = visit.ask(Request::Keys(KeysRequest::Status)).await? else {
        return Err(unexpected());
    };
    let now = visit.now();
    let content = html! {
        (own(&keys, now))
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

fn own(keys: &Keys, now: u64) -> Markup {
    let since = |since: Option<u64>| {
        if let Some(at) = since {
            moment(at, now)
        } else {
            html! { "-" }
        }
    };
    let master = keys.master.iter().enumerate().map(|(number, key)| {
        let does = if number == 0 {
            "seals records"
        } else {
            "opens records of before"
        };
        vec![
            html! { code { (key.id) } },
            since(key.since),
            html! { (does) },
            html! { (key.records) " records, " (key.notes) " notes of ends" },
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
