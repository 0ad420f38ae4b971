//! What has happened in the last hour, minute by minute: the counts of the audit events and the number of
//! records, as they were at each minute.
//!
//! Kept in memory, for the overview alone; what has to be kept longer is what `/metrics` is for.
//!
//! This room must never hold more than an hour.

use crate::clock::UnixSeconds;
use crate::service::Service;
use crate::telemetry::audit::{self, Counted, Counts};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);
/// The beginning of the first minute, and the end of each.
const MAX: usize = 61;

/// The counts as they were at one moment, since the start.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: UnixSeconds,
    pub(super) counts: Counts,
    /// Records of sessions; nothing where the keystore couldn't say.
    pub(super) records: Option<u64>,
}

impl Sample {
    /// The counts as they are now.
    pub(super) async fn now(service: &Service) -> Self {
        let lacre = service.lacre();
        let stats = lacre.keystore().stats().await;
        Self {
            at: lacre.now(),
            counts: audit::counts(),
            records: stats.ok().map(|stats| stats.records),
        }
    }
}

/// One minute, or what there is of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Minute {
    /// Its end.
    pub(super) at: UnixSeconds,
    pub(super) log_ins: u64,
    pub(super) log_ins_failed: u64,
    pub(super) refused: u64,
    pub(super) started: u64,
    pub(super) ended: u64,
    pub(super) records: Option<u64>,
}

/// The last hour, or what there is of it since the start.
#[derive(Debug, Default)]
pub(super) struct Hour {
    /// Where it begins.
    pub(super) since: UnixSeconds,
    /// The oldest first.
    pub(super) minutes: Vec<Minute>,
    /// What was refused, by kind and reason: the most frequent first.
    pub(super) refusals: Vec<(Counted, &'static str, u64)>,
}

/// The samples of the last hour.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Sample>>);

impl Recent {
    /// Takes a sample each minute, for as long as it is polled.
    pub(super) async fn keep(&self, service: &Service) {
        let mut minutes = tokio::time::interval(MINUTE);
        loop {
            minutes.tick().await;
            self.add(Sample::now(service).await);
        }
    }

    fn add(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The last hour, up to this sample.
    pub(super) fn hour(&self, now: &Sample) -> Hour {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<&Sample> = samples.iter().collect();
        all.push(now);
        let Some(first) = all.first() else {
            return Hour::default();
        };
        let minutes = all.windows(2).map(|pair| between(pair[0], pair[1]));
        let mut refusals: Vec<_> = added(first, now)
            .into_iter()
            .filter(|((kind, name), count)| *count > 0 && is_refusal(*kind, name))
            .map(|((kind, name), count)| (kind, name, count))
            .collect();
        refusals.sort_by_key(|(kind, name, count)| (u64::MAX - count, *kind, *name));
        Hour {
            since: first.at,
            minutes: minutes.collect(),
            refusals,
        }
    }
}

const SUCCEEDED: &str = "succeeded";

fn is_refusal(kind: Counted, name: &str) -> bool {
    match kind {
        Counted::TokensRefused | Counted::AccessDenied | Counted::SignupsRefused => true,
        Counted::LogIns => name != SUCCEEDED,
        _ => false,
    }
}

/// What was counted from the one to the other.
fn added(from: &Sample, to: &Sample) -> BTreeMap<(Counted, &'static str), u64> {
    let before = |key| from.counts.get(key).copied().unwrap_or_default();
    let counts = to.counts.iter();
    counts
        .map(|(key, count)| (*key, count.saturating_sub(before(key))))
        .collect()
}

fn between(from: &Sample, to: &Sample) -> Minute {
    let mut minute = Minute {
        at: to.at,
        records: to.records,
        ..Minute::default()
    };
    for ((kind, name), count) in added(from, to) {
        let place = match kind {
            Counted::LogIns if name == SUCCEEDED => &mut minute.log_ins,
            Counted::LogIns => &mut minute.log_ins_failed,
            Counted::TokensRefused | Counted::AccessDenied => &mut minute.refused,
            Counted::SessionsStarted => &mut minute.started,
            Counted::SessionsEnded => &mut minute.ended,
            _ => continue,
        };
        *place += count;
    }
    minute
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, counts: &[(Counted, &'static str, u64)]) -> Sample {
        let counts = counts
            .iter()
            .map(|(kind, name, count)| ((*kind, *name), *count));
        Sample {
            at,
            counts: counts.collect(),
            records: Some(at),
        }
    }

    #[test]
    fn a_minute_is_what_came_between_two_samples() {
        let recent = Recent::default();
        recent.add(sample(0, &[(Counted::LogIns, "succeeded", 5)]));
        recent.add(sample(
            60,
            &[
                (Counted::LogIns, "succeeded", 7),
                (Counted::LogIns, "invalid_credentials", 1),
                (Counted::TokensRefused, "token_expired", 4),
            ],
        ));
        let hour = recent.hour(&sample(
            90,
            &[
                (Counted::LogIns, "succeeded", 7),
                (Counted::LogIns, "invalid_credentials", 1),
                (Counted::TokensRefused, "token_expired", 4),
                (Counted::AccessDenied, "role_missing", 9),
                (Counted::SessionsEnded, "logout", 2),
            ],
        ));
        assert_eq!(hour.since, 0);
        assert_eq!(
            hour.minutes,
            [
                Minute {
                    at: 60,
                    log_ins: 2,
                    log_ins_failed: 1,
                    refused: 4,
                    records: Some(60),
                    ..Minute::default()
                },
                Minute {
                    at: 90,
                    refused: 9,
                    ended: 2,
                    records: Some(90),
                    ..Minute::default()
                },
            ]
        );
        assert_eq!(
            hour.refusals,
            [
                (Counted::AccessDenied, "role_missing", 9),
                (Counted::TokensRefused, "token_expired", 4),
                (Counted::LogIns, "invalid_credentials", 1),
            ]
        );
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let recent = Recent::default();
        for minute in 0..500 {
            recent.add(sample(
                minute * 60,
                &[(Counted::LogIns, "succeeded", minute)],
            ));
        }
        let hour = recent.hour(&sample(500 * 60, &[(Counted::LogIns, "succeeded", 500)]));
        assert_eq!(hour.minutes.len(), MAX);
        assert_eq!(hour.since, 439 * 60);
        let nothing = Recent::default().hour(&sample(1, &[]));
        assert!(nothing.minutes.is_empty() && nothing.refusals.is_empty());
    }
}
