//! `/console/explain`: why a token is refused now.
//!
//! This room must never write the token that was pasted, neither into a page nor into a log.

use super::admission::{Posted, Visit};
use super::reasons::reasons;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, Viewer, page_with};
use crate::ops::{About, Answer, ExplainRequest, Explained, Request, Secret};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;

pub(super) async fn show(visit: Visit) -> HttpResponse {
    let viewer = visit.viewer();
    shown(&viewer, StatusCode::OK, None, None, 0)
}

pub(super) async fn explain(posted: Posted) -> Result<HttpResponse, Refused> {
    let Posted { visit, mut form } = posted;
    let token = form.optional_secret("token")?.unwrap_or_default();
    let claims = form.optional_text("claims")?.is_some();
    // Copied out of a terminal, a token has line ends and spaces around it or in it.
    let text: zeroize::Zeroizing<String> = {
        let mut text = zeroize::Zeroizing::new(String::with_capacity(token.len()));
        text.extend(token.chars().filter(|c| !c.is_whitespace()));
        text
    };
    if text.is_empty() {
        let viewer = visit.viewer();
        let fault = Some("Paste a token.");
        return Ok(shown(
            &viewer,
            StatusCode::UNPROCESSABLE_ENTITY,
            fault,
            None,
            0,
        ));
    }
    let request = ExplainRequest {
        about: About::Token(Secret::new(text.to_string())),
        claims,
    };
    let Answer::Explained(explained) = visit.ask(Request::Explain(request)).await? else {
        return Err(unexpected());
    };
    let (now, viewer) = (visit.now(), visit.viewer());
    Ok(shown(&viewer, StatusCode::OK, None, Some(&explained), now))
}

fn shown(
    viewer: &Viewer,
    status: StatusCode,
    fault: Option<&'static str>,
    explained: Option<&Explained>,
    now: u64,
) -> HttpResponse {
    let content = html! {
        @if let Some(explained) = explained {
            section aria-label="Answer" { (reasons(explained, now)) }
            h2 { "Another token" }
        }
        form.card method="post" action="/console/explain" autocomplete="off" {
            input type="hidden" name="form" value=(viewer.form);
            p {
                label for="token" { "Token" }
                textarea #token name="token" rows="6" required autocapitalize="none" spellcheck="false"
                    aria-invalid=[fault.map(|_| "true")]
                    aria-describedby={ "token-hint" @if fault.is_some() { " token-fault" } } {}
                @if let Some(fault) = fault { p.fault #token-fault { (fault) } }
            }
            p.hint #token-hint { "It is looked at once, and neither shown nor written into the log." }
            p { label.check { input type="checkbox" name="claims" value="yes"; "Show what it says (its claims)" } }
            p { button.main { "Explain" } }
        }
        p.hint {
            "A session’s handle or a request’s id is looked up under "
            a href="/console/sessions" { "Sessions" } "."
        }
    };
    page_with(
        status,
        viewer,
        &Page {
            title: "Explain a token",
            place: Some(Place::Explain),
            content,
        },
    )
}
