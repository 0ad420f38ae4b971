//! `/console/`: sessions, log-ins and refusals of the last hour.
//!
//! This room must never show a number that nobody counted.

use super::admission::Visit;
use super::chart;
use super::recent::{Hour, Minute, Sample};
use super::refused::{Refused, unexpected};
use super::shell::{Page, Place, page, table};
use super::text::{count, time};
use crate::ops::{Answer, KeystoreRequest, Request};
use crate::telemetry::audit::Counted;
use actix_web::HttpResponse;
use maud::{Markup, html};

pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refused> {
    let stats = Request::Keystore(KeystoreRequest::Stats);
    let Answer::Stats { records, .. } = visit.ask(stats).await? else {
        return Err(unexpected());
    };
    let now = Sample::now(&visit.desk().service).await;
    let hour = visit.desk().recent.hour(&now);
    let content = html! {
        (numbers(records, &hour))
        div.charts {
            (sessions(&hour))
            (log_ins(&hour))
        }
        (refusals(&hour))
        (minutes(&hour))
    };
    let viewer = visit.viewer();
    Ok(page(
        &viewer,
        &Page {
            title: "Overview",
            place: Some(Place::Overview),
            content,
        },
    ))
}

fn total(hour: &Hour, of: impl Fn(&Minute) -> u64) -> u64 {
    hour.minutes.iter().map(of).sum()
}

fn numbers(records: u64, hour: &Hour) -> Markup {
    let refused = hour.refusals.iter().map(|(_, _, count)| count).sum::<u64>();
    let all = [
        ("Sessions now", records),
        ("Sessions begun", total(hour, |minute| minute.started)),
        ("Sessions ended", total(hour, |minute| minute.ended)),
        ("Log-ins", total(hour, |minute| minute.log_ins)),
        ("Refused", refused),
    ];
    html! {
        p { "Since " (time(hour.since)) ", an hour at most." }
        dl.numbers {
            @for (name, number) in all { div { dt { (name) } dd { (number) } } }
        }
    }
}

fn sessions(hour: &Hour) -> Markup {
    let values: Vec<_> = hour
        .minutes
        .iter()
        .map(|minute| (minute.records.unwrap_or_default(), 0))
        .collect();
    let most = values
        .iter()
        .map(|(records, _)| *records)
        .max()
        .unwrap_or_default();
    let text = format!(
        "At most {} at the end of a minute.",
        count(most, "session", "sessions")
    );
    html! {
        figure {
            h2 { "Sessions" }
            (chart::bars("sessions", "Sessions by minute", &text, &values))
            figcaption { (text) }
        }
    }
}

fn log_ins(hour: &Hour) -> Markup {
    let values: Vec<_> = hour
        .minutes
        .iter()
        .map(|minute| (minute.log_ins, minute.log_ins_failed))
        .collect();
    let good = total(hour, |minute| minute.log_ins);
    let failed = total(hour, |minute| minute.log_ins_failed);
    let text = format!("{good} succeeded, {failed} failed.");
    html! {
        figure {
            h2 { "Log-ins" }
            (chart::bars("log-ins", "Log-ins by minute", &text, &values))
            figcaption {
                (text)
                span.key.lower { "succeeded" } " "
                span.key.upper { "failed" }
            }
        }
    }
}

fn kind(kind: Counted) -> &'static str {
    match kind {
        Counted::LogIns => "Log-in",
        Counted::SignupsRefused => "Sign-up",
        Counted::TokensRefused => "Token",
        Counted::AccessDenied => "Access",
        _ => "Other",
    }
}

fn refusals(hour: &Hour) -> Markup {
    let most = hour.refusals.first().map_or(0, |(_, _, count)| *count);
    let rows = hour.refusals.iter().map(|(of, reason, number)| {
        vec![
            html! { (kind(*of)) },
            html! { code { (reason) } },
            html! { (number) },
            chart::share(*number, most),
        ]
    });
    html! {
        h2 { "Refusals by reason" }
        @if hour.refusals.is_empty() {
            p { "Nothing was refused." }
        } @else {
            (table("What was refused, the most frequent first", &["What", "Reason", "Times", "Share"], rows.collect()))
        }
    }
}

fn minutes(hour: &Hour) -> Markup {
    let heads = [
        "Until", "Sessions", "Begun", "Ended", "Log-ins", "Failed", "Refused",
    ];
    html! {
        details {
            summary { "The numbers of each minute" }
            div.wide tabindex="0" role="region" aria-label="The numbers of each minute" {
                table {
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody {
                        @for minute in hour.minutes.iter().rev() {
                            tr {
                                td { (time(minute.at)) }
                                td { @if let Some(records) = minute.records { (records) } @else { "–" } }
                                td { (minute.started) }
                                td { (minute.ended) }
                                td { (minute.log_ins) }
                                td { (minute.log_ins_failed) }
                                td { (minute.refused) }
                            }
                        }
                    }
                }
            }
        }
    }
}
