//! What is known of a token, a session or a request, and why it is refused.
//!
//! This room must never show a token, nor claims that weren't asked for.

use super::listing;
use super::receipts;
use super::shell::facts;
use super::text::{Shown, moment, shown, visible};
use super::users;
use crate::ops::{End, Explained, Session};
use maud::{Markup, html};

pub(super) fn reasons(explained: &Explained, now: u64) -> Markup {
    html! {
        p {
            @if explained.accepted { span.good { "Accepted" } } @else { span.bad { "Refused" } }
            @if let Some(code) = &explained.code { " " code { (code) } }
        }
        ul {
            @for reason in &explained.reasons { li { (Shown(reason)) } }
        }
        (facts(known(explained, now)))
        @if let Some(claims) = &explained.claims {
            h2 { "Claims" }
            pre { (pretty(claims)) }
        }
    }
}

fn pretty(claims: &serde_json::Map<String, serde_json::Value>) -> String {
    let text = serde_json::to_string_pretty(claims).unwrap_or_default();
    let lines = text.lines().map(|line| visible(line).into_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn known(explained: &Explained, now: u64) -> Vec<(&'static str, Markup)> {
    let mut known = Vec::new();
    if let Some(handle) = &explained.handle {
        let link = html! { a.code href=(listing::path(handle)) { (Shown(handle)) } };
        known.push(("Session", link));
    }
    if let Some(user) = &explained.user {
        known.push((
            "User",
            html! { a href=(users::path(user)) { (Shown(user)) } },
        ));
    }
    if let Some(kind) = &explained.kind {
        known.push(("Kind of token", html! { code { (Shown(kind)) } }));
    }
    if let Some(request) = &explained.request {
        known.push(("Request", html! { code { (Shown(&request.id)) } }));
        known.push(("Event", html! { code { (request.event) } }));
        known.push(("From", shown(request.address.as_deref())));
    }
    if let Some(end) = &explained.end {
        known.extend(ended(end, now));
        if let (Some((seq, hash)), Some(handle)) = (&end.receipt, &explained.handle) {
            let receipt = html! {
                a href=(receipts::path(handle)) { "Receipt " (seq) } " " code { (Shown(hash)) }
            };
            known.push(("Proof", receipt));
        }
    }
    if let Some(session) = &explained.session {
        known.extend(of_session(session, now));
    }
    known
}

fn ended(end: &End, now: u64) -> [(&'static str, Markup); 3] {
    [
        ("Ended", moment(end.at, now)),
        ("Cause", html! { code { (Shown(&end.cause)) } }),
        (
            "By",
            html! {
                (Shown(&end.by))
                @if let Some(who) = &end.who { " " (Shown(who)) }
            },
        ),
    ]
}

fn of_session(session: &Session, now: u64) -> [(&'static str, Markup); 10] {
    [
        ("Begun", moment(session.created_at, now)),
        ("Last use", moment(session.last_seen_at, now)),
        ("Expires", moment(session.expires_at, now)),
        ("Ends at the latest", moment(session.ends_at, now)),
        ("Generation", html! { (session.generation) }),
        ("Begun from", shown(session.address.as_deref())),
        (
            "Last used from",
            shown(session.last_seen_address.as_deref()),
        ),
        ("Browser", shown(session.user_agent.as_deref())),
        ("Label", shown(session.label.as_deref())),
        ("Client", shown(session.client.as_deref())),
    ]
}
