//! The attacks as files, for other implementations and for a clone that has nothing else.
//!
//! `tests/vectors/` has one file a subject, in the form that `docs/vectors.md` describes. The files
//! are written from the list of attacks (`make vectors`), with keys and signatures of that one time;
//! tests hold that the files name every attack of the list and no other, and that lacre answers each
//! as the file says.

use super::attacks::{self, Subject};
use super::builder::{Forge, NOW, encode};
use super::vectors::Profile;
use lacre::internals::token::TokenError;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What a token must be to stand in a line of text.
const PRINTABLE: std::ops::RangeInclusive<u8> = 0x20..=0x7e;

/// A longer token is written without the character that it ends with again and again, and with how
/// often that stands.
const MAX_WRITTEN: usize = 100_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// Every file, by its subject.
pub(crate) fn files() -> Vec<(PathBuf, Value)> {
    let files = Subject::ALL.map(|subject| {
        let path = folder().join(format!("{}.json", subject.name()));
        let text = std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        (path, serde_json::from_slice(&text).unwrap())
    });
    files.into()
}

/// The bytes of a case's token.
pub(crate) fn token_of(case: &Value) -> Vec<u8> {
    let text = |member: &str| case[member].as_str().unwrap();
    if case.get("token").is_some() {
        let mut token = text("token").to_owned();
        if let Some(times) = case.get("times") {
            let times = usize::try_from(times.as_u64().unwrap()).unwrap();
            token.push_str(&text("then").repeat(times));
        }
        token.into_bytes()
    } else {
        super::builder::decode(text("token_base64url"))
    }
}

fn case(name: &str, threat: Option<u8>, token: &[u8], code: &str) -> Value {
    let mut case = json!({
        "name": name,
        "expect": if code == "accepted" { "accept" } else { "reject" },
    });
    if let Some(threat) = threat {
        case["threat"] = attacks::name_of(threat).into();
        case["code"] = code.into();
    }
    let (text, times) = without_its_end(token);
    if token.len() > MAX_WRITTEN && times > 1 {
        case["token"] = String::from_utf8(text.to_vec()).unwrap().into();
        case["then"] = char::from(token[token.len() - 1]).to_string().into();
        case["times"] = times.into();
    } else if token.iter().all(|byte| PRINTABLE.contains(byte)) {
        case["token"] = String::from_utf8(token.to_vec()).unwrap().into();
    } else {
        case["token_base64url"] = encode(token).into();
    }
    case
}

/// A token without the run of one byte at its end, and how long that is.
fn without_its_end(token: &[u8]) -> (&[u8], usize) {
    let last = token.last();
    let run = token
        .iter()
        .rev()
        .take_while(|byte| Some(*byte) == last)
        .count();
    (&token[..token.len() - run], run)
}

/// The file of a subject as it would be written now.
fn made(subject: Subject) -> Value {
    let forge = Forge::new();
    let mut tests = vec![case(
        "the twin: nothing is wrong",
        None,
        forge.token().as_bytes(),
        "accepted",
    )];
    for attack in attacks::of(subject, &forge) {
        tests.push(case(
            &attack.name,
            Some(attack.threat),
            &attack.token,
            attack.due,
        ));
    }
    let mut file = forge.published();
    file["profile"] = "lacre: ES256 JWT in JWE ECDH-ES+A256KW / A256CBC-HS512".into();
    file["part"] = subject.name().into();
    file["shows"] = subject.shows().into();
    file["now"] = NOW.into();
    file["tests"] = tests.into();
    file
}

#[test]
#[ignore = "writes tests/vectors anew: make vectors"]
fn write_the_vectors() {
    std::fs::create_dir_all(folder()).unwrap();
    for subject in Subject::ALL {
        let mut text = serde_json::to_string_pretty(&made(subject)).unwrap();
        text.push('\n');
        std::fs::write(folder().join(format!("{}.json", subject.name())), text).unwrap();
    }
}

/// What a case says besides its token, which differs from one writing to the next.
fn said(case: &Value) -> [String; 4] {
    ["name", "threat", "expect", "code"].map(|member| case[member].to_string())
}

#[test]
fn the_files_have_every_attack_of_the_list_and_no_other() {
    for ((path, file), subject) in files().into_iter().zip(Subject::ALL) {
        let made = made(subject);
        let of = |file: &Value| {
            file["tests"]
                .as_array()
                .unwrap()
                .iter()
                .map(said)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&file), of(&made), "{}: make vectors", path.display());
        for member in [
            "profile",
            "part",
            "subject",
            "shows",
            "issuer",
            "audience",
            "now",
            "generation",
            "typ",
        ] {
            assert_eq!(file[member], made[member], "{}: {member}", path.display());
        }
    }
}

#[test]
fn every_vector_of_the_files_gets_the_due_answer() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (path, file) in files() {
        let profile = Profile(&file);
        for case in file["tests"].as_array().unwrap() {
            count += 1;
            let verdict = profile.verify(case, &token_of(case));
            let code = verdict.map_or_else(TokenError::code, |()| "accepted");
            let due = case["code"].as_str().unwrap_or("accepted");
            if code != due {
                wrong.push(format!(
                    "{} {}: {code}, due is {due}",
                    path.display(),
                    case["name"]
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count > 900, "only {count} vectors");
    println!("{count} vectors");
}
