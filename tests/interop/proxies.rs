//! The recipes of `docs/proxies`, as they stand there: real proxies before a real lacre and a small service.
//!
//! Only the three addresses are replaced, by free ones. `.ci/need proxies` installs the programs; without them
//! a loud line says so, and with `LACRE_TEST_ALL=1` their absence is a failure.

pub(super) mod behind;
mod running;

use crate::pages::page;
use crate::support::http::{Answer, Request, send};
use crate::support::server::{Server, Setup, Token};
use crate::support::wait::until;
use behind::Service;
use running::{Kind, Proxy};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
/// Each proxy passes on what the gateway makes of it.
const NAME: &str = "Zoë, 100%";
const NAME_TOLD: &str = "Zo%C3%AB%2C 100%25";
const NO_TOKEN: &str = r#"Bearer realm="lacre""#;
const BAD_TOKEN: &str = r#"Bearer realm="lacre", error="invalid_token""#;
const NOT_ENOUGH: &str = r#"Bearer realm="lacre", error="insufficient_scope""#;
const SPOOFED: [&str; 8] = [
    "Remote-User",
    "Remote_User",
    "remote-email",
    "remote_email",
    "REMOTE-NAME",
    "Remote_Name",
    "Remote-Groups",
    "remote_groups",
];

/// Everything that stands behind one address.
struct Scene {
    server: Server,
    service: Service,
    proxy: Proxy,
}

impl Scene {
    /// A service that lets in whom these rules do.
    fn of(kind: Kind, rules: &str) -> Option<Self> {
        let setup = Setup::new().env("LACRE_TOKEN__LOCATIONS", "header,cookie");
        let server = setup.gateway(&format!("[service.wiki]\n{rules}")).start();
        server.sign_up(EMAIL, PASSWORD);
        server.operator(&["users", "set", EMAIL, "--name", NAME]);
        let service = Service::start();
        let proxy = Proxy::start(kind, server.gateway(), service.address)?;
        Some(Self {
            server,
            service,
            proxy,
        })
    }

    fn token(&self) -> Token {
        self.server.get_token(EMAIL, PASSWORD)
    }

    fn ask(&self, request: &Request) -> Answer {
        send(self.proxy.address, request)
    }

    /// Demands an answer of the proxy, and that the service has heard nothing.
    #[track_caller]
    fn denies(&self, request: &Request, status: u16, challenge: &str) {
        let before = self.service.requests();
        let answer = self.ask(request);
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(challenge),
            "{answer:?}"
        );
        assert_eq!(self.service.requests(), before, "{answer:?}");
    }

    /// Demands an answer of the service, and returns what it was asked.
    #[track_caller]
    fn lets_in(&self, request: &Request) -> Heard {
        let answer = self.ask(request).expect(200);
        Heard(answer.json())
    }
}

/// A request as the service heard it.
struct Heard(Value);

impl Heard {
    /// The values of the fields of this name, however it is spelled.
    fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.0["fields"].as_array().unwrap().iter();
        let of_name = fields.filter(|field| {
            let found = field[0].as_str().unwrap().replace('_', "-");
            found.eq_ignore_ascii_case(name)
        });
        of_name.map(|field| field[1].as_str().unwrap()).collect()
    }

    /// Demands the identity headers of this user, each once at most, and none of the client's own.
    #[track_caller]
    fn is_of(&self, id: &str) {
        assert_eq!(self.values("remote-user"), [id], "{}", self.0);
        assert_eq!(self.values("remote-email"), [EMAIL], "{}", self.0);
        assert_eq!(self.values("remote-groups"), ["user"], "{}", self.0);
        assert_eq!(self.values("remote-name"), [NAME_TOLD], "{}", self.0);
        assert_eq!(
            self.values("authorization"),
            Vec::<&str>::new(),
            "the token stays here"
        );
    }
}

/// The spoofed fields, each with a value that no user has.
fn spoofed(request: Request) -> Request {
    SPOOFED
        .iter()
        .fold(request, |request, name| request.header(name, "root"))
}

fn guards(kind: Kind) {
    let Some(scene) = Scene::of(kind, "roles = [\"user\"]") else {
        return;
    };
    let token = scene.token();
    let me = scene.server.call("GET", "/me", &token.auth).json();
    let id = me["id"].as_str().unwrap();
    let page = || Request::get("/page?q=1");

    scene.denies(&page(), 401, NO_TOKEN);
    scene.denies(&page().bearer("nonsense"), 401, BAD_TOKEN);
    scene.denies(&spoofed(page()), 401, NO_TOKEN);
    let heard = scene.lets_in(&page().bearer(&token.auth));
    heard.is_of(id);
    assert_eq!(heard.0["target"], "/page?q=1");
    scene
        .lets_in(&spoofed(page().bearer(&token.auth)))
        .is_of(id);
    let request = Request::post("/page")
        .bearer(&token.auth)
        .body("a body that goes on");
    let heard = scene.lets_in(&request);
    heard.is_of(id);
    assert_eq!(
        (&heard.0["method"], &heard.0["body"]),
        (&"POST".into(), &"a body that goes on".into())
    );

    let no_body = scene
        .ask(&Request::new("HEAD", "/page").bearer(&token.auth))
        .expect(200);
    assert!(no_body.body.is_empty());
    scene.denies(&Request::new("HEAD", "/page"), 401, NO_TOKEN);
    // OPTIONS is a method like others, unless a browser asks whether another page may send a token.
    scene.denies(&Request::new("OPTIONS", "/page"), 401, NO_TOKEN);
    scene
        .lets_in(&Request::new("OPTIONS", "/page").bearer(&token.auth))
        .is_of(id);
    let preflight = Request::new("OPTIONS", "/page")
        .header("Origin", "https://other.test")
        .header("Access-Control-Request-Method", "POST");
    let heard = scene.lets_in(&spoofed(preflight));
    for name in [
        "remote-user",
        "remote-email",
        "remote-name",
        "remote-groups",
    ] {
        assert!(
            heard.values(name).iter().all(|value| value.is_empty()),
            "{}",
            heard.0
        );
    }
    // Only together: neither a method nor a field opens the door by itself.
    let by_field = page().header("Access-Control-Request-Method", "GET");
    scene.denies(&by_field, 401, NO_TOKEN);

    assert_eq!(scene.handshake(Some(&token.auth)), 101);
    assert_eq!(scene.handshake(None), 401);

    scene
        .server
        .call("POST", "/logout", &token.auth)
        .expect(204);
    scene.denies(&page().bearer(&token.auth), 401, BAD_TOKEN);
}

impl Scene {
    /// The status that answers the handshake of a websocket (RFC 6455 §1.3).
    fn handshake(&self, token: Option<&str>) -> u16 {
        let mut request = Request::get("/socket")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(token) = token {
            request = request.bearer(token);
        }
        let mut stream = TcpStream::connect(self.proxy.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(&request.bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        str::from_utf8(&start[9..]).unwrap().parse().unwrap()
    }
}

fn tells_what_is_missing(kind: Kind) {
    let Some(scene) = Scene::of(kind, "roles = [\"auditor\"]") else {
        return;
    };
    let token = scene.token();
    scene.denies(&Request::get("/page").bearer(&token.auth), 403, NOT_ENOUGH);
}

/// A token of six thousand characters: as many permissions and claims as there may be.
fn passes_a_long_token(kind: Kind) {
    let Some(scene) = Scene::of(kind, "") else {
        return;
    };
    let names: Vec<String> = (0..31)
        .map(|number| format!("{number:03}-{}", "p".repeat(60)))
        .collect();
    let mut words = vec!["users", "set", EMAIL];
    for name in &names {
        words.extend(["--permission", name]);
    }
    scene.server.operator(&words);
    let me = scene.server.call("GET", "/me", &scene.token().auth).json();
    let client = scene.server.add_client("shop");
    let asked =
        json!({"id": me["id"], "user_session": "till", "claims": {"note": "n".repeat(1000)}});
    let request = Request::post("/getToken")
        .basic(&client.id, &client.secret)
        .json(asked);
    let token = Token::of(&scene.server.send(&request).expect(200));
    assert!(
        (6_000..8_000).contains(&token.auth.len()),
        "{}",
        token.auth.len()
    );
    scene.lets_in(&Request::get("/page").bearer(&token.auth));
    // Of the sixteen letters that a tag can end with, one is `A`.
    let last = if token.auth.ends_with('A') { 'Q' } else { 'A' };
    let other = format!("{}{last}", &token.auth[..token.auth.len() - 1]);
    scene.denies(&Request::get("/page").bearer(&other), 401, BAD_TOKEN);
}

fn wants_the_proof_with_cookies(kind: Kind) {
    let Some(scene) = Scene::of(kind, "") else {
        return;
    };
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let answer = scene
        .server
        .send(&Request::post("/getToken").json(body))
        .expect(200);
    let lines = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let pairs: Vec<&str> = lines
        .map(|(_, line)| line.split(';').next().unwrap())
        .collect();
    let proof = pairs
        .iter()
        .find_map(|pair| pair.strip_prefix("__Host-lacre_csrf="))
        .unwrap();
    // As a browser sends them here: the refresh token's cookie is not for this.
    let cookies: Vec<&str> = pairs
        .iter()
        .copied()
        .filter(|pair| !pair.contains("refresh"))
        .collect();
    let cookies = cookies.join("; ");
    let by_cookie = |method: &str| Request::new(method, "/page").header("Cookie", &cookies);
    scene.lets_in(&by_cookie("GET"));
    scene.lets_in(&by_cookie("POST").header("X-CSRF-TOKEN", proof));
    scene.denies(&by_cookie("POST"), 403, NOT_ENOUGH);
    for hint in ["X-Forwarded-Method", "X-Original-Method"] {
        scene.denies(&by_cookie("POST").header(hint, "GET"), 403, NOT_ENOUGH);
    }
    scene.denies(
        &by_cookie("DELETE").header("X-CSRF-TOKEN", "forged"),
        403,
        NOT_ENOUGH,
    );
}

/// Nobody knows, so nobody is let in, and soon: a gateway that is gone, one that hangs, and one that can't ask
/// its store.
fn lets_nobody_in_where_nobody_knows(kind: Kind) {
    let service = Service::start();
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let without_store = answering_503();
    for gateway in [gone, hanging.local_addr().unwrap(), without_store] {
        let Some(proxy) = Proxy::start(kind, gateway, service.address) else {
            return;
        };
        let began = Instant::now();
        let answer = send(proxy.address, &spoofed(Request::get("/page").bearer("any")));
        assert_eq!(answer.status, 503, "{kind:?} {gateway}: {answer:?}");
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{:?}",
            began.elapsed()
        );
    }
    assert_eq!(service.requests(), 0);
}

/// The gateway's own answer where its keystore can't be asked, as `http::gateway::tests` has it.
fn answering_503() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            let _ = peer.read(&mut [0; 4096]);
            let _ = peer.write_all(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\
                  Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            );
        }
    });
    address
}

/// The same of each proxy.
macro_rules! recipes {
    ($($name:ident: $kind:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn guards_a_service() {
                guards($kind);
            }

            #[test]
            fn tells_the_client_what_is_missing() {
                tells_what_is_missing($kind);
            }

            #[test]
            fn passes_a_token_of_six_kilobytes() {
                passes_a_long_token($kind);
            }

            #[test]
            fn a_request_with_cookies_needs_the_proof() {
                wants_the_proof_with_cookies($kind);
            }

            #[test]
            fn where_nobody_knows_nobody_is_let_in() {
                lets_nobody_in_where_nobody_knows($kind);
            }
        }
    )*};
}

recipes! {
    nginx: Kind::Nginx;
    caddy: Kind::Caddy;
    haproxy: Kind::Haproxy;
    envoy: Kind::Envoy;
}

/// Traefik can't be had from the registries that the tests use: its requests are sent as `forwardAuth` sends
/// them, by its source.
#[test]
fn the_requests_of_traefik_are_answered_as_it_needs_them() {
    let server = Setup::new()
        .gateway("[service.wiki]\nroles = [\"user\"]")
        .start();
    server.sign_up(EMAIL, PASSWORD);
    let token = server.get_token(EMAIL, PASSWORD);
    let asked = |method: &str| {
        Request::get("/authz/wiki")
            .header("X-Forwarded-Method", method)
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "wiki.example.com")
            .header("X-Forwarded-Uri", "/page?token=a&q=1")
            .header("X-Forwarded-For", "203.0.113.7")
            .header("Accept-Encoding", "gzip")
    };
    for method in ["GET", "POST", "DELETE", "OPTIONS"] {
        let none = server.ask(&asked(method));
        assert_eq!(
            (none.status, none.header("www-authenticate")),
            (401, Some(NO_TOKEN))
        );
        let allowed = server.ask(&asked(method).bearer(&token.auth));
        assert_eq!(
            (allowed.status, allowed.body.len()),
            (200, 0),
            "{allowed:?}"
        );
        assert_eq!(allowed.header("remote-email"), Some(EMAIL));
    }
    let recipe = std::fs::read_to_string(running::docs().join("traefik.yaml")).unwrap();
    for due in [
        "/authz/wiki",
        "authResponseHeaders",
        "Remote-User",
        "Remote-Groups",
        "forwardBody: false",
    ] {
        assert!(recipe.contains(due), "{due}");
    }
}

/// A block of docs/gateway.md.
fn shown(name: &str) -> String {
    let text = std::fs::read_to_string(page::root().join("docs/gateway.md")).unwrap();
    let (_, rest) = text
        .split_once(&format!("<!-- file: {name} -->\n```sh\n"))
        .unwrap();
    rest.split("```").next().unwrap().to_owned()
}

/// The five minutes of an administrator of nginx: the page's own commands, with free ports and folders in their place.
#[test]
fn the_page_for_nginx_leads_from_401_to_200_and_back() {
    let text = std::fs::read_to_string(page::root().join("docs/gateway.md")).unwrap();
    let (_, toml) = text.split_once("```toml\n").unwrap();
    let (gateway, services) = toml
        .split("```")
        .next()
        .unwrap()
        .split_once("\n\n")
        .unwrap();
    assert_eq!(gateway, "[gateway]\nlisten = \"127.0.0.1:9091\"");
    let server = Setup::new().gateway(services).start();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wiki = shown("wiki.sh")
        .replace("3000", &free.port().to_string())
        .replace(
            "/tmp/wiki",
            &folder.path().join("wiki").display().to_string(),
        )
        // So that the process which is killed is Python's own.
        .replace("python3 -m", "exec python3 -m");
    let mut wiki = Command::new("bash").args(["-euc", &wiki]).spawn().unwrap();
    until("the service", || TcpStream::connect(free).ok());
    let ran = Proxy::start(Kind::Nginx, server.gateway(), free).map(|proxy| {
        let story = shown("story.sh")
            .replace("127.0.0.1:8000", &proxy.address.to_string())
            .replace("127.0.0.1:8080", &server.public.to_string());
        let program = Path::new(env!("CARGO_BIN_EXE_lacre")).parent().unwrap();
        let path = std::env::join_paths([program, Path::new("/usr/bin"), Path::new("/bin")]);
        Command::new("bash")
            .args(["-euc", &story])
            .env("PATH", path.unwrap())
            .env("LACRE_DATA_DIR", server.setup().data())
            .output()
            .unwrap()
    });
    wiki.kill().unwrap();
    wiki.wait().unwrap();
    let Some(ran) = ran else { return };
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let statuses: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("HTTP/"))
        .collect();
    let refused = "HTTP/1.1 401 Unauthorized";
    assert_eq!(statuses, [refused, "HTTP/1.1 200 OK", refused], "{said}");
    assert!(said.contains("\nthe wiki\n"), "{said}");
    assert_eq!(said.matches("error=\"invalid_token\"").count(), 1, "{said}");
}
