//! `/console/health`: whether the service is ready, and what its stores hold.
//!
//! This room must never say that something is well that wasn't asked.

use super::admission::Visit;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, facts, page, table};
use super::text::time;
use crate::ops::{Answer, KeystoreRequest, Request};
use crate::telemetry;
use actix_web::HttpResponse;
use maud::{Markup, html};

pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refused> {
    let readiness = visit.desk().management.readiness().await;
    let stats = Request::Keystore(KeystoreRequest::Stats);
    let Answer::Stats {
        records,
        bytes_on_disk,
    } = visit.ask(stats).await?
    else {
        return Err(unexpected());
    };
    let service = &visit.desk().service;
    let log = telemetry::counts();
    let stores = readiness
        .stores
        .iter()
        .map(|(store, state)| vec![html! { (store) }, well(*state == "up", state)]);
    let content = html! {
        p {
            @match readiness.code {
                None => { (well(true, "Ready")) },
                Some(code) => { (well(false, "Not ready")) " " code { (code) } },
            }
        }
        (table("What each store answers", &["Store", "State"], stores.collect()))
        h2 { "Keystore" }
        (facts(vec![
            ("Records", html! { (records) }),
            ("On disk", html! { (mebibytes(bytes_on_disk)) }),
        ]))
        h2 { "Log" }
        (facts(vec![
            ("Written", match readiness.log {
                None => well(true, "yes"),
                Some(code) => html! { (well(false, "no")) " " code { (code) } },
            }),
            ("Audit of its own", match readiness.audit {
                None => html! { "no trouble" },
                Some(code) => html! { (well(false, "not written")) " " code { (code) } },
            }),
            ("Audit events that wait", html! { (log.audit_waiting) }),
            ("Events of refusals dropped", html! { (log.refusals_dropped) }),
            ("Other lines dropped", html! { (log.ordinary_dropped) }),
        ]))
        h2 { "Service" }
        (facts(vec![
            ("Version", html! { (env!("CARGO_PKG_VERSION")) }),
            ("Deployment", html! { span.code { (service.lacre().deployment_name()) } }),
            ("Time", time(visit.now())),
            ("Passwords that wait to be hashed", html! { (service.accounts().queue_length()) }),
        ]))
        p.hint {
            code { "lacre doctor" } " looks at files, settings and the machine besides, and "
            code { "lacre keystore verify" } " opens every record."
        }
    };
    let viewer = visit.viewer();
    Ok(page(
        &viewer,
        &Page {
            title: "Health",
            place: Some(Place::Health),
            content,
        },
    ))
}

fn well(is_well: bool, text: &str) -> Markup {
    html! {
        @if is_well { span.good { (text) } } @else { span.bad { (text) } }
    }
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
