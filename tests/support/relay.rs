//! A port that leads to another one, which may become another: as a name or an address that moves to another server.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// Such a port of loopback, for as long as the process runs.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where to connect to.
    pub(crate) port: u16,
    target: Arc<AtomicU16>,
}

impl Relay {
    /// One that leads to this port.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(port));
        let leads_to = Arc::clone(&target);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let port = leads_to.load(Ordering::SeqCst);
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    let ways = [(&client, &server), (&server, &client)];
                    for (from, to) in ways.map(|(from, to)| (from.try_clone(), to.try_clone())) {
                        std::thread::spawn(move || one_way(from?, to?));
                    }
                }
            }
        });
        Self { port: own, target }
    }

    /// New connections lead to this port from now on; those of before go on.
    pub(crate) fn lead_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }
}

fn one_way(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
    copied.map(drop)
}
