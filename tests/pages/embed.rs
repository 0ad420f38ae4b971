//! The worked example of the documentation, run as an application and called from outside.

use crate::support::http::{self, Answer, Request};
use crate::support::issuer::{SigningKey, claims};
use actix_web::dev::Server;
use lacre::federation::{Accept, Federation, KeySource};
use lacre::{Lacre, Rules};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};

#[allow(dead_code)] // its `main` takes a fixed port and a fixed directory
#[path = "../../docs/examples/embed.rs"]
mod shop;

#[allow(dead_code)] // the same
#[path = "../../docs/examples/outside.rs"]
mod outside;

/// The example's own application, on a free port, until the value is dropped.
struct Shop {
    address: SocketAddr,
    server: actix_web::dev::ServerHandle,
}

impl Shop {
    fn open(lacre: Lacre) -> Self {
        Self::run(|listener| shop::shop(listener, lacre).unwrap())
    }

    fn run(app: impl FnOnce(TcpListener) -> Server + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (give, take) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let server = app(listener);
                give.send(server.handle()).unwrap();
                server.await
            })
        });
        Self {
            address,
            server: take.recv().unwrap(),
        }
    }

    fn send(&self, request: &Request) -> Answer {
        http::send(self.address, request)
    }

    fn log_in(&self, name: &str, card: &str) -> Answer {
        self.send(&Request::post("/log-in").json(json!({"name": name, "card": card})))
    }

    fn token(&self, name: &str, card: &str) -> String {
        let answer = self.log_in(name, card).expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let answer = answer.json();
        assert_eq!(answer["expires_in"], 900, "{answer}");
        answer["token"].as_str().unwrap().to_owned()
    }

    fn get(&self, target: &str, token: &str) -> Answer {
        self.send(&Request::get(target).bearer(token))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

fn open_shop() -> Shop {
    Shop::open(Lacre::in_memory(Rules::new("https://shop.example", "shop")).unwrap())
}

#[test]
fn the_example_logs_in_guards_and_logs_out() {
    let shop = open_shop();
    assert_eq!(
        shop.send(&Request::get("/")).expect(200).text(),
        "The shop is open."
    );
    assert_eq!(
        shop.send(&Request::get("/shelf")).expect(200).text(),
        "Books."
    );
    shop.send(&Request::get("/till"))
        .refused(401, "no_credentials");
    shop.log_in("grace", "1907")
        .refused(401, "invalid_credentials");

    let clerk = shop.token("grace", "1906");
    assert_eq!(
        shop.get("/shelf", &clerk).expect(200).text(),
        "Books for grace."
    );
    assert_eq!(
        shop.get("/till", &clerk).expect(200).text(),
        "grace is at the till."
    );
    let customer = shop.token("alan", "1912");
    let lacks = shop
        .get("/till", &customer)
        .refused(403, "insufficient_scope");
    assert_eq!(lacks["missing"], json!({"role": "clerk"}));

    shop.send(&Request::post("/log-out").bearer(&clerk))
        .expect(204);
    shop.get("/till", &clerk).refused(401, "invalid_token");
    shop.get("/shelf", &clerk).refused(401, "invalid_token");
    shop.get("/shelf", &customer).expect(200);
}

#[test]
fn the_examples_sessions_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open =
        || Lacre::open(directory.path(), Rules::new("https://shop.example", "shop")).unwrap();
    let lacre = open();
    let (kept, ended) = {
        let shop = Shop::open(lacre.clone());
        let tokens = (shop.token("alan", "1912"), shop.token("alan", "1912"));
        shop.send(&Request::post("/log-out").bearer(&tokens.1))
            .expect(204);
        tokens
    };
    // The stopped server's workers may hold the deployment a moment longer.
    drop(lacre);
    let lacre = crate::support::wait::until("the directory is free", || {
        Lacre::open(directory.path(), Rules::new("https://shop.example", "shop")).ok()
    });
    let shop = Shop::open(lacre);
    shop.get("/shelf", &kept).expect(200);
    shop.get("/shelf", &ended).refused(401, "invalid_token");
}

/// The second example, with two issuers whose keys are in files: one is direct, the other isn't.
struct Room {
    shop: Shop,
    library: SigningKey,
    staff: SigningKey,
    _directory: tempfile::TempDir,
}

impl Room {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (library, staff) = (SigningKey::new("k1"), SigningKey::new("k2"));
        let mut issuers = Vec::new();
        for (name, key, accept) in [
            ("library", &library, Accept::Direct),
            ("staff", &staff, Accept::Exchange),
        ] {
            let path = directory.path().join(name);
            std::fs::write(&path, key.public_pem()).unwrap();
            let keys = KeySource::PemFile(path);
            issuers.push(outside::issuer(name, "room", keys, accept));
        }
        let lacre = Lacre::in_memory(Rules::new("https://room.example", "room")).unwrap();
        let shop = Shop::run(move |listener| {
            let issuers = Federation::open(issuers, 0);
            let issuers = futures_util::FutureExt::now_or_never(issuers);
            outside::room(listener, lacre, issuers.unwrap().unwrap()).unwrap()
        });
        Self {
            shop,
            library,
            staff,
            _directory: directory,
        }
    }

    fn exchange(&self, token: &str) -> Answer {
        let request = Request::post("/exchange").json(json!({ "token": token }));
        self.shop.send(&request)
    }
}

fn saying(name: &str, roles: &[&str]) -> Value {
    let mut said = claims("ada");
    said["iss"] = json!(format!("https://{name}.example/"));
    said["aud"] = json!("room");
    said["roles"] = json!(roles);
    said
}

#[test]
fn the_example_exchanges_the_tokens_of_one_issuer_and_takes_those_of_another() {
    let room = Room::open();
    let (direct, other) = (
        room.library.token(&saying("library", &["reader"])),
        room.staff.token(&saying("staff", &["staff"])),
    );
    let read = room.shop.get("/read", &direct).expect(200);
    assert_eq!(read.text(), "ada at https://library.example/.");
    room.shop.get("/read", &other).refused(401, "invalid_token");
    room.exchange(&direct).refused(401, "invalid_credentials");
    let session = room.exchange(&other).expect(200).json();
    let session = session["token"].as_str().unwrap();
    let read = room.shop.get("/read", session).expect(200);
    assert_eq!(read.text(), "A session of staff ada.");
    room.shop.get("/staff", session).expect(200);
    room.shop
        .send(&Request::post("/leave").bearer(session))
        .expect(204);
    room.shop
        .get("/read", session)
        .refused(401, "invalid_token");
}

#[test]
fn a_handler_that_wants_a_session_is_not_called_for_an_outside_token() {
    let room = Room::open();
    let token = room.library.token(&saying("library", &["staff"]));
    room.shop.get("/staff", &token).expect(200);
    let leave = Request::post("/leave").bearer(&token);
    room.shop.send(&leave).refused(401, "invalid_token");
    room.shop.get("/read", &token).expect(200);
}

/// The role that an issuer may not give, and one that the token lacks.
#[test]
fn an_outside_token_has_the_roles_of_its_claim_but_for_admin() {
    let room = Room::open();
    let reader = room.library.token(&saying("library", &["reader", "admin"]));
    let refused = room.shop.get("/staff", &reader);
    let refused = refused.refused(403, "insufficient_scope");
    assert_eq!(refused["missing"], json!({"role": "staff"}));
}
