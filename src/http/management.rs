//! The management listener: is the process alive, is it ready, what does it count.
//!
//! For the operator's network only: it asks for no credentials. It knows no route of the public
//! listener, and the public listener none of these. What else the listener serves, such as the console
//! with its log-in, is put [beside](Management::beside) these routes.
//!
//! This room must never show a session, a user or a key.

use super::metrics::{Measured, Metrics, PROMETHEUS_TEXT};
use crate::telemetry::{self, Trouble};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, http::header::CONTENT_TYPE};
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the stores may take to answer before readiness says no.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// What one store answered when it was asked whether it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCheck {
    /// The store as the operator knows it: `keystore`, `accounts`, `receipts`.
    pub store: &'static str,
    /// Whether it answered.
    pub up: bool,
    /// Whether the service isn't ready without it.
    pub needed: bool,
}

type Ready = dyn Fn() -> BoxFuture<'static, Vec<StoreCheck>> + Send + Sync;
type MoreRoutes = dyn Fn(&mut ServiceConfig) + Send + Sync;
type Gauges = dyn Fn() -> BoxFuture<'static, Vec<Measured>> + Send + Sync;

/// What the management listener shows.
#[derive(Clone)]
pub struct Management {
    metrics: Arc<Metrics>,
    ready: Arc<Ready>,
    gauges: Arc<Gauges>,
    draining: Arc<AtomicBool>,
    beside: Option<Arc<MoreRoutes>>,
}

/// Whether the service is ready.
#[derive(Serialize)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    /// Why not, as a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
    pub(super) draining: bool,
    /// Each store, `up` or `down`; empty where they didn't answer in time.
    pub(super) stores: BTreeMap<&'static str, &'static str>,
    /// Why the log isn't written; left out where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<&'static str>,
    /// The same of the audit, where it is a stream of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audit: Option<&'static str>,
}

impl Management {
    /// Shows the counters of the public listener, asks `ready` for the state of the stores and
    /// `gauges` for whatever else is measured.
    pub fn new<R, F, G, H>(metrics: Arc<Metrics>, ready: R, gauges: G) -> Self
    where
        R: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Vec<StoreCheck>> + Send + 'static,
        G: Fn() -> H + Send + Sync + 'static,
        H: Future<Output = Vec<Measured>> + Send + 'static,
    {
        Self {
            metrics,
            ready: Arc::new(move || Box::pin(ready())),
            gauges: Arc::new(move || Box::pin(gauges())),
            draining: Arc::default(),
            beside: None,
        }
    }

    /// The same with other routes beside these, for each worker.
    #[must_use]
    pub fn beside(self, routes: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        Self {
            beside: Some(Arc::new(routes)),
            ..self
        }
    }

    /// From now on not ready, so that a balancer sends no more requests.
    pub(super) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Asks the stores, for no longer than [`READY_TIMEOUT`].
    pub(super) async fn readiness(&self) -> Readiness {
        let draining = self.draining.load(Ordering::Relaxed);
        let checks = tokio::time::timeout(READY_TIMEOUT, (self.ready)()).await;
        let in_time = checks.is_ok();
        let checks = checks.unwrap_or_default();
        let (log, audit) = (telemetry::trouble(), telemetry::audit_trouble());
        let code = if draining {
            Some("stopping")
        } else if !in_time {
            Some("store_timeout")
        } else if checks.iter().any(|check| check.needed && !check.up) {
            Some("store_unavailable")
        } else if log.or(audit).is_some() {
            Some("log_unwritten")
        } else {
            None
        };
        Readiness {
            ready: code.is_none(),
            code,
            draining,
            stores: checks
                .iter()
                .map(|check| (check.store, if check.up { "up" } else { "down" }))
                .collect(),
            log: log.map(Trouble::code),
            audit: audit.map(Trouble::code),
        }
    }

    /// `/livez`, `/readyz` and `/metrics`, and what is beside them.
    pub(super) fn routes(&self, config: &mut ServiceConfig) {
        let resource = |path: &str| web::resource(path.to_owned());
        config
            .app_data(Data::new(self.clone()))
            .service(
                resource("/livez")
                    .route(web::get().to(alive))
                    .route(web::head().to(alive)),
            )
            .service(
                resource("/readyz")
                    .route(web::get().to(ready))
                    .route(web::head().to(ready)),
            )
            .service(resource("/metrics").route(web::get().to(metrics)));
        if let Some(beside) = &self.beside {
            beside(config);
        }
    }
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .body("ok\n")
}

async fn ready(management: Data<Management>) -> HttpResponse {
    let readiness = management.readiness().await;
    if readiness.ready {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().json(readiness)
    }
}

async fn metrics(management: Data<Management>) -> HttpResponse {
    // What a store doesn't say in time is left out: a scrape must not hang on it.
    let gauges = tokio::time::timeout(READY_TIMEOUT, (management.gauges)()).await;
    let text = management.metrics.render(&gauges.unwrap_or_default());
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, PROMETHEUS_TEXT))
        .body(text)
}
