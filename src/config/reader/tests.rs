//! Repeated sections, tried with two that only this file has.

use super::*;
use crate::config::key::{Row, key};
use crate::config::kind::{Text, Url, Whole};
use crate::config::schema::{Schema, Section, Shape, single};
use crate::config::sources::{Sources, gather};
use std::ffi::OsString;

static NAME: Key<Text> = key(
    "name",
    Text,
    DefaultValue::Value(|| "unnamed".to_owned()),
    "A name.",
);
static ISSUER_ID: Key<Text> = key("issuer.id", Text, DefaultValue::Described("none"), "An id.");
static ISSUER_WEIGHT: Key<Whole> = key(
    "issuer.weight",
    Whole { from: 1, to: 9 },
    DefaultValue::Value(|| 5),
    "A weight.",
);
static SERVICE_URL: Key<Url> = Key {
    name: "service.url",
    kind: Url {
        schemes: &["http://"],
    },
    default: DefaultValue::Described("none"),
    doc: "An address with a password.",
    secret: true,
};

static TRIAL: &Schema = &[
    single("", &[&NAME as &dyn Row]),
    Section {
        name: "issuer",
        shape: Shape::Array,
        keys: &[&ISSUER_ID, &ISSUER_WEIGHT],
    },
    Section {
        name: "service",
        shape: Shape::Named,
        keys: &[&SERVICE_URL],
    },
];

/// What the trial sections hold, their settings, and what is wrong.
type Read = (
    Result<Vec<(String, u32)>, Noted>,
    Result<Vec<(String, String)>, Noted>,
    Vec<Setting>,
    Vec<String>,
);

fn read_with(toml: &str, env: &[(&str, &str)]) -> Read {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), toml).unwrap();
    let mut errors = Vec::new();
    let env = env
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let sources = Sources {
        file: Some(file.path().to_owned()),
        env,
        flags: Vec::new(),
        dev: false,
    };
    let values = gather(TRIAL, sources, &mut errors);
    let mut reader = Reader::new(values, errors, false);
    let issuers = reader.entries("issuer", |reader, _| {
        let id = reader.value(&ISSUER_ID);
        let weight = reader.value(&ISSUER_WEIGHT);
        Ok((id?, weight?))
    });
    let services = reader.entries("service", |reader, name| {
        let url = reader.value(&SERVICE_URL)?;
        Ok((name.to_owned(), url.expose().to_owned()))
    });
    let (settings, errors) = reader.finish();
    let errors = errors.iter().map(ConfigError::to_string).collect();
    (issuers, services, settings, errors)
}

fn read(toml: &str) -> Read {
    read_with(toml, &[])
}

#[test]
fn tables_of_an_array_are_read_in_their_order() {
    let (issuers, _, settings, errors) =
        read("[[issuer]]\nid = \"a\"\n[[issuer]]\nid = \"b\"\nweight = 7\n");
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(issuers.unwrap(), [("a".to_owned(), 5), ("b".to_owned(), 7)]);
    let keys: Vec<_> = settings
        .iter()
        .map(|setting| setting.key.as_str())
        .collect();
    let expected = [
        "issuer[0].id",
        "issuer[0].weight",
        "issuer[1].id",
        "issuer[1].weight",
    ];
    assert_eq!(keys, expected);
    assert_eq!(settings[1].source, Source::Default);
    assert!(matches!(settings[3].source, Source::File(_)));
}

#[test]
fn named_tables_are_read_with_their_names_and_mask_their_secrets() {
    let (_, services, settings, errors) =
        read("[service.web]\nurl = \"http://u:hunter2@web\"\n[service.0]\nurl = \"http://x\"\n");
    assert!(errors.is_empty(), "{errors:?}");
    let mut services = services.unwrap();
    services.sort();
    assert_eq!(services[0], ("0".to_owned(), "http://x".to_owned()));
    assert_eq!(services[1].0, "web");
    assert!(
        settings
            .iter()
            .any(|setting| setting.key == "service.web.url")
    );
    assert!(settings.iter().all(|setting| setting.value == MASK));
}

#[test]
fn a_secret_of_an_entry_may_come_from_a_file() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "http://u:p@web\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let (_, services, _, errors) = read(&format!("[service.web]\nurl_file = {path:?}\n"));
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(services.unwrap()[0].1, "http://u:p@web");
}

#[test]
fn no_entries_are_no_error() {
    let (issuers, services, settings, errors) = read("");
    assert_eq!((issuers, services), (Ok(Vec::new()), Ok(Vec::new())));
    assert!(settings.is_empty() && errors.is_empty());
}

#[test]
fn every_entry_says_what_is_wrong_with_it() {
    let (issuers, services, _, errors) = read(
        "[[issuer]]\nweight = 0\n[[issuer]]\nid = \"b\"\nwieght = 1\n\
         [service.web]\nurl = \"ftp://u:hunter2@web\"\n",
    );
    assert_eq!((issuers, services), (Err(Noted), Err(Noted)));
    let all = errors.join("\n");
    for part in [
        "issuer[0].id is not set",
        "issuer[0].weight = `0`",
        "`issuer[1].wieght`, did you mean `issuer.weight`?",
        "service.web.url is no good",
    ] {
        assert!(all.contains(part), "no {part}: {all}");
    }
    assert_eq!(errors.len(), 4, "{all}");
    assert!(!all.contains("hunter2"));
}

#[test]
fn a_repeated_section_of_another_shape_is_refused() {
    for toml in [
        "[issuer]\nid = \"a\"",
        "issuer = 1",
        "issuer = [1]",
        "service = []",
        "service.web = 1",
        "[service.\"a b\"]\nurl = \"http://x\"",
    ] {
        let (.., errors) = read(toml);
        assert_eq!(errors.len(), 1, "{toml}: {errors:?}");
        assert!(errors[0].contains("tables, each written"), "{errors:?}");
    }
}

#[test]
fn the_environment_does_not_reach_repeated_sections() {
    for name in ["LACRE_ISSUER__ID", "LACRE_SERVICE__WEB__URL"] {
        let (.., errors) = read_with("", &[(name, "x")]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("unknown key"), "{errors:?}");
    }
}
