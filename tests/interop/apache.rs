//! Apache with `mod_auth_openidc` before a service, by the recipe in `docs/proxies/apache.conf`: a resource server
//! that asks the introspection. Addresses, credentials and the certificate are replaced, and nothing else.

use super::proxies::behind::Service;
use crate::pages::page;
use crate::support::http::{Answer, Request, send};
use crate::support::server::{Server, Setup};
use crate::support::skipped::skip;
use crate::support::wait::until;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";

struct Apache {
    address: SocketAddr,
    child: Child,
    directory: tempfile::TempDir,
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A certificate as an administrator makes one for the own machine.
fn certify(directory: &Path) {
    let done = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
        .args([
            "-subj",
            "/CN=127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

impl Apache {
    /// `None` where the program or the module is absent: the test is skipped.
    fn start(server: &Server, service: SocketAddr) -> Option<Self> {
        let module = Path::new("/usr/lib/apache2/modules/mod_auth_openidc.so");
        if !module.exists() {
            skip(
                "Apache's mod_auth_openidc is absent",
                "run .ci/need proxies",
            );
            return None;
        }
        let client = server.operator(&["clients", "add", "apache", "--service", "wiki", "--json"]);
        let client: Value = serde_json::from_str(&client).unwrap();
        let directory = tempfile::tempdir().unwrap();
        certify(directory.path());
        let (address, own) = (free(), free());
        let at = |name: &str| directory.path().join(name).display().to_string();
        let recipe = page::root().join("docs/proxies/apache.conf");
        let recipe = std::fs::read_to_string(recipe).unwrap();
        let recipe = recipe
            .replace("127.0.0.1:8000", &address.to_string())
            .replace("127.0.0.1:9443", &own.to_string())
            .replace("127.0.0.1:9091", &server.gateway().to_string())
            .replace("127.0.0.1:3000", &service.to_string())
            .replace("CLIENT_ID", client["id"].as_str().unwrap())
            .replace("CLIENT_SECRET", client["secret"].as_str().unwrap())
            .replace("File CERTIFICATE", &format!("File {}", at("cert.pem")))
            .replace("File KEY", &format!("File {}", at("key.pem")));
        std::fs::write(directory.path().join("apache.conf"), recipe).unwrap();
        let log = std::fs::File::create(directory.path().join("said")).unwrap();
        let child = Command::new("/usr/sbin/apache2")
            .arg("-d")
            .arg(directory.path())
            .args(["-f", "apache.conf", "-DFOREGROUND"])
            .args(["-C", &format!("PidFile {}", at("pid"))])
            .args(["-C", &format!("ErrorLog {}", at("error.log"))])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut apache = Self {
            address,
            child,
            directory,
        };
        until("Apache listens", || {
            let ended = apache.child.try_wait().unwrap();
            let said = apache.directory.path().join("said");
            let said = std::fs::read_to_string(said).unwrap_or_default();
            assert!(ended.is_none(), "Apache has ended: {said}");
            TcpStream::connect(address).ok()
        });
        Some(apache)
    }

    fn ask(&self, token: Option<&str>) -> Answer {
        let request = Request::get("/page")
            .header("Remote-User", "root")
            .header("Remote_User", "root");
        let request = token.map_or(request.clone(), |token| request.bearer(token));
        send(self.address, &request)
    }
}

/// Its children end with it at SIGTERM, and not at SIGKILL.
impl Drop for Apache {
    fn drop(&mut self) {
        let pid = self.child.id().cast_signed();
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

#[test]
fn apache_lets_in_by_introspection_and_from_the_end_of_a_session_no_more() {
    let server = Setup::new()
        .gateway("[service.wiki]\nroles = [\"user\"]")
        .start();
    let service = Service::start();
    let Some(apache) = Apache::start(&server, service.address) else {
        return;
    };
    let id = server.sign_up(EMAIL, PASSWORD).id;
    let token = server.get_token(EMAIL, PASSWORD);
    apache.ask(None).expect(401);
    apache.ask(Some("nonsense")).expect(401);
    assert_eq!(service.requests(), 0);

    let heard = apache.ask(Some(&token.auth)).expect(200);
    assert!(!heard.text().contains(&token.auth), "the token stays here");
    let heard = heard.json();
    let fields = heard["fields"].as_array().unwrap();
    let users: Vec<&Value> = fields
        .iter()
        .filter(|field| {
            let name = field[0].as_str().unwrap().replace('_', "-");
            name.eq_ignore_ascii_case("remote-user")
        })
        .map(|field| &field[1])
        .collect();
    assert_eq!(users, [&Value::from(id)], "{heard}");

    server.call("POST", "/logout", &token.auth).expect(204);
    apache.ask(Some(&token.auth)).expect(401);
    assert_eq!(service.requests(), 1);
}

/// Where the gateway is gone nobody is let in.
#[test]
fn apache_lets_nobody_in_where_the_gateway_is_gone() {
    let mut server = Setup::new().gateway("[service.wiki]\n").start();
    let service = Service::start();
    let Some(apache) = Apache::start(&server, service.address) else {
        return;
    };
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    apache.ask(Some(&token.auth)).expect(200);
    server.stop();
    let refused = apache.ask(Some(&token.auth));
    assert!(refused.status >= 400, "{refused:?}");
    assert_eq!(service.requests(), 1);
}
