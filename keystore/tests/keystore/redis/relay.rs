//! A relay before `PostgreSQL` that is cut, or through which nothing comes for a while.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of what is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It goes through.
    Open,
    /// It waits.
    Stalled,
    /// Every connection is cut, and none is taken.
    Cut,
}

/// The relay, for as long as the runtime runs.
pub(crate) struct Relay {
    /// The URL of the database by way of the relay.
    pub(crate) url: String,
    way: Arc<watch::Sender<Way>>,
}

impl Relay {
    /// Before the server of this URL.
    pub(crate) async fn before(url: &str) -> Self {
        let server: PgConnectOptions = url.parse().unwrap();
        let (host, port) = (server.get_host().to_owned(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let way = Arc::new(watch::Sender::new(Way::Open));
        let ways = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *ways.borrow() != Way::Cut {
                    let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                    tokio::spawn(relay(client, server, ways.subscribe()));
                }
            }
        });
        let relayed = url.replacen(&format!(":{port}/"), &format!(":{own}/"), 1);
        assert_ne!(relayed, url);
        Self { url: relayed, way }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// Both ways, until either side is through or the way is cut.
async fn relay(client: TcpStream, server: TcpStream, mut way: watch::Receiver<Way>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let forth = passed(from_client, to_server, way.clone());
    let back = passed(from_server, to_client, way.clone());
    tokio::select! {
        () = forth => {}
        () = back => {}
        _ = way.wait_for(|way| *way == Way::Cut) => {}
    }
}

async fn passed(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
) {
    let mut room = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut room).await {
        let open = way.wait_for(|way| *way == Way::Open).await.is_ok();
        if !open || to.write_all(&room[..length]).await.is_err() {
            return;
        }
    }
}
