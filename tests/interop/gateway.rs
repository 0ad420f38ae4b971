//! Clients of the gateway, untouched: Authlib (Python) and oauth4webapi (JavaScript).

use super::peer::Peer;
use crate::support::http::Request;
use crate::support::server::{Client, ISSUER, Server, Setup};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
const AUDIENCE: &str = "https://wiki.test";

#[test]
fn authlib_introspects_revokes_and_verifies() {
    lives(Peer::authlib());
}

#[test]
fn oauth4webapi_discovers_introspects_revokes_and_verifies() {
    lives(Peer::oauth4webapi());
}

fn lives(peer: Option<Peer>) {
    let Some(peer) = peer else { return };
    let services = format!("[service.wiki]\naudience = \"{AUDIENCE}\"\njwt = true");
    let server = Setup::new().gateway(&services).start();
    server.sign_up("ada@example.com", PASSWORD);
    let client = server.add_client("api");
    let ask = |asked: Value| ask(&peer, &server, &client, &asked);
    for method in ["client_secret_basic", "client_secret_post"] {
        let token = server.get_token("ada@example.com", PASSWORD);
        let introspect = |token: &str| ask(json!({"introspect": token, "method": method}));
        let revoke = |token: &str| ask(json!({"revoke": token, "method": method}));
        let told = introspect(&token.auth);
        assert_eq!(told["active"], true, "{method}: {told}");
        assert_eq!(told["username"], "ada@example.com");
        assert_eq!(
            (&told["iss"], &told["sid"]),
            (&ISSUER.into(), &token.crt.clone().into())
        );
        let inactive = json!({"active": false});
        assert_eq!(introspect(token.refresh.as_deref().unwrap()), inactive);
        assert_eq!(introspect("nonsense"), inactive);
        let jwt = server
            .ask(&Request::get("/authz/wiki").bearer(&token.auth))
            .expect(200);
        let jwt = jwt
            .header("authorization")
            .unwrap()
            .strip_prefix("Bearer ")
            .unwrap();
        let claims = ask(json!({"jwt": jwt, "audience": AUDIENCE}));
        assert_eq!(
            (&claims["sub"], &claims["aud"]),
            (&told["sub"], &AUDIENCE.into()),
            "{claims}"
        );
        let another = ask(json!({"jwt": jwt, "audience": "https://other.test"}));
        assert!(another["error"].is_string(), "{another}");
        assert_eq!(introspect(jwt), inactive);
        assert_eq!(revoke(&token.auth)["status"], 200);
        server.refuses(&token.auth);
        assert_eq!(introspect(&token.auth), inactive);
        assert_eq!(revoke(&token.auth)["status"], 200);
    }
}

fn ask(peer: &Peer, server: &Server, client: &Client, asked: &Value) -> Value {
    let setting = json!({
        "base": format!("http://{}", server.gateway()), "issuer": ISSUER, "id": client.id,
        "secret": client.secret,
    });
    let answers = peer.run("", &setting.to_string(), &[asked.to_string()]);
    serde_json::from_str(&answers[0]).unwrap()
}
