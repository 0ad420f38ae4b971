use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::key::{Row, variable};
use super::*;
use crate::accounts::HashingSettings;
use crate::service::Rate;
use crate::sessions::rules::{Location, Rules};

/// The keys of the sections that occur once, which every source sets.
fn keys() -> impl Iterator<Item = &'static dyn Row> {
    let once = SCHEMA
        .iter()
        .filter(|section| section.shape == schema::Shape::Single);
    once.flat_map(|section| section.keys).copied()
}

type Env = std::vec::IntoIter<(OsString, OsString)>;

/// A configuration being put together; `resolve` sees nothing of this process.
#[derive(Default)]
struct Setup {
    file: Option<tempfile::NamedTempFile>,
    env: Vec<(OsString, OsString)>,
    flags: Vec<(String, String)>,
    dev: bool,
}

impl Setup {
    fn nothing() -> Self {
        Self::default()
    }

    fn file(mut self, toml: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), toml).unwrap();
        self.file = Some(file);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    fn dev(mut self) -> Self {
        self.dev = true;
        self
    }

    fn resolve(&self) -> Result<Config, ConfigErrors> {
        let env: Env = self.env.clone().into_iter();
        Config::resolve(Sources {
            file: self.file.as_ref().map(|file| file.path().to_owned()),
            env,
            flags: self.flags.clone(),
            dev: self.dev,
        })
    }

    fn config(&self) -> Config {
        self.resolve().unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The only problem there is.
    fn problem(&self) -> ConfigError {
        let errors = self.resolve().unwrap_err();
        assert_eq!(errors.iter().count(), 1, "{errors}");
        errors.iter().next().unwrap().clone()
    }
}

/// The values alone, without where they came from.
fn values(config: &Config) -> String {
    let mut config = config.clone();
    config.settings.clear();
    format!("{config:?} {}", config.accounts.url.expose())
}

fn source_of<'c>(config: &'c Config, key: &str) -> &'c Source {
    &setting(config, key).source
}

fn setting<'c>(config: &'c Config, key: &str) -> &'c Setting {
    let found = config.settings().iter().find(|setting| setting.key == key);
    found.unwrap_or_else(|| panic!("no setting {key}"))
}

#[test]
fn nothing_given_means_the_documented_defaults() {
    let config = Setup::nothing().config();
    let cores = std::thread::available_parallelism().unwrap().get();
    let days = |days: u64| Duration::from_hours(days * 24);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.management_listen, "127.0.0.1:9090".parse().unwrap());
    assert_eq!(config.data_dir, Path::new("./data"));
    assert_eq!(config.master_key_file, Path::new("./data/master.key"));
    assert_eq!(config.signup, Signup::Closed);
    assert_eq!(config.trusted_proxies, []);
    assert_eq!(config.keystore.engine, Engine::Sled);
    assert_eq!(config.keystore.cache_bytes, 64 << 20);
    assert_eq!(
        config.accounts.url.expose(),
        "sqlite:./data/accounts.sqlite"
    );
    assert_eq!(config.token.issuer, None);
    assert_eq!(config.token.audience, "lacre");
    assert_eq!(config.token.access_ttl, Duration::from_mins(15));
    assert_eq!(config.token.access_ttl_jitter, 0);
    assert_eq!(config.token.leeway, Duration::ZERO);
    assert_eq!(config.token.locations, [Location::Header]);
    assert_eq!(config.session.refresh_ttl, days(30));
    assert_eq!(config.session.absolute_ttl, days(90));
    assert_eq!(config.session.max_per_user, 100);
    assert_eq!(config.refresh.grace, Duration::from_secs(10));
    assert_eq!(config.limits.body, 65_536);
    assert_eq!(config.limits.token, 8_192);
    assert_eq!(config.limits.header, 32_768);
    let minutely = |count| {
        let period = Duration::from_mins(1);
        Some(Rate { count, period })
    };
    assert_eq!(config.limits.login_per_address, minutely(60));
    assert_eq!(config.limits.login_per_account, minutely(10));
    assert_eq!(config.limits.signup_per_address, minutely(120));
    assert_eq!(config.hashing.threads, cores);
    assert_eq!(config.hashing.queue, 64);
    assert_eq!(config.server.workers, cores);
    assert_eq!(config.server.drain, Duration::from_secs(10));
    assert_eq!(config.server.max_connections, 10_000);
    assert_eq!(config.server.keep_alive, Duration::from_mins(1));
    assert_eq!(config.server.head_timeout, Duration::from_secs(5));
    assert_eq!(config.server.body_timeout, Duration::from_secs(10));
    assert_eq!(config.server.disconnect_timeout, Duration::from_secs(1));
    assert_eq!(config.token.content_key_memory, 256 << 20);
    assert_eq!(config.hashing.memory_kib, 19_456);
    assert_eq!((config.hashing.iterations, config.hashing.lanes), (2, 1));
    for setting in config.settings() {
        assert_eq!(setting.source, Source::Default, "{}", setting.key);
    }
}

#[test]
fn embedders_get_the_same_defaults() {
    let config = Setup::nothing().config();
    let hashing = HashingSettings::default();
    assert_eq!(
        (hashing.memory_kib, hashing.iterations, hashing.lanes),
        (
            config.hashing.memory_kib,
            config.hashing.iterations,
            config.hashing.lanes
        )
    );
    assert_eq!(hashing.threads, config.hashing.threads);
    assert_eq!(hashing.queue, config.hashing.queue);
    let rules = Rules::new("i", "a");
    let (token, session) = (&config.token, &config.session);
    assert_eq!(rules.access_ttl, token.access_ttl.as_secs());
    assert_eq!(rules.access_ttl_jitter, token.access_ttl_jitter);
    assert_eq!(rules.leeway, token.leeway.as_secs());
    assert_eq!(rules.locations, token.locations);
    assert_eq!(rules.refresh_ttl, session.refresh_ttl.as_secs());
    assert_eq!(rules.absolute_ttl, session.absolute_ttl.as_secs());
    assert_eq!(rules.max_per_user, session.max_per_user as usize);
    assert_eq!(rules.refresh_grace, config.refresh.grace.as_secs());
    assert_eq!(rules.max_token_length, config.limits.token);
}

#[test]
fn every_key_is_listed_once_and_in_order() {
    let config = Setup::nothing().config();
    let listed: Vec<_> = config
        .settings()
        .iter()
        .map(|setting| setting.key.as_str())
        .collect();
    let keys: Vec<_> = keys().map(Row::name).collect();
    assert_eq!(listed, keys);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let given = Setup::nothing().file("token.audience = \"file\"");
    assert_eq!(given.config().token.audience, "file");
    let path = given.file.as_ref().unwrap().path().to_owned();
    assert_eq!(
        source_of(&given.config(), "token.audience"),
        &Source::File(path)
    );

    let given = given.env("LACRE_TOKEN__AUDIENCE", "env");
    let config = given.config();
    assert_eq!(config.token.audience, "env");
    assert_eq!(
        source_of(&config, "token.audience").to_string(),
        "environment LACRE_TOKEN__AUDIENCE"
    );

    let config = given.flag("token.audience", "flag").config();
    assert_eq!(config.token.audience, "flag");
    assert_eq!(
        source_of(&config, "token.audience").to_string(),
        "flag --token-audience"
    );
}

#[test]
fn defaults_follow_the_data_directory() {
    let config = Setup::nothing().flag("data_dir", "/srv/100%?").config();
    assert_eq!(config.master_key_file, Path::new("/srv/100%?/master.key"));
    assert_eq!(
        config.accounts.url.expose(),
        "sqlite:/srv/100%25%3F/accounts.sqlite"
    );
    let config = Setup::nothing()
        .flag("data_dir", "/srv")
        .env("LACRE_MASTER_KEY_FILE", "/tmp/k")
        .config();
    assert_eq!(config.master_key_file, Path::new("/tmp/k"));
}

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
fn variables_that_are_no_keys_are_passed_over() {
    let mut given = Setup::nothing()
        .env("PATH", "/bin")
        .env("lacre_listen", "x");
    for name in [
        "CONFIG",
        "LOG",
        "VECTORS",
        "BLESS",
        "TEST_POSTGRES",
        "BENCH_SECONDS",
    ] {
        given = given.env(&format!("LACRE_{name}"), "anything");
    }
    given.config();
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

#[test]
fn lists_are_arrays_in_the_file_and_words_with_commas_elsewhere() {
    let networks = ["10.0.0.0/8", "::1", "unix"].map(|word| word.parse().unwrap());
    let file = Setup::nothing()
        .file("trusted_proxies = [\"10.0.0.0/8\", \"::1\", \"unix\"]")
        .config();
    let flag = Setup::nothing()
        .flag("trusted_proxies", "10.0.0.0/8, ::1, unix")
        .config();
    assert_eq!(file.trusted_proxies, networks);
    assert_eq!(flag.trusted_proxies, networks);
    for config in [file, flag] {
        assert_eq!(
            setting(&config, "trusted_proxies").value,
            "[\"10.0.0.0/8\", \"::1\", \"unix\"]"
        );
    }
    for bad in [
        "trusted_proxies = [1]",
        "token.locations = []",
        "token.locations = [\"header\", \"header\"]",
    ] {
        assert_eq!(
            Setup::nothing().file(bad).problem().code(),
            "config_bad_value",
            "{bad}"
        );
    }
}

#[test]
fn numbers_of_the_file_are_taken_where_numbers_are_due_only() {
    let config = Setup::nothing()
        .file("limits.body = 4096\nhashing.queue = 1")
        .config();
    assert_eq!((config.limits.body, config.hashing.queue), (4096, 1));
    for bad in [
        "token.access_ttl = 900",
        "token.audience = 5",
        "limits.body = -1",
        "limits.body = 4096.0",
    ] {
        assert_eq!(
            Setup::nothing().file(bad).problem().code(),
            "config_bad_value",
            "{bad}"
        );
    }
}

#[test]
fn limits_hold_at_both_ends() {
    for (key, good, bad) in [
        ("token.access_ttl", ["1s", "1d"], ["0s", "24h1s"]),
        ("token.access_ttl_jitter", ["0", "50"], ["51", "-1"]),
        ("token.leeway", ["0s", "5m"], ["1h", "301s"]),
        ("limits.token", ["1KiB", "8KiB"], ["1023", "8193"]),
        ("session.max_per_user", ["1", "10000"], ["0", "10001"]),
        ("server.workers", ["1", "cores"], ["0", "513"]),
        ("hashing.threads", ["1", "1024"], ["0", "1025"]),
        ("hashing.queue", ["1", "10000"], ["0", "10001"]),
        ("hashing.iterations", ["2", "100"], ["1", "101"]),
        (
            "hashing.memory_kib",
            ["19456", "1048576"],
            ["19455", "1048577"],
        ),
        (
            "listen",
            ["[::1]:0", "localhost:80"],
            ["localhost", "localhost:+80"],
        ),
        (
            "accounts.url",
            ["sqlite:a", "postgres://h/d"],
            ["sqlite:", "mysql://h/d"],
        ),
    ] {
        for value in good {
            Setup::nothing().flag(key, value).config();
        }
        for value in bad {
            let error = Setup::nothing().flag(key, value).problem();
            assert_eq!(error.code(), "config_bad_value", "{key} = {value}");
        }
    }
}

#[test]
fn dev_opens_sign_up_and_takes_loopback_addresses_only() {
    let config = Setup::nothing().dev().config();
    assert_eq!(config.signup, Signup::Open);
    assert_eq!(source_of(&config, "signup"), &Source::Dev);
    assert_eq!(
        Setup::nothing()
            .dev()
            .flag("signup", "closed")
            .config()
            .signup,
        Signup::Closed
    );

    Setup::nothing().dev().flag("listen", "[::1]:0").config();
    for key in ["listen", "management_listen"] {
        let given = Setup::nothing().flag(key, "0.0.0.0:8081");
        given.config();
        let error = given.dev().problem();
        assert_eq!(error.code(), "config_dev_not_loopback");
        assert!(error.to_string().starts_with(key), "{error}");
    }
}

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

#[test]
fn the_documentation_lists_every_key_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = reference();
    for key in schema::keys(SCHEMA) {
        let name = key.name();
        assert!(page.contains(&format!("### `{name}`")), "{name}");
        assert!(key.doc().ends_with('.'), "{name}: a full sentence");
    }
    #[allow(clippy::disallowed_methods)] // this room is the reader of the environment
    if std::env::var_os("LACRE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written, page,
        "docs/configuration.md is stale: run with LACRE_BLESS=1"
    );
}

fn any_key() -> impl Strategy<Value = usize> {
    0..keys().count()
}

fn key_and_text() -> impl Strategy<Value = (usize, String)> {
    any_key().prop_flat_map(|i| {
        keys()
            .nth(i)
            .unwrap()
            .samples()
            .prop_map(move |text| (i, text))
    })
}

/// What is refused though each value is good.
const CROSS_CHECKS: [&str; 7] = [
    "config_gateway_public",
    "config_keystore_unusable",
    "data_dir_unwritable",
    "config_same_address",
    "config_lifetimes",
    "config_path_unusable",
    "config_tls_incomplete",
];

proptest! {
    #[test]
    fn every_key_means_the_same_from_each_source((i, text) in key_and_text()) {
        let key = keys().nth(i).unwrap();
        let name = key.name();
        let toml = if key.is_list() {
            let words: Vec<_> = text.split(',').filter(|word| !word.is_empty()).collect();
            format!("{name} = {words:?}")
        } else {
            format!("{name} = {text:?}")
        };
        let file = Setup::nothing().file(&toml).resolve();
        let env = Setup::nothing().env(&variable(name), &text).resolve();
        let flag = Setup::nothing().flag(name, &text).resolve();
        let (Ok(file), Ok(env), Ok(flag)) = (&file, &env, &flag) else {
            // Alone it is good; with the defaults of the others it may be refused.
            let errors = [file, env, flag].map(|resolved| resolved.unwrap_err());
            for error in errors.iter().flatten() {
                prop_assert!(CROSS_CHECKS.contains(&error.code()), "{error}");
            }
            return Ok(());
        };
        prop_assert_eq!(values(file), values(env));
        prop_assert_eq!(values(file), values(flag));
        for config in [file, env, flag] {
            let setting = setting(config, name);
            prop_assert!(setting.source != Source::Default);
            prop_assert_eq!(&setting.value, &super::tests::setting(file, name).value);
            prop_assert_eq!(setting.value == "********", key.is_secret());
        }
    }

    #[test]
    fn no_file_makes_the_reader_panic(text in any::<String>(), name in "[a-z._]{1,20}") {
        let _ = Setup::nothing().file(&text).resolve();
        let _ = Setup::nothing().file(&format!("{name} = {text}")).resolve();
    }

    #[test]
    fn no_value_makes_the_reader_panic(
        i in any_key(),
        text in prop_oneof![any::<String>(), "[0-9a-zA-Z:,/.]{0,30}"],
    ) {
        let name = keys().nth(i).unwrap().name();
        let given = Setup::nothing().flag(name, &text);
        let _ = given.env(&variable(name), &text).resolve();
    }

    #[test]
    fn no_variable_makes_the_reader_panic(name in "LACRE_\\PC{0,20}", text in any::<String>()) {
        let _ = Setup::nothing().env(&name, &text).resolve();
    }
}

#[test]
fn what_kubernetes_injects_is_skipped_and_slips_are_not() {
    let injected = [
        ("LACRE_PORT", "tcp://10.96.0.7:8080"),
        ("LACRE_SERVICE_HOST", "10.96.0.7"),
        ("LACRE_SERVICE_PORT", "8080"),
        ("LACRE_SERVICE_PORT_HTTP", "8080"),
        ("LACRE_PORT_8080_TCP", "tcp://[fd00::7]:8080"),
        ("LACRE_PORT_8080_TCP_PROTO", "tcp"),
        ("LACRE_PORT_8080_TCP_PORT", "8080"),
        ("LACRE_PORT_8080_TCP_ADDR", "fd00::7"),
        ("LACRE_ADMIN_SERVICE_HOST", "10.96.0.8"),
        ("LACRE_ADMIN_PORT", "udp://10.96.0.8:53"),
    ];
    let mut setup = Setup::nothing();
    for (name, value) in injected {
        setup = setup.env(name, value);
    }
    setup.resolve().unwrap();
    for (name, value) in [
        ("LACRE_PORT", "8080"),
        ("LACRE_PORT", "http://10.96.0.7:8080"),
        ("LACRE_SERVICE_HOST", "localhost"),
        ("LACRE_SERVICE_PORT", "http"),
        ("LACRE_PORT_8080_TCP_ADDR", "8080"),
        ("LACRE_PORT_8080_TCP_MORE", "8080"),
        ("LACRE_LISTENN", "127.0.0.1:8080"),
    ] {
        let errors = Setup::nothing().env(name, value).resolve().unwrap_err();
        let first = errors.iter().next().unwrap().code();
        assert_eq!(first, "config_unknown_key", "{name}={value}");
    }
}

const ISSUER: &str = "[[issuer]]\nname = \"corp\"\nissuer = \"https://corp.example/\"\naudience = \"lacre\"\n\
     algorithms = [\"RS256\"]\n";

fn with_issuer(lines: &str) -> Setup {
    Setup::nothing().file(&format!("{ISSUER}{lines}\n"))
}

#[test]
fn an_issuer_is_read_with_its_defaults_and_shown() {
    let config = with_issuer("jwks_url = \"https://corp.example/jwks\"").config();
    let [issuer] = config.issuers.as_slice() else {
        panic!("{:?}", config.issuers);
    };
    assert_eq!((&*issuer.name, &*issuer.subject_claim), ("corp", "sub"));
    assert!(!issuer.make_accounts && issuer.roles_claim.is_none());
    assert_eq!(issuer.algorithms, [crate::federation::Algorithm::Rs256]);
    let url = setting(&config, "issuer[0].jwks_url");
    assert_eq!(url.value, "https://corp.example/jwks");
    assert_eq!(setting(&config, "issuer[0].accept").value, "exchange");
    let shown = config.settings().iter();
    let shown = shown.filter(|setting| setting.key.starts_with("issuer[0]."));
    assert_eq!(shown.count(), 12);
    assert!(Setup::nothing().config().issuers.is_empty());
}

#[test]
fn an_issuer_that_could_not_be_believed_is_refused_by_name() {
    let set = "jwks_file = \"keys\"\n";
    let twice = format!("{set}{ISSUER}{set}");
    let other = "[[issuer]]\nname = \"other\"\nissuer = \"https://corp.example/\"\n\
        audience = \"lacre\"\nalgorithms = [\"RS256\"]\npem_file = \"keys\"";
    let other = format!("{set}{other}");
    for (lines, code, part) in [
        ("", "config_issuer_unusable", "issuer[0]: give one of"),
        (
            "jwks_file = \"a\"\npem_file = \"b\"",
            "config_issuer_unusable",
            "only one",
        ),
        (
            "jwks_url = \"http://corp.example/\"",
            "config_issuer_unusable",
            "none of https",
        ),
        (
            "jwks_url = \"https://10.0.0.1/\"",
            "config_issuer_unusable",
            "inside the network",
        ),
        (
            "jwks_url = \"http://127.0.0.1/\"",
            "config_issuer_unusable",
            "inside the network",
        ),
        (
            "jwks_url = \"file:///keys\"",
            "config_bad_value",
            "issuer[0].jwks_url",
        ),
        (
            twice.as_str(),
            "config_issuer_unusable",
            "issuer[1]: an issuer before it has the same name",
        ),
        (
            other.as_str(),
            "config_issuer_unusable",
            "issuer[1]: an issuer before it has the same issuer",
        ),
        (
            "jwks_file = \"k\"\nmake_accounts = \"yes\"",
            "config_bad_value",
            "`true` or `false`",
        ),
        (
            "jwks_file = \"k\"\naccept = \"direct\"\nmake_accounts = true",
            "config_issuer_unusable",
            "leave make_accounts out",
        ),
        (
            "jwks_file = \"k\"\naccept = \"directly\"",
            "config_bad_value",
            "`exchange` or `direct`",
        ),
        (
            "jwks_file = \"k\"\njwks_uri = \"x\"",
            "config_unknown_key",
            "did you mean `issuer.jwks_url`",
        ),
        (
            "jwks_file = \"k\"\nroles_claim = 1",
            "config_bad_value",
            "issuer[0].roles_claim",
        ),
    ] {
        let error = with_issuer(lines).problem();
        assert_eq!(error.code(), code, "{lines}: {error}");
        assert!(error.to_string().contains(part), "{lines}: {error}");
    }
    let own = with_issuer(set).env("LACRE_TOKEN__ISSUER", "https://corp.example/");
    assert!(own.problem().to_string().contains("this deployment's own"));
    for algorithms in [
        "[]",
        "[\"none\"]",
        "[\"HS256\"]",
        "[\"rs256\"]",
        "[\"RS256\", \"RS256\"]",
    ] {
        let text = ISSUER.replace("[\"RS256\"]", algorithms);
        let error = Setup::nothing().file(&format!("{text}{set}")).problem();
        assert_eq!(error.code(), "config_bad_value", "{algorithms}");
    }
    for name in ["", "Corp", "-corp", "corp-", "a.b", "a b"] {
        let text = ISSUER.replace("\"corp\"", &format!("{name:?}"));
        let error = Setup::nothing().file(&format!("{text}{set}")).problem();
        assert_eq!(error.code(), "config_bad_value", "{name}");
    }
}

#[test]
fn what_makes_an_issuer_believable_has_no_default() {
    let errors = Setup::nothing().file("[[issuer]]\n").resolve().unwrap_err();
    let all = errors.to_string();
    for key in ["name", "issuer", "audience", "algorithms"] {
        assert!(
            all.contains(&format!("issuer[0].{key} is not set")),
            "{all}"
        );
    }
    assert!(all.contains("give one of jwks_url"), "{all}");
}

#[test]
fn an_issuer_inside_the_network_is_taken_where_it_is_named() {
    let url = "jwks_url = \"http://127.0.0.1:8000/jwks\"\nnetworks = [\"127.0.0.1\"]\nmake_accounts = true";
    let config = with_issuer(url).config();
    assert!(config.issuers[0].make_accounts);
}

mod services;
