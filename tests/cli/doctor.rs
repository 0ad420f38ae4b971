//! `lacre doctor` on whole, running and damaged deployments: what it says, and that it changes nothing.

use super::{Ran, add_user, lacre, run_with};
use crate::support::server::Setup;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The findings that aren't good, by code.
fn bad(ran: &Ran) -> BTreeMap<String, String> {
    let findings = ran.json();
    let found = findings.as_array().unwrap().iter();
    let bad = found.filter(|finding| finding["level"] != "good");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    bad.map(|finding| (text(&finding["code"]), text(&finding["text"])))
        .collect()
}

fn codes(ran: &Ran) -> Vec<String> {
    // Of the machine that the test runs on.
    let machine = [
        "disk_nearly_full",
        "memory_short",
        "open_files_few",
        // Of no concern here, but where it is.
        "backup_none",
    ];
    let mut codes: Vec<_> = bad(ran).into_keys().collect();
    codes.retain(|code| !machine.contains(&code.as_str()));
    codes
}

fn made() -> Setup {
    let setup = Setup::new();
    let epoch = setup.home().join("epoch").display().to_string();
    let setup = setup.env("LACRE_KEYSTORE__EPOCH_FILE", &epoch);
    add_user(&setup, "ada@example.com");
    setup
}

/// Every file with its bytes, mode and time.
fn whole(path: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, i64)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            all.extend(whole(&entry.path()));
        } else if about.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            all.insert(entry.path(), (bytes, about.mode(), about.mtime_nsec()));
        }
    }
    all
}

#[test]
fn a_whole_deployment_is_good_and_stays_as_it_is() {
    let setup = made();
    let before = whole(setup.data());
    let stopped = lacre(&setup, "doctor --json").ok();
    assert_eq!(codes(&stopped), ["server_stopped"], "{stopped:?}");
    assert_eq!(whole(setup.data()), before, "it only looks");
    let text = lacre(&setup, "doctor").ok().stdout;
    assert!(text.contains("good    deployment: "), "{text}");
    assert!(text.contains("advice  server_stopped: "), "{text}");
}

#[test]
fn a_running_server_is_asked() {
    let setup = made();
    let server = setup.start();
    // The server was given its addresses by flags; the doctor is told by the environment.
    let setup = setup.env("LACRE_MANAGEMENT_LISTEN", &server.management.to_string());
    let ran = lacre(&setup, "doctor --json").ok();
    assert_eq!(codes(&ran), Vec::<String>::new(), "{ran:?}");
    drop(server);
    assert_eq!(
        codes(&lacre(&setup, "doctor --json").ok()),
        ["server_stopped"]
    );
}

#[test]
fn a_client_that_is_bound_to_no_service_is_told() {
    let setup = made().gateway("[service.wiki]\nclients = [\"shop\"]");
    let server = setup.start();
    let management = server.management.to_string();
    let doctor = || {
        let mut asked = server.setup().lacre(["doctor", "--json"]);
        run_with(asked.env("LACRE_MANAGEMENT_LISTEN", &management), b"")
    };
    server.operator(&["clients", "add", "desk", "--service", "wiki"]);
    server.operator(&["clients", "add", "shop", "--own-users"]);
    assert_eq!(codes(&doctor().ok()), Vec::<String>::new());
    server.operator(&[
        "clients",
        "add",
        "till",
        "--service",
        "wiki",
        "--service",
        "wikki",
    ]);
    let ran = doctor().ok();
    assert_eq!(codes(&ran), ["client_service_unknown"], "{ran:?}");
    let text = &bad(&ran)["client_service_unknown"];
    assert!(text.contains("(till) was made for `wikki`"), "{text}");
}

#[test]
fn a_server_that_is_not_where_the_configuration_says_is_told() {
    let setup = made();
    let _server = setup.start();
    let setup = setup.env("LACRE_MANAGEMENT_LISTEN", "127.0.0.1:1");
    let ran = lacre(&setup, "doctor --json");
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert_eq!(codes(&ran), ["server_not_ready"], "{ran:?}");
    assert!(
        bad(&ran)["server_not_ready"].contains("`lacre health URL`"),
        "{ran:?}"
    );
}

#[test]
fn what_keeps_a_server_from_starting_is_told_all_at_once() {
    let setup = made();
    let data = setup.data();
    fs::set_permissions(data.join("accounts.sqlite"), Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(data.join("master.key"), Permissions::from_mode(0o644)).unwrap();
    let ran = lacre(&setup, "doctor --json");
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert_eq!(
        codes(&ran),
        ["data_dir_exposed", "secret_exposed", "server_stopped"]
    );
    assert!(bad(&ran)["secret_exposed"].contains("chmod 600"), "{ran:?}");
    for code in ["data_dir_exposed", "secret_exposed"] {
        // Each is what a start would have said, one after the other.
        let refused = lacre(&setup, "users list");
        assert!(refused.stderr.contains(code), "{refused:?}");
        let name = if code == "secret_exposed" {
            "master.key"
        } else {
            "accounts.sqlite"
        };
        fs::set_permissions(data.join(name), Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(
        codes(&lacre(&setup, "doctor --json").ok()),
        ["server_stopped"]
    );
}

#[test]
fn a_lost_file_is_told_by_its_own_code() {
    for (lost, code) in [
        ("master.key", "master_key_missing"),
        ("keyring", "keyring_missing"),
        ("accounts.sqlite", "accounts_missing"),
    ] {
        let setup = made();
        fs::remove_file(setup.data().join(lost)).unwrap();
        let ran = lacre(&setup, "doctor --json");
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert_eq!(codes(&ran), [code, "server_stopped"], "{lost}");
        let refused = lacre(&setup, "users list");
        assert!(
            refused.stderr.contains(code),
            "a start says the same: {refused:?}"
        );
    }
}

#[test]
fn a_wrong_master_key_does_not_fit() {
    let (setup, other) = (made(), made());
    fs::copy(
        other.data().join("master.key"),
        setup.data().join("master.key"),
    )
    .unwrap();
    let ran = lacre(&setup, "doctor --json");
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let refused = lacre(&setup, "users list");
    let code = codes(&ran)
        .into_iter()
        .find(|code| code != "server_stopped")
        .unwrap();
    assert!(refused.stderr.contains(&code), "{code}: {refused:?}");
}

#[test]
fn a_clock_that_is_behind_is_told() {
    let setup = made();
    let version = fs::File::open(setup.data().join("version")).unwrap();
    let ahead = std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
    version.set_modified(ahead).unwrap();
    let ran = lacre(&setup, "doctor --json");
    assert_eq!(codes(&ran), ["clock_behind", "server_stopped"], "{ran:?}");
}

#[test]
fn a_clock_that_a_start_refuses_is_told_by_its_code() {
    let setup = made();
    let mark = setup.data().join("clock");
    fs::write(&mark, "4000000000\n").unwrap();
    let ran = lacre(&setup, "doctor --json");
    assert_eq!(
        codes(&ran),
        ["clock_far_behind", "server_stopped"],
        "{ran:?}"
    );
    lacre(&setup, "users list").failed(78, "clock_far_behind");
    assert_eq!(fs::read(&mark).unwrap(), b"4000000000\n");
}

#[test]
fn where_there_is_nothing_it_makes_nothing() {
    let setup = Setup::new();
    let ran = lacre(&setup, "doctor --json");
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert_eq!(codes(&ran), ["deployment_missing", "server_stopped"]);
    assert!(!setup.data().exists());
    let setup = setup.env("LACRE_LISTEN", "nowhere");
    let invalid = lacre(&setup, "doctor --json");
    assert_eq!(
        (invalid.status, invalid.stdout.as_str()),
        (Some(78), ""),
        "{invalid:?}"
    );
}

#[test]
fn the_last_backup_is_known_and_half_a_key_file_is_named() {
    let setup = made();
    assert!(bad(&lacre(&setup, "doctor --json").ok()).contains_key("backup_none"));
    lacre(&setup, "keystore export sessions").ok();
    assert!(bad(&lacre(&setup, "doctor --json").ok()).contains_key("backup_none"));
    lacre(&setup, "backup b").ok();
    let text = lacre(&setup, "doctor").ok().stdout;
    assert!(
        text.contains("good    backup: the last backup was taken 0 hours ago"),
        "{text}"
    );
    // Where the master keys lie elsewhere.
    let keys = setup.home().join("keys");
    fs::create_dir(&keys).unwrap();
    fs::rename(setup.data().join("master.key"), keys.join("m")).unwrap();
    let setup = setup.env("LACRE_MASTER_KEY_FILE", keys.join("m").to_str().unwrap());
    fs::write(keys.join(".lacre-new-abc"), "1:").unwrap();
    let found = bad(&lacre(&setup, "doctor --json").ok());
    assert!(
        found["key_file_left"].contains(".lacre-new-abc"),
        "{found:?}"
    );
}
