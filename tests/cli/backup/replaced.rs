//! Restores that are cut off, full disks, and directories that are replaced.

use super::*;

/// With a little room, where the accounts find the disk full; with none, where the first file does.
#[test]
fn a_restore_on_a_disk_that_is_full_says_so_and_goes_on_with_room() {
    let setup = Setup::new();
    let place = setup.home().join("disk");
    let Some(disk) = Disk::mount(&place) else {
        return cannot_run_here(
            "no tmpfs can be mounted",
            "run as root, outside of a container",
        );
    };
    add_user(&setup, "ada@example.com");
    backup(&setup);
    let key = master_key(&setup);
    let there = setup.clone().data_dir(place.join("data"));
    let again = |setup: &Setup| restore(setup, &format!("--key-file {key}"));
    for room in [0, 64, 160] {
        disk.fill();
        let ballast = std::fs::OpenOptions::new().write(true).open(disk.ballast());
        let (ballast, size) = (ballast.unwrap(), disk.ballast().metadata().unwrap().len());
        ballast.set_len(size - room * 1024).unwrap();
        let refused = again(&there);
        assert!(
            matches!(refused.status, Some(69 | 78)),
            "{room}: {refused:?}"
        );
        let said = refused.stderr.to_lowercase();
        assert!(
            said.contains("is full") || said.contains("no space"),
            "{room}: {said}"
        );
    }
    std::fs::remove_file(disk.ballast()).unwrap();
    again(&there).ok();
    let server = there.start();
    log_in(&server, "ada@example.com");
}

#[test]
fn a_directory_with_something_in_it_is_replaced_only_when_said_and_kept_aside() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    backup(&setup);
    let there = elsewhere(&setup);
    add_user(&there, "bob@example.com");
    let with_key = format!("--key-file {}", master_key(&setup));
    let before = lacre(&there, "users list --json").ok().json();
    restore(&there, &with_key).failed(1, "restore_not_empty");
    assert_eq!(lacre(&there, "users list --json").ok().json(), before);
    let told = restore(&there, &format!("{with_key} --replace --json"))
        .ok()
        .json();
    let aside = PathBuf::from(told["aside"].as_str().unwrap());
    for name in ["keyring", "keystore", "master.key"] {
        assert!(aside.join(name).exists(), "{name}");
    }
    let users = lacre(&there, "users list --json").ok().json();
    assert_eq!(users[0]["email"], "ada@example.com");
    assert_eq!(users.as_array().unwrap().len(), 1);
}

#[test]
fn a_restore_that_is_killed_is_undone_or_run_again() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    drop(server);
    backup(&setup);
    let key = master_key(&setup);
    let (mut refused, mut done) = (0, 0);
    for round in 0..12 {
        let there = setup
            .clone()
            .data_dir(file(&setup, &format!("there{round}")));
        let mut restoring = there.lacre(["restore", "b", "--keep-sessions", "--key-file", &key]);
        let mut child = restoring.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let looked = lacre(&there, "keystore list --json");
        match looked.status {
            Some(0) if super::super::handles(&looked.json()) == [token.crt.as_str()] => {
                done += 1;
                continue;
            }
            Some(0) => panic!("a deployment that nobody asked for: {looked:?}"),
            _ if looked.stderr.contains("(restore_unfinished)") => refused += 1,
            _ => assert!(looked.stderr.contains("(deployment_missing)"), "{looked:?}"),
        }
        let again = format!("--keep-sessions --json --key-file {key}");
        let told = restore(&there, &again).ok().json();
        assert_eq!(sessions(&told), (1, 1, 0));
        lacre(&there, "users show ada@example.com").ok();
    }
    eprintln!("refused after {refused}, done in {done} of 12");
}

#[test]
fn an_unfinished_restore_keeps_a_server_from_starting() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    backup(&setup);
    secret(&setup, "data/restoring", "");
    setup.start_refused().with(78, "restore_unfinished");
    lacre(&setup, "users list").failed(78, "restore_unfinished");
    restore(&setup, "").ok();
    lacre(&setup, "users list").ok();
}

#[test]
fn a_full_disk_leaves_the_backup_of_before() {
    let setup = Setup::new();
    add_user(&setup, "ada@example.com");
    let path = backup(&setup);
    let before = std::fs::read(&path).unwrap();
    let full = setup
        .clone()
        .through(&["sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
    for number in 0..8 {
        add_user(&setup, &format!("u{number}@example.com"));
    }
    let server = setup.start();
    let ran = lacre(&full, "backup b --force");
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("(backup_unwritable)"), "{ran:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(setup.home()).unwrap().count(), 2);
    drop(server);
}
