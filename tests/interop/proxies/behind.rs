//! A small service that answers each request with what it heard.

use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Serves until the process ends.
pub(in crate::interop) struct Service {
    pub(in crate::interop) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Service {
    pub(in crate::interop) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        std::thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // A proxy that goes away in the middle is no failure of the test.
                std::thread::spawn(move || drop(serve(&peer, &counted)));
            }
        });
        Self { address, requests }
    }

    /// How many requests came through.
    pub(in crate::interop) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(peer: &TcpStream, counted: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(peer);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        counted.fetch_add(1, Ordering::SeqCst);
        let fields: Vec<(&str, &str)> = lines[1..]
            .iter()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
            .collect();
        let field = |name: &str| {
            let found = fields
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| *value)
        };
        let mut out = peer;
        if field("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket")) {
            // The value for the key of RFC 6455 §1.3, which is the only one that the tests send.
            out.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            )?;
            return Ok(());
        }
        let length = field("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let mut words = lines[0].split(' ');
        let method = words.next().unwrap_or_default();
        let heard = json!({
            "method": method,
            "target": words.next(),
            "fields": fields,
            "body": String::from_utf8_lossy(&body),
        });
        let heard = heard.to_string();
        let start = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            heard.len()
        );
        out.write_all(start.as_bytes())?;
        if method != "HEAD" {
            out.write_all(heard.as_bytes())?;
        }
    }
}
