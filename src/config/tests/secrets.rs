//! Secrets, in the file and in files of their own.

use super::*;

#[test]
fn a_secret_is_shown_nowhere() {
    let url = "postgres://lacre:hunter2@db/lacre";
    let config = Setup::nothing().env("LACRE_ACCOUNTS__URL", url).config();
    assert_eq!(config.accounts.url.expose(), url);
    assert_eq!(setting(&config, "accounts.url").value, "********");
    assert!(!format!("{config:?}").contains("hunter2"));
    for given in [
        Setup::nothing().env("LACRE_ACCOUNTS__URL", "mysql://lacre:hunter2@db"),
        Setup::nothing().file("accounts.url = \"postgres://lacre:hunter2@db\" oops"),
        Setup::nothing().file("accounts.url = [\"hunter2\"]"),
    ] {
        let errors = given.resolve().unwrap_err();
        assert!(
            !format!("{errors} {errors:?}").contains("hunter2"),
            "{errors}"
        );
    }
}

#[test]
fn a_secret_may_come_from_a_file_of_its_own() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "postgres://lacre:hunter2@db/lacre\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let config = Setup::nothing()
        .env("LACRE_ACCOUNTS__URL_FILE", path)
        .config();
    assert_eq!(
        config.accounts.url.expose(),
        "postgres://lacre:hunter2@db/lacre"
    );
    assert_eq!(
        source_of(&config, "accounts.url"),
        &Source::Environment("LACRE_ACCOUNTS__URL_FILE".to_owned())
    );
    // A higher source wins, whichever way it spells the key.
    let given = Setup::nothing().file(&format!("accounts.url_file = {path:?}"));
    assert_eq!(
        given.config().accounts.url.expose(),
        "postgres://lacre:hunter2@db/lacre"
    );
    assert_eq!(
        given
            .flag("accounts.url", "sqlite:x")
            .config()
            .accounts
            .url
            .expose(),
        "sqlite:x"
    );
}

#[test]
fn a_missing_secret_file_and_a_key_set_twice_are_errors() {
    let gone = Setup::nothing().env("LACRE_ACCOUNTS__URL_FILE", "/nonexistent/url");
    assert_eq!(gone.problem().code(), "config_file_unreadable");
    let twice = Setup::nothing().file("accounts.url = \"sqlite:a\"\naccounts.url_file = \"b\"");
    assert_eq!(twice.problem().code(), "config_set_twice");
    let twice = Setup::nothing()
        .flag("signup", "open")
        .flag("signup", "closed");
    assert_eq!(twice.problem().code(), "config_set_twice");
    let empty = Setup::nothing().env("LACRE_ACCOUNTS__URL_FILE", "");
    assert_eq!(empty.problem().code(), "config_bad_value");
}
