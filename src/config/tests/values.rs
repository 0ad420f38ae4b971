//! Values of every kind, from every source.

use super::*;

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
