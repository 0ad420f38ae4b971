//! Starting and stopping: two listeners, and a third where there is a gateway, bound before anything
//! else is built, served until told to stop, then drained.
//!
//! A stop may begin with a delay in which everything is still served and readiness says no, so that a
//! balancer sends nobody any more before the first connection is refused.
//!
//! actix's own signal handling is off: it force-stops on SIGINT and ends the whole runtime.
//!
//! This room must never know a route of the public listener, and never end the process.

mod connections;
mod listener;

use self::connections::{Connections, mark_busy};
use super::body::BodyLimits;
use super::edge::Edge;
use super::gateway::Gateway;
use super::management::Management;
use super::metrics::Metrics;
use crate::config::{Listen, ServerConfig, TlsConfig};
use crate::telemetry::RequestLines;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use futures_util::{Stream, StreamExt as _};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use self::listener::{Listener, Reached, SocketFile};

/// Applies what both listeners share. A macro, since the type of an `HttpServer` names its app.
macro_rules! configured {
    ($server:expr, $settings:expr, $connections:expr) => {{
        let connections = Arc::clone(&$connections);
        $server
            .on_connect(move |socket, data| connections.opened(socket, data))
            .max_connections($settings.max_connections)
            .keep_alive($settings.keep_alive)
            .client_request_timeout($settings.head_timeout)
            .client_disconnect_timeout($settings.disconnect_timeout)
            .tls_handshake_timeout($settings.handshake_timeout)
            // actix would accept nobody any more while 256 handshakes of a worker are under way.
            .max_connection_rate($settings.max_connections)
            .shutdown_timeout(whole_seconds($settings.drain_timeout))
            .disable_signals()
    }};
}

/// Puts a server on its listener, and a socket file among those that go at the end.
macro_rules! run {
    ($server:expr, $listener:expr, $files:ident) => {{
        let server = match $listener {
            Listener::Tcp(listener) => $server.listen(listener)?,
            Listener::Tls(listener, config) => $server.listen_rustls_0_23(listener, *config)?,
            Listener::Unix(listener, file) => {
                $files.extend(file);
                $server.listen_uds(listener)?
            }
        };
        server.run()
    }};
}

/// Why the service can't start, or stopped without being told to.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Another process listens there.
    #[error("{0} is in use by another process")]
    AddressInUse(Listen),
    /// The address can't be listened on: not of this machine, or not allowed.
    #[error("can't listen on {address}: {source}")]
    Bind {
        /// The address that was asked for.
        address: Listen,
        /// What the system said.
        source: io::Error,
    },
    /// What was handed over is no socket that listens.
    #[error("the socket that was handed over is none that listens for connections")]
    NoListener,
    /// TLS is wanted on a socket file.
    #[error(
        "the socket that was handed over is a socket file, and tls.cert_file is set: a proxy ends TLS there"
    )]
    NoTls,
    /// The server couldn't be set up or ended by itself.
    #[error("the server failed: {0}")]
    Serve(#[from] io::Error),
}

impl ServerError {
    /// The stable name of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AddressInUse(_) => "address_in_use",
            Self::Bind { .. } => "address_unusable",
            Self::NoListener => "socket_unusable",
            Self::NoTls => "tls_socket_file",
            Self::Serve(_) => "server_failed",
        }
    }
}

/// How connections are treated. The default suits a service behind a proxy.
///
/// What actix fixes and nobody can set: at most 96 header fields, a head of at most 128 KiB, and
/// 16 pipelined requests; the [edge](super::edge) refuses less than that already.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads that serve the public listener; each has its own event loop. At least 1.
    pub workers: usize,
    /// The most open connections of each worker; more wait in the backlog.
    pub max_connections: usize,
    /// How long an idle connection is kept. One that is neither idle nor sends a whole request is
    /// cut off after this and `head_timeout`.
    pub keep_alive: Duration,
    /// How long the first head of a connection may take, against slow senders (408).
    pub head_timeout: Duration,
    /// How long a handshake of TLS may take.
    pub handshake_timeout: Duration,
    /// How long a connection may linger after it was told to close.
    pub disconnect_timeout: Duration,
    /// How long everything is still served after [`Stop::AfterDelay`].
    pub stop_delay: Duration,
    /// How long requests in flight may take when the service stops, rounded up to seconds.
    pub drain_timeout: Duration,
    /// The limits for bodies.
    pub body: BodyLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: ServerConfig::default_workers(),
            max_connections: ServerConfig::MAX_CONNECTIONS as usize,
            keep_alive: ServerConfig::KEEP_ALIVE,
            head_timeout: ServerConfig::HEAD_TIMEOUT,
            handshake_timeout: TlsConfig::HANDSHAKE_TIMEOUT,
            disconnect_timeout: ServerConfig::DISCONNECT_TIMEOUT,
            stop_delay: ServerConfig::STOP_DELAY,
            drain_timeout: ServerConfig::DRAIN,
            body: BodyLimits::default(),
        }
    }
}

/// The listeners, taken but not yet served.
#[derive(Debug)]
pub struct Listeners {
    /// Where the service answers.
    pub public: Listener,
    /// Where operators ask.
    pub management: Listener,
    /// Where proxies and other back ends ask.
    pub gateway: Option<Listener>,
}

impl Listeners {
    /// Takes both addresses, or neither, and none for the gateway. Port 0 picks a free one.
    pub fn bind(public: &Listen, management: &Listen) -> Result<Self, ServerError> {
        Ok(Self {
            public: Listener::bind(public)?,
            management: Listener::bind(management)?,
            gateway: None,
        })
    }

    /// Puts `routes` behind the edge on the public listener, and `management` and the `gateway`, where it
    /// has a listener, on their own. Nothing
    /// is served until [`Running::until`] is awaited, but connections already wait in line.
    pub fn serve<C>(
        self,
        settings: &Settings,
        edge: &Edge,
        routes: C,
        gateway: Option<Gateway>,
        management: Management,
    ) -> Result<Running, ServerError>
    where
        C: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let body = settings.body;
        // What monitors ask of the management listener is no traffic.
        let management_edge = edge
            .counting_into(Arc::new(Metrics::default()))
            .lines(RequestLines::Off);
        let public_edge = edge.clone();
        let public = HttpServer::new(move || {
            App::new()
                .app_data(body)
                .wrap(public_edge.clone())
                .wrap(from_fn(mark_busy))
                .configure(routes.clone())
        })
        .workers(settings.workers.max(1));
        let shown = management.clone();
        let operator = HttpServer::new(move || {
            let shown = shown.clone();
            App::new()
                .wrap(management_edge.clone())
                .wrap(from_fn(mark_busy))
                .configure(move |config| shown.routes(config))
        })
        .workers(1);
        let connections = Connections::new();
        let mut files = Vec::new();
        let gateway = match self.gateway.zip(gateway) {
            None => None,
            Some((listener, gateway)) => {
                let edge = Gateway::edge(edge);
                let server = HttpServer::new(move || {
                    let served = gateway.clone();
                    App::new()
                        .app_data(body)
                        .wrap(edge.clone())
                        .wrap(from_fn(mark_busy))
                        .configure(move |config| served.routes(config))
                })
                .workers(settings.workers.max(1));
                Some(run!(
                    configured!(server, settings, connections),
                    listener,
                    files
                ))
            }
        };
        Ok(Running {
            gateway,
            public: run!(
                configured!(public, settings, connections),
                self.public,
                files
            ),
            operator: run!(
                configured!(operator, settings, connections),
                self.management,
                files
            ),
            _files: files,
            management,
            connections,
            idle_limit: settings.keep_alive + settings.head_timeout,
            stop_delay: settings.stop_delay,
        })
    }
}

/// Rounded up: actix takes no fractions, and 0 would drop everything.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// What a running server is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// To stop after [`Settings::stop_delay`]: whoever runs the service has time.
    AfterDelay,
    /// To stop now: somebody waits for it at a terminal.
    Now,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every request was answered, or the drain timeout had passed.
    Drained,
    /// It was told to stop a second time: requests in flight were dropped.
    Forced,
}

/// The servers, set up.
#[must_use = "nothing is served until `until` is awaited"]
pub struct Running {
    public: Server,
    operator: Server,
    gateway: Option<Server>,
    management: Management,
    connections: Arc<Connections>,
    idle_limit: Duration,
    stop_delay: Duration,
    _files: Vec<SocketFile>,
}

impl Running {
    /// Serves until `stops` yields. Then readiness says no, and after the delay, where there is one, no
    /// connection is accepted any more, requests in flight are answered, and last the management
    /// listener closes. A further yield ends the delay at once, and the next one drops what is still in
    /// flight.
    ///
    /// Needs a tokio runtime with time and I/O.
    pub async fn until(
        self,
        mut stops: impl Stream<Item = Stop> + Unpin,
    ) -> Result<Ended, ServerError> {
        let (public, operator) = (self.public.handle(), self.operator.handle());
        let gateway = self.gateway.as_ref().map(Server::handle);
        let at_gateway = async {
            match self.gateway {
                Some(server) => server.await,
                // Ends with the others, and ends nothing before them.
                None => Ok(()),
            }
        };
        let mut serving =
            tokio::spawn(async { tokio::try_join!(self.public, self.operator, at_gateway) });
        let stop = tokio::select! {
            ended = &mut serving => return Err(failed(ended)),
            () = self.connections.watch(self.idle_limit) => None,
            stop = stops.next() => stop,
        };
        self.management.start_draining();
        if stop == Some(Stop::AfterDelay) && !self.stop_delay.is_zero() {
            log::info!(seconds = self.stop_delay.as_secs(); "stopping after the delay");
            tokio::select! {
                ended = &mut serving => return Err(failed(ended)),
                () = self.connections.watch(self.idle_limit) => {}
                () = tokio::time::sleep(self.stop_delay) => {}
                _ = stops.next() => {}
            }
        }
        let drained = async {
            let at_gateway = async {
                if let Some(gateway) = gateway {
                    gateway.stop(true).await;
                }
            };
            tokio::join!(public.stop(true), at_gateway);
            operator.stop(true).await;
        };
        let again = async {
            if stops.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::select! {
            () = drained => Ended::Drained,
            () = again => Ended::Forced,
        };
        // Dropping the servers force-stops whatever still runs.
        serving.abort();
        let _ = serving.await;
        Ok(ended)
    }
}

fn failed(ended: Result<io::Result<((), (), ())>, tokio::task::JoinError>) -> ServerError {
    let source = match ended {
        Ok(Err(source)) => source,
        Ok(Ok(_)) => io::Error::other("it stopped without being told to"),
        Err(_) => io::Error::other("its task died"),
    };
    ServerError::Serve(source)
}

/// Yields for each SIGTERM and each SIGINT. SIGHUP ends nothing, whether somebody waits for [`hang_ups`] or
/// not.
///
/// Take it before anything else is done, so that no signal meets the default handler.
pub fn stop_signals() -> io::Result<impl Stream<Item = Stop> + Unpin + Send> {
    // The handler stays when this is dropped.
    let _ = signal(SignalKind::hangup())?;
    let signals = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stops = futures_util::stream::unfold(signals, async |mut signals| {
        let (terminate, interrupt) = &mut signals;
        let stop = tokio::select! {
            told = terminate.recv() => told.map(|()| Stop::AfterDelay),
            told = interrupt.recv() => told.map(|()| Stop::Now),
        };
        stop.map(|stop| (stop, signals))
    });
    Ok(Box::pin(stops))
}

/// Yields for each SIGHUP; several at once may be one.
pub fn hang_ups() -> io::Result<impl Stream<Item = ()> + Unpin + Send> {
    let hang_ups = signal(SignalKind::hangup())?;
    let told = async |mut hang_ups: Signal| hang_ups.recv().await.map(|()| ((), hang_ups));
    Ok(Box::pin(futures_util::stream::unfold(hang_ups, told)))
}

#[cfg(test)]
mod tests;
