//! schemathesis reads the service's description and sends what it allows and what it doesn't: every
//! status, media type, header and body that comes back has to be described.

use super::peer::Peer;
use crate::pages::page;
use crate::support::http::Request;
use crate::support::server::{Server, Setup};
use serde_json::Value;

const PASSWORD: &str = "correct horse battery staple";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";
/// Where the token that asks may come to its end, also by a change of one's own account, whose id is
/// learnt from other answers, as the handle of the session is; or where another token is taken.
const ENDING: [&str; 7] = [
    "/logout",
    "/sessions",
    "/sessions/{crt}",
    "/refresh",
    "/reauth",
    "/admin/users/{id}",
    "/admin/users/{id}/sessions",
];

fn administered() -> Server {
    let setup = Setup::new();
    let limits = [
        "LOGIN_PER_ADDRESS",
        "LOGIN_PER_ACCOUNT",
        "SIGNUP_PER_ADDRESS",
    ];
    let setup = limits.iter().fold(setup, |setup, name| {
        setup.env(&format!("LACRE_LIMITS__{name}"), "off")
    });
    let server = setup.start();
    let words = [
        "users",
        "add",
        "root@example.com",
        "--role",
        "admin",
        "--password-stdin",
    ];
    server.operator_telling(&words, PASSWORD);
    server
}

#[test]
fn schemathesis_finds_every_answer_described() {
    let Some(peer) = Peer::schemathesis() else {
        return;
    };
    let server = administered();
    let url = format!("http://{}/openapi.json", server.public);
    let run = |choice: &[String], token: &str| {
        let header = format!("Authorization: Bearer {token}");
        let mut words = vec![
            "run",
            url.as_str(),
            "-n",
            "20",
            "--seed",
            "1",
            "--header",
            &header,
        ];
        words.extend([
            "--phases",
            "coverage,fuzzing",
            "--checks",
            CHECKS,
            "--no-color",
        ]);
        words.extend(choice.iter().map(String::as_str));
        // It keeps what it has seen in the working directory.
        let home = server.setup().home();
        let output = peer.command().args(&words).current_dir(home).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        text
    };
    let others: Vec<String> = ENDING
        .iter()
        .flat_map(|name| ["--exclude-path".to_owned(), (*name).to_owned()])
        .collect();
    let token = server.get_token("root@example.com", PASSWORD);
    let text = run(&others, &token.auth);
    // The token was good to the end: guarded handlers were reached, not their guards alone.
    server.accepts(&token.auth);
    assert!(!text.contains("GET /admin/users\n"), "never let in: {text}");
    for name in ENDING {
        let token = server.get_token("root@example.com", PASSWORD);
        let choice = ["--include-path".to_owned(), name.to_owned()];
        run(&choice, &token.auth);
    }
    server.is_well();
}

/// The page of the documentation, which a test of the library holds to the table.
#[test]
fn the_service_answers_what_the_documentation_has() {
    let server = Server::start();
    let answer = server.send(&Request::get("/openapi.json")).expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let page = std::fs::read(page::root().join("docs/openapi.json")).unwrap();
    assert!(answer.json() == serde_json::from_slice::<Value>(&page).unwrap());
}
