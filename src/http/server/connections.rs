//! Cuts off connections that hold a slot and ask for nothing.
//!
//! actix times the first head of a connection and a connection that is silent between requests. A
//! client that sends one whole request and then a part of a second is neither and would be kept
//! for ever, which is the cheapest way to use up all connections. So would one that never reads
//! its answer. Here every connection without a request in flight has one deadline.
//!
//! And the end of a connection that broke in the middle of a request is logged, with its address.
//!
//! This room must never cut off a request that is being handled.

use crate::telemetry::Broken;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::net::{TcpStream, UnixStream};
use rustix::net::Shutdown;
use std::any::Any;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// All open connections of a service.
#[derive(Debug)]
pub(super) struct Connections {
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    by_number: HashMap<u64, Weak<Connection>>,
}

/// One connection; actix drops it with its own part.
#[derive(Debug)]
struct Connection {
    number: u64,
    /// A second handle to the socket: the only way to reach it from outside of actix.
    socket: OwnedFd,
    in_flight: AtomicU32,
    /// When the last request ended, or the connection began, in milliseconds of `all.began`.
    idle_since: AtomicU64,
    all: Weak<Connections>,
}

/// Says on which connection a request broke: actix drops it on the connection's thread in the step in
/// which [`Broken`] was heard. It belongs to no one else, so that nothing delays its end.
struct Peer(Option<IpAddr>);

impl Drop for Peer {
    fn drop(&mut self) {
        let Some(broken) = Broken::take() else { return };
        let address = self.0.map(|address| address.to_string());
        let (code, address) = (broken.code(), address.as_deref().unwrap_or("unknown"));
        match broken {
            // Clients come and go.
            Broken::Lost => log::debug!(target: "lacre::http", code, address; ""),
            _ => log::warn!(target: "lacre::http", code, address; ""),
        }
    }
}

/// A request that is being handled on a connection, until it is dropped.
struct Busy(Arc<Connection>);

impl Connections {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            open: Mutex::default(),
        })
    }

    /// For `HttpServer::on_connect`. A socket that has no second handle (the process has run out
    /// of them) goes unwatched.
    pub(super) fn opened(self: &Arc<Self>, socket: &dyn Any, data: &mut Extensions) {
        let (peer, socket) = if let Some(socket) = socket.downcast_ref::<TcpStream>() {
            let peer = socket.peer_addr().ok().map(|peer| peer.ip());
            (peer, socket.as_fd())
        } else if let Some(socket) = socket.downcast_ref::<TlsStream<TcpStream>>() {
            let (socket, _) = socket.get_ref();
            let peer = socket.peer_addr().ok().map(|peer| peer.ip());
            (peer, socket.as_fd())
        } else if let Some(socket) = socket.downcast_ref::<UnixStream>() {
            (None, socket.as_fd())
        } else {
            return;
        };
        data.insert(Peer(peer));
        let Ok(socket) = socket.try_clone_to_owned() else {
            return;
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last += 1;
        let connection = Arc::new(Connection {
            number: open.last,
            socket,
            in_flight: AtomicU32::new(0),
            idle_since: AtomicU64::new(self.now()),
            all: Arc::downgrade(self),
        });
        open.by_number
            .insert(connection.number, Arc::downgrade(&connection));
        data.insert(connection);
    }

    /// Closes what is idle for longer than `limit`, for as long as it is polled.
    pub(super) async fn watch(&self, limit: Duration) {
        // Looking four times as often bounds the delay without work that counts.
        let mut ticks = tokio::time::interval((limit / 4).max(Duration::from_millis(10)));
        loop {
            ticks.tick().await;
            self.close_idle(limit);
        }
    }

    fn close_idle(&self, limit: Duration) {
        let oldest = self.now().saturating_sub(millis(limit));
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = open.by_number.values().filter_map(Weak::upgrade).collect();
        // Dropping the last handle to a connection takes the lock again.
        drop(open);
        for connection in all {
            let idle = connection.in_flight.load(SeqCst) == 0;
            if idle && connection.idle_since.load(SeqCst) < oldest {
                // actix sees the end of the stream and lets go of the rest.
                let _ = rustix::net::shutdown(&connection.socket, Shutdown::Both);
            }
        }
    }

    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

impl Connection {
    fn busy(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, SeqCst);
        Busy(Arc::clone(self))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(all) = self.0.all.upgrade() {
            self.0.idle_since.store(all.now(), SeqCst);
        }
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            let mut open = all.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.by_number.remove(&self.number);
        }
    }
}

/// The outermost middleware: the connection of a request isn't idle until it is answered.
pub(super) async fn mark_busy(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let _until_answered = request.conn_data::<Arc<Connection>>().map(Connection::busy);
    next.call(request).await
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tokio::net::TcpListener;

    /// A connection that is watched, and its other end.
    async fn watched(all: &Arc<Connections>) -> (Extensions, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut data = Extensions::new();
        all.opened(&server, &mut data);
        (data, server, client)
    }

    fn count(all: &Connections) -> usize {
        all.open.lock().unwrap().by_number.len()
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
        let all = Connections::new();
        let (_idle, _server, idle_client) = watched(&all).await;
        let (busy, _server, busy_client) = watched(&all).await;
        let _busy = busy.get::<Arc<Connection>>().unwrap().busy();
        while all.now() < 2 {
            tokio::task::yield_now().await;
        }
        all.close_idle(Duration::ZERO);
        idle_client.readable().await.unwrap();
        assert_eq!(
            idle_client.try_read(&mut [0]).unwrap(),
            0,
            "the end of the stream"
        );
        let open = busy_client.try_read(&mut [0]).unwrap_err();
        assert_eq!(open.kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn the_deadline_starts_anew_with_the_end_of_a_request() {
        let all = Connections::new();
        let (data, _server, client) = watched(&all).await;
        let connection = data.get::<Arc<Connection>>().unwrap();
        let began = connection.idle_since.load(SeqCst);
        while all.now() < began + 2 {
            tokio::task::yield_now().await;
        }
        drop(connection.busy());
        assert!(connection.idle_since.load(SeqCst) > began);
        all.close_idle(Duration::from_mins(1));
        let open = client.try_read(&mut [0]).unwrap_err();
        assert_eq!(open.kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn a_closed_connection_leaves_nothing_behind() {
        let all = Connections::new();
        let (data, server, client) = watched(&all).await;
        assert_eq!(count(&all), 1);
        drop((data, server));
        assert_eq!(count(&all), 0);
        client.readable().await.unwrap();
        assert_eq!(
            client.try_read(&mut [0]).unwrap(),
            0,
            "both handles are closed"
        );
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let all = Connections::new();
        all.opened(&"no socket", &mut Extensions::new());
        assert_eq!(count(&all), 0);
    }
}
