//! A user sees and ends own sessions, and nobody else's.

use super::PASSWORD;
use crate::support::http::Request;
use crate::support::server::{Server, Token};
use serde_json::{Value, json};

fn handles(server: &Server, token: &Token) -> Vec<String> {
    let mut handles: Vec<String> = server
        .sessions(&token.auth)
        .iter()
        .map(|session| session["crt"].as_str().unwrap().to_owned())
        .collect();
    handles.sort_unstable();
    handles
}

fn sorted<const N: usize>(tokens: [&Token; N]) -> Vec<String> {
    let mut handles: Vec<String> = tokens.iter().map(|token| token.crt.clone()).collect();
    handles.sort_unstable();
    handles
}

#[test]
fn the_list_says_where_each_session_comes_from() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let first = server.get_token("ada@example.com", PASSWORD);
    let labelled = Request::post("/getToken")
        .header("User-Agent", "Pen/1.0")
        .json(json!({"email": "ada@example.com", "password": PASSWORD, "label": "desk"}));
    let second = Token::of(&server.send(&labelled));

    let list = server.sessions(&first.auth);
    let find = |token: &Token| list.iter().find(|s| s["crt"] == token.crt).unwrap();
    let (first_shown, second_shown) = (find(&first), find(&second));
    let expected = json!({
        "crt": second.crt,
        "created_at": second_shown["created_at"],
        "last_seen_at": second_shown["last_seen_at"],
        "expires_at": second_shown["expires_at"],
        "ip": "127.0.0.1",
        "user_agent": "Pen/1.0",
        "label": "desk",
        "current": false,
    });
    assert_eq!(*second_shown, expected);
    assert_eq!(first_shown["current"], true);
    assert_eq!(first_shown["label"], Value::Null);
    assert_eq!(first_shown["user_agent"], Value::Null);
    for time in ["created_at", "last_seen_at", "expires_at"] {
        let time: jiff::Timestamp = second_shown[time].as_str().unwrap().parse().unwrap();
        assert!(time.as_second() > 0);
    }
}

#[test]
fn an_ended_session_is_noise_and_the_others_live() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let [one, two, three] = [(); 3].map(|()| server.get_token("ada@example.com", PASSWORD));

    server.revoke(&one.auth, &two.crt).expect(204);
    server.refuses(&two.auth);
    server.accepts(&one.auth);
    // What is gone already is gone.
    server.revoke(&one.auth, &two.crt).expect(204);
    assert_eq!(handles(&server, &one), sorted([&one, &three]));

    // One's own session ends as well.
    server.revoke(&one.auth, &one.crt).expect(204);
    server.refuses(&one.auth);
    server.accepts(&three.auth);
}

#[test]
fn two_users_never_meet() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    server.sign_up("bea@example.com", PASSWORD);
    let ada = server.get_token("ada@example.com", PASSWORD);
    let bea = server.get_token("bea@example.com", PASSWORD);
    assert_eq!(handles(&server, &ada), sorted([&ada]));
    assert_eq!(handles(&server, &bea), sorted([&bea]));

    // Another's session looks like one that never was, and lives on.
    let anothers = server.revoke(&ada.auth, &bea.crt);
    anothers.refused(404, "not_found");
    let never_was = server.revoke(&ada.auth, &"A".repeat(bea.crt.len()));
    assert_eq!(anothers.without_id(), never_was.without_id());
    server.accepts(&bea.auth);

    let ended = server.call("DELETE", "/sessions", &ada.auth).expect(200);
    assert_eq!(ended.json(), json!({"revoked": 1}));
    server.refuses(&ada.auth);
    server.accepts(&bea.auth);
    let again = server.get_token("ada@example.com", PASSWORD);
    server.call("POST", "/logout", &again.auth).expect(204);
    server.accepts(&bea.auth);
}

#[test]
fn all_but_the_current_session_end_and_a_typo_ends_none() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    let [one, two, three] = [(); 3].map(|()| server.get_token("ada@example.com", PASSWORD));

    for typo in [
        "?excpet=current",
        "?except=curent",
        "?except=Current",
        "?except",
        "?except=",
        "?EXCEPT=current",
        "?except=current&also=this",
        "?except=other&except=current",
        "?except=current&except=other",
        "?except=%ff",
        "?except=current%00",
        "?current",
    ] {
        let refused = server.call("DELETE", &format!("/sessions{typo}"), &one.auth);
        assert_eq!(refused.status, 400, "{typo}");
        refused.refused(400, "invalid_request");
    }
    assert_eq!(handles(&server, &one), sorted([&one, &two, &three]));

    let ended = server.call("DELETE", "/sessions?except=current", &two.auth);
    assert_eq!(ended.expect(200).json(), json!({"revoked": 2}));
    server.accepts(&two.auth);
    server.refuses(&one.auth);
    server.refuses(&three.auth);
    assert_eq!(handles(&server, &two), sorted([&two]));
}

#[test]
fn asking_again_under_the_same_name_replaces_the_session() {
    let server = Server::start();
    server.sign_up("ada@example.com", PASSWORD);
    server.sign_up("bea@example.com", PASSWORD);
    let log_in = |email: &str, name: &str| {
        let body = json!({"email": email, "password": PASSWORD, "user_session": name});
        Token::of(&server.send(&Request::post("/getToken").json(body)))
    };
    let first = log_in("ada@example.com", "kiosk");
    let other_name = log_in("ada@example.com", "kiosk2");
    let other_user = log_in("bea@example.com", "kiosk");
    server.accepts(&first.auth);

    let second = log_in("ada@example.com", "kiosk");
    assert_eq!(second.crt, first.crt);
    assert_ne!(second.auth, first.auth);
    server.refuses(&first.auth);
    for lives in [&second, &other_name, &other_user] {
        server.accepts(&lives.auth);
    }
    assert_eq!(handles(&server, &second), sorted([&second, &other_name]));
}
