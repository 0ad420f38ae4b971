//! What every page has around its content: head, navigation, notice; and the headers that it is sent with.
//!
//! This room must never write a script, a style of its own, or an address of somebody else.

use super::notices::Notice;
use super::style;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE,
};
use maud::{DOCTYPE, Markup, html};

/// What a page may load, and where its forms may go: the stylesheet, and this origin.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// Pages keep nothing in common with pages of other origins.
const ISOLATED: [(&str, &str); 2] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// The places of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Users,
    Sessions,
    Explain,
    Receipts,
    Keys,
    Health,
}

impl Place {
    const ALL: [Self; 7] = [
        Self::Overview,
        Self::Users,
        Self::Sessions,
        Self::Explain,
        Self::Receipts,
        Self::Keys,
        Self::Health,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Users => "Users",
            Self::Sessions => "Sessions",
            Self::Explain => "Explain",
            Self::Receipts => "Receipts",
            Self::Keys => "Keys",
            Self::Health => "Health",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "/console/",
            Self::Users => "/console/users",
            Self::Sessions => "/console/sessions",
            Self::Explain => "/console/explain",
            Self::Receipts => "/console/receipts",
            Self::Keys => "/console/keys",
            Self::Health => "/console/health",
        }
    }
}

/// Who sees the page.
pub(super) struct Viewer {
    /// The administrator's e-mail, or id.
    pub(super) name: String,
    /// The mark for the page's forms.
    pub(super) form: String,
    pub(super) notice: Option<Notice>,
}

/// A page.
pub(super) struct Page {
    pub(super) title: &'static str,
    /// Where in the navigation it stands.
    pub(super) place: Option<Place>,
    pub(super) content: Markup,
}

/// A page for an administrator.
pub(super) fn page(viewer: &Viewer, page: &Page) -> HttpResponse {
    page_with(StatusCode::OK, viewer, page)
}

/// The same with another status.
pub(super) fn page_with(status: StatusCode, viewer: &Viewer, page: &Page) -> HttpResponse {
    respond(status, document(Some(viewer), page), Vec::new())
}

/// A page for somebody who isn't logged in.
pub(super) fn bare(status: StatusCode, page: &Page, cookies: Vec<HeaderValue>) -> HttpResponse {
    respond(status, document(None, page), cookies)
}

/// To another page, which is asked for by GET whatever this request was (RFC 9110 §15.4.4).
pub(super) fn see_other(path: &str, cookies: Vec<HeaderValue>) -> HttpResponse {
    let mut response = HttpResponse::SeeOther().finish();
    let location = HeaderValue::try_from(path);
    let location = location.unwrap_or(HeaderValue::from_static("/console/"));
    response.headers_mut().insert(LOCATION, location);
    with(response, cookies)
}

fn respond(status: StatusCode, document: Markup, cookies: Vec<HeaderValue>) -> HttpResponse {
    let response = HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .body(document.into_string());
    with(response, cookies)
}

fn with(mut response: HttpResponse, cookies: Vec<HeaderValue>) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    for (name, value) in ISOLATED {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    response
}

fn document(viewer: Option<&Viewer>, page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (page.title) " – lacre" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href=(style::path());
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    p.brand { "lacre" }
                    @if let Some(viewer) = viewer { (navigation(viewer, page.place)) }
                }
                main #main tabindex="-1" {
                    @if let Some(notice) = viewer.and_then(|viewer| viewer.notice.as_ref()) {
                        p.notice role="status" { (notice.text()) }
                    }
                    h1 { (page.title) }
                    (page.content)
                }
            }
        }
    }
}

fn navigation(viewer: &Viewer, place: Option<Place>) -> Markup {
    html! {
        nav aria-label="Pages" {
            ul {
                @for one in Place::ALL {
                    li {
                        a href=(one.path()) aria-current=[(place == Some(one)).then_some("page")] {
                            (one.name())
                        }
                    }
                }
            }
        }
        form.leave method="post" action="/console/logout" {
            input type="hidden" name="form" value=(viewer.form);
            span.who { (super::text::Shown(&viewer.name)) }
            button { "Log out" }
        }
    }
}

/// A table that becomes a list of cards where there is no room for it.
pub(super) fn table(caption: &str, heads: &[&str], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for head in heads { th role="columnheader" scope="col" { (head) } }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (head, cell) in heads.iter().zip(row) {
                            td role="cell" data-head=(head) { div { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// Names and what they stand for.
pub(super) fn facts(facts: Vec<(&str, Markup)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}
