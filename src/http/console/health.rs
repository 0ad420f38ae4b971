//! `/console/health`: whether the service is ready, what its stores hold, and what `lacre doctor` finds.
//!
//! This room must never say that something is well that wasn't asked.

use super::admission::Visit;
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, facts, page, table};
use super::text::{Shown, time};
use crate::clock::UnixSeconds;
use crate::config::Config;
use crate::deployment::examine;
use crate::ops::{Answer, Finding, KeystoreRequest, Level, Machine, Request, doctor};
use crate::telemetry;
use actix_web::HttpResponse;
use maud::{Markup, html};
use std::cmp::Reverse;
use std::time::{Duration, UNIX_EPOCH};

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
    let findings = match &visit.desk().config {
        Some(config) => found(config, visit.now()).await,
        None => Vec::new(),
    };
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
        @if !findings.is_empty() {
            h2 { "Findings" }
            (table("Files, settings and the machine, as lacre doctor looks at them", &["Verdict", "What", "Finding"],
                findings.iter().map(row).collect()))
        }
        p.hint { code { "lacre keystore verify" } " opens every record." }
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

/// What is wrong first, then what is only advice.
async fn found(config: &Config, now: UnixSeconds) -> Vec<Finding> {
    let examined = examine(config, now).await;
    let machine = Machine::ask(config, UNIX_EPOCH + Duration::from_secs(now));
    let mut findings = doctor(config, &examined, &machine);
    findings.sort_by_key(|finding| Reverse(finding.level));
    findings
}

fn row(finding: &Finding) -> Vec<Markup> {
    let level = match finding.level {
        Level::Good => well(true, "good"),
        Level::Advice => html! { "advice" },
        Level::Wrong => well(false, "wrong"),
    };
    vec![
        level,
        html! { code { (finding.code) } },
        html! { (Shown(&finding.text)) },
    ]
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
