//! What is refused, and what the report says of it.

use super::*;

#[test]
fn an_unknown_name_is_an_error_that_names_the_likely_one() {
    for (given, key, suggestion) in [
        (
            Setup::nothing().file("token.acess_ttl = \"5m\""),
            "token.acess_ttl",
            "token.access_ttl",
        ),
        (
            Setup::nothing().file("[tokn]\naudience = \"a\""),
            "tokn.audience",
            "token.audience",
        ),
        (
            Setup::nothing().file("access_ttl = \"5m\""),
            "access_ttl",
            "token.access_ttl",
        ),
        (
            Setup::nothing().env("LACRE_TOKEN_ACCESS_TTL", "5m"),
            "LACRE_TOKEN_ACCESS_TTL",
            "LACRE_TOKEN__ACCESS_TTL",
        ),
        (
            Setup::nothing().env("LACRE_LISTN", "x"),
            "LACRE_LISTN",
            "LACRE_LISTEN",
        ),
        (Setup::nothing().flag("listn", "x"), "listn", "listen"),
    ] {
        let error = given.problem();
        assert_eq!(error.code(), "config_unknown_key");
        let text = error.to_string();
        assert!(text.contains(&format!("unknown key `{key}`")), "{text}");
        assert!(
            text.ends_with(&format!("did you mean `{suggestion}`?")),
            "{text}"
        );
    }
}

#[test]
fn a_name_like_no_other_gets_no_suggestion() {
    let text = Setup::nothing()
        .env("LACRE_XQZW", "1")
        .problem()
        .to_string();
    assert_eq!(text, "environment LACRE_XQZW: unknown key `LACRE_XQZW`");
}

#[test]
fn an_empty_unknown_table_is_an_unknown_key_too() {
    assert_eq!(
        Setup::nothing().file("[tokn]").problem().code(),
        "config_unknown_key"
    );
    Setup::nothing().file("[token]").config();
}

#[test]
fn all_problems_are_reported_at_once() {
    let errors = Setup::nothing()
        .file("tokn = 1\nlimits.body = true")
        .env("LACRE_LISTEN", "nowhere")
        .env("LACRE_KEYSTORE__ENGINE", "paper")
        .flag("refresh.grace", "10")
        .resolve()
        .unwrap_err();
    let codes: Vec<_> = errors.iter().map(ConfigError::code).collect();
    assert_eq!(codes.len(), 5, "{errors}");
    assert_eq!(codes[0], "config_unknown_key");
    assert_eq!(
        codes
            .iter()
            .filter(|code| **code == "config_bad_value")
            .count(),
        4
    );
    assert_eq!(errors.to_string().lines().count(), 5);
}

#[test]
fn a_bad_value_names_key_source_and_what_was_expected() {
    let text = Setup::nothing()
        .env("LACRE_TOKEN__ACCESS_TTL", "15")
        .problem()
        .to_string();
    assert_eq!(
        text,
        "environment LACRE_TOKEN__ACCESS_TTL: token.access_ttl = `15` is no good: expected a \
         duration such as `15m` or `1h30m`, from `1s` to `1d`"
    );
}

#[test]
fn a_value_cannot_forge_a_line_of_the_report() {
    let text = Setup::nothing()
        .flag("listen", "x\nlisten = fine\u{1b}[2J")
        .problem()
        .to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_an_error() {
    let missing = Config::resolve(Sources {
        file: Some("/nonexistent/lacre.toml".into()),
        env: Vec::new().into_iter(),
        flags: Vec::new(),
        dev: false,
    });
    let errors = missing.unwrap_err();
    assert_eq!(
        errors.iter().next().unwrap().code(),
        "config_file_unreadable"
    );

    let error = Setup::nothing()
        .file("signup = \"open\"\nlisten = = 1\n")
        .problem();
    assert_eq!(error.code(), "config_file_invalid");
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_a_bad_value() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut given = Setup::nothing();
    given.env.push((
        "LACRE_DATA_DIR".into(),
        OsString::from_vec(vec![b'a', 0xff]),
    ));
    assert_eq!(given.problem().code(), "config_bad_value");
}
