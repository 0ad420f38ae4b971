//! Where values come from, and which wins.

use super::*;

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
