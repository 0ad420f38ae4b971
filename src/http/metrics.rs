//! What Prometheus reads: requests by route, method and status, their duration, and what other
//! rooms measure.
//!
//! A route is labelled by its pattern (`/sessions/{crt}`), so that no handle, no address and no
//! invented path becomes a label, and the number of series is bounded by the code.
//!
//! This room must never take a label from a request, but for a method and a status of a fixed set.

mod measured;
mod text;

pub use measured::{Measured, Reading};

use crate::telemetry::histogram::Histogram;
use actix_web::http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use text::Kind;

/// The media type of the text format, version 0.0.4.
pub const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route of a request that met no resource.
pub const UNMATCHED: &str = "unmatched";

/// Counters for all requests of one listener. Shared by all workers.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By route pattern, then by method.
    series: RwLock<BTreeMap<String, BTreeMap<&'static str, Arc<Series>>>>,
    in_flight: AtomicU64,
    panics: AtomicU64,
}

/// One route and method.
#[derive(Debug)]
struct Series {
    /// Statuses 100 to 599.
    statuses: [AtomicU64; 500],
    durations: Histogram,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            statuses: [const { AtomicU64::new(0) }; 500],
            durations: Histogram::default(),
        }
    }
}

/// Counts one request as in flight until it is dropped, answered or not.
#[derive(Debug)]
pub struct InFlight(Arc<Metrics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    /// A request came in.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// A request was answered.
    pub fn answered(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let series = self.series(route, label(method));
        let status = usize::from(status.as_u16()).saturating_sub(100).min(499);
        series.statuses[status].fetch_add(1, Relaxed);
        series.durations.observe(took);
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// Requests that came in and aren't answered yet.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Everything in Prometheus text, [`PROMETHEUS_TEXT`].
    #[must_use]
    pub fn render(&self, measured: &[Measured]) -> String {
        let mut out = String::new();
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let name = "lacre_http_requests_total";
        text::head(&mut out, name, Kind::Counter, "Requests answered.");
        for (labels, series) in labelled(&series) {
            for (status, count) in (100..).zip(&series.statuses) {
                let count = count.load(Relaxed);
                if count > 0 {
                    let labels = format!("{labels},{}", text::label("status", &status.to_string()));
                    text::sample(&mut out, name, &labels, count);
                }
            }
        }
        let name = "lacre_http_request_duration_seconds";
        let help = "Time from the request's head to its answer's.";
        text::head(&mut out, name, Kind::Histogram, help);
        for (labels, series) in labelled(&series) {
            text::histogram(&mut out, name, &labels, &series.durations.read());
        }
        for own in [
            Measured {
                name: "lacre_http_requests_in_flight",
                help: "Requests not answered yet.",
                value: Reading::Gauge(self.in_flight()),
            },
            Measured {
                name: "lacre_http_panics_total",
                help: "Handlers that panicked; each is a bug.",
                value: Reading::Counter(self.panics.load(Relaxed)),
            },
        ] {
            own.write(&mut out);
        }
        for measured in measured {
            measured.write(&mut out);
        }
        out
    }

    fn series(&self, route: &str, method: &'static str) -> Arc<Series> {
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(route).and_then(|methods| methods.get(method)) {
            return Arc::clone(series);
        }
        drop(known);
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            all.entry(route.to_owned())
                .or_default()
                .entry(method)
                .or_default(),
        )
    }
}

/// All series, each with its labels as text.
fn labelled<'a>(
    series: &'a BTreeMap<String, BTreeMap<&'static str, Arc<Series>>>,
) -> impl Iterator<Item = (String, &'a Series)> {
    series.iter().flat_map(|(route, methods)| {
        let route = text::label("route", route);
        methods.iter().map(move |(method, series)| {
            let method = text::label("method", method);
            (format!("{route},{method}"), &**series)
        })
    })
}

/// Anybody can invent a method; only the usual ones become labels.
pub(super) fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(requests: &[(&str, Method, u16, u64)]) -> String {
        let metrics = Metrics::default();
        for (route, method, status, micros) in requests {
            let status = StatusCode::from_u16(*status).unwrap();
            metrics.answered(route, method, status, Duration::from_micros(*micros));
        }
        metrics.render(&[])
    }

    #[test]
    fn requests_are_counted_by_route_method_and_status() {
        let text = after(&[
            ("/me", Method::GET, 200, 10),
            ("/me", Method::GET, 200, 10),
            ("/me", Method::GET, 401, 10),
            ("/me", Method::PUT, 405, 10),
        ]);
        for line in [
            r#"lacre_http_requests_total{route="/me",method="GET",status="200"} 2"#,
            r#"lacre_http_requests_total{route="/me",method="GET",status="401"} 1"#,
            r#"lacre_http_requests_total{route="/me",method="PUT",status="405"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn buckets_are_cumulative_and_their_bounds_inclusive() {
        let text = after(&[
            ("/me", Method::GET, 200, 100),
            ("/me", Method::GET, 200, 101),
            ("/me", Method::GET, 200, 9_000_000),
        ]);
        let name = "lacre_http_request_duration_seconds";
        let labels = r#"route="/me",method="GET""#;
        for line in [
            format!("{name}_bucket{{{labels},le=\"0.0001\"}} 1"),
            format!("{name}_bucket{{{labels},le=\"0.00025\"}} 2"),
            format!("{name}_bucket{{{labels},le=\"5\"}} 2"),
            format!("{name}_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("{name}_sum{{{labels}}} 9.000201"),
            format!("{name}_count{{{labels}}} 3"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn an_invented_method_makes_no_new_series() {
        let method = |name: &str| Method::from_bytes(name.as_bytes()).unwrap();
        let text = after(&[("/", method("BREW"), 405, 1), ("/", method("brew"), 405, 1)]);
        assert!(text.contains(r#"method="other",status="405"} 2"#), "{text}");
    }

    #[test]
    fn a_route_can_not_break_out_of_its_label() {
        let text = after(&[("/a\"\\\n", Method::GET, 200, 1)]);
        assert!(text.contains(r#"route="/a\"\\\n",method"#), "{text}");
    }

    #[test]
    fn what_other_rooms_measure_is_told() {
        let gauge = Measured {
            name: "lacre_hash_queue_length",
            help: "Waiting.",
            value: Reading::Gauge(25),
        };
        let counter = Measured {
            name: "lacre_log_dropped_total",
            help: "Dropped.",
            value: Reading::Counter(3),
        };
        let text = Metrics::default().render(&[gauge, counter]);
        assert!(
            text.contains("# TYPE lacre_log_dropped_total counter\nlacre_log_dropped_total 3\n")
        );
        assert!(
            text.contains("# TYPE lacre_hash_queue_length gauge\nlacre_hash_queue_length 25\n")
        );
    }

    #[test]
    fn a_request_is_in_flight_until_it_is_dropped() {
        let metrics = Arc::new(Metrics::default());
        let one = metrics.enter();
        let two = metrics.enter();
        assert_eq!(metrics.in_flight(), 2);
        drop((one, two));
        assert_eq!(metrics.in_flight(), 0);
    }

    #[test]
    fn every_series_has_one_help_and_one_type() {
        let text = after(&[("/a", Method::GET, 200, 1), ("/b", Method::GET, 200, 1)]);
        let types: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect();
        let mut once = types.clone();
        once.dedup();
        assert_eq!(types, once);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let known = types
                .iter()
                .any(|kind| name.starts_with(kind.split(' ').nth(2).unwrap()));
            assert!(known, "{line}");
        }
    }
}
