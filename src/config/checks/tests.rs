use super::*;
use crate::config::{Config, ConfigErrors, Sources};
use std::ffi::OsString;

fn resolve(flags: &[(&str, &str)], log: Option<&str>) -> Result<Config, ConfigErrors> {
    let env = log.map(|filter| (OsString::from("LACRE_LOG"), OsString::from(filter)));
    Config::resolve(Sources {
        file: None,
        env: env.into_iter(),
        flags: flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        dev: false,
    })
}

fn codes(flags: &[(&str, &str)]) -> Vec<&'static str> {
    match resolve(flags, None) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ConfigError::code).collect(),
    }
}

#[test]
fn two_listeners_need_two_addresses() {
    let both = |listen, management| {
        codes(&[("listen", listen), ("management_listen", management)]) == ["config_same_address"]
    };
    assert!(both("127.0.0.1:80", "127.0.0.1:80"));
    assert!(both("0.0.0.0:80", "127.0.0.1:80"));
    assert!(both("127.0.0.1:80", "0.0.0.0:80"));
    assert!(both("[::]:80", "127.0.0.1:80"));
    assert!(both("[::]:80", "[::1]:80"));
    assert!(!both("127.0.0.1:0", "127.0.0.1:0"));
    assert!(!both("127.0.0.1:80", "127.0.0.1:81"));
    assert!(!both("127.0.0.1:80", "127.0.0.2:80"));
    assert!(!both("127.0.0.1:80", "[::1]:80"));
    assert!(both("unix:/run/a.sock", "unix:/run/a.sock"));
    assert!(!both("unix:/run/a.sock", "unix:/run/b.sock"));
    assert!(!both("unix:/run/a.sock", "127.0.0.1:80"));
    assert!(!both("systemd", "systemd"), "two sockets, by name");
}

#[test]
fn the_address_that_collides_is_shown() {
    let errors = resolve(&[("listen", "127.0.0.1:9090")], None).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "listen = `127.0.0.1:9090` and management_listen = `127.0.0.1:9090` are the same address: \
         give one of them another"
    );
}

#[test]
fn a_token_does_not_outlive_its_session() {
    assert_eq!(
        codes(&[("session.absolute_ttl", "14m59s")]),
        ["config_lifetimes"]
    );
    assert!(codes(&[("session.absolute_ttl", "15m")]).is_empty());
    // A refresh token is cut to what is left of its session.
    assert!(codes(&[("session.absolute_ttl", "1d")]).is_empty());
}

#[test]
fn a_log_filter_means_what_it_says_or_is_refused() {
    for good in [
        "",
        "info",
        "warn,lacre::audit=info",
        "error,lacre::audit=off",
        "trace",
        "lacre=",
        "info/needle",
    ] {
        assert!(resolve(&[], Some(good)).is_ok(), "{good}");
    }
    for bad in [
        "lacre=loud",
        "a=b=c",
        "in fo",
        "info/a/b",
        "warn,lacre=inof",
    ] {
        let errors = resolve(&[], Some(bad)).unwrap_err();
        let codes: Vec<_> = errors.iter().map(ConfigError::code).collect();
        assert_eq!(codes, ["config_bad_log_filter"], "{bad}");
        assert!(errors.to_string().contains(bad), "{errors}");
    }
}

#[test]
fn paths_that_cannot_be_are_refused_and_nothing_is_made() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("file"), "").unwrap();
    for (data_dir, master_key) in [
        (at("file"), at("master.key")),
        (at("file/data"), at("master.key")),
        (at("data"), home.path().to_str().unwrap().to_owned()),
        (at("data"), at("absent/master.key")),
        (at("data"), at("file/master.key")),
    ] {
        let flags = [
            ("data_dir", data_dir.as_str()),
            ("master_key_file", master_key.as_str()),
        ];
        let due = if data_dir.contains("file") {
            "data_dir_unwritable"
        } else {
            "config_path_unusable"
        };
        assert_eq!(codes(&flags), [due], "{flags:?}");
    }
    assert!(codes(&[("data_dir", &at("a/b/c"))]).is_empty());
    assert!(codes(&[("data_dir", &at("data")), ("master_key_file", &at("k"))]).is_empty());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn checks_are_made_though_other_sections_fail() {
    let flags = [("listen", "127.0.0.1:9090"), ("limits.body", "x")];
    assert_eq!(codes(&flags).len(), 2);
}
