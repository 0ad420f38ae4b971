//! `lacre keys`.

use super::lacre;
use crate::support::http::Request;
use crate::support::issuer::{ISS, Published, SigningKey, Site, believing, claims, set};
use crate::support::server::Setup;
use serde_json::{Value, json};

fn status(setup: &Setup) -> Value {
    lacre(setup, "keys status --json").ok().json()
}

#[test]
fn the_ids_of_the_deployments_own_keys_are_shown_and_no_key() {
    let setup = Setup::new();
    let _server = setup.start();
    let shown = status(&setup);
    assert_eq!(shown["master"], json!([{"id": 1, "current": true}]));
    let signing = shown["signing"].as_array().unwrap();
    assert_eq!((signing.len(), &signing[0]["current"]), (1, &json!(true)));
    assert!(signing[0]["id"].as_str().unwrap().len() >= 8, "{shown}");
    assert_eq!(shown["issuers"], json!([]));
    let table = lacre(&setup, "keys status").ok().stdout;
    for part in ["master", "seals", "signing", "signs"] {
        assert!(table.contains(part), "{table}");
    }
}

#[test]
fn the_keys_of_an_issuer_are_those_that_the_server_has_now() {
    let (old, new) = (SigningKey::new("old"), SigningKey::with_bits("new", 3072));
    let site = Site::new(set(&[&old, &new]));
    let setup = believing(&format!("{}accept = \"direct\"\n", site.keys()));
    let server = setup.start();
    let issuer = |shown: &Value| shown["issuers"][0].clone();
    // Nobody has needed them so far, and looking fetches nothing.
    let before = issuer(&status(&setup));
    assert_eq!(
        (&before["read_at"], &before["keys"]),
        (&json!(null), &json!([]))
    );
    let told = lacre(&setup, "keys status").ok().stdout;
    assert!(told.contains("not read by this process"), "{told}");
    assert_eq!(site.asked(), 0);

    let request = Request::get("/headers").bearer(&old.token(&claims("ada")));
    server.send(&request).expect(200);
    let after = issuer(&status(&setup));
    assert_eq!(after["name"], "corp");
    assert_eq!(
        (&after["issuer"], &after["accept"]),
        (&json!(ISS), &json!("direct"))
    );
    assert_eq!(after["source"], format!("http://{}/jwks", site.address));
    assert!(after["read_at"].as_str().unwrap().ends_with('Z'), "{after}");
    let of = |place: usize| {
        let key = &after["keys"][place];
        (key["kid"].clone(), key["kty"].clone(), key["bits"].clone())
    };
    assert_eq!(of(0), (json!("old"), json!("RSA"), json!(2048)));
    assert_eq!(of(1), (json!("new"), json!("RSA"), json!(3072)));
    assert_eq!(after["keys"][0]["algorithms"], json!(["RS256"]));
}

#[test]
fn a_set_that_cannot_be_read_is_said() {
    let key = SigningKey::new("k1");
    let site = Site::new(Published::Head("500 No"));
    let setup = believing(&format!("{}accept = \"direct\"\n", site.keys()));
    let server = setup.start();
    let request = Request::get("/headers").bearer(&key.token(&claims("ada")));
    server.send(&request).expect(503);
    let issuer = status(&setup)["issuers"][0].clone();
    assert_eq!(issuer["failing"], "keys_status");
    assert_eq!(issuer["read_at"], Value::Null);
    let told = lacre(&setup, "keys status").ok().stdout;
    assert!(told.contains("failing  keys_status"), "{told}");
}
