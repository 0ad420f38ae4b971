//! A real `HAProxy` before three nodes, by the recipe of the documentation.

use super::skipped::skip;
use super::wait::until;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Ends with the value.
pub(crate) struct Haproxy {
    pub(crate) address: SocketAddr,
    /// Where each node has to listen: its public listener and that of the management.
    pub(crate) nodes: [(String, String); 3],
    home: TempDir,
    child: Child,
}

impl Haproxy {
    /// `None`, said on standard error, where it isn't installed.
    pub(crate) fn before_nodes() -> Option<Self> {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxies/haproxy-nodes.cfg");
        let mut recipe = std::fs::read_to_string(recipe).unwrap();
        let home = TempDir::new().unwrap();
        // All at once, so that none is had twice.
        let free: [TcpListener; 7] =
            std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = free.map(|listener| listener.local_addr().unwrap().port());
        let names = [8000, 8081, 8082, 8083, 9091, 9092, 9093];
        for (name, port) in names.iter().zip(ports) {
            let before = recipe.clone();
            for kind in ["127.0.0.1:", " port "] {
                recipe = recipe.replace(&format!("{kind}{name}\n"), &format!("{kind}{port}\n"));
                recipe = recipe.replace(&format!("{kind}{name} "), &format!("{kind}{port} "));
            }
            assert_ne!(recipe, before, "{name} isn't in the recipe");
        }
        let said = format!(
            "\nglobal\n    stats socket {}/admin\n",
            home.path().display()
        );
        std::fs::write(home.path().join("haproxy.cfg"), recipe + &said).unwrap();
        let log = std::fs::File::create(home.path().join("said")).unwrap();
        let started = Command::new("haproxy")
            .args(["-db", "-f", "haproxy.cfg"])
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let Ok(child) = started else {
            skip("HAProxy is absent", "run .ci/need proxies");
            return None;
        };
        let address = |port: u16| format!("127.0.0.1:{port}");
        let [public, nodes @ ..] = ports;
        let mut proxy = Self {
            address: SocketAddr::from(([127, 0, 0, 1], public)),
            nodes: std::array::from_fn(|node| (address(nodes[node]), address(nodes[node + 3]))),
            home,
            child,
        };
        until("HAProxy listens", || {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", proxy.said());
            std::net::TcpStream::connect(proxy.address).ok()
        });
        Some(proxy)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.home.path().join("said")).unwrap()
    }

    /// Waits until it takes all nodes for ready.
    pub(crate) fn sees_all(&self) {
        use std::io::{Read as _, Write as _};
        until("HAProxy takes all nodes for ready", || {
            let socket = self.home.path().join("admin");
            let mut socket = std::os::unix::net::UnixStream::connect(socket).ok()?;
            socket.write_all(b"show stat\n").ok()?;
            let mut said = String::new();
            socket.read_to_string(&mut said).ok()?;
            let ready = |line: &&str| line.starts_with("nodes,") && line.contains(",UP,");
            // The three, and what stands for all of them.
            (said.lines().filter(ready).count() == 4).then_some(())
        });
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
