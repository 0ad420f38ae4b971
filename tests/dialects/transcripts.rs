//! The transcripts, each on a deployment as its service would have been moved to.

use super::replay::replay;
use super::speaking;
use crate::support::http::Request;
use crate::support::issuer::{SigningKey, Site, believing, claims, set};
use crate::support::server::{Server, Setup};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PASSWORD: &str = "correct horse battery";

fn server(dialect: &str) -> Server {
    speaking(&Setup::new(), dialect).start()
}

/// Makes an account as an operator does.
fn add(server: &Server, email: &str, more: &[&str]) {
    let words = [&["users", "add", email, "--password-stdin"], more].concat();
    server.operator_telling(&words, PASSWORD);
}

fn known(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn the_encrypted_token_of_a_flask_application_is_given_and_taken() {
    let server = server("jwe-flask");
    for id in ["7", "8"] {
        let email = format!("user{id}@example.com");
        add(&server, &email, &["--id", id, "--role", "editor"]);
    }
    let client = server.add_client("flask");
    let basic = STANDARD.encode(format!("{}:{}", client.id, client.secret));
    let mut known = known(&[("basic", &basic)]);
    let exchanges = replay(
        &server,
        include_str!("transcripts/jwe-flask.txt"),
        &mut known,
    );
    assert_eq!(exchanges, 16);
    assert!(!known["again"].is_empty() && known["again"] != known["auth"]);
}

#[test]
fn the_course_on_flask_jwt_extended_goes_on() {
    let server = server("flask-jwt-extended");
    add(
        &server,
        "ana@example.com",
        &["--name", "Ana", "--id", "ana"],
    );
    let rights = [
        "--name",
        "Eva",
        "--role",
        "admin",
        "--permission",
        "ver_datos_sensibles",
    ];
    add(&server, "eva@example.com", &rights);
    add(&server, "leo@example.com", &["--role", "editor"]);
    let transcript = include_str!("transcripts/flask-jwt-extended.txt");
    let exchanges = replay(&server, transcript, &mut known(&[]));
    assert_eq!(exchanges, 34);
}

#[test]
fn names_and_texts_of_the_course_are_the_configurations() {
    let server = speaking(&Setup::new(), "flask-jwt-extended")
        .env("LACRE_DIALECT_MEMBERS__TOKEN", "access_token")
        .env("LACRE_DIALECT_MEMBERS__ERROR", "mensaje")
        .env("LACRE_DIALECT_MEMBERS__USER", "usuario")
        .env("LACRE_DIALECT_MEMBERS__ROLE", "rol")
        .env("LACRE_DIALECT_MEMBERS__ROLES", "roles")
        .env("LACRE_DIALECT_MEMBERS__PERMISSIONS", "permisos")
        .env("LACRE_DIALECT_TEXTS__INVALID", "Token inválido")
        .env(
            "LACRE_DIALECT_TEXTS__MISSING",
            "Se requiere autenticación para acceder a este recurso",
        )
        .start();
    add(
        &server,
        "ana@example.com",
        &["--role", "admin", "--permission", "leer"],
    );
    let transcript = include_str!("transcripts/flask-jwt-extended-configured.txt");
    assert_eq!(replay(&server, transcript, &mut known(&[])), 5);
}

#[test]
fn the_resource_behind_auth0_says_access_granted() {
    let server = server("auth0");
    add(&server, "ken@example.com", &[]);
    let transcript = include_str!("transcripts/auth0.txt");
    assert_eq!(replay(&server, transcript, &mut known(&[])), 12);
}

/// The tokens of the outside issuer itself, as that service took them.
#[test]
fn tokens_of_the_outside_issuer_are_taken_as_that_service_took_them() {
    let (key, another) = (SigningKey::new("k1"), SigningKey::new("k2"));
    let site = Site::new(set(&[&key]));
    let setup = believing(&format!("{}accept = \"direct\"\n", site.keys()));
    let other = Site::new(set(&[&another]));
    let lines = other.keys();
    let second = format!(
        "[[issuer]]\nname = \"other\"\nissuer = \"https://other.example/\"\naudience = \"lacre\"\n\
         algorithms = [\"RS256\"]\naccept = \"direct\"\n{lines}\n"
    );
    let path = setup.home().join("lacre.toml");
    let first = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, first + &second).unwrap();
    let server = speaking(&setup, "auth0").start();
    let stranger = SigningKey::new("k1");
    let saying = |name: &str, value: Value| {
        let mut claims = claims("auth0|1");
        claims[name] = value;
        claims
    };
    let under = |name: &str, value: Value| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "k1"});
        header[name] = value;
        key.token_with(&header, &claims("auth0|1"))
    };
    let embedded = json!({"alg": "RS256", "typ": "JWT", "kid": "k1", "jwk": stranger.jwk()});
    let past = json!(1_000_000_000);
    let mut known: BTreeMap<String, String> = [
        ("good", key.token(&claims("auth0|1"))),
        (
            "no_kid",
            key.token_with(&json!({"alg": "RS256"}), &claims("auth0|1")),
        ),
        ("unknown_key", under("kid", json!("k9"))),
        ("expired", key.token(&saying("exp", past.clone()))),
        ("audience", key.token(&saying("aud", json!("another")))),
        (
            "issuer",
            key.token(&saying("iss", json!("https://corp.example"))),
        ),
        ("forged", stranger.token(&claims("auth0|1"))),
        ("forged_and_expired", stranger.token(&saying("exp", past))),
        ("none", under("alg", json!("none"))),
        ("hs256", under("alg", json!("HS256"))),
        ("jwk", stranger.token_with(&embedded, &claims("auth0|1"))),
        ("jku", under("jku", json!("http://127.0.0.1:1/"))),
        ("x5u", under("x5u", json!("http://127.0.0.1:1/"))),
        ("anothers_kid", under("kid", json!("k2"))),
    ]
    .map(|(name, token)| (name.to_owned(), token))
    .into();
    let transcript = include_str!("transcripts/auth0-outside.txt");
    assert_eq!(replay(&server, transcript, &mut known), 21);
    // The unknown names made it fetch no more than once in half a minute.
    assert_eq!((site.asked(), other.asked()), (1, 0));
}

#[test]
fn a_form_signs_up_and_logs_in_and_the_token_has_a_field_of_its_own() {
    let server = server("x-access-token");
    add(
        &server,
        "root@example.com",
        &["--role", "admin", "--id", "zzz", "--name", "Root"],
    );
    let transcript = include_str!("transcripts/x-access-token.txt");
    assert_eq!(replay(&server, transcript, &mut known(&[])), 17);
}

#[test]
fn the_calls_of_the_series_on_api_users_are_answered_member_by_member() {
    let server = server("api-users");
    let id = [
        "--id",
        "5bbeaf52fb5d1b0a32466c93",
        "--name",
        "teste sobrenome",
    ];
    add(
        &server,
        "teste@teste.com",
        &[&id[..], &["--role", "admin"]].concat(),
    );
    add(&server, "outro@teste.com", &["--id", "outro"]);
    let transcript = include_str!("transcripts/api-users.txt");
    assert_eq!(replay(&server, transcript, &mut known(&[])), 22);
}

/// The course's cookies and its double submit, under lacre's own names.
#[test]
fn cookies_and_their_csrf_value_guard_the_course_too() {
    let server = speaking(&Setup::new(), "flask-jwt-extended")
        .env("LACRE_TOKEN__LOCATIONS", "cookie")
        .start();
    add(&server, "ana@example.com", &[]);
    let body = json!({"correo": "ana@example.com", "contraseña": PASSWORD});
    let answer = server.send(&Request::post("/login").json(body)).expect(200);
    let cookie = |name: &str| {
        let mut lines = answer.headers.iter().map(|(_, value)| value);
        let line = lines.find_map(|value| value.strip_prefix(&format!("{name}=")));
        line.unwrap().split(';').next().unwrap().to_owned()
    };
    let (access, csrf) = (cookie("__Host-lacre_access"), cookie("__Host-lacre_csrf"));
    let sent = format!("__Host-lacre_access={access}; __Host-lacre_csrf={csrf}");
    let put = Request::new("PUT", "/configuracion").header("Cookie", &sent);
    let refused = server.send(&put).expect(401);
    assert_eq!(
        refused.text(),
        r#"{"msg":"CSRF double submit tokens do not match"}"#
    );
    let done = server.send(&put.header("X-CSRF-TOKEN", &csrf)).expect(200);
    assert_eq!(done.text(), r#"{"mensaje":"Configuración actualizada"}"#);
}
