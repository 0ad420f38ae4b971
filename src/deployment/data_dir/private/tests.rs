use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::{DataDir, MasterKeyFile, read_secret, write_secret};
use super::*;
use crate::lacre::testing::skipped::cannot_run_here;

const NOBODY: u32 = 65_534;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A directory of the user who runs the tests that has been worked in, with all its files.
fn worked_in() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    drop(DataDir::open(dir.path()).unwrap());
    fs::create_dir(dir.path().join("keystore")).unwrap();
    for name in NAMES.iter().chain(&["keystore/db", "keystore/lock"]) {
        let path = dir.path().join(name);
        if !path.exists() {
            fs::write(&path, "").unwrap();
        }
        mode(&path, 0o600);
    }
    dir
}

fn code(path: &Path) -> &'static str {
    DataDir::open(path).map_or_else(|error| error.code(), |_| "opened")
}

#[test]
fn a_directory_that_others_can_write_to_is_refused_with_the_cure() {
    let dir = worked_in();
    for (open_to, expected) in [(0o777, "data_dir_exposed"), (0o1777, "data_dir_exposed")] {
        mode(dir.path(), open_to);
        assert_eq!(code(dir.path()), expected);
        let cure = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(cure.contains("chmod go-w"), "{cure}");
    }
    for private in [0o700, 0o750, 0o755] {
        mode(dir.path(), private);
        assert_eq!(code(dir.path()), "opened", "{private:o}");
    }
}

#[test]
fn a_file_that_others_can_write_to_is_refused() {
    for name in NAMES
        .iter()
        .chain(&["keystore", "keystore/db", "keystore/lock"])
    {
        let dir = worked_in();
        mode(&dir.path().join(name), 0o666);
        assert_eq!(code(dir.path()), "data_dir_exposed", "{name}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let database = elsewhere.path().join("db");
    check_database(&database).unwrap();
    fs::write(elsewhere.path().join("db-wal"), "").unwrap();
    mode(&elsewhere.path().join("db-wal"), 0o666);
    assert_eq!(
        check_database(&database).unwrap_err().code(),
        "data_dir_exposed"
    );
}

#[test]
fn no_link_in_the_directory_is_followed_and_its_target_stays() {
    for name in NAMES.iter().chain(&["keystore/db", "keystore/lock"]) {
        let dir = worked_in();
        let target = tempfile::NamedTempFile::new().unwrap();
        fs::write(target.path(), "precious").unwrap();
        let path = dir.path().join(name);
        fs::remove_file(&path).unwrap();
        symlink(target.path(), &path).unwrap();
        assert_eq!(code(dir.path()), "data_dir_link", "{name}");
        assert_eq!(fs::read(target.path()).unwrap(), b"precious", "{name}");
        assert!(DataDir::share(dir.path()).is_err() || *name != "lock");
    }
    let dir = worked_in();
    fs::remove_file(dir.path().join("lock")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(dir.path().join("lock"))
        .status();
    assert!(made.unwrap().success());
    assert_eq!(code(dir.path()), "data_dir_link");
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    if !is_root() {
        return cannot_run_here("only root can give files away", "run as root");
    }
    for name in NAMES
        .iter()
        .chain(&["keystore", "keystore/db", "keystore/lock"])
    {
        let dir = worked_in();
        chown(dir.path().join(name), Some(NOBODY), None).unwrap();
        assert_eq!(code(dir.path()), "data_dir_foreign", "{name}");
    }
    let dir = worked_in();
    let key = dir.path().join("master.key");
    let keys = MasterKeyFile::generate(&mut StdRng::seed_from_u64(1));
    write_secret(&key, &keys.to_bytes()).unwrap();
    chown(&key, Some(NOBODY), None).unwrap();
    assert_eq!(read_secret(&key).unwrap_err().code(), "data_dir_foreign");
    // Root works in the directory of the service's user.
    chown(dir.path(), Some(NOBODY), None).unwrap();
    read_secret(&key).unwrap();
    assert_eq!(code(dir.path()), "opened");
}

#[test]
fn a_mounted_key_is_taken_through_its_links() {
    if !is_root() {
        return cannot_run_here("only root can make root's files", "run as root");
    }
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("..2026"), dir.path().join("master.key"));
    fs::create_dir(&real).unwrap();
    fs::write(real.join("master.key"), "key").unwrap();
    symlink("..2026", dir.path().join("..data")).unwrap();
    symlink("..data/master.key", &link).unwrap();
    for taken in [0o400, 0o440, 0o600] {
        mode(&real.join("master.key"), taken);
        assert_eq!(**read_secret(&link).unwrap().unwrap(), *b"key", "{taken:o}");
    }
    for refused in [0o444, 0o640, 0o644, 0o460] {
        mode(&real.join("master.key"), refused);
        assert_eq!(read_secret(&link).unwrap_err().code(), "secret_exposed");
    }
    mode(&real.join("master.key"), 0o400);
    std::os::unix::fs::lchown(&link, Some(NOBODY), None).unwrap();
    assert!(read_secret(&link).is_err(), "a link of another user");
}
