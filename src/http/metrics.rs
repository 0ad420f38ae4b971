//! What Prometheus reads: requests by route, method and status, their duration, and what other
//! rooms measure.
//!
//! A route is labelled by its pattern (`/sessions/{crt}`), so that no handle, no address and no
//! invented path becomes a label, and the number of series is bounded by the code.
//!
//! This room must never take a label from a request, but for a method and a status of a fixed set.

use actix_web::http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The media type of the text format, version 0.0.4.
pub const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route of a request that met no resource.
pub const UNMATCHED: &str = "unmatched";

/// Upper bounds in microseconds: from a cached open to a queue of password hashes.
const BOUNDS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// Whether a value goes up and down, or only up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How much there is now.
    Gauge,
    /// How often something has happened since the start.
    Counter,
}

/// A value that another room measures, at the moment of asking.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The whole name, `lacre_` first and the unit last: `[a-z0-9_]`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether it goes up and down.
    pub kind: Kind,
    /// The value now.
    pub value: u64,
}

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
    /// Durations within each of [`BOUNDS`], not cumulated; the last is everything above.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            statuses: [const { AtomicU64::new(0) }; 500],
            buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            sum_micros: AtomicU64::new(0),
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
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&bound| bound < micros);
        series.statuses[status].fetch_add(1, Relaxed);
        series.buckets[bucket].fetch_add(1, Relaxed);
        series.sum_micros.fetch_add(micros, Relaxed);
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
        let mut text = String::new();
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        head(
            &mut text,
            "lacre_http_requests_total",
            "counter",
            "Requests answered.",
        );
        for (labels, series) in labelled(&series) {
            for (status, count) in (100..).zip(&series.statuses) {
                let count = count.load(Relaxed);
                if count > 0 {
                    let name = "lacre_http_requests_total";
                    let _ = writeln!(text, "{name}{{{labels},status=\"{status}\"}} {count}");
                }
            }
        }
        let name = "lacre_http_request_duration_seconds";
        head(
            &mut text,
            name,
            "histogram",
            "Time from the request's head to its answer's.",
        );
        for (labels, series) in labelled(&series) {
            let mut total = 0;
            for (bound, count) in BOUNDS.iter().zip(&series.buckets) {
                total += count.load(Relaxed);
                let _ = writeln!(
                    text,
                    "{name}_bucket{{{labels},le=\"{}\"}} {total}",
                    seconds(*bound)
                );
            }
            total += series.buckets[BOUNDS.len()].load(Relaxed);
            let sum = seconds(series.sum_micros.load(Relaxed));
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {total}");
            let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}");
            let _ = writeln!(text, "{name}_count{{{labels}}} {total}");
        }
        let name = "lacre_http_requests_in_flight";
        head(&mut text, name, "gauge", "Requests not answered yet.");
        let _ = writeln!(text, "{name} {}", self.in_flight());
        let name = "lacre_http_panics_total";
        head(
            &mut text,
            name,
            "counter",
            "Handlers that panicked; each is a bug.",
        );
        let _ = writeln!(text, "{name} {}", self.panics.load(Relaxed));
        for Measured {
            name,
            help,
            kind,
            value,
        } in measured
        {
            let kind = match kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
            };
            head(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
        text
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
        let route = route
            .replace('\\', r"\\")
            .replace('"', r#"\""#)
            .replace('\n', r"\n");
        methods.iter().map(move |(method, series)| {
            (format!("route=\"{route}\",method=\"{method}\""), &**series)
        })
    })
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Microseconds as exact decimal seconds, without trailing zeros.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Anybody can invent a method; only the usual ones become labels.
fn label(method: &Method) -> &'static str {
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
            kind: Kind::Gauge,
            value: 25,
        };
        let counter = Measured {
            name: "lacre_log_dropped_total",
            help: "Dropped.",
            kind: Kind::Counter,
            value: 3,
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
