//! Back ends that vouch for users of their own, of whom no account is kept.

mod apart;
mod ends;
mod ids;
mod on_postgres;
mod told;

use crate::support::http::Request;
use crate::support::server::{Client, Server, Setup, Token};
use serde_json::{Value, json};

/// Services of the tests: one lets in the shop's users, one the users of no client.
const SERVICES: &str = "[service.shop]\nclients = [\"shop\"]\n[service.wiki]\n";

/// A server with a gateway, and a client with users of its own that is called `shop`.
fn shop() -> (Server, Client) {
    let server = Setup::new().gateway(SERVICES).start();
    let shop = server.add_vouching("shop");
    (server, shop)
}

/// What the gateway tells this client of a token; `null` for one that isn't active.
fn told(server: &Server, client: &Client, token: &str) -> Value {
    let request = Request::post("/oauth2/introspect").form(&[("token", token)]);
    let told = server.ask(&request.basic(&client.id, &client.secret));
    let told = told.expect(200).json();
    if told["active"] == true {
        told
    } else {
        assert_eq!(told, json!({"active": false}));
        Value::Null
    }
}

/// Demands that the token is good now, as its client sees it.
fn lives(server: &Server, client: &Client, token: &Token) {
    assert!(!told(server, client, &token.auth).is_null(), "it has ended");
}

/// Demands that both tokens are noise.
fn ended(server: &Server, client: &Client, token: &Token) {
    assert!(told(server, client, &token.auth).is_null(), "it lives");
    server.refuses(&token.auth);
    server.refresh(token).refused(401, "invalid_token");
}

/// The handles of the sessions that a client sees of its user.
fn handles(server: &Server, client: &Client, id: &str) -> Vec<String> {
    let target = format!("/client/users/{id}/sessions");
    let listed = server.by(client, "GET", &target, Value::Null).expect(200);
    let listed = listed.json();
    let all = listed.as_array().unwrap().iter();
    all.map(|one| one["crt"].as_str().unwrap().to_owned())
        .collect()
}
