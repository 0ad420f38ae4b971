//! The hostile corpus through HTTP, in every dialect: whatever doesn't open is one answer.

use super::{DIALECTS, speaking, with_token};
use crate::hostile::http::Service;
use crate::support::http::{Connection, Request};
use crate::support::server::Setup;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const PASSWORD: &str = "correct horse battery";

/// What a token is refused for after it was proven to be ours; a dialect may tell it.
const PROVEN: [&str; 5] = [
    "token_expired",
    "token_not_yet_valid",
    "token_issuer",
    "token_audience",
    "token_generation",
];

#[test]
fn every_token_that_does_not_open_is_one_answer_in_every_dialect() {
    for (dialect, resource) in DIALECTS {
        let service = Service::on(|setup| speaking(&setup, dialect));
        let cases = service.attacks();
        let mut connection = Connection::open(service.server.public).unwrap();
        let (mut unproven, mut proven) = (BTreeSet::new(), BTreeMap::new());
        let mut asked = 0;
        for case in &cases {
            let (field, value) = with_token(dialect, str::from_utf8(&case.token).unwrap());
            let answer = connection.send(&Request::get(resource).header(field, &value));
            let answer = answer.unwrap();
            assert!(
                [401, 403, 422].contains(&answer.status),
                "{dialect}: {answer:?}"
            );
            let told = format!("{:?}", answer.without_id());
            asked += 1;
            if PROVEN.contains(&case.due) {
                proven
                    .entry(case.due)
                    .or_insert_with(BTreeSet::new)
                    .insert(told);
            } else {
                unproven.insert(told);
            }
        }
        println!("{dialect}: {asked} attacks, {unproven:?}");
        assert_eq!(unproven.len(), 1, "{dialect}: {unproven:#?}");
        assert!(proven.len() >= 4, "{proven:?}");
        for (due, told) in proven {
            assert_eq!(told.len(), 1, "{dialect} {due}: {told:#?}");
        }
        assert!(asked > 500, "only {asked}");
    }
}

/// What the router, the edge or a body's reader refuses is told in the dialect's words as well.
#[test]
fn what_no_route_takes_is_told_in_the_words_of_the_dialect() {
    for (dialect, _) in DIALECTS {
        let server = speaking(&Setup::new(), dialect).start();
        let long = format!("/{}", "a".repeat(20_000));
        for (request, status) in [
            (Request::get("/nowhere"), 404),
            (Request::get("/sessions"), 404),
            // It describes lacre's own routes and errors, which aren't served here.
            (Request::get("/openapi.json"), 404),
            (
                Request::new("PATCH", "/logout"),
                if dialect == "api-users" { 404 } else { 401 },
            ),
            (Request::get(&long), 414),
        ] {
            let answer = server.send(&request);
            // A guard stands before a path of its own, whatever the method.
            assert_eq!(answer.status, status, "{dialect}: {answer:?}");
            let kind = answer.header("content-type").unwrap();
            if dialect == "jwe-flask" {
                assert_eq!(kind, "text/plain; charset=utf-8");
            } else {
                assert_eq!(kind, "application/json", "{dialect}: {answer:?}");
                let member = match dialect {
                    "flask-jwt-extended" => "msg",
                    "auth0" => "description",
                    _ => "message",
                };
                let told = &answer.json()[member];
                assert!(told.is_string(), "{dialect}: {answer:?}");
            }
            assert!(answer.header("x-request-id").is_some());
            assert!(!answer.text().contains("urn:lacre"), "{answer:?}");
        }
        let malformed = server.manage("/nowhere");
        malformed.refused(404, "not_found");
    }
}

/// A log-in under the member names of another service lacks its members, in the dialect's own words.
#[test]
fn members_of_another_name_are_missing_in_the_words_of_the_dialect() {
    for (dialect, path, body, status, told) in [
        (
            "flask-jwt-extended",
            "/login",
            json!({"email": "a@example.com", "password": PASSWORD}),
            400,
            r#"{"mensaje":"Correo y contraseña son requeridos"}"#,
        ),
        (
            "auth0",
            "/getToken",
            json!({"correo": "a@example.com", "contraseña": PASSWORD}),
            400,
            r#"{"code":"body_missing_member","description":"One of the members `email`, `id` is needed."}"#,
        ),
        (
            "x-access-token",
            "/login",
            json!({"correo": "a@example.com", "contraseña": PASSWORD}),
            401,
            "Could not verify",
        ),
        (
            "api-users",
            "/auth",
            json!({"correo": "a@example.com", "contraseña": PASSWORD}),
            400,
            r#"{"description":"One of the members `email`, `id` is needed.","message":"Dados inválidos.","status":400}"#,
        ),
        (
            "jwe-flask",
            "/getToken",
            json!({"user": "7", "session": "a.b.c"}),
            400,
            "The member `id` is missing.",
        ),
    ] {
        let server = speaking(&Setup::new(), dialect).start();
        let mut request = Request::post(path).json(body);
        if dialect == "jwe-flask" {
            let client = server.add_client("flask");
            let basic = STANDARD.encode(format!("{}:{}", client.id, client.secret));
            request = request.header("Authorization", &format!("Basic {basic}"));
        }
        let answer = server.send(&request).expect(status);
        assert_eq!(answer.text(), told, "{dialect}");
    }
}

/// What the first service made a path of.
#[test]
fn a_user_session_of_any_form_is_a_session_or_a_clear_error() {
    let server = speaking(&Setup::new(), "jwe-flask").start();
    server.operator(&["users", "add", "seven@example.com", "--id", "7"]);
    let client = server.add_client("flask");
    let ask = |user_session: &str| server.client_token(&client, "7", user_session);
    ask("a.b.c").expect(200);
    ask(&format!("a.{}.c", "b".repeat(4000))).expect(200);
    for (bad, status) in [
        (String::new(), 400),
        ("session".to_owned(), 400),
        ("..".to_owned(), 400),
        ("a...c".to_owned(), 400),
        ("a.../../../../etc/passwd.c".to_owned(), 400),
        ("a./etc/passwd.c".to_owned(), 400),
        ("a.b\0.c".to_owned(), 400),
        (format!("a.{}.c", "b".repeat(5000)), 400),
        ("b".repeat(64 << 10), 413),
    ] {
        let answer = ask(&bad).expect(status);
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(answer.text().ends_with('.') && answer.text().len() < 200);
    }
    server.operator(&["users", "list"]);
}
