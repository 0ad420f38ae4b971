//! A real proxy with its recipe, until the value is dropped.

use crate::support::skipped::skip;
use crate::support::wait::until;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Caddy,
    Haproxy,
    Envoy,
}

pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    child: Child,
    directory: TempDir,
}

/// Where the recipes are.
pub(super) fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/proxies")
}

impl Kind {
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf"],
            Self::Caddy => &["Caddyfile"],
            Self::Haproxy => &["haproxy.cfg", "haproxy.lua"],
            Self::Envoy => &["envoy.yaml"],
        }
    }

    /// The program with its recipe, which lies in this directory.
    fn command(self, directory: &Path) -> Command {
        let mut command = match self {
            Self::Nginx => {
                let mut nginx = Command::new("nginx");
                let log = directory.join("error.log");
                nginx.args(["-c", "nginx.conf", "-p"]).arg(directory);
                nginx.arg("-e").arg(&log).arg("-g").arg(format!(
                    "daemon off; pid {}/nginx.pid; error_log {} warn;",
                    directory.display(),
                    log.display()
                ));
                nginx
            }
            Self::Caddy => {
                let mut caddy = Command::new("caddy");
                caddy.args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]);
                caddy.env("HOME", directory);
                caddy
            }
            Self::Haproxy => {
                let mut haproxy = Command::new("haproxy");
                haproxy.args(["-db", "-f", "haproxy.cfg"]);
                haproxy
            }
            Self::Envoy => {
                let installed = "target/proxies/venv/bin/envoy";
                let envoy = Path::new(env!("CARGO_MANIFEST_DIR")).join(installed);
                let mut envoy = Command::new(envoy);
                envoy.args([
                    "-c",
                    "envoy.yaml",
                    "--disable-hot-restart",
                    "--concurrency",
                    "1",
                ]);
                envoy
            }
        };
        command.current_dir(directory);
        command
    }
}

impl Proxy {
    /// `None` where the program is absent: the test is skipped.
    pub(super) fn start(kind: Kind, gateway: SocketAddr, service: SocketAddr) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        for name in kind.files() {
            let recipe = std::fs::read_to_string(docs().join(name)).unwrap();
            let recipe = match kind {
                // It names addresses and ports apart.
                Kind::Envoy => recipe
                    .replace(
                        "port_value: 8000",
                        &format!("port_value: {}", address.port()),
                    )
                    .replace(
                        "port_value: 9091",
                        &format!("port_value: {}", gateway.port()),
                    )
                    .replace(
                        "port_value: 3000",
                        &format!("port_value: {}", service.port()),
                    ),
                _ => recipe
                    .replace("127.0.0.1:8000", &address.to_string())
                    .replace("http://:8000", &format!("http://:{}", address.port()))
                    .replace("127.0.0.1:9091", &gateway.to_string())
                    .replace("127.0.0.1:3000", &service.to_string()),
            };
            std::fs::write(directory.path().join(name), recipe).unwrap();
        }
        let log = std::fs::File::create(directory.path().join("said")).unwrap();
        let started = kind
            .command(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let Ok(child) = started else {
            skip(&format!("{kind:?} is absent"), "run .ci/need proxies");
            return None;
        };
        let mut proxy = Self {
            address,
            child,
            directory,
        };
        let said = proxy.directory.path().join("said");
        until("the proxy listens", || {
            let ended = proxy.child.try_wait().unwrap();
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            assert!(ended.is_none(), "{kind:?} has ended: {said}");
            TcpStream::connect(address).ok()
        });
        Some(proxy)
    }
}

/// nginx's workers end with their master at SIGTERM, and not at SIGKILL.
impl Drop for Proxy {
    fn drop(&mut self) {
        let pid = self.child.id().cast_signed();
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
