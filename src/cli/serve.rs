//! `lacre serve`: the service, from the configuration to the drained end.
//!
//! The addresses are taken before anything on disk is opened, and announced only when everything
//! stands.
//!
//! This room must never announce an address that nobody answers on.

mod announced;
mod chores;

use super::failure::{self, Failure};
use super::handed_over::HandedOver;
use super::measured::measure;
use super::notify;
use super::place::Place;
use super::stand_in::StandIn;
use announced::{Addresses, announce_aside};
use chores::{reload, rotate, sweep};
use clap::Args;
use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt as _};
use lacre::clock::{Clock as _, SystemClock};
use lacre::internals::config::{Config, Dialect, Proxy, Signup, WebOrigin};
use lacre::internals::deployment::{Certificate, Deployment, OpenError};
use lacre::internals::entropy;
use lacre::internals::http::body::BodyLimits;
use lacre::internals::http::console::Console;
use lacre::internals::http::dialects;
use lacre::internals::http::edge::Edge;
use lacre::internals::http::gateway::Gateway;
use lacre::internals::http::management::{Management, StoreCheck};
use lacre::internals::http::metrics::Metrics;
use lacre::internals::http::origin::TrustedProxies;
use lacre::internals::http::routes::Policy;
use lacre::internals::http::server::{
    Listener, Reached, ServerError, Settings, Stop, hang_ups, stop_signals,
};
use lacre::internals::ops::{AdminSocket, SocketError};
use lacre::internals::service::Service;
use lacre::internals::telemetry;
use std::pin::pin;
use std::sync::Arc;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lacre serve --dev\n  lacre serve --listen 0.0.0.0:8080 --data-dir /var/lib/lacre"
)]
pub(crate) struct Serve {
    /// For trying it out: loopback addresses only, open sign-up, next steps to paste
    #[arg(long)]
    dev: bool,
    /// With `--dev` and the dialect `jwe-flask`: give whoever asks the token of any user
    #[arg(long, requires = "dev")]
    dev_insecure_issue: bool,
    /// Where the service answers [default: 127.0.0.1:8080]; port 0 picks a free one; or unix:PATH, systemd
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where /livez, /readyz, /metrics and the console answer [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR")]
    management_listen: Option<String>,
    /// Where proxies and other back ends ask about tokens [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    gateway_listen: Option<String>,
    /// The form of the log: logfmt or json [default: logfmt]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// From now on SIGHUP ends nothing. For the first line of a program that may be a server: what comes after
/// it, until [`stop_signals`] has its own way with the signal, takes some milliseconds.
pub(super) fn outlive_hang_ups() {
    // Where it can't be caught, the start goes on; `stop_signals` will say so.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default());
}

impl Serve {
    pub(super) fn run(&self, place: &Place) -> Result<(), Failure> {
        let flags = [
            ("listen", self.listen.as_ref()),
            ("management_listen", self.management_listen.as_ref()),
            ("gateway.listen", self.gateway_listen.as_ref()),
            ("log.format", self.log_format.as_ref()),
        ];
        // Before anything else is opened: what isn't there after all can't be taken for it.
        let handed_over = HandedOver::take()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("lacre")
            .enable_all()
            .build()?;
        runtime.block_on(async {
            // Before anything else: from here on no signal ends the process in the middle of something.
            let stops = stop_signals()?;
            let hang_ups = hang_ups()?;
            telemetry::leads_somewhere().map_err(Failure::log_closed)?;
            let config = place.resolve(&flags, self.dev)?;
            telemetry::audit_is_kept().map_err(Failure::log_closed)?;
            if self.dev_insecure_issue && config.dialect.dialect != Dialect::JweFlask {
                return Err(Failure::usage(
                    "insecure_issue_unused",
                    "--dev-insecure-issue is for the dialect `jwe-flask` alone",
                ));
            }
            telemetry::never_wait(config.server.audit_queue).map_err(|error| {
                let text = format!("the threads that write the log could not be started: {error}");
                Failure::failed("log_unavailable", text)
            })?;
            let version = env!("CARGO_PKG_VERSION");
            log::info!(version, pid = std::process::id(); "lacre starts");
            let insecure_issue = self.dev_insecure_issue;
            serve(&config, insecure_issue, handed_over, stops, hang_ups).await
        })
    }
}

async fn serve(
    config: &Config,
    insecure_issue: bool,
    handed_over: HandedOver,
    stops: impl Stream<Item = Stop> + Unpin,
    hang_ups: impl Stream<Item = ()> + Unpin + Send + 'static,
) -> Result<(), Failure> {
    let mut listeners = handed_over.listeners(config)?;
    let certificate = certificate(config)?;
    if let Some(certificate) = &certificate {
        let tls = certificate.server_config().map_err(|error| {
            Failure::failed(
                "tls_unavailable",
                format_args!("TLS can't be set up: {error}"),
            )
        })?;
        listeners.public = listeners.public.over_tls(tls)?;
    }
    let public = listeners.public.reached()?;
    let management = listeners.management.reached()?;
    let gateway = listeners.gateway.as_ref().map(Listener::reached);
    let gateway = gateway.transpose()?;
    check_reach(config, &public, &management, gateway.as_ref())?;
    let clock = Arc::new(SystemClock::default());
    if let Some(Err(error)) = certificate.as_ref().map(|one| one.check(clock.now())) {
        log::warn!(code = error.code(); "clients will refuse the certificate: {error}");
    }
    let mut deployment = Deployment::open(config, clock.clone(), entropy::system()).await?;
    let service = deployment.service().clone();

    let metrics = Arc::new(Metrics::default());
    let edge = Edge::new(&mut (entropy::system())(), Arc::clone(&metrics))
        .max_headers(config.limits.header)
        .form(dialects::form(&config.dialect))
        .lines(config.log.requests)
        .origins(config.cors.origins.iter().map(WebOrigin::as_str))
        .map_err(|error| Failure::new(failure::CONFIG, "config_bad_value", error))?;
    let stand_in = StandIn::prepare(&service, insecure_issue).await?;
    let trusted_proxies = TrustedProxies::new(config.trusted_proxies.clone());
    let asked = Gateway::new(
        service.clone(),
        trusted_proxies.clone(),
        &config.services,
        &config.gateway,
    );
    let settings = settings(config);
    let mut operators = operators_view(metrics, Arc::clone(&clock), certificate.clone(), &service);
    let console = config.console.enabled.then(|| {
        let proxies = trusted_proxies.clone();
        Console::new(service.clone(), operators.clone(), proxies, settings.body)
            .examining(Arc::new(config.clone()))
    });
    if let Some(console) = console.clone() {
        operators = operators.beside(move |routes| console.routes(routes));
    }
    let policy = Policy {
        open_signup: config.signup == Signup::Open,
        trusted_proxies,
        stand_in: stand_in.as_ref().map(StandIn::credentials),
    };
    let running = listeners.serve(
        &settings,
        &edge,
        dialects::routes(&config.dialect, service.clone(), policy),
        Some(asked),
        operators,
    )?;
    let admin = AdminSocket::open(deployment.data_dir(), service.clone())?;
    deployment.keep_time()?;
    let reloader = tokio::spawn(reload(hang_ups, certificate, clock));
    let keeper = tokio::spawn(service.lacre().keep_last_seen());
    let sweeper = tokio::spawn(sweep(service.clone()));
    let counter = console.map(|console| tokio::spawn(console.keep_counting()));
    let rotation = tokio::spawn(rotate(service.clone()));
    let receipts = tokio::spawn(service.lacre().clone().keep_receipts());
    let addresses = Addresses {
        public,
        management,
        gateway,
    };
    let status = format!("listening on {}", addresses.public);
    let announced = announce_aside(config.dev, insecure_issue, addresses)?;
    // Connections wait in line already, and the first of them is served in the next step.
    notify::ready(&status);
    let stops = stops.inspect(|_| notify::stopping());
    let ended = match select(pin!(running.until(stops)), announced).await {
        Either::Left((ended, _)) => ended,
        // Also a reader who is gone is a failure here: nobody would know where the service is.
        Either::Right((Ok(Err(error)), _)) => return Err(Failure::failed("output_failed", error)),
        Either::Right((_, running)) => running.await,
    };
    reloader.abort();
    rotation.abort();
    sweeper.abort();
    if let Some(counter) = counter {
        counter.abort();
    }
    receipts.abort();
    keeper.abort();
    admin.stop().await;
    if let Some(stand_in) = stand_in {
        stand_in.dismiss(&service).await?;
    }
    service.settle().await;
    deployment.close().await;
    log::info!("stopped: {:?}", ended?);
    Ok(())
}

fn settings(config: &Config) -> Settings {
    let server = &config.server;
    Settings {
        workers: server.workers,
        max_connections: server.max_connections as usize,
        keep_alive: server.keep_alive,
        head_timeout: server.head_timeout,
        handshake_timeout: config.tls.handshake_timeout,
        disconnect_timeout: server.disconnect_timeout,
        stop_delay: server.stop_delay,
        drain_timeout: server.drain,
        body: BodyLimits {
            max_bytes: config.limits.body,
            read_timeout: server.body_timeout,
        },
    }
}

/// The certificate of the public listener, where it speaks TLS itself.
fn certificate(config: &Config) -> Result<Option<Arc<Certificate>>, Failure> {
    let read = config
        .tls
        .files()
        .map(|(file, key)| Certificate::read(file, key));
    read.transpose()
        .map_err(|error| Failure::new(failure::CONFIG, error.code(), error))
}

/// Readiness asks the stores; the gauges are what an operator watches.
fn operators_view(
    metrics: Arc<Metrics>,
    clock: Arc<SystemClock>,
    certificate: Option<Arc<Certificate>>,
    service: &Service,
) -> Management {
    let (asked, watched) = (service.clone(), service.clone());
    let ready = move || {
        let service = asked.clone();
        async move {
            let mut checks = vec![
                StoreCheck {
                    store: "keystore",
                    up: service.lacre().keystore().health().is_ok(),
                    needed: true,
                },
                StoreCheck {
                    store: "accounts",
                    up: service.accounts().health().await.is_ok(),
                    needed: true,
                },
            ];
            if let Some((_, failing)) = service.lacre().receipts_written() {
                // Ends are ends without them.
                checks.push(StoreCheck {
                    store: "receipts",
                    up: failing.is_none(),
                    needed: false,
                });
            }
            checks
        }
    };
    let gauges = move || {
        let (service, clock) = (watched.clone(), Arc::clone(&clock));
        let expires_at = certificate
            .as_ref()
            .and_then(|one| one.expires_at())
            .unwrap_or_default();
        async move { measure(&service, &clock, expires_at).await }
    };
    Management::new(metrics, ready, gauges)
}

/// What the configuration couldn't check: who can reach a socket that was handed over.
fn check_reach(
    config: &Config,
    public: &Reached,
    management: &Reached,
    gateway: Option<&Reached>,
) -> Result<(), Failure> {
    let is_far = |reached: &Reached| matches!(reached, Reached::Tcp(address) | Reached::Tls(address) if !address.ip().is_loopback());
    let mut all = [Some(public), Some(management), gateway]
        .into_iter()
        .flatten();
    let far = all.find(|reached| is_far(reached));
    if let (true, Some(far)) = (config.dev, far) {
        return Err(Failure::new(
            failure::CONFIG,
            "config_dev_not_loopback",
            format_args!("{far}: --dev takes loopback addresses only"),
        ));
    }
    if let Some(far) = gateway.filter(|reached| is_far(reached) && !config.gateway.public) {
        return Err(Failure::new(
            failure::CONFIG,
            "config_gateway_public",
            format_args!(
                "the gateway's socket is at {far}: gateway.public = true says that no browser reaches it"
            ),
        ));
    }
    if matches!(public, Reached::Unix(_)) && !config.trusted_proxies.contains(&Proxy::Unix) {
        log::warn!(
            code = "clients_unknown";
            "nobody who comes through the socket has an address: limits by address count them all \
             together; trusted_proxies = [\"unix\"] takes it from the proxy's X-Forwarded-For"
        );
    }
    Ok(())
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Self::new(failure::UNAVAILABLE, error.code(), error)
    }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        Self::new(failure::UNAVAILABLE, error.code(), error)
    }
}

/// What somebody else holds or what doesn't answer is 69; what is wrong with the deployment is 78.
impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let status = match error.code() {
            "data_dir_held" | "store_held" | "store_unavailable" | "accounts_unavailable" => {
                failure::UNAVAILABLE
            }
            _ => failure::CONFIG,
        };
        Self::new(status, error.code(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacre::internals::config::Sources;

    #[test]
    fn an_embedders_server_has_the_defaults_of_the_configuration() {
        let sources = Sources {
            file: None,
            env: std::iter::empty(),
            flags: Vec::new(),
            dev: false,
        };
        let config = Config::resolve(sources).unwrap();
        let defaults = Settings::default();
        assert_eq!(format!("{:?}", settings(&config)), format!("{defaults:?}"));
        assert_eq!(
            config.limits.header,
            lacre::internals::http::edge::MAX_HEADERS
        );
    }
}
