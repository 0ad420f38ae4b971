//! Any text as a configuration file and as an environment, parted by a line `---`: it is resolved
//! to values inside their limits or refused, and a password in it is shown in neither case.

use lacre::internals::config::{Config, Sources};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::{LazyLock, Mutex};
use tempfile::NamedTempFile;

const SECRET: &str = "Krakatoa-muffin-1883";

static FILE: LazyLock<Mutex<NamedTempFile>> = LazyLock::new(|| {
    let in_memory = NamedTempFile::new_in("/dev/shm");
    Mutex::new(in_memory.or_else(|_| NamedTempFile::new()).unwrap())
});

pub(crate) fn check(input: &[u8]) -> bool {
    // A secret's file is the operator's choice: reading `/dev/zero` isn't what is asked here.
    let names_a_file = input.windows(5).any(|w| w.eq_ignore_ascii_case(b"_file"));
    if names_a_file && input.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        return false;
    }
    let mark = b"\n---\n";
    let (file, environment) = match input.windows(mark.len()).position(|w| w == mark) {
        Some(at) => (&input[..at], &input[at + mark.len()..]),
        None => (input, &[][..]),
    };
    let own = (
        OsString::from("LACRE_ACCOUNTS__URL"),
        OsString::from(format!("postgres://lacre:{SECRET}@db.test/lacre")),
    );
    let variables = environment.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let [name, value] = [&line[..at], &line[at + 1..]].map(<[u8]>::to_vec);
        Some((OsString::from_vec(name), OsString::from_vec(value)))
    });
    let place = FILE.lock().unwrap();
    std::fs::write(place.path(), file).unwrap();
    let resolved = Config::resolve(Sources {
        file: Some(place.path().to_owned()),
        env: std::iter::once(own).chain(variables),
        flags: Vec::new(),
        dev: false,
    });
    drop(place);
    match resolved {
        Ok(config) => {
            let mut names = BTreeSet::new();
            for setting in config.settings() {
                assert!(names.insert(setting.key.as_str()));
                assert!(!format!("{setting:?}").contains(SECRET));
            }
            assert!(!format!("{config:?}").contains(SECRET));
            assert!((1..=86_400).contains(&config.token.access_ttl.as_secs()));
            assert!(config.token.leeway.as_secs() <= 300);
            assert!((1..=8192).contains(&config.limits.token));
            assert!((1..=16 << 20).contains(&config.limits.body));
            assert!(!config.token.locations.is_empty() && !config.token.audience.is_empty());
            assert!(config.hashing.threads > 0 && config.server.workers > 0);
            assert!((1..=10_000).contains(&config.session.max_per_user));
            true
        }
        Err(errors) => {
            assert!(errors.iter().all(|error| !error.code().is_empty()));
            assert!(!format!("{errors} {errors:?}").contains(SECRET));
            false
        }
    }
}
