//! Sessions as rows.
//!
//! This room must never show a key, which what it is given has none of.

use super::shell::table;
use super::text::{Shown, beginning, moment, shown};
use super::users;
use crate::ops::{Damaged, Session};
use maud::{Markup, html};

/// A table of sessions. `own` is the one that looks at it; `of_one` leaves the user out.
pub(super) fn sessions(
    caption: &str,
    sessions: &[Session],
    own: &str,
    now: u64,
    of_one: bool,
) -> Markup {
    let mut heads = vec![
        "Session", "User", "Begun", "Last use", "Address", "Browser", "Label",
    ];
    if of_one {
        heads.remove(1);
    }
    let rows = sessions.iter().map(|session| {
        let mut row = vec![
            html! {
                a.code.handle href=(path(&session.handle)) { (beginning(&session.handle)) "…" }
                @if session.handle == own { " " span.hint { "(this one)" } }
            },
            html! { a href=(users::path(&session.user)) { (Shown(&session.user)) } },
            moment(session.created_at, now),
            moment(session.last_seen_at, now),
            shown(
                session
                    .last_seen_address
                    .as_deref()
                    .or(session.address.as_deref()),
            ),
            shown(session.user_agent.as_deref()),
            shown(session.label.as_deref()),
        ];
        if of_one {
            row.remove(1);
        }
        row
    });
    table(caption, &heads, rows.collect())
}

/// Records that don't open, which can be ended all the same.
pub(super) fn damaged(damaged: &[Damaged]) -> Markup {
    let rows = damaged.iter().map(|record| {
        vec![
            html! { a.code.handle href=(path(&record.handle)) { (beginning(&record.handle)) "…" } },
            html! { code { (record.code) } },
        ]
    });
    html! {
        @if !damaged.is_empty() {
            p.fault { "There are records that don't open. Requests with their tokens are answered 503." }
            (table("Records that don't open", &["Session", "Why"], rows.collect()))
        }
    }
}

/// The page of a session.
pub(super) fn path(handle: &str) -> String {
    users::with("/console/session", &[("name", Some(handle))])
}
