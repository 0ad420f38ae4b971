//! The worked example on axum and tower, run as a service and called from outside.

use crate::support::http::{self, Answer, Request};
use lacre::{Lacre, Rules};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};

#[allow(dead_code)] // its `main` takes a fixed port and a fixed directory
#[path = "../../docs/examples/axum_tower.rs"]
mod shop;

/// The example's own service on a free port, until the process ends.
fn open(lacre: Lacre) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        let runtime = threads.worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, shop::shop(lacre)).await
        })
    });
    address
}

fn token(shop: SocketAddr, name: &str, card: &str) -> String {
    let request = Request::post("/log-in").json(json!({"name": name, "card": card}));
    let answer = http::send(shop, &request).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, challenge: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert!(answer.body.is_empty(), "{answer:?}");
}

const BAD: &str = r#"Bearer realm="shop", error="invalid_token""#;

#[test]
fn the_example_on_tower_logs_in_guards_and_logs_out() {
    let shop = open(Lacre::in_memory(Rules::new("https://shop.example", "shop")).unwrap());
    let till = |request: Request| http::send(shop, &request);
    let get = || Request::get("/till");
    refused(&till(get()), 401, r#"Bearer realm="shop""#);
    refused(&till(get().bearer("nonsense")), 401, BAD);
    let clerk = token(shop, "grace", "1906");
    let twice = get().bearer(&clerk).bearer(&clerk);
    refused(&till(twice), 401, r#"Bearer realm="shop""#);
    let lower = get().header("authorization", &format!("bearer {clerk}"));
    assert_eq!(till(lower).expect(200).text(), "grace is at the till.");
    let customer = token(shop, "alan", "1912");
    let lacks = r#"Bearer realm="shop", error="insufficient_scope""#;
    refused(&till(get().bearer(&customer)), 403, lacks);

    http::send(shop, &Request::post("/log-out").bearer(&clerk)).expect(204);
    refused(&till(get().bearer(&clerk)), 401, BAD);
    refused(
        &http::send(shop, &Request::post("/log-out").bearer(&clerk)),
        401,
        BAD,
    );
    refused(&till(get().bearer(&customer)), 403, lacks);
}

/// What the keystore doesn't take has not been done, and is never told as done.
#[test]
fn the_example_on_tower_neither_begins_nor_ends_a_session_without_its_keystore() {
    let lacre = Lacre::in_memory(Rules::new("https://shop.example", "shop")).unwrap();
    let shop = open(lacre.clone());
    let clerk = token(shop, "grace", "1906");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(lacre.keystore().close());
    let log_out = Request::post("/log-out").bearer(&clerk);
    assert_eq!(http::send(shop, &log_out).status, 503);
    let log_in = Request::post("/log-in").json(json!({"name": "alan", "card": "1912"}));
    assert_eq!(http::send(shop, &log_in).status, 503);
}
