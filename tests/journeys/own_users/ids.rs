//! What a client may call its users.

use super::{ended, handles, lives, shop};
use crate::support::http::Request;
use crate::support::server::{Client, Server};
use serde_json::{Value, json};

/// Every byte that isn't a letter or a digit, encoded once.
fn encoded(id: &str) -> String {
    id.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn end_all(server: &Server, client: &Client, segment: &str) -> crate::support::http::Answer {
    let target = format!("/client/users/{segment}/sessions");
    server.by(client, "DELETE", &target, Value::Null)
}

#[test]
fn an_id_in_a_path_is_decoded_exactly_once() {
    let (server, shop) = shop();
    let ids = [
        "ada@example.com",
        "auth0|5f7c1",
        "a b",
        "Zoë",
        "用户",
        "%2f",
        "%252f",
        "%41",
        "a+b",
        "a;b=c",
        "a?b#c",
        "...",
        "client_AAAAAAAAAAAAAAAA",
        "\"quoted\"",
        &"x".repeat(255),
    ];
    let tokens = ids.map(|id| server.vouched(&shop, json!({"id": id})));
    for (id, token) in ids.iter().zip(&tokens) {
        assert_eq!(
            handles(&server, &shop, &encoded(id)),
            std::slice::from_ref(&token.crt),
            "{id}"
        );
    }
    // Spellings of one path that are the same once decoded are the same user.
    assert_eq!(handles(&server, &shop, "Zo%c3%ab"), [tokens[3].crt.clone()]);
    assert_eq!(handles(&server, &shop, "%61%20b"), [tokens[2].crt.clone()]);
    // `%2541` is the user `%41` and never `A`.
    assert_eq!(handles(&server, &shop, "%2541"), [tokens[7].crt.clone()]);
    assert_eq!(handles(&server, &shop, "A"), Vec::<String>::new());
    for (place, (id, token)) in ids.iter().zip(&tokens).enumerate() {
        let done = end_all(&server, &shop, &encoded(id)).expect(200);
        assert_eq!(done.json(), json!({"revoked": 1}), "{id}");
        ended(&server, &shop, token);
        for other in &tokens[place + 1..] {
            lives(&server, &shop, other);
        }
    }
}

#[test]
fn an_id_that_would_be_read_as_something_else_is_refused() {
    let (server, shop) = shop();
    let before = server.vouched(&shop, json!({"id": "ada"}));
    let huge = "x".repeat(64 << 10);
    for id in [
        "",
        ".",
        "..",
        "a/b",
        "../ada",
        "a\\b",
        "a\0",
        "a\nb",
        "a\r\nx: y",
        "ada\u{200b}",
        "\u{202e}ada",
        " ada",
        "ada ",
        &"x".repeat(256),
    ] {
        let refused = server.by(&shop, "POST", "/getToken", json!({"id": id}));
        let problem = refused.refused(422, "user_invalid");
        assert_eq!(problem["field"], "id", "{id:?}");
        if id.is_empty() {
            continue;
        }
        let target = format!("/client/users/{}", encoded(id));
        let put = server.by(&shop, "PUT", &target, json!({"roles": ["x"]}));
        assert_eq!(put.refused(422, "user_invalid")["field"], "id", "{id:?}");
        end_all(&server, &shop, &encoded(id)).refused(422, "user_invalid");
    }
    let refused = server.by(&shop, "POST", "/getToken", json!({"id": huge}));
    assert!([413, 422].contains(&refused.status), "{refused:?}");
    // What isn't a segment of text is no path.
    for segment in ["", "a%ff", "a/b"] {
        let answer = end_all(&server, &shop, segment);
        let refused = [400, 404, 422].contains(&answer.status);
        assert!(refused, "{segment}: {answer:?}");
    }
    lives(&server, &shop, &before);
    let log = server.written();
    assert!(!log.contains("x: y") && !log.contains('\u{202e}'), "{log}");
}

#[test]
fn an_id_stands_in_the_log_with_its_client_and_a_token_never_does() {
    let (mut server, shop) = shop();
    server.vouched(&shop, json!({"id": "ada@example.com"}));
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    server.vouched(&shop, json!({"id": jwt}));
    let wrong = Request::get("/client/users/carl/sessions").basic(&shop.id, "wrong");
    server.send(&wrong).refused(401, "invalid_client");
    assert!(server.stop().success());
    let log = server.written();
    let named = format!("event=session_started user={}/ada@example.com", shop.id);
    let quoted = format!("event=session_started user=\"{}/ada@example.com\"", shop.id);
    assert!(log.contains(&named) || log.contains(&quoted), "{log}");
    assert!(!log.contains(jwt) && log.contains("user=masked"), "{log}");
    assert!(
        log.contains(&format!("by=client client={}", shop.id)),
        "{log}"
    );
    assert!(
        !log.contains("carl") && !log.contains(&shop.secret),
        "{log}"
    );
}
