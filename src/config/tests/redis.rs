//! Stores beyond this machine.

use super::*;

/// Sessions on Redis, of accounts in a database.
fn on_redis() -> Setup {
    Setup::nothing()
        .flag("keystore.engine", "redis")
        .flag("accounts.url", "postgres://h/d")
}

#[test]
fn records_on_redis_need_servers_and_accounts_in_a_database() {
    for url in [
        "redis://a:1",
        "rediss://u:p%40@a",
        "redis+cluster://a:1,b,[::1]:2",
    ] {
        let config = on_redis().flag("keystore.url", url).config();
        assert_eq!(config.redis_url().unwrap().expose(), url);
        assert_eq!(config.shared_url(), "postgres://h/d");
    }
    for (given, why) in [
        (on_redis(), "no default for keystore.url"),
        (
            on_redis().flag("keystore.url", "postgres://h/d"),
            "can't be read",
        ),
        (
            on_redis().flag("keystore.url", "redis://a,b"),
            "can't be read",
        ),
        (
            Setup::nothing()
                .flag("keystore.engine", "redis")
                .flag("keystore.url", "redis://a")
                .flag("accounts.url", "sqlite:a"),
            "is a file of one",
        ),
        (
            on_redis()
                .flag("keystore.url", "redis://u:p@a")
                .flag("keystore.password", "x"),
            "take one of them away",
        ),
        (
            Setup::nothing().flag("keystore.url", "redis://a"),
            "is neither",
        ),
        (
            Setup::nothing()
                .flag("keystore.engine", "postgres")
                .flag("accounts.url", "postgres://h/d")
                .flag("keystore.url", "redis://a"),
            "can't be read",
        ),
        (
            Setup::nothing().flag("keystore.user", "ann"),
            "are for keystore.engine",
        ),
    ] {
        let error = given.problem();
        assert_eq!(error.code(), "config_keystore_unusable", "{error}");
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

#[test]
fn a_user_and_a_password_from_files_are_those_of_the_url_and_shown_nowhere() {
    let files = ["ann", "p@ss:word/7"].map(|word| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{word}\n")).unwrap();
        file
    });
    let config = on_redis()
        .flag("keystore.url", "rediss+cluster://a,b?sslrootcert=/ca.pem")
        .env(
            "LACRE_KEYSTORE__USER_FILE",
            files[0].path().to_str().unwrap(),
        )
        .env(
            "LACRE_KEYSTORE__PASSWORD_FILE",
            files[1].path().to_str().unwrap(),
        )
        .config();
    let url = "rediss+cluster://ann:p%40ss%3aword%2f7@a,b?sslrootcert=/ca.pem";
    assert_eq!(config.redis_url().unwrap().expose(), url);
    assert_eq!(setting(&config, "keystore.password").value, "********");
    assert!(!format!("{config:?}").contains("p@ss"));
    let alone = on_redis()
        .flag("keystore.url", "redis://a")
        .flag("keystore.password", "x")
        .config();
    assert_eq!(alone.redis_url().unwrap().expose(), "redis://:x@a");
}

#[test]
fn stores_that_are_reached_without_tls_are_told() {
    let told = |accounts: &str, url: &str| {
        let given = Setup::nothing().flag("keystore.engine", "redis");
        let given = given.flag("accounts.url", accounts);
        given
            .flag("keystore.url", url)
            .config()
            .stores_without_tls()
    };
    let checked = "postgres://h/d?sslmode=verify-full";
    assert!(told(checked, "rediss://a").is_empty());
    assert!(told("postgres://localhost/d", "redis://127.0.0.1").is_empty());
    for (told, key) in [
        (told("postgres://h/d", "rediss://a"), "accounts.url"),
        (told(checked, "redis+cluster://127.0.0.1,a"), "keystore.url"),
    ] {
        assert!(told.len() == 1 && told[0].starts_with(key), "{told:?}");
    }
}
