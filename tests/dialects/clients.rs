//! The clients of three of the services, written anew in Python by their pages, and run against the real
//! program with packages of the Python Package Index (`.ci/need interop`).

use super::speaking;
use crate::pages::page;
use crate::support::server::{Server, Setup};
use crate::support::skipped::skip;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PASSWORD: &str = "correct horse battery";

/// A Python that has these packages: the one that `.ci/need interop` makes, or the machine's own.
fn python(packages: &str) -> Option<PathBuf> {
    let own = page::root().join("target/interop/venv/bin/python3");
    let has = |program: &PathBuf| {
        let mut command = Command::new(program);
        let output = command.args(["-c", &format!("import {packages}")]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = [own, "python3".into()].into_iter().find(has);
    if found.is_none() {
        let missing = format!("no Python with {packages} is here");
        skip(&missing, "`.ci/need interop`");
    }
    found
}

/// Runs a client against a server; how many answers it has checked.
fn run(script: &str, packages: &str, start: impl FnOnce() -> (Server, Value)) -> usize {
    let Some(python) = python(packages) else {
        return 0;
    };
    let (server, mut given) = start();
    given["url"] = json!(format!("http://{}", server.public));
    let folder = page::root().join("tests/dialects/clients");
    let mut client = Command::new(python)
        .arg(folder.join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Nothing stands between the client and the server.
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    write!(input, "{given}").unwrap();
    drop(input);
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let count = said.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(said, format!("{count} answers were as due\n"));
    count
}

/// Whether so many were checked, or none where the test was skipped.
#[track_caller]
fn checked(count: usize, least: usize) {
    assert!(count == 0 || count >= least, "only {count}");
}

fn add(server: &Server, email: &str, more: &[&str]) {
    let words = [&["users", "add", email, "--password-stdin"], more].concat();
    server.operator_telling(&words, PASSWORD);
}

#[test]
fn the_front_end_of_the_flask_application_goes_on() {
    let packages = "requests, itsdangerous, jwcrypto";
    let count = run("jwe_flask.py", packages, || {
        let server = speaking(&Setup::new(), "jwe-flask").start();
        for id in ["7", "8"] {
            let email = format!("user{id}@example.com");
            add(&server, &email, &["--id", id, "--role", "editor"]);
        }
        let client = server.add_client("flask");
        let given = json!({"client": client.id, "secret": client.secret});
        (server, given)
    });
    checked(count, 12);
}

#[test]
fn a_client_of_the_course_goes_on() {
    let count = run("flask_jwt_extended.py", "requests", || {
        let server = speaking(&Setup::new(), "flask-jwt-extended").start();
        add(
            &server,
            "ana@example.com",
            &["--name", "Ana", "--id", "ana"],
        );
        let sensitive = ["--permission", "ver_datos_sensibles"];
        let rights = [&["--name", "Eva", "--role", "admin"][..], &sensitive].concat();
        add(&server, "eva@example.com", &rights);
        add(&server, "leo@example.com", &["--role", "editor"]);
        (server, json!({"password": PASSWORD}))
    });
    checked(count, 25);
}

#[test]
fn the_calls_of_the_series_by_httpie_go_on() {
    let count = run("api_users.py", "requests, httpie", || {
        let server = speaking(&Setup::new(), "api-users").start();
        let id = ["--id", "5bbeaf52fb5d1b0a32466c93"];
        let name = ["--name", "teste sobrenome", "--role", "admin"];
        add(&server, "teste@teste.com", &[id.as_slice(), &name].concat());
        (server, json!({"password": PASSWORD}))
    });
    checked(count, 14);
}
