//! Each finding from its own cause, and nothing but good ones where all is well.

use super::*;
use crate::config::Sources;
use crate::deployment::{CertificateError, OpenError};
use lacre_keystore::KeystoreError;
use std::time::{Duration, SystemTime};

/// Keys of the configuration and their values.
type Keys = &'static [(&'static str, &'static str)];

/// Nothing at all.
const UNSET: Keys = &[("", "")];

fn config(keys: &[(&str, &str)]) -> Config {
    Config::resolve(Sources {
        file: None,
        env: std::iter::empty(),
        flags: [("keystore.epoch_file", "/epoch-of-a-test")]
            .iter()
            .filter(|_| keys != UNSET)
            .chain(keys.iter().filter(|_| keys != UNSET))
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        dev: false,
    })
    .unwrap()
}

fn whole() -> Examined {
    Examined {
        is_there: true,
        problems: Vec::new(),
        weak: Vec::new(),
        last_written: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)),
        certificate: None,
        epoch: Some(Ok(Some(7))),
        leftovers: Vec::new(),
        last_backup: Some(SystemTime::UNIX_EPOCH + Duration::from_mins(15)),
    }
}

fn machine() -> Machine {
    Machine {
        free_space: Some(100 << 30),
        read_only: false,
        memory: Some(8 << 30),
        max_files: Some(65_536),
        now: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_001)),
    }
}

fn bad(findings: &[Finding]) -> Vec<(Level, &'static str)> {
    let bad = findings
        .iter()
        .filter(|finding| finding.level != Level::Good);
    bad.map(|finding| (finding.level, finding.code)).collect()
}

#[test]
fn where_all_is_well_each_part_is_said_to_be_good() {
    let findings = doctor(&config(&[]), &whole(), &machine());
    assert_eq!(bad(&findings), []);
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(
        codes,
        [
            "deployment",
            "epoch",
            "settings",
            "disk",
            "memory",
            "open_files",
            "clock",
            "backup"
        ]
    );
}

#[test]
fn each_risky_setting_is_found_by_itself() {
    use Level::{Advice, Wrong};
    let cases: [(Keys, (Level, &str)); 10] = [
        (
            &[("trusted_proxies", "0.0.0.0/0")],
            (Wrong, "proxies_everybody"),
        ),
        (
            &[("trusted_proxies", "10.0.0.1,::/0")],
            (Wrong, "proxies_everybody"),
        ),
        (&[("listen", "0.0.0.0:8080")], (Advice, "listen_public")),
        (
            &[("listen", "[2001:db8::1]:8080")],
            (Advice, "listen_public"),
        ),
        (
            &[("listen", "unix:/run/lacre.sock")],
            (Advice, "clients_unknown"),
        ),
        (
            &[("management_listen", "0.0.0.0:9090")],
            (Advice, "management_public"),
        ),
        (
            &[
                ("signup", "open"),
                ("listen", "0.0.0.0:80"),
                ("trusted_proxies", "10.0.0.1"),
            ],
            (Advice, "signup_open"),
        ),
        (
            &[("token.locations", "header,query")],
            (Advice, "token_in_query"),
        ),
        (
            &[("limits.login_per_address", "off")],
            (Advice, "limits_off"),
        ),
        (
            &[("keystore.engine", "memory")],
            (Advice, "keystore_in_memory"),
        ),
    ];
    for (keys, due) in cases {
        let findings = doctor(&config(keys), &whole(), &machine());
        assert_eq!(bad(&findings), [due], "{keys:?}");
    }
    for fine in [
        &[("signup", "open")][..],
        &[
            ("listen", "unix:/run/lacre.sock"),
            ("trusted_proxies", "unix"),
        ],
        &[("listen", "0.0.0.0:80"), ("trusted_proxies", "10.0.0.1")],
    ] {
        let findings = doctor(&config(fine), &whole(), &machine());
        assert_eq!(bad(&findings), [], "{fine:?}");
    }
}

#[test]
fn each_shortage_of_the_machine_is_found_by_itself() {
    use Level::{Advice, Wrong};
    let cases: [(Machine, (Level, &str)); 6] = [
        (
            Machine {
                free_space: Some(10 << 20),
                ..machine()
            },
            (Wrong, "disk_full"),
        ),
        (
            Machine {
                free_space: Some(500 << 20),
                ..machine()
            },
            (Advice, "disk_nearly_full"),
        ),
        (
            Machine {
                read_only: true,
                ..machine()
            },
            (Wrong, "disk_read_only"),
        ),
        (
            Machine {
                memory: Some(300 << 20),
                ..machine()
            },
            (Advice, "memory_short"),
        ),
        (
            Machine {
                max_files: Some(1024),
                ..machine()
            },
            (Advice, "open_files_few"),
        ),
        (
            Machine {
                now: Some(SystemTime::UNIX_EPOCH),
                ..machine()
            },
            (Wrong, "clock_behind"),
        ),
    ];
    for (machine, due) in cases {
        let findings = doctor(&config(&[]), &whole(), &machine);
        assert_eq!(bad(&findings), [due], "{machine:?}");
    }
}

#[test]
fn a_certificate_that_expires_soon_is_told_of() {
    let now = 1_000_000;
    let machine = Machine {
        now: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(now)),
        ..machine()
    };
    let found = |certificate| {
        let examined = Examined {
            certificate: Some(certificate),
            ..whole()
        };
        let findings = doctor(&config(&[]), &examined, &machine);
        findings.into_iter().last().unwrap()
    };
    let in_days = |days: u64| found(Ok(Some(now + days * 86_400)));
    let level_and_code = |found: &Finding| (found.level, found.code);
    assert_eq!(
        level_and_code(&in_days(0)),
        (Level::Wrong, "tls_certificate_expired")
    );
    assert_eq!(
        level_and_code(&in_days(13)),
        (Level::Advice, "tls_certificate_expires")
    );
    assert_eq!(
        level_and_code(&in_days(14)),
        (Level::Good, "tls_certificate")
    );
    let error = CertificateError::NoKey("key".into());
    let code = error.code();
    assert_eq!(level_and_code(&found(Err(error))), (Level::Wrong, code));
}

#[test]
fn a_public_address_with_tls_needs_no_proxy() {
    let tls: Keys = &[
        ("listen", "0.0.0.0:443"),
        ("tls.cert_file", "/etc/lacre/tls.crt"),
        ("tls.key_file", "/etc/lacre/tls.key"),
    ];
    assert_eq!(bad(&doctor(&config(tls), &whole(), &machine())), []);
}

#[test]
fn what_the_machine_does_not_tell_is_not_called_good() {
    let findings = doctor(&config(&[]), &whole(), &Machine::default());
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["deployment", "epoch", "settings"]);
}

#[test]
fn every_reason_against_a_start_is_told() {
    let absent = || OpenError::MasterKeyMissing { path: "key".into() };
    let mut examined = whole();
    examined.problems = vec![absent(), OpenError::NotCopied];
    let findings = doctor(&config(&[]), &examined, &machine());
    assert_eq!(
        bad(&findings),
        [
            (Level::Wrong, absent().code()),
            (Level::Wrong, OpenError::NotCopied.code()),
        ]
    );
    let nothing = doctor(&config(&[]), &Examined::default(), &machine());
    assert_eq!(bad(&nothing), [(Level::Wrong, "deployment_missing")]);
}

#[test]
fn the_real_machine_tells_of_itself() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let machine = Machine::ask(&config(&[("data_dir", "/nowhere/at/all")]), now);
    assert!(machine.memory.unwrap() > 64 << 20, "{machine:?}");
    assert!(machine.free_space.is_some() && machine.max_files.is_some());
    assert_eq!(machine.now, Some(now));
}

#[test]
fn each_name_between_clients_and_services_that_leads_nowhere_is_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let services =
        "[service.wiki]\nclients = [\"shop\", \"client_0123456789abcdef\"]\n[service.blog]\n";
    std::fs::write(file.path(), services).unwrap();
    let config = Config::resolve(Sources {
        file: Some(file.path().to_owned()),
        env: std::iter::empty(),
        flags: Vec::new(),
        dev: false,
    })
    .unwrap();
    let client = |id: &str, name: &str, own_users: bool, services: &[&str]| Client {
        id: id.to_owned(),
        name: name.to_owned(),
        created_at: 0,
        own_users,
        services: services.iter().map(|&name| name.to_owned()).collect(),
    };
    let found = |clients: &[Client]| examine_clients(&config, clients);
    let shop = client("client_0123456789abcdef", "shop", true, &["wiki"]);
    let good = found(std::slice::from_ref(&shop));
    assert_eq!(bad(&good), []);
    assert_eq!(good[0].code, "clients");
    let desk = client("client_1", "desk", false, &["blog", "Blog", "wikis"]);
    let findings = found(&[shop, desk]);
    let due = (Level::Advice, "client_service_unknown");
    assert_eq!(bad(&findings), [due]);
    for said in ["client_1 (desk)", "`Blog`, `wikis`"] {
        assert!(findings[0].text.contains(said), "{findings:?}");
    }
    // One that speaks for accounts lets nobody in, and neither does a name that looks like an id.
    let accounts = client("client_2", "shop", false, &[]);
    let named = client("client_3", "client_0123456789abcdef", true, &[]);
    let findings = found(&[accounts, named]);
    assert_eq!(bad(&findings), [(Level::Advice, "service_client_unknown")]);
    let said = "service.wiki.clients has `shop`, `client_0123456789abcdef`";
    assert!(findings[0].text.contains(said), "{findings:?}");
}

#[test]
fn whether_a_directory_of_before_would_be_noticed_is_said() {
    let found = |keys: Keys, epoch| {
        let examined = Examined { epoch, ..whole() };
        bad(&doctor(&config(keys), &examined, &machine()))
    };
    assert_eq!(found(UNSET, None), [(Level::Advice, "epoch_unset")]);
    assert_eq!(
        found(&[], Some(Ok(None))),
        [(Level::Advice, "epoch_missing")]
    );
    let foreign = KeystoreError::EpochForeign { place: "x".into() };
    assert_eq!(
        found(&[], Some(Err(foreign))),
        [(Level::Wrong, "epoch_foreign")]
    );
    let memory: Keys = &[("keystore.engine", "memory")];
    assert_eq!(found(memory, None), [(Level::Advice, "keystore_in_memory")]);
}

#[test]
fn the_last_backup_and_what_a_kill_left_of_keys_are_named() {
    let found = |examined: Examined, now| {
        let machine = Machine {
            now: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(now)),
            ..machine()
        };
        bad(&doctor(&config(&[]), &examined, &machine))
    };
    let none = Examined {
        last_backup: None,
        ..whole()
    };
    assert_eq!(found(none, 1_001), [(Level::Advice, "backup_none")]);
    assert_eq!(found(whole(), 900 + 7 * 86_400), []);
    assert_eq!(
        found(whole(), 901 + 7 * 86_400),
        [(Level::Advice, "backup_old")]
    );
    let left = Examined {
        leftovers: vec!["/etc/lacre/.lacre-new-x".into()],
        ..whole()
    };
    assert_eq!(found(left, 1_001), [(Level::Advice, "key_file_left")]);
}
