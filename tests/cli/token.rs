//! `lacre token`: the program gives the verdicts of the library.

use super::{Ran, run_with};
use crate::hostile::corpus;
use crate::support::server::Setup;
use crate::support::vectors;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use lacre::internals::token::UnopenedToken;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What one process is told: all that isn't the token.
type Parameters = BTreeMap<&'static str, String>;

fn parameters(file: &Value, case: &Value) -> Parameters {
    let of = |name: &str| match case.get(name).unwrap_or(&file[name]) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ["issuer", "audience", "now", "generation", "typ"]
        .into_iter()
        .map(|name| (name, of(name)))
        .collect()
}

fn write_jwk(home: &Path, name: &str, jwk: &Value) -> PathBuf {
    let path = home.join(name);
    fs::write(&path, jwk.to_string()).unwrap();
    path
}

fn open(setup: &Setup, keys: [&Path; 2], parameters: &Parameters, tokens: &[&str]) -> Vec<Value> {
    let mut command = setup.lacre(["token", "open"]);
    command
        .arg("--recipient")
        .arg(keys[0])
        .arg("--signer")
        .arg(keys[1]);
    for (name, value) in parameters {
        command.arg(format!("--{name}")).arg(value);
    }
    let mut input = tokens.join("\n");
    input.push('\n');
    let Ran {
        status,
        stdout,
        stderr,
    } = run_with(&mut command, input.as_bytes());
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_profile_vector_gets_the_due_answer_from_the_program() {
    let Some(folder) = vectors::folder() else {
        return;
    };
    let setup = Setup::new();
    let (mut wrong, mut by_program, mut by_library) = (Vec::new(), 0, 0);
    for (path, file) in vectors::files(&folder.join("profile")) {
        let recipient = write_jwk(
            setup.home(),
            "recipient.jwk",
            &file["recipient_private_jwk"],
        );
        let signer = write_jwk(setup.home(), "signer.jwk", &file["signer_public_jwk"]);
        let mut groups: BTreeMap<Parameters, Vec<&Value>> = BTreeMap::new();
        for case in file["tests"].as_array().unwrap() {
            if case["token"].as_str().unwrap().contains('\n') {
                // No line: the program would see two. The form alone refuses it.
                assert_eq!(case["expect"], "reject", "{case}");
                let token = case["token"].as_str().unwrap();
                assert!(UnopenedToken::parse(token.as_bytes()).is_err(), "{case}");
                by_library += 1;
            } else {
                groups
                    .entry(parameters(&file, case))
                    .or_default()
                    .push(case);
            }
        }
        for (parameters, cases) in groups {
            let tokens: Vec<&str> = cases
                .iter()
                .map(|it| it["token"].as_str().unwrap())
                .collect();
            let verdicts = open(&setup, [&recipient, &signer], &parameters, &tokens);
            assert_eq!(verdicts.len(), cases.len(), "{}", path.display());
            by_program += cases.len();
            for (case, verdict) in cases.iter().zip(verdicts) {
                let accepted = verdict["ok"].as_bool().unwrap();
                assert_eq!(verdict["claims"].is_object(), accepted, "{verdict}");
                assert_eq!(verdict["code"].is_string(), !accepted, "{verdict}");
                if accepted != (case["expect"] == "accept") {
                    wrong.push(format!("{} {}: {verdict}", path.display(), case["name"]));
                }
            }
        }
    }
    println!("{by_program} by the program, {by_library} by the library");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        by_program > 100 && by_library < 10,
        "{by_program}, {by_library}"
    );
}

/// The program knows no record, so it can't tell another session's user from this one's.
const NEEDS_A_RECORD: &str = "the user of another session";

#[test]
fn every_vector_of_the_repository_gets_the_due_code_from_the_program() {
    let setup = Setup::new();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, file) in corpus::files() {
        let recipient = write_jwk(
            setup.home(),
            "recipient.jwk",
            &file["recipient_private_jwk"],
        );
        let signer = write_jwk(setup.home(), "signer.jwk", &file["signer_public_jwk"]);
        let cases = file["tests"].as_array().unwrap();
        // What can't stand in a line is for the library's own test.
        let cases = cases.iter().filter(|case| {
            case.get("token").is_some()
                && case.get("times").is_none()
                && case["name"] != NEEDS_A_RECORD
        });
        let cases: Vec<&Value> = cases.collect();
        let tokens: Vec<&str> = cases
            .iter()
            .map(|case| case["token"].as_str().unwrap())
            .collect();
        let parameters = parameters(&file, &Value::Null);
        let answers = open(&setup, [&recipient, &signer], &parameters, &tokens);
        assert_eq!(answers.len(), cases.len(), "{}", path.display());
        count += cases.len();
        for (case, answer) in cases.iter().zip(answers) {
            let due = match case.get("code") {
                Some(code) => json!({"ok": false, "code": code}),
                None => json!({"ok": true, "claims": answer["claims"]}),
            };
            if answer != due {
                wrong.push(format!("{} {}: {answer}", path.display(), case["name"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 850, "only {count} vectors");
}

/// A key pair, both halves, in files.
fn key_pair(home: &Path, name: &str) -> (PathBuf, PathBuf) {
    let private = Jwk::generate_ec_key(EcCurve::P256).unwrap();
    let public = private.to_public_key().unwrap();
    let value = |jwk: &Jwk| Value::Object(jwk.as_ref().clone());
    (
        write_jwk(home, &format!("{name}.jwk"), &value(&private)),
        write_jwk(home, &format!("{name}.pub.jwk"), &value(&public)),
    )
}

#[test]
fn what_is_sealed_opens_with_the_right_keys_only() {
    let setup = Setup::new();
    let (session, session_public) = key_pair(setup.home(), "session");
    let (signer, signer_public) = key_pair(setup.home(), "signer");
    let (_, another) = key_pair(setup.home(), "another");
    let claims = json!({
        "iss": "http://lacre.test", "sub": "ada", "aud": "lacre", "iat": 1000, "nbf": 1000,
        "exp": 2000, "jti": "AAAAAAAAAAAAAAAAAAAAAA", "sid": "my-session", "gen": 1, "id": "ada",
        "client_id": "lacre", "auth_time": 1000, "fresh": true,
    });
    let mut seal = setup.lacre(["token", "seal", "--kid", "my-session"]);
    seal.arg("--recipient")
        .arg(&session_public)
        .arg("--signer")
        .arg(&signer);
    let sealed = run_with(&mut seal, claims.to_string().as_bytes()).ok();
    let token = sealed.stdout.trim_end();
    assert_eq!(token.matches('.').count(), 4, "{token}");
    let at = |now: u64| -> Parameters {
        BTreeMap::from([
            ("issuer", "http://lacre.test".to_owned()),
            ("audience", "lacre".to_owned()),
            ("now", now.to_string()),
        ])
    };
    let opened = open(
        &setup,
        [&session, &signer_public],
        &at(1500),
        &[token, "x", token],
    );
    assert_eq!(
        opened[0],
        json!({"ok": true, "claims": opened[0]["claims"]})
    );
    for (name, value) in claims.as_object().unwrap() {
        assert_eq!(&opened[0]["claims"][name], value, "{name}");
    }
    assert_eq!((opened[1]["ok"] == false, &opened[2]), (true, &opened[0]));
    let late = open(&setup, [&session, &signer_public], &at(2000), &[token]);
    assert_eq!(late[0], json!({"ok": false, "code": "token_expired"}));
    let foreign = open(&setup, [&session, &another], &at(1500), &[token]);
    assert_eq!(foreign[0]["ok"], false);
}
