//! The worked example of the documentation, run as an application and called from outside.

use crate::support::http::{self, Answer, Request};
use lacre::{Lacre, Rules};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};

#[allow(dead_code)] // its `main` takes a fixed port and a fixed directory
#[path = "../../docs/examples/embed.rs"]
mod shop;

/// The example's own application, on a free port, until the value is dropped.
struct Shop {
    address: SocketAddr,
    server: actix_web::dev::ServerHandle,
}

impl Shop {
    fn open(lacre: Lacre) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (give, take) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let server = shop::shop(listener, lacre).unwrap();
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
