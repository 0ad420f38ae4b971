//! A relay before `PostgreSQL` that keeps the answer to one removal after it was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a removal of one record begins with when it is prepared.
const REMOVAL: &[u8] = b"WITH c AS (DELETE FROM keystore_sessions WHERE key = $1 AND era = ";

/// How long the server gets to make the removal.
const MADE: Duration = Duration::from_millis(100);

/// What happens to the connection with the removal.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// It is reset.
    Cut,
    /// Nothing comes any more, and nobody says so.
    Silent,
}

/// The relay, for as long as the runtime runs.
pub(crate) struct Cutting {
    /// The URL of the database by way of the relay.
    pub(crate) url: String,
    /// Whether the answer to the next removal is kept; taken back when it has been.
    pub(crate) armed: Arc<AtomicBool>,
}

impl Cutting {
    /// Before the server of this URL.
    pub(crate) async fn before(url: &str, fate: Fate) -> Self {
        let server: PgConnectOptions = url.parse().unwrap();
        let (host, port) = (server.get_host().to_owned(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let armed = Arc::<AtomicBool>::default();
        let cuts = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                tokio::spawn(relay(client, server, Arc::clone(&cuts), fate));
            }
        });
        let relayed = url.replacen(&format!(":{port}/"), &format!(":{own}/"), 1);
        assert_ne!(relayed, url);
        Self {
            url: relayed,
            armed,
        }
    }
}

/// Both ways, until either side is through or the answer is to be lost.
async fn relay(mut client: TcpStream, mut server: TcpStream, armed: Arc<AtomicBool>, fate: Fate) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut prepared = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let sent = &asked[..length];
                prepared |= sent.windows(REMOVAL.len()).any(|part| part == REMOVAL);
                // A message that binds values to what was prepared is followed by its execution.
                let executes = prepared && sent[0] == b'B';
                if server.write_all(sent).await.is_err() {
                    return;
                }
                if executes && armed.load(Ordering::SeqCst) {
                    // The server's first word on it comes when it has been committed.
                    let _ = server.read(&mut answered).await;
                    tokio::time::sleep(MADE).await;
                    armed.store(false, Ordering::SeqCst);
                    match fate {
                        Fate::Cut => return,
                        Fate::Silent => std::future::pending().await,
                    }
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
